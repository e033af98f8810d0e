#include "common/error.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "common/terminal.h"

enum {
    SHOWN_COLUMNS = 96,    /* of a source line; with what goes before it fits a terminal of 100 */
    COLUMNS_BEFORE = 60,   /* kept in front of the caret when the line has to be cut */
    CHARACTERS_KEPT = 80,  /* of a long line, in front of the column to blame */
    LONGEST_WORD = 63,     /* that error_nearest compares; no key is longer */
    PARTS_THAT_DIFFER = 3, /* one letter in so many may differ */
    UTF8_LONGEST = 4
};

bool error_set(struct error *error, const char *format, ...) {
    va_list arguments;

    memset(error, 0, sizeof *error);
    va_start(arguments, format);
    vsnprintf(error->what, sizeof error->what, format, arguments);
    va_end(arguments);
    return false;
}

bool error_hint(struct error *error, const char *format, ...) {
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error->hint, sizeof error->hint, format, arguments);
    va_end(arguments);
    return false;
}

void error_set_source(struct error *error, const char *line, size_t length) {
    error->source_first = 0;
    while (error->column > error->source_first + CHARACTERS_KEPT + 1 &&
           length > sizeof error->source_line / UTF8_LONGEST) {
        size_t size = 1;

        while (size < length && ((unsigned char)line[size] & 0xc0) == 0x80)
            size++;
        line += size;
        length -= size;
        error->source_first++;
    }
    snprintf(error->source_line, sizeof error->source_line, "%.*s",
             (int)(length < sizeof error->source_line ? length : sizeof error->source_line - 1), line);
}

/* Bytes of the UTF-8 character at `text`, or 0 where it is none. */
static size_t utf8_length(const char *text) {
    unsigned char first = (unsigned char)text[0];
    size_t length;

    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first < 0xe0)
        length = 2;
    else if (first >= 0xe0 && first < 0xf0)
        length = 3;
    else if (first >= 0xf0 && first < 0xf5)
        length = UTF8_LONGEST;
    else
        return 0;
    for (size_t i = 1; i < length; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            return 0;
    /* Others are written too long, half of a surrogate pair, or above U+10ffff. */
    unsigned char second = (unsigned char)text[1];
    bool none = (first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) ||
                (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90);
    return none ? 0 : length;
}

static uint32_t code_point(const char *text, size_t length) {
    uint32_t point = (unsigned char)text[0];

    if (length == 1)
        return point;
    point &= 0x7fU >> length;
    for (size_t i = 1; i < length; i++)
        point = point << 6 | ((unsigned char)text[i] & 0x3f);
    return point;
}

/* Control characters, and what turns the direction of the text behind it or ends a line: Unicode's
 * Bidi_Control, and its line and paragraph separators. */
static bool is_control(uint32_t point) {
    return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0x061c || point == 0x200e ||
           point == 0x200f || (point >= 0x2028 && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069);
}

size_t error_shown_bytes(const char *text) {
    size_t length = utf8_length(text);

    return length > 0 && is_control(code_point(text, length)) ? 0 : length;
}

bool error_shows(const char *text) {
    size_t length = 1;

    for (; *text != '\0' && length > 0; text += length)
        length = error_shown_bytes(text);
    return length > 0;
}

/* Bytes of the character at `text`, which isn't the end; at least 1. `columns`: of what is shown for it. */
static size_t shown_character(const char *text, size_t *columns) {
    size_t length = utf8_length(text);

    *columns = 1;
    if (error_shown_bytes(text) > 0)
        terminal_character(text, columns);
    return length == 0 ? 1 : length;
}

/* What is shown of `text` in so many columns; `clean` has room for as many bytes. */
static void make_clean(const char *text, size_t columns, char *clean) {
    size_t length, wide;

    for (; *text != '\0'; text += length, columns -= wide) {
        length = shown_character(text, &wide);
        if (wide > columns)
            break;
        if (error_shown_bytes(text) == 0) {
            *clean++ = *text == '\t' ? ' ' : '?';
        } else {
            memcpy(clean, text, length);
            clean += length;
        }
    }
    *clean = '\0';
}

static void print_clean(const char *text, size_t columns, FILE *stream) {
    char clean[sizeof((struct error *)NULL)->what];

    make_clean(text, columns, clean);
    fputs(clean, stream);
}

static size_t columns_of(const char *text, unsigned characters) {
    size_t columns = 0, wide;

    for (; characters > 0 && *text != '\0'; characters--, columns += wide)
        text += shown_character(text, &wide);
    return columns;
}

static void print_source_line(const struct error *error, FILE *stream) {
    const char *text = error->source_line;
    unsigned before = error->column > error->source_first ? error->column - error->source_first - 1 : 0;
    size_t columns = columns_of(text, before), wide;

    if (text[0] == '\0')
        return;
    for (; columns > COLUMNS_BEFORE; columns -= wide)
        text += shown_character(text, &wide);
    fputs("  ", stream);
    print_clean(text, SHOWN_COLUMNS, stream);
    if (error->column > error->source_first)
        fprintf(stream, "\n  %*s^", (int)columns, "");
    fputc('\n', stream);
}

/* In lines that fit, where `wraps` and no place stands before it, which may be long itself. */
static void print_what(const struct error *error, bool wraps, FILE *stream) {
    static const char lead[] = "error: ";
    char clean[sizeof error->what];

    make_clean(error->what, sizeof error->what, clean);
    fputs(lead, stream);
    if (wraps && error->file[0] == '\0')
        terminal_print_wrapped(clean, sizeof lead - 1, stream);
    else
        fprintf(stream, "%s\n", clean);
}

static void print(const struct error *error, bool wraps, FILE *stream) {
    if (error->file[0] != '\0') {
        print_clean(error->file, sizeof error->file, stream);
        if (error->line > 0)
            fprintf(stream, ":%u", error->line);
        if (error->line > 0 && error->column > 0)
            fprintf(stream, ":%u", error->column);
        fputs(": ", stream);
    }
    print_what(error, wraps, stream);
    print_source_line(error, stream);
    if (error->hint[0] != '\0') {
        fputs("hint: ", stream);
        print_clean(error->hint, sizeof error->hint, stream);
        fputc('\n', stream);
    }
}

void error_print(const struct error *error, FILE *stream) {
    print(error, false, stream);
}

void error_print_wrapped(const struct error *error, FILE *stream) {
    print(error, true, stream);
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static bool same_letter(char a, char b) {
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Optimal string alignment distance, three rows of the usual table; a letter's case doesn't count. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t rows[3][LONGEST_WORD + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *oldest = before;

        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t replaced = above[j - 1] + (same_letter(a[i - 1], b[j - 1]) ? 0 : 1);

            row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) && same_letter(a[i - 2], b[j - 1]))
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return row[b_length];
}

/* `distance`: of what is found. */
static const char *nearest_by_letters(const char *word, size_t length, const char *const *candidates,
                                      size_t *distance) {
    const char *nearest = NULL;

    *distance = SIZE_MAX;
    for (; *candidates != NULL; candidates++) {
        size_t candidate_length = strlen(*candidates), found;

        if (candidate_length > LONGEST_WORD)
            continue;
        found = edit_distance(word, length, *candidates, candidate_length);
        if (found < *distance &&
            found * PARTS_THAT_DIFFER <= (length > candidate_length ? length : candidate_length)) {
            *distance = found;
            nearest = *candidates;
        }
    }
    return nearest;
}

static bool parts_words(char letter) {
    return letter == '_' || letter == '-';
}

static bool is_one_word(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (parts_words(text[i]))
            return false;
    return length > 0;
}

/* "host_memory" is "memory" and one word more, before it or after it. */
static bool has_one_word_more(const char *longer, const char *shorter) {
    size_t length = strlen(longer), part = strlen(shorter), rest = length - part - 1;

    if (part == 0 || length < part + 2)
        return false;
    return (strncasecmp(longer, shorter, part) == 0 && parts_words(longer[part]) &&
            is_one_word(longer + part + 1, rest)) ||
           (strcasecmp(longer + rest + 1, shorter) == 0 && parts_words(longer[rest]) &&
            is_one_word(longer, rest));
}

static const char *only_one_with_a_word_more_or_less(const char *word, const char *const *candidates) {
    const char *found = NULL;

    for (; *candidates != NULL; candidates++)
        if (has_one_word_more(*candidates, word) || has_one_word_more(word, *candidates)) {
            if (found != NULL)
                return NULL;
            found = *candidates;
        }
    return found;
}

const char *error_nearest(const char *word, const char *const *candidates) {
    size_t length = strlen(word), distance;
    const char *nearest, *by_words;

    if (length == 0 || length > LONGEST_WORD)
        return NULL;
    nearest = nearest_by_letters(word, length, candidates, &distance);
    if (nearest != NULL && distance <= 1)
        return nearest;
    by_words = only_one_with_a_word_more_or_less(word, candidates);
    return by_words != NULL ? by_words : nearest;
}
