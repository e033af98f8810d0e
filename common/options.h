/* Command-line options by tables, in the manner of getopt_long: "--name value", "--name=value", "-o value",
 * "--". Unknown options are errors that name the nearest known one. */
#ifndef CLUSTERPLAN_OPTIONS_H
#define CLUSTERPLAN_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/error.h"

struct option_entry {
    const char *name;     /* "devices"; NULL ends the table */
    char letter;          /* 'o'; 0: none */
    const char *argument; /* "N" as the help shows it; NULL: a flag */
    const char *help;     /* may hold newlines */
    const char **value;   /* of an option with an argument: NULL before, set to it; given twice is an error */
    bool *flag;           /* of a flag: set true */
    /* Both NULL: a likely guess that is no option. `help` is what to write in its place, a hint. */
};

/* Options may stand before and after operands. Operands are gathered into `operands` (room for `operand_max`;
 * one more is an error naming it); an option's empty argument is an error. False with the error set. */
bool options_parse(int argc, char **argv, const struct option_entry *options, const char **operands,
                   size_t operand_max, size_t *operand_count, struct error *error);

/* The table, without guesses, as aligned help text, as wide as common/terminal.h says. */
void options_help(const struct option_entry *options, FILE *stream);

#endif
