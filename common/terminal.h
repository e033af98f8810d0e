/* Columns of text for people, and paragraphs that fit them. Files and pipes are as wide as a wide terminal,
 * so that what they hold doesn't depend on the window it was made in. */
#ifndef CLUSTERPLAN_TERMINAL_H
#define CLUSTERPLAN_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    TERMINAL_MOST_COLUMNS = 100, /* longer lines are hard to read */
    TERMINAL_FEWEST_COLUMNS = 40
};

/* What the environment's COLUMNS says, else the terminal that `stream` goes to; between the two limits. */
size_t terminal_columns(FILE *stream);

/* Whether `stream` goes to a terminal that takes escape sequences: TERM says so. */
bool terminal_takes_escapes(FILE *stream);

/* Shows `text` in place of the line that the cursor of such a terminal stands in: as many of its words as
 * leave it one line. "" takes it away again, and so does a signal that ends the program. */
void terminal_show_status(const char *text, FILE *stream);

/* Takes a status away from a signal handler, before its last words. */
void terminal_clear_status(void);

/* Bytes of the UTF-8 character or the escape sequence that `text`, which isn't empty, begins with. `columns`:
 * that it takes, 0 of an escape sequence or a mark that joins the character before it, 2 of a wide one such
 * as the ideographs of East Asia. */
size_t terminal_character(const char *text, size_t *columns);

/* Columns that UTF-8 text takes. */
size_t terminal_text_columns(const char *text);

/* Bytes of `text`, up to its line end, that fit into `width` columns: whole words if at all possible. */
size_t terminal_fitting_bytes(const char *text, size_t width);

/* Prints `text` and a line end, from column `indent`, where the cursor stands. Further lines start there too.
 * Words stay whole where they fit, and a number beside its unit; a line end in the text is kept. */
void terminal_print_wrapped(const char *text, size_t indent, FILE *stream);

#endif
