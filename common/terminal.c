#include "common/terminal.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FEWEST_WRAPPED = 20 }; /* columns of a paragraph, however deep it is indented */

/* 0: nobody says. */
static long asked_columns(FILE *stream) {
    const char *variable = getenv("COLUMNS");
    struct winsize window;
    long columns = variable ? strtol(variable, NULL, 10) : 0;
    if (columns > 0)
        return columns;
    bool is_terminal = isatty(fileno(stream)) && ioctl(fileno(stream), TIOCGWINSZ, &window) == 0;
    return is_terminal ? window.ws_col : 0;
}

size_t terminal_columns(FILE *stream) {
    long columns = asked_columns(stream);
    if (columns <= 0 || columns > TERMINAL_MOST_COLUMNS)
        return TERMINAL_MOST_COLUMNS;
    return columns < TERMINAL_FEWEST_COLUMNS ? TERMINAL_FEWEST_COLUMNS : (size_t)columns;
}

size_t terminal_text_columns(const char *text) {
    size_t columns = 0;
    for (const char *c = text; *c; c++) {
        if (*c == '\x1b') {
            c += strcspn(c, "m");
            if (!*c)
                break;
        } else if ((*c & '\xc0') != '\x80') { /* not a UTF-8 byte that continues a character */
            columns++;
        }
    }
    return columns;
}

/* A number and its unit stay on one line: whether the blank at `space` is between the two. */
static bool is_before_unit(const char *text, size_t space) {
    enum { LONGEST_UNIT = 3 }; /* "GWh" */
    size_t length = strcspn(text + space + 1, " ,;:()\n");
    return space > 0 && isdigit((unsigned char)text[space - 1]) && length <= LONGEST_UNIT &&
           !isdigit((unsigned char)text[space + 1]);
}

/* Bytes of `text` that fit into `width` columns, whole words if at all possible, of one line. */
static size_t fitting_bytes(const char *text, size_t width) {
    size_t columns = 0, last_space = 0, i = 0;
    for (; text[i] && text[i] != '\n'; i++) {
        if (text[i] == '\x1b') {
            i += strcspn(text + i, "m");
            if (!text[i])
                break;
            continue;
        }
        if ((text[i] & '\xc0') == '\x80')
            continue;
        if (text[i] == ' ' && !is_before_unit(text, i))
            last_space = i;
        if (columns == width)
            return last_space == 0 ? i : last_space;
        columns++;
    }
    return i;
}

void terminal_print_wrapped(const char *text, size_t indent, FILE *stream) {
    size_t columns = terminal_columns(stream);
    size_t width = indent + FEWEST_WRAPPED < columns ? columns - indent : FEWEST_WRAPPED;
    for (;;) {
        size_t bytes = fitting_bytes(text, width), shown = bytes;
        while (shown > 0 && text[shown - 1] == ' ')
            shown--;
        fprintf(stream, "%.*s\n", (int)shown, text);
        text += bytes;
        text += text[0] == '\n' ? 1 : strspn(text, " ");
        if (!*text)
            return;
        fprintf(stream, "%*s", (int)indent, "");
    }
}
