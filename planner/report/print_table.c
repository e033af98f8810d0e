#include "planner/report/print_table.h"

#include <langinfo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/terminal.h"
#include "common/text_stream.h"

enum { GAP = 2, BELOW_INDENT = 8 };

struct print_row {
    const char **cells;
    struct print_row *next;
};

struct print_table {
    struct arena *arena;
    struct print_column *columns;
    size_t count;
    struct print_row *first, *last;
    size_t *widths;
    size_t longest_word; /* columns of it, in the last column */
};

struct print_style print_style_of(FILE *stream) {
    const char *no_colour = getenv("NO_COLOR");
    struct print_style style = {
        .colour = terminal_takes_escapes(stream) && !(no_colour && *no_colour),
        .unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
    };
    return style;
}

const char *print_colour(const struct print_style *style, enum print_colour colour) {
    static const char *const escapes[] = {
        [PLAIN] = "\x1b[0m", [BOLD] = "\x1b[1m",     [DIM] = "\x1b[2m",
        [RED] = "\x1b[31m",  [GREEN] = "\x1b[32m",   [YELLOW] = "\x1b[33m",
        [BLUE] = "\x1b[34m", [MAGENTA] = "\x1b[35m", [CYAN] = "\x1b[36m",
    };
    return style->colour ? escapes[colour] : "";
}

struct print_table *print_table_create(struct arena *arena, const struct print_column *columns,
                                       size_t count) {
    struct print_table *table = ARENA_NEW(arena, struct print_table);
    table->arena = arena;
    table->columns = ARENA_ARRAY(arena, struct print_column, count);
    memcpy(table->columns, columns, count * sizeof *columns);
    table->count = count;
    table->widths = ARENA_ARRAY(arena, size_t, count);
    for (size_t i = 0; i < count; i++)
        table->widths[i] = columns[i].title ? terminal_text_columns(columns[i].title) : 0;
    return table;
}

static size_t longest_word(const char *text) {
    size_t longest = 0, word = 0;
    while (*text) {
        size_t columns, bytes = terminal_character(text, &columns);
        word = *text == ' ' ? 0 : word + columns;
        longest = word > longest ? word : longest;
        text += bytes;
    }
    return longest;
}

void print_table_add(struct print_table *table, const char *const *cells) {
    struct print_row *row = ARENA_NEW(table->arena, struct print_row);
    row->cells = ARENA_ARRAY(table->arena, const char *, table->count);
    for (size_t i = 0; i < table->count; i++) {
        row->cells[i] = arena_copy_string(table->arena, cells[i] ? cells[i] : "");
        size_t width = terminal_text_columns(row->cells[i]);
        if (width > table->widths[i])
            table->widths[i] = width;
    }
    size_t word = longest_word(row->cells[table->count - 1]);
    table->longest_word = word > table->longest_word ? word : table->longest_word;
    if (table->last)
        table->last->next = row;
    else
        table->first = row;
    table->last = row;
}

static size_t last_filled(const struct print_table *table, const char *const *cells) {
    size_t filled = table->count;
    while (filled > 0 && !*cells[filled - 1])
        filled--;
    return filled;
}

/* Whether the last column, of texts, has its own line below the others: beside them there is no room for a
 * few words, or for a long one that below them there is. */
static bool last_stands_below(const struct print_table *table, size_t indent, FILE *stream) {
    enum { FEW_WORDS = 24 }; /* sequence_parallel=false, and a blank */
    size_t last = table->count - 1, begins = indent, columns = terminal_columns(stream);
    for (size_t i = 0; i < last; i++)
        begins += table->widths[i] > 0 ? table->widths[i] + GAP : 0;
    size_t least = table->widths[last] < FEW_WORDS ? table->widths[last] : FEW_WORDS;
    if (table->longest_word > least && indent + BELOW_INDENT + table->longest_word <= columns)
        least = table->longest_word;
    return !table->columns[last].right && begins > indent && begins + least > columns;
}

static void print_row(const struct print_table *table, const char *const *cells, size_t indent,
                      FILE *stream) {
    size_t filled = last_filled(table, cells), column = indent;
    if (filled == table->count && last_stands_below(table, indent, stream)) {
        const char **others = ARENA_ARRAY(table->arena, const char *, table->count);
        memcpy(others, cells, table->count * sizeof *cells);
        others[table->count - 1] = "";
        if (last_filled(table, others) > 0)
            print_row(table, others, indent, stream);
        fprintf(stream, "%*s", (int)indent + BELOW_INDENT, "");
        terminal_print_wrapped(cells[table->count - 1], indent + BELOW_INDENT, stream);
        return;
    }
    fprintf(stream, "%*s", filled ? (int)indent : 0, "");
    for (size_t i = 0; i < filled; i++) {
        if (table->widths[i] == 0)
            continue;
        size_t padding = table->widths[i] - terminal_text_columns(cells[i]);
        bool last = i + 1 == filled;
        if (table->columns[i].right) {
            fprintf(stream, "%*s%s", (int)padding, "", cells[i]);
        } else if (i + 1 == table->count) {
            terminal_print_wrapped(cells[i], column, stream);
            return;
        } else {
            fprintf(stream, "%s%*s", cells[i], last ? 0 : (int)padding, "");
        }
        if (!last)
            fprintf(stream, "%*s", GAP, "");
        column += table->widths[i] + GAP;
    }
    fputc('\n', stream);
}

static void print_titles(const struct print_table *table, const struct print_style *style, size_t indent,
                         FILE *stream) {
    const char **titles = ARENA_ARRAY(table->arena, const char *, table->count);
    bool any = false;
    for (size_t i = 0; i < table->count; i++) {
        const char *title = table->columns[i].title;
        any = any || (title && *title);
        titles[i] = title && *title ? arena_print(table->arena, "%s%s%s", print_colour(style, DIM), title,
                                                  print_colour(style, PLAIN))
                                    : "";
    }
    if (any)
        print_row(table, titles, indent, stream);
}

void print_table_print(const struct print_table *table, const struct print_style *style, size_t indent,
                       FILE *stream) {
    print_titles(table, style, indent, stream);
    for (const struct print_row *row = table->first; row; row = row->next)
        print_row(table, row->cells, indent, stream);
}

const char *print_bar(const struct print_style *style, enum print_colour colour, double from, double to,
                      size_t width, struct arena *arena) {
    const char *block = style->unicode ? "\u2588" : "#", *rest = style->unicode ? "\u2591" : ".";
    double columns = (double)width;
    size_t begin = (size_t)lround(fmin(fmax(from, 0), 1) * columns);
    size_t end = (size_t)lround(fmin(fmax(to, 0), 1) * columns);
    if (to > from && end == begin) {
        begin -= begin == width;
        end = begin + 1;
    }
    struct text_stream bar;
    text_stream_open(&bar);
    fputs(print_colour(style, DIM), bar.stream);
    for (size_t i = 0; i < width; i++) {
        if (i == begin && end > begin)
            fprintf(bar.stream, "%s%s", print_colour(style, PLAIN), print_colour(style, colour));
        if (i == end && end > begin)
            fprintf(bar.stream, "%s%s", print_colour(style, PLAIN), print_colour(style, DIM));
        fputs(i >= begin && i < end ? block : rest, bar.stream);
    }
    fputs(print_colour(style, PLAIN), bar.stream);
    return text_stream_take(&bar, arena);
}

void print_heading(const char *title, const struct print_style *style, FILE *stream) {
    fprintf(stream, "\n%s%s%s\n", print_colour(style, BOLD), title, print_colour(style, PLAIN));
}

void print_paragraph(const char *lead, const char *text, FILE *stream) {
    fputs(lead, stream);
    terminal_print_wrapped(text, terminal_text_columns(lead), stream);
}
