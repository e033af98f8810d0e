/* What went wrong, and where.
 *
 * The function that finds an error describes it here and returns false; its callers pass that on;
 * only a program's main prints it. Plain data: the caller owns it, nothing is allocated. */
#ifndef CLUSTERPLAN_ERROR_H
#define CLUSTERPLAN_ERROR_H

#include <stdbool.h>
#include <stdio.h>

struct error {
    char file[512];        /* as the user named it; empty when no file is to blame */
    unsigned line, column; /* from 1; 0 when unknown */
    char what[1024];       /* one sentence, no full stop, no newline */
    char hint[512];        /* what to do about it, such as the nearest known key; may be empty */
    char source_line[512]; /* the line to blame, or a piece of a long one; may be empty */
    unsigned source_first; /* column before its first character; 0 but of a piece */
};

/* Describes an error without a place. Always returns false, so that callers can return it. */
bool error_set(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds advice to an error already described. Always returns false. */
bool error_hint(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes the line to blame, of `length` bytes, into an error whose column is set: of a line that there is no
 * room for, such as JSON without line ends, a piece around the column. */
void error_set_source(struct error *error, const char *line, size_t length);

/* "file:line:column: error: what", then the line with a caret under the column, then the hint. Control
 * characters in what the user gave are shown as '?', so neither a binary file nor a mark that turns the
 * direction of text can garble a terminal. */
void error_print(const struct error *error, FILE *stream);

/* The same, but without a place `what` is broken into lines that fit the terminal. */
void error_print_wrapped(const struct error *error, FILE *stream);

/* Bytes of the character that `text` begins with, where it is shown as it is: UTF-8, and no control character
 * or mark of direction; else 0. */
size_t error_shown_bytes(const char *text);

/* Whether all of `text` is shown as it is. */
bool error_shows(const char *text);

/* The candidate that was meant by `word`: one that differs by a slip; else the only one with a word more or
 * less ("memory", "host_memory"); else the nearest by edit distance (insert, delete, replace, swap of
 * neighbours) of which no more than a third of the letters differ; else NULL. `candidates` ends with NULL. */
const char *error_nearest(const char *word, const char *const *candidates);

#endif
