/* Feeds mutated files of every kind to all readers: fuzz_readers FIRST LAST SEED_FILE...
 *
 * Round n is the same every time, so that a failure can be replayed alone (fuzz_readers n n ...). A file is
 * either refused with an error that can be printed, or read; what was read holds what the readers promise,
 * and a cluster that is written reads back. The sanitizers watch over the rest. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/yaml_tree.h"
#include "planner/answers/run_file.h"
#include "planner/answers/session.h"
#include "planner/calibration/timings.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"

enum { LONGEST = 256 * 1024, MOST_SEEDS = 256, MOST_MUTATIONS = 6, LONGEST_PIECE = 64 };

struct text {
    char bytes[LONGEST];
    size_t size;
};

/* What people and attackers write where something else was expected. */
static const char *const pieces[] = {
    "0",
    "-1",
    "1e999",
    ".nan",
    "nan",
    "inf",
    "1e-320",
    "9007199254740993",
    "18446744073709551616",
    "1e30",
    "0.5",
    "none",
    "null",
    "~",
    "all",
    "true",
    "''",
    "\"",
    "'",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "? ",
    "|\n",
    "#",
    "\t",
    "%YAML 1.1\n",
    "---\n",
    "\\u0000",
    "\xff",
    "\xc2\x85",
    "\xef\xbb\xbf",
    "80 GB",
    "400 Gb/s",
    "2 us",
    "13T",
    "1.00 $/h",
    "312 TFLOP/s",
    "layers: 1\n",
    "experts: {count: 3, top_k: 4}\n",
    "devices: 7",
    "parameters: 7B",
    ",",
};

static struct text seeds[MOST_SEEDS], mutated;
static size_t seed_count;
static uint64_t round_number, random_state, models_read, clusters_read, sessions_read, run_files_read,
    timings_read_count;

/* xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled". */
static uint64_t next_random(void) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 2685821657736338717u;
}

static size_t below(size_t limit) {
    return limit == 0 ? 0 : (size_t)(next_random() % limit);
}

/* Replaces `removed` bytes at `at` by `size` bytes; does nothing where there is no room. */
static void splice(struct text *text, size_t at, size_t removed, const char *bytes, size_t size) {
    if (removed > text->size - at)
        removed = text->size - at;
    if (text->size - removed + size >= sizeof text->bytes)
        return;
    memmove(text->bytes + at + size, text->bytes + at + removed, text->size - at - removed);
    memcpy(text->bytes + at, bytes, size);
    text->size += size - removed;
}

/* The bytes of a number, word or value near `at`: up to the next blank, comma or bracket. */
static size_t word_length(const struct text *text, size_t at) {
    size_t length = 0;
    while (at + length < text->size && !strchr(" ,:[]{}\n", text->bytes[at + length]))
        length++;
    return length;
}

static void mutate(struct text *text) {
    const char *piece = pieces[below(sizeof pieces / sizeof pieces[0])];
    const struct text *other = &seeds[below(seed_count)];
    size_t at = below(text->size + 1), from = below(other->size), length = below(LONGEST_PIECE);
    char copy[LONGEST_PIECE];

    switch (below(6)) {
    case 0:
        splice(text, at, 0, piece, strlen(piece));
        break;
    case 1:
        splice(text, at, word_length(text, at), piece, strlen(piece));
        break;
    case 2:
        splice(text, at, length, "", 0);
        break;
    case 3:
        length = length < other->size - from ? length : other->size - from;
        memcpy(copy, other->bytes + from, length);
        splice(text, at, below(LONGEST_PIECE), copy, length);
        break;
    case 4:
        copy[0] = (char)(1 + below(255));
        splice(text, at, 1, copy, 1);
        break;
    default: /* cut off, as by a full disk */
        text->size = at;
        break;
    }
}

_Noreturn static void broken(const char *what) {
    fprintf(stderr, "round %" PRIu64 ": %s\n--- input\n%.*s\n---\n", round_number, what, (int)mutated.size,
            mutated.bytes);
    abort();
}

static void check_error(const struct error *error) {
    char text[8192];
    FILE *stream = fmemopen(text, sizeof text, "w");

    if (error->what[0] == '\0')
        broken("refused without saying why");
    if (stream == NULL)
        broken("fmemopen failed");
    error_print(error, stream);
    fclose(stream);
}

static void check_model(const char *path) {
    struct arena *arena = arena_create();
    struct model model;
    struct error error = {.line = 0};

    if (!model_read(path, arena, &model, &error)) {
        check_error(&error);
    } else {
        struct model_counts counts;

        models_read++;

        model_count(&model, model.sequence, &counts);
        if (model.layers < 1 || model.hidden < 1 || model.heads < 1 || model.kv_heads < 1 || model.vocab < 1)
            broken("a model without a shape was read");
        if (!(counts.parameters > 0) || !isfinite(counts.parameters) || !isfinite(counts.flops_per_token) ||
            counts.active_parameters > counts.parameters * (1 + 1e-9))
            broken("the counts of a model make no sense");
    }
    arena_destroy(arena);
}

static void check_cluster(const char *path, const char *copy) {
    struct arena *arena = arena_create();
    struct cluster cluster, again;
    struct error error = {.line = 0};

    if (!cluster_read(path, arena, &cluster, &error)) {
        check_error(&error);
    } else {
        clusters_read++;
        if (cluster.level_count < 1 || cluster.node.devices < 1 || !(cluster.device.memory_bytes > 0))
            broken("a cluster without devices was read");
        if (!cluster_write(&cluster, copy, &error))
            broken(error.what);
        if (!cluster_read(copy, arena, &again, &error))
            broken(error.what);
        if (again.level_count != cluster.level_count || again.node.devices != cluster.node.devices ||
            strcmp(again.name, cluster.name) != 0)
            broken("a cluster that was written reads back as another");
    }
    arena_destroy(arena);
}

/* Files that name others: what they name is looked for, not read. */
static void check_questions(const char *path) {
    struct arena *arena = arena_create();
    struct session session;
    struct run_file runs;
    struct error error = {.line = 0};

    if (!session_read(path, arena, &session, &error))
        check_error(&error);
    else if (++sessions_read && (session.cluster_count < 1 || session.asked.model == NULL))
        broken("a session without a question was read");
    error = (struct error){.line = 0};
    if (!run_file_read(path, arena, &runs, &error))
        check_error(&error);
    else if (++run_files_read && (runs.count < 1 || runs.runs[0].devices < 1))
        broken("a run file without runs was read");
    arena_destroy(arena);
}

static void check_timings(const char *path) {
    struct arena *arena = arena_create();
    struct timings timings;
    struct error error = {.line = 0};

    if (!timings_read(path, arena, &timings, &error)) {
        check_error(&error);
    } else {
        timings_read_count++;
        for (size_t i = 0; i < timings.count; i++)
            if (!(timings.rows[i].seconds > 0) || !isfinite(timings.rows[i].seconds))
                broken("a time that is none was read");
    }
    arena_destroy(arena);
}

static void check_layout(void) {
    struct layout_request request = {0};
    struct error error = {.line = 0};

    mutated.bytes[mutated.size] = '\0';
    if (!layout_request_parse(mutated.bytes, &request, &error))
        check_error(&error);
}

static void run_round(int file, const char *path, const char *copy) {
    const struct text *seed;
    size_t mutations;

    random_state = (round_number + 1) * 0x9e3779b97f4a7c15u; /* never 0: the factor is odd */
    for (int i = 0; i < 4; i++)
        next_random();
    seed = &seeds[below(seed_count)];
    memcpy(mutated.bytes, seed->bytes, seed->size);
    mutated.size = seed->size;
    /* Half of them nearly sound, so that what comes after the first check is reached. */
    mutations = below(2) == 0 ? 1 : 1 + below(MOST_MUTATIONS);
    for (size_t i = 0; i < mutations; i++)
        mutate(&mutated);
    if (ftruncate(file, 0) != 0 || pwrite(file, mutated.bytes, mutated.size, 0) != (ssize_t)mutated.size)
        broken(strerror(errno));
    check_model(path);
    check_cluster(path, copy);
    check_questions(path);
    check_timings(path);
    check_layout();
}

static void read_seed(const char *path) {
    FILE *stream = fopen(path, "rb");
    struct text *seed = &seeds[seed_count];

    if (stream == NULL || seed_count == MOST_SEEDS) {
        fprintf(stderr, "%s: %s\n", path, stream == NULL ? strerror(errno) : "one seed too many");
        exit(2);
    }
    seed->size = fread(seed->bytes, 1, sizeof seed->bytes - 1, stream);
    fclose(stream);
    seed_count++;
}

int main(int argc, char **argv) {
    char path[64], folder[] = "/tmp/clusterplan-fuzz-XXXXXX", copy[64];
    int file = memfd_create("fuzz", MFD_CLOEXEC);
    uint64_t first, last;

    first = argc < 4 ? 1 : strtoull(argv[1], NULL, 10);
    last = argc < 4 ? 0 : strtoull(argv[2], NULL, 10);
    if (first > last || file < 0 || mkdtemp(folder) == NULL) {
        fprintf(stderr, "usage: fuzz_readers FIRST LAST SEED_FILE..., with FIRST no more than LAST\n");
        return 2;
    }
    for (int i = 3; i < argc; i++)
        read_seed(argv[i]);
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    snprintf(copy, sizeof copy, "%s/copy.yaml", folder);
    for (round_number = first; round_number <= last; round_number++)
        run_round(file, path, copy);
    unlink(copy);
    rmdir(folder);
    printf("%" PRIu64 " rounds over %zu files, of which were sound: %" PRIu64 " models, %" PRIu64
           " clusters, %" PRIu64 " sessions, %" PRIu64 " run files, %" PRIu64 " tables of times\n",
           last - first + 1, seed_count, models_read, clusters_read, sessions_read, run_files_read,
           timings_read_count);
    return 0;
}
