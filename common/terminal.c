#include "common/terminal.h"

#include <ctype.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

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

bool terminal_takes_escapes(FILE *stream) {
    const char *terminal = getenv("TERM");
    return isatty(fileno(stream)) && terminal && strcmp(terminal, "dumb") != 0;
}

/* Signals that end a program while it shows a status: from the keyboard, and from who started it. */
static const int endings[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
enum { ENDINGS = sizeof endings / sizeof *endings };
static const char clear_line[] = "\r\x1b[K";

static volatile sig_atomic_t status_descriptor = -1; /* of the line that is shown; -1: none */

void terminal_clear_status(void) {
    if (status_descriptor >= 0 && write(status_descriptor, clear_line, sizeof clear_line - 1) < 0)
        status_descriptor = -1;
}

/* The shell's prompt would stand in the status. The signal has its usual effect as soon as this returns. */
static void clear_and_end(int number) {
    terminal_clear_status();
    raise(number);
}

/* Whoever ignores or handles one of the signals goes on doing so. */
static void change_endings(void (*from)(int), void (*to)(int)) {
    const struct sigaction next = {.sa_handler = to, .sa_flags = (int)SA_RESETHAND};
    struct sigaction known;
    for (size_t i = 0; i < ENDINGS; i++)
        if (sigaction(endings[i], NULL, &known) == 0 && known.sa_handler == from)
            sigaction(endings[i], &next, NULL);
}

void terminal_show_status(const char *text, FILE *stream) {
    size_t room = terminal_columns(stream) - 1; /* a full line would begin the next */
    if (*text && status_descriptor < 0) {
        status_descriptor = fileno(stream);
        change_endings(SIG_DFL, clear_and_end);
    }
    fprintf(stream, "%s%.*s", clear_line, (int)terminal_fitting_bytes(text, room), text);
    if (!*text) {
        change_endings(clear_and_end, SIG_DFL);
        status_descriptor = -1;
    }
}

/* By the C library's table for UTF-8, whatever locale is set; 1 where it has none. */
static size_t wide_columns(const char *text, size_t bytes) {
    static locale_t utf8; /* loaded once: tables ask for each of their characters */
    mbstate_t shift = {0};
    wchar_t character;
    int columns = -1;
    if (utf8 == (locale_t)0)
        utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (utf8 != (locale_t)0) {
        locale_t before = uselocale(utf8);
        if (mbrtowc(&character, text, bytes, &shift) == bytes)
            columns = wcwidth(character);
        uselocale(before);
    }
    return columns < 0 ? 1 : (size_t)columns;
}

size_t terminal_character(const char *text, size_t *columns) {
    size_t bytes = 1;
    *columns = 1;
    if (*text == '\x1b') {
        *columns = 0;
        bytes = strcspn(text, "m");
        return text[bytes] ? bytes + 1 : bytes;
    }
    while ((text[bytes] & '\xc0') == '\x80') /* a byte that continues a character of UTF-8 */
        bytes++;
    if (bytes > 1)
        *columns = wide_columns(text, bytes);
    return bytes;
}

size_t terminal_text_columns(const char *text) {
    size_t columns = 0, wide;
    for (; *text; columns += wide)
        text += terminal_character(text, &wide);
    return columns;
}

/* A number and its unit stay on one line: whether the blank at `space` is between the two. */
static bool is_before_unit(const char *text, size_t space) {
    enum { LONGEST_UNIT = 3 }; /* "GWh" */
    size_t length = strcspn(text + space + 1, " ,;:()\n");
    return space > 0 && isdigit((unsigned char)text[space - 1]) && length <= LONGEST_UNIT &&
           !isdigit((unsigned char)text[space + 1]);
}

size_t terminal_fitting_bytes(const char *text, size_t width) {
    size_t columns = 0, last_space = 0, bytes, wide;
    for (size_t i = 0;; i += bytes, columns += wide) {
        if (!text[i] || text[i] == '\n')
            return i;
        bytes = terminal_character(text + i, &wide);
        if (text[i] == ' ' && !is_before_unit(text, i))
            last_space = i;
        if (columns + wide > width)
            return last_space == 0 ? i : last_space;
    }
}

void terminal_print_wrapped(const char *text, size_t indent, FILE *stream) {
    size_t columns = terminal_columns(stream);
    size_t width = indent + FEWEST_WRAPPED < columns ? columns - indent : FEWEST_WRAPPED;
    for (;;) {
        size_t bytes = terminal_fitting_bytes(text, width), shown = bytes;
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
