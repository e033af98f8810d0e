#include "planner/calibration/timings.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text_file.h"

const char *const timing_kind_names[TIMING_KIND_COUNT + 1] = {"products", "attention", "experts",
                                                              "collectives", NULL};

enum { MAX_COLUMNS = 64, MAX_LINE = 65536, MAX_BYTES = 256 << 20 };
static const double LARGEST_WHOLE = 9007199254740992.0; /* 2^53: whole numbers a double holds */

/* Columns by name; which of them a kind needs follows from its table. */
struct column {
    const char *name;
    bool optional;
};
static const struct column matmul_columns[] = {{"gpu", 0}, {"dtype", 0},      {"m", 0}, {"n", 0},
                                               {"k", 0},   {"latency_ms", 0}, {NULL, 0}};
static const struct column attention_columns[] = {
    {"gpu", 0},      {"dtype", 0},      {"batch", 0},  {"seq", 0},  {"heads", 0},      {"kv_heads", 0},
    {"head_dim", 0}, {"latency_ms", 0}, {"window", 1}, {"pass", 1}, {"v_head_dim", 1}, {NULL, 0}};
static const struct column experts_columns[] = {
    {"gpu", 0},     {"dtype", 0}, {"tokens", 0}, {"hidden", 0},     {"inter", 0},        {"topk", 0},
    {"experts", 0}, {"tp", 0},    {"ep", 0},     {"latency_ms", 0}, {"distribution", 1}, {NULL, 0}};
static const struct column collective_columns[] = {{"gpu", 0},   {"op", 0},         {"n_gpus", 0},
                                                   {"bytes", 0}, {"latency_ms", 0}, {NULL, 0}};
static const struct column *const columns_of[TIMING_KIND_COUNT] = {
    [TIMING_MATMUL] = matmul_columns,
    [TIMING_ATTENTION] = attention_columns,
    [TIMING_EXPERTS] = experts_columns,
    [TIMING_COLLECTIVE] = collective_columns,
};
/* A column that no other kind has. */
static const char *const tell_tale[TIMING_KIND_COUNT] = {"m", "heads", "experts", "n_gpus"};

struct field_text {
    const char *text; /* in the line, cut at its end */
    unsigned column;  /* from 1, of its first character */
};

struct reader {
    const char *path;
    struct arena *arena;
    struct error *error;
    struct timings *timings;
    size_t capacity;
    FILE *stream;
    char *line, *cut; /* as read, and cut into fields */
    size_t line_size;
    unsigned line_number;
    struct field_text fields[MAX_COLUMNS];
    size_t field_count;
    const char *header[MAX_COLUMNS];
    size_t header_count;
};

/* `column`: in bytes, from 1; 0: of the whole line. */
static bool fail_at(const struct reader *reader, unsigned column) {
    struct error *error = reader->error;
    snprintf(error->file, sizeof error->file, "%s", reader->path);
    error->line = reader->line_number;
    error->column = 0;
    for (unsigned byte = 0; byte < column; byte++)
        error->column += (reader->line[byte] & '\xc0') != '\x80'; /* a character's first */
    if (reader->line)
        error_set_source(error, reader->line, strlen(reader->line));
    return false;
}

/* A field in quotes may hold commas. */
static bool cut_field(struct reader *reader, char **position) {
    char *start = *position, *end;
    bool quoted = *start == '"';
    if (reader->field_count == MAX_COLUMNS) {
        error_set(reader->error, "more than %d columns", MAX_COLUMNS);
        return fail_at(reader, (unsigned)(start - reader->cut) + 1);
    }
    if (quoted) {
        end = strchr(++start, '"');
        if (!end || (end[1] != ',' && end[1] != '\0')) {
            error_set(reader->error, "a quote that doesn't end with its field");
            return fail_at(reader, (unsigned)(start - reader->cut));
        }
        *end++ = '\0';
    } else {
        end = start + strcspn(start, ",");
    }
    reader->fields[reader->field_count++] =
        (struct field_text){.text = start, .column = (unsigned)(start - reader->cut) + 1};
    *position = *end == ',' ? end + 1 : NULL;
    *end = '\0';
    return true;
}

/* The next line that isn't empty, cut into fields; false at the end or with the error set. */
static bool next_line(struct reader *reader) {
    ssize_t length;
    do {
        length = getline(&reader->line, &reader->line_size, reader->stream);
        if (length < 0) {
            if (reader->line)
                reader->line[0] = '\0'; /* at the end of a file getline leaves anything there */
            return false;
        }
        reader->line_number++;
        if (length > MAX_LINE) {
            error_set(reader->error, "a line of more than %d characters", MAX_LINE);
            return fail_at(reader, 0);
        }
        if (strlen(reader->line) != (size_t)length) {
            error_set(reader->error, "not a text file: a NUL byte");
            return fail_at(reader, 0);
        }
        reader->line[strcspn(reader->line, "\r\n")] = '\0';
    } while (reader->line[0] == '\0');
    reader->cut = arena_copy_string(reader->arena, reader->line);
    reader->field_count = 0;
    for (char *position = reader->cut; position;)
        if (!cut_field(reader, &position))
            return false;
    return true;
}

static const struct field_text *find(const struct reader *reader, const char *name) {
    for (size_t c = 0; c < reader->header_count; c++)
        if (strcmp(reader->header[c], name) == 0)
            return &reader->fields[c];
    return NULL;
}

static bool number(const struct reader *reader, const char *name, double *value) {
    const struct field_text *field = find(reader, name);
    char *end;
    errno = 0;
    *value = strtod(field->text, &end);
    if (end == field->text || *end != '\0' || errno != 0 || !isfinite(*value)) {
        error_set(reader->error, "%s is no number: \"%s\"", name, field->text);
        return fail_at(reader, field->column);
    }
    if (!(*value > 0)) {
        error_set(reader->error, "%s must be more than 0", name);
        return fail_at(reader, field->column);
    }
    return true;
}

static bool whole(const struct reader *reader, const char *name, int64_t *value) {
    double read;
    if (!number(reader, name, &read))
        return false;
    if (read > LARGEST_WHOLE || floor(read) < read) {
        const struct field_text *field = find(reader, name);
        error_set(reader->error, "%s must be a whole number: \"%s\"", name, field->text);
        return fail_at(reader, field->column);
    }
    *value = (int64_t)read;
    return true;
}

struct word {
    const char *text;
    int value;
};

/* The value of a word of the list; an unknown one is an error that names the nearest. */
static bool choose(const struct reader *reader, const char *name, const struct word *words, int *value) {
    const struct field_text *field = find(reader, name);
    const char *known[16];
    size_t count = 0;
    for (const struct word *word = words; word->text; word++) {
        if (strcmp(word->text, field->text) == 0) {
            *value = word->value;
            return true;
        }
        known[count++] = word->text;
    }
    known[count] = NULL;
    error_set(reader->error, "unknown %s \"%s\"", name, field->text);
    const char *nearest = error_nearest(field->text, known);
    if (nearest)
        error_hint(reader->error, "did you mean \"%s\"?", nearest);
    return fail_at(reader, field->column);
}

enum { OTHER_FORMAT = PRECISION_COUNT }; /* measured, but none that the planner plans with */
static const struct word precision_words[] = {{"bf16", PRECISION_BF16},
                                              {"bfloat16", PRECISION_BF16},
                                              {"fp16", PRECISION_FP16},
                                              {"half", PRECISION_FP16},
                                              {"float16", PRECISION_FP16},
                                              {"tf32", PRECISION_TF32},
                                              {"fp8", PRECISION_FP8},
                                              {"fp8_block", OTHER_FORMAT},
                                              {"fp32", OTHER_FORMAT},
                                              {"int8", OTHER_FORMAT},
                                              {NULL, 0}};
static const struct word operation_words[] = {
    {"all_reduce", COLLECTIVE_ALL_REDUCE},         {"all_gather", COLLECTIVE_ALL_GATHER},
    {"reduce_scatter", COLLECTIVE_REDUCE_SCATTER}, {"all_to_all", COLLECTIVE_ALL_TO_ALL},
    {"alltoall", COLLECTIVE_ALL_TO_ALL},           {"send_receive", COLLECTIVE_SEND_RECEIVE},
    {"sendrecv", COLLECTIVE_SEND_RECEIVE},         {NULL, 0}};
static const struct word pass_words[] = {{"forward", 0}, {"backward", 1}, {NULL, 0}};

static bool leave_out(const struct reader *reader, const char *reason, bool *kept) {
    reader->timings->left_out++;
    reader->timings->left_out_reason = reason;
    *kept = false;
    return true;
}

static bool read_matmul_row(const struct reader *reader, struct matmul *matmul) {
    matmul->batch = 1;
    matmul->pass = MATMUL_FORWARD;
    return whole(reader, "m", &matmul->m) && whole(reader, "n", &matmul->n) && whole(reader, "k", &matmul->k);
}

static bool read_attention_row(const struct reader *reader, struct attention *attention, bool *kept) {
    const struct field_text *window = find(reader, "window");
    int backward = 0;
    if (window && strcmp(window->text, "0") != 0)
        return leave_out(reader, "sliding window", kept);
    if (find(reader, "pass") && !choose(reader, "pass", pass_words, &backward))
        return false;
    attention->query_split = 1;
    attention->backward = backward != 0;
    if (!whole(reader, "batch", &attention->batch) || !whole(reader, "seq", &attention->sequence) ||
        !whole(reader, "heads", &attention->heads) || !whole(reader, "kv_heads", &attention->kv_heads) ||
        !whole(reader, "head_dim", &attention->qk_head_dim))
        return false;
    attention->v_head_dim = attention->qk_head_dim;
    return !find(reader, "v_head_dim") || whole(reader, "v_head_dim", &attention->v_head_dim);
}

static bool read_experts_row(const struct reader *reader, struct timing_experts *experts, bool *kept) {
    const struct field_text *distribution = find(reader, "distribution");
    if (distribution && strcmp(distribution->text, "balanced") != 0)
        return leave_out(reader, "experts not evenly loaded", kept);
    return whole(reader, "tokens", &experts->tokens) && whole(reader, "hidden", &experts->hidden) &&
           whole(reader, "inter", &experts->ffn_hidden) && whole(reader, "topk", &experts->top_k) &&
           whole(reader, "experts", &experts->experts) && whole(reader, "tp", &experts->tp) &&
           whole(reader, "ep", &experts->ep);
}

static bool read_collective_row(const struct reader *reader, struct collective *collective) {
    int operation = COLLECTIVE_ALL_REDUCE;
    if (!choose(reader, "op", operation_words, &operation))
        return false;
    collective->operation = (enum collective_operation)operation;
    collective->group.stride = 1;
    return whole(reader, "n_gpus", &collective->group.size) && number(reader, "bytes", &collective->bytes);
}

static bool read_row(const struct reader *reader, struct timing *row, bool *kept) {
    double milliseconds;
    int precision = PRECISION_BF16;
    *row = (struct timing){.device = find(reader, "gpu")->text};
    *kept = true;
    if (!number(reader, "latency_ms", &milliseconds))
        return false;
    row->seconds = milliseconds * 1e-3;
    if (reader->timings->kind != TIMING_COLLECTIVE && !choose(reader, "dtype", precision_words, &precision))
        return false;
    if (precision == OTHER_FORMAT)
        return leave_out(reader, "a number format that the planner does not plan with", kept);
    row->precision = (enum precision)precision;
    switch (reader->timings->kind) {
    case TIMING_MATMUL:
        row->of.matmul.precision = row->precision;
        return read_matmul_row(reader, &row->of.matmul);
    case TIMING_ATTENTION:
        row->of.attention.precision = row->precision;
        return read_attention_row(reader, &row->of.attention, kept);
    case TIMING_EXPERTS:
        return read_experts_row(reader, &row->of.experts, kept);
    default:
        return read_collective_row(reader, &row->of.collective);
    }
}

/* Room for one more row; what was there before stays in the arena. */
static struct timing *grow(struct reader *reader) {
    struct timings *timings = reader->timings;
    if (timings->count == reader->capacity) {
        reader->capacity = reader->capacity ? 2 * reader->capacity : 1024;
        struct timing *rows = ARENA_ARRAY(reader->arena, struct timing, reader->capacity);
        if (timings->count > 0)
            memcpy(rows, timings->rows, timings->count * sizeof *rows);
        timings->rows = rows;
    }
    return &timings->rows[timings->count];
}

static bool in_columns(const struct column *columns, const char *name) {
    for (; columns->name; columns++)
        if (strcmp(columns->name, name) == 0)
            return true;
    return false;
}

static bool find_kind(struct reader *reader) {
    for (int kind = 0; kind < TIMING_KIND_COUNT; kind++) {
        if (!find(reader, tell_tale[kind]))
            continue;
        reader->timings->kind = (enum timing_kind)kind;
        for (const struct column *column = columns_of[kind]; column->name; column++)
            if (!column->optional && !find(reader, column->name)) {
                error_set(reader->error, "no column \"%s\", which times of %s need", column->name,
                          timing_kind_names[kind]);
                return fail_at(reader, 1);
            }
        return true;
    }
    error_set(reader->error, "the header names no known kind of times");
    error_hint(reader->error,
               "products have columns m, n, k; attention has heads; experts have experts; collectives "
               "have n_gpus");
    return fail_at(reader, 1);
}

static bool read_header(struct reader *reader) {
    if (!next_line(reader)) {
        if (reader->error->what[0] == '\0') {
            error_set(reader->error, "the file is empty");
            fail_at(reader, 0);
        }
        return false;
    }
    for (size_t c = 0; c < reader->field_count; c++) {
        for (size_t before = 0; before < c; before++)
            if (strcmp(reader->fields[before].text, reader->fields[c].text) == 0) {
                error_set(reader->error, "column \"%s\" is there twice", reader->fields[c].text);
                return fail_at(reader, reader->fields[c].column);
            }
        reader->header[c] = reader->fields[c].text;
    }
    reader->header_count = reader->field_count;
    if (!find_kind(reader))
        return false;
    const char *unused = NULL;
    for (size_t c = 0; c < reader->header_count; c++)
        if (!in_columns(columns_of[reader->timings->kind], reader->header[c]))
            unused = arena_print(reader->arena, "%s%s%s", unused ? unused : "", unused ? ", " : "",
                                 reader->header[c]);
    reader->timings->unused_columns = unused;
    return true;
}

static bool read_all(struct reader *reader) {
    if (!read_header(reader))
        return false;
    while (next_line(reader)) {
        if (reader->field_count != reader->header_count) {
            error_set(reader->error, "%zu fields where the header has %zu", reader->field_count,
                      reader->header_count);
            return fail_at(reader, reader->fields[reader->field_count - 1].column);
        }
        bool kept;
        struct timing *row = grow(reader);
        if (!read_row(reader, row, &kept))
            return false;
        reader->timings->count += kept;
    }
    if (reader->error->what[0] != '\0')
        return false;
    if (ferror(reader->stream)) {
        error_set(reader->error, "can't be read: %s", strerror(errno));
        return fail_at(reader, 0);
    }
    if (reader->timings->count == 0) {
        error_set(reader->error, "no row to fit to");
        return fail_at(reader, 0);
    }
    return true;
}

bool timings_read(const char *path, struct arena *arena, struct timings *timings, struct error *error) {
    struct reader reader = {.path = path, .arena = arena, .error = error, .timings = timings};
    struct text_file file;
    *timings = (struct timings){0};
    *error = (struct error){0};
    if (!text_file_read(path, MAX_BYTES, arena, &file, error))
        return false;
    reader.stream = fmemopen(file.text, file.size, "r");
    if (!reader.stream)
        arena_out_of_memory();
    bool read = read_all(&reader);
    free(reader.line);
    fclose(reader.stream);
    return read;
}
