#include "common/options.h"

#include <stdio.h>
#include <string.h>

#include "common/terminal.h"

enum {
    MOST_OPTIONS = 64,  /* a table's names, for the nearest */
    LONGEST_LABEL = 64, /* "  -o, --output FILE" */
    LABEL_GAP = 2       /* blanks between the longest label and the help */
};

struct scan {
    int argc;
    char **argv;
    int next; /* the argument to look at */
    const struct option_entry *options;
    struct error *error;
};

static const struct option_entry *find_name(const struct option_entry *options, const char *name,
                                            size_t length) {
    for (; options->name != NULL; options++)
        if (strlen(options->name) == length && strncmp(options->name, name, length) == 0)
            return options;
    return NULL;
}

static const struct option_entry *find_letter(const struct option_entry *options, char letter) {
    for (; options->name != NULL; options++)
        if (options->letter != '\0' && options->letter == letter)
            return options;
    return NULL;
}

static bool is_guess(const struct option_entry *option) {
    return option->value == NULL && option->flag == NULL;
}

static bool unknown_option(const struct scan *scan, const char *argument, const struct option_entry *guess) {
    const char *names[MOST_OPTIONS + 1] = {NULL}, *nearest;
    const char *word = argument + strspn(argument, "-");
    char copy[LONGEST_LABEL];
    size_t count = 0;

    error_set(scan->error, "unknown option \"%.80s\"", argument);
    if (guess != NULL)
        return error_hint(scan->error, "%s", guess->help);
    for (const struct option_entry *option = scan->options; option->name != NULL && count < MOST_OPTIONS;
         option++)
        if (!is_guess(option))
            names[count++] = option->name;
    snprintf(copy, sizeof copy, "%.*s", (int)strcspn(word, "="), word);
    nearest = error_nearest(copy, names);
    if (nearest == NULL)
        return error_hint(scan->error, "--help lists the options");
    return error_hint(scan->error, "did you mean --%s?", nearest);
}

/* Whether `argument` is itself an option, so that it was hardly meant as another's value. */
static bool is_option(const struct scan *scan, const char *argument) {
    return strncmp(argument, "--", 2) == 0 &&
           find_name(scan->options, argument + 2, strcspn(argument + 2, "=")) != NULL;
}

/* What is shown in quotes is a list. */
static bool given_twice(const struct scan *scan, const struct option_entry *option) {
    error_set(scan->error, "--%s is given twice", option->name);
    return option->argument[0] == '"'
               ? error_hint(scan->error, "one takes all: --%s %s", option->name, option->argument)
               : false;
}

/* Takes `option`, whose value is `attached` or, when that is NULL, the next argument. */
static bool take_option(struct scan *scan, const struct option_entry *option, const char *attached) {
    if (option->argument == NULL) {
        if (attached != NULL)
            return error_set(scan->error, "--%s takes no argument", option->name);
        *option->flag = true;
        return true;
    }
    if (attached == NULL && scan->next < scan->argc && !is_option(scan, scan->argv[scan->next]))
        attached = scan->argv[scan->next++];
    if (attached == NULL)
        return error_set(scan->error, "--%s needs an argument: --%s %s", option->name, option->name,
                         option->argument);
    if (attached[0] == '\0')
        return error_set(scan->error, "the argument of --%s is empty", option->name);
    if (*option->value != NULL)
        return given_twice(scan, option);
    *option->value = attached;
    return true;
}

static bool take_long(struct scan *scan, const char *argument) {
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    const struct option_entry *option = find_name(scan->options, name, length);

    if (option == NULL || is_guess(option))
        return unknown_option(scan, argument, option);
    return take_option(scan, option, name[length] == '=' ? name + length + 1 : NULL);
}

static bool take_short(struct scan *scan, const char *argument) {
    const struct option_entry *option = find_letter(scan->options, argument[1]);

    if (option == NULL || (option->argument == NULL && argument[2] != '\0'))
        return unknown_option(scan, argument, NULL);
    return take_option(scan, option, argument[2] == '\0' ? NULL : argument + 2);
}

bool options_parse(int argc, char **argv, const struct option_entry *options, const char **operands,
                   size_t operand_max, size_t *operand_count, struct error *error) {
    struct scan scan = {.argc = argc, .argv = argv, .next = 1, .options = options, .error = error};
    bool only_operands = false;

    *operand_count = 0;
    while (scan.next < argc) {
        const char *argument = argv[scan.next++];

        if (only_operands || argument[0] != '-' || argument[1] == '\0') {
            if (*operand_count == operand_max) {
                error_set(error, "unexpected argument \"%.80s\"", argument);
                /* A dash of a text processor's, of two or three bytes. */
                return error_hint(error, strncmp(argument, "\xe2\x80", 2) == 0
                                             ? "an option begins with two plain hyphens, \"--\""
                                             : "--help says how it is called");
            }
            operands[(*operand_count)++] = argument;
        } else if (strcmp(argument, "--") == 0) {
            only_operands = true;
        } else if (argument[1] == '-' ? !take_long(&scan, argument) : !take_short(&scan, argument)) {
            return false;
        }
    }
    return true;
}

static size_t format_label(const struct option_entry *option, char *label, size_t size) {
    int length;

    if (option->letter != '\0')
        length = snprintf(label, size, "  -%c, --%s", option->letter, option->name);
    else
        length = snprintf(label, size, "      --%s", option->name);
    if (option->argument != NULL)
        length += snprintf(label + length, size - (size_t)length, " %s", option->argument);
    return (size_t)length;
}

void options_help(const struct option_entry *options, FILE *stream) {
    char label[LONGEST_LABEL];
    size_t widest = 0;

    for (const struct option_entry *option = options; option->name != NULL; option++) {
        size_t width = is_guess(option) ? 0 : format_label(option, label, sizeof label);

        widest = width > widest ? width : widest;
    }
    for (const struct option_entry *option = options; option->name != NULL; option++) {
        if (is_guess(option))
            continue;
        format_label(option, label, sizeof label);
        fprintf(stream, "%-*s", (int)(widest + LABEL_GAP), label);
        terminal_print_wrapped(option->help, widest + LABEL_GAP, stream);
    }
}
