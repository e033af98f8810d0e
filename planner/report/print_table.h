/* Text for people: aligned tables and bars.
 *
 * Colour and UTF-8 only where they are welcome; the same text without them otherwise. */
#ifndef CLUSTERPLAN_PRINT_TABLE_H
#define CLUSTERPLAN_PRINT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/arena.h"

struct print_style {
    bool colour;
    bool unicode;
};

/* Colour: on a terminal that isn't "dumb", unless NO_COLOR is set (no-color.org). UTF-8: where the locale
 * says so. */
struct print_style print_style_of(FILE *stream);

enum print_colour { PLAIN, BOLD, DIM, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN };

/* The escape sequence that turns a colour on (PLAIN: all off); "" without colour. */
const char *print_colour(const struct print_style *style, enum print_colour colour);

struct print_column {
    const char *title; /* NULL in all columns: no line of titles */
    bool right;        /* numbers; else text */
};

struct print_table;

/* `columns` is copied, but not the titles. The last column, if it is text, wraps at the columns there are
 * (common/terminal.h). */
struct print_table *print_table_create(struct arena *arena, const struct print_column *columns, size_t count);

/* A row of `count` cells; copied. NULL is an empty cell. */
void print_table_add(struct print_table *table, const char *const *cells);

/* Every line starts with `indent` spaces; none ends with one. A column of nothing is left out. */
void print_table_print(const struct print_table *table, const struct print_style *style, size_t indent,
                       FILE *stream);

/* A bar of `width` columns that is filled in `colour` from `from` to `to` (shares of it, 0..1), built in the
 * arena. Whatever is more than nothing shows. */
const char *print_bar(const struct print_style *style, enum print_colour colour, double from, double to,
                      size_t width, struct arena *arena);

/* A line in bold, behind an empty one. */
void print_heading(const char *title, const struct print_style *style, FILE *stream);

/* A paragraph wrapped at the columns there are: the first line after `lead`, the others indented as far. */
void print_paragraph(const char *lead, const char *text, FILE *stream);

#endif
