#include "probe/heat_map.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/terminal.h"
#include "common/units.h"

enum { NAME_COLUMNS_MAX = 16, RULER_STEP = 10, LONGEST_NUMBER = 4, WORD = 48, FIRST_PAIRS = 1024 };
enum { PHASE_FIELD, WHAT_FIELD, FROM_FIELD, TO_FIELD = 4, MEDIAN_FIELD = 11, FIELDS = 14 };
static const char head[] = "phase,what,from_host,"; /* of the CSV */

/* A figure of the CSV, in bytes a second: a file may name many more hosts than it has pairs of. */
struct pair {
    uint32_t from, to;
    float rate;
};

struct map {
    const struct cluster *cluster;
    struct pair *pairs; /* malloc'd */
    size_t pair_count, pair_room;
    float *slowest;      /* [row * cells + column], bytes a second; 0: not measured */
    size_t block, cells; /* hosts that a character stands for; characters in a row */
    int name_columns, number_columns;
    size_t same_letters; /* that all names begin with, left out where they are too long */
};

struct named_host {
    const char *name;
    size_t host;
};

static int compare_names(const void *left, const void *right) {
    const struct named_host *one = left, *other = right;
    return strcmp(one->name, other->name);
}

static struct named_host *sort_hosts(const struct cluster *cluster, struct arena *arena) {
    struct named_host *sorted = ARENA_ARRAY(arena, struct named_host, cluster->host_count);
    for (size_t i = 0; i < cluster->host_count; i++)
        sorted[i] = (struct named_host){cluster->hosts[i].name, i};
    qsort(sorted, cluster->host_count, sizeof *sorted, compare_names);
    return sorted;
}

static bool add_pair(struct map *map, size_t from, size_t to, float rate) {
    if (map->pair_count == map->pair_room) {
        size_t room = map->pair_room > 0 ? 2 * map->pair_room : FIRST_PAIRS;
        struct pair *pairs = realloc(map->pairs, room * sizeof *pairs);
        if (pairs == NULL)
            return false;
        map->pairs = pairs;
        map->pair_room = room;
    }
    map->pairs[map->pair_count++] = (struct pair){(uint32_t)from, (uint32_t)to, rate};
    return true;
}

/* Takes a row of the CSV; false: out of memory. Other rows than those of pairs of hosts' bandwidth are passed
 * over. */
static bool read_row(struct map *map, const struct named_host *sorted, char *line) {
    size_t hosts = map->cluster->host_count, count = 0;
    char *fields[FIELDS], *rest = line;
    for (char *field; count < FIELDS && (field = strsep(&rest, ",")) != NULL; count++)
        fields[count] = field;
    if (count < FIELDS || strcmp(fields[PHASE_FIELD], "pairs") != 0 ||
        strcmp(fields[WHAT_FIELD], "bandwidth") != 0)
        return true;
    const struct named_host keys[] = {{.name = fields[FROM_FIELD]}, {.name = fields[TO_FIELD]}};
    const struct named_host *from = bsearch(&keys[0], sorted, hosts, sizeof *sorted, compare_names);
    const struct named_host *to = bsearch(&keys[1], sorted, hosts, sizeof *sorted, compare_names);
    float rate = strtof(fields[MEDIAN_FIELD], NULL);
    return from == NULL || to == NULL || !isfinite(rate) || !(rate > 0) ||
           add_pair(map, from->host, to->host, rate);
}

static bool read_rates(struct map *map, const char *path, FILE *file, struct arena *arena,
                       struct error *error) {
    char *line = NULL;
    size_t size = 0;
    const struct named_host *sorted = sort_hosts(map->cluster, arena);
    bool is_ours = getline(&line, &size, file) > 0 && strncmp(line, head, strlen(head)) == 0, room = true;
    while (is_ours && room && getline(&line, &size, file) > 0)
        room = read_row(map, sorted, line);
    free(line);
    if (!is_ours)
        return error_set(error, "%s: no measurements of clusterprobe", path);
    return room || error_set(error, "%s: out of memory", path);
}

static bool read_map(struct map *map, const char *path, struct arena *arena, struct error *error) {
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode))
        return error_set(error, "%s: a directory, pipe or device, where the pairs were expected", path);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return error_set(error, "can't open %s: %s", path, strerror(errno));
    bool good = read_rates(map, path, file, arena, error);
    fclose(file);
    return good;
}

/* By pair, the fastest figure of it first. */
static int compare_pairs(const void *left, const void *right) {
    const struct pair *one = left, *other = right;
    if (one->from != other->from)
        return one->from < other->from ? -1 : 1;
    if (one->to != other->to)
        return one->to < other->to ? -1 : 1;
    return (one->rate < other->rate) - (one->rate > other->rate);
}

/* Of each pair the fastest figure: links that looked slow were measured again. Returns the fastest of all. */
static float keep_fastest(struct map *map) {
    size_t kept = 0;
    float fastest = 0;
    if (map->pair_count > 0)
        qsort(map->pairs, map->pair_count, sizeof *map->pairs, compare_pairs);
    for (size_t i = 0; i < map->pair_count; i++) {
        const struct pair *pair = &map->pairs[i];
        if (kept > 0 && map->pairs[kept - 1].from == pair->from && map->pairs[kept - 1].to == pair->to)
            continue;
        fastest = pair->rate > fastest ? pair->rate : fastest;
        map->pairs[kept++] = *pair;
    }
    map->pair_count = kept;
    return fastest;
}

static size_t letters_in_common(const char *one, const char *other) {
    size_t i = 0;
    while (one[i] != '\0' && one[i] == other[i])
        i++;
    return i;
}

/* How wide names, numbers and rows are. */
static void lay_out(struct map *map, size_t columns) {
    const struct cluster *cluster = map->cluster;
    size_t longest = 0, same = strlen(cluster->hosts[0].name);
    for (size_t i = 0; i < cluster->host_count; i++) {
        size_t length = strlen(cluster->hosts[i].name);
        size_t common = letters_in_common(cluster->hosts[0].name, cluster->hosts[i].name);
        longest = length > longest ? length : longest;
        same = common < same ? common : same;
    }
    map->same_letters = longest > NAME_COLUMNS_MAX ? same : 0;
    map->name_columns = (int)(longest > NAME_COLUMNS_MAX ? NAME_COLUMNS_MAX : longest);
    map->number_columns = snprintf(NULL, 0, "%zu", cluster->host_count - 1);
    size_t room = columns - (size_t)(map->number_columns + map->name_columns) - 2;
    map->block = (cluster->host_count + room - 1) / room;
    map->cells = (cluster->host_count + map->block - 1) / map->block;
}

/* Of each two blocks of hosts the slowest pair. */
static void find_slowest(struct map *map, struct arena *arena) {
    map->slowest = ARENA_ARRAY(arena, float, map->cells * map->cells);
    for (size_t i = 0; i < map->pair_count; i++) {
        const struct pair *pair = &map->pairs[i];
        float *least = &map->slowest[pair->from / map->block * map->cells + pair->to / map->block];
        *least = *least > 0 && *least < pair->rate ? *least : pair->rate;
    }
}

static char shade(float rate, float fastest) {
    if (!(rate > 0))
        return ' ';
    int lost = (int)lround(10 * (1 - (double)rate / (double)fastest));
    return lost <= 0 ? '.' : (char)('0' + (lost > 9 ? 9 : lost));
}

/* The numbers of the columns, every tenth. */
static void print_ruler(const struct map *map, FILE *stream) {
    int before = map->number_columns + map->name_columns + 2;
    for (size_t cell = 0; cell == 0 || cell + LONGEST_NUMBER <= map->cells; cell += RULER_STEP) {
        int written = fprintf(stream, "%*s%zu", before, "", cell * map->block);
        before = RULER_STEP - (written - before);
    }
    fputc('\n', stream);
}

static void print_rows(const struct map *map, float fastest, FILE *stream) {
    for (size_t row = 0; row < map->cells; row++) {
        const char *name = map->cluster->hosts[row * map->block].name + map->same_letters;
        const char *cut = map->same_letters > 0 ? "~" : "";
        int columns = map->name_columns - (int)strlen(cut);
        fprintf(stream, "%*zu %s%-*.*s ", map->number_columns, row * map->block, cut, columns, columns, name);
        for (size_t column = 0; column < map->cells; column++) {
            char mark = shade(map->slowest[row * map->cells + column], fastest);
            fputc(row == column && mark == ' ' ? '-' : mark, stream);
        }
        fputc('\n', stream);
    }
}

static void print_map(struct map *map, float fastest, struct arena *arena, FILE *stream) {
    char rate[WORD];
    lay_out(map, terminal_columns(stream));
    find_slowest(map, arena);
    const char *words = arena_print(
        arena, "bandwidth from host (row) to host (column): . is %s, 1 to 9 are so many tenths less",
        units_format((double)fastest, UNIT_BYTES_PER_SECOND, rate, sizeof rate));
    if (map->block > 1) {
        words = arena_print(arena, "%s; a character stands for the slowest pair of %zu hosts with %zu", words,
                            map->block, map->block);
    }
    terminal_print_wrapped(words, 0, stream);
    print_ruler(map, stream);
    print_rows(map, fastest, stream);
}

bool heat_map_print(const struct cluster *cluster, const char *matrix_path, struct arena *arena, FILE *stream,
                    struct error *error) {
    struct map map = {.cluster = cluster};
    if (matrix_path == NULL || cluster->host_count < 2)
        return true;
    if (access(matrix_path, F_OK) != 0 && errno == ENOENT) { /* cluster files are handed on without it */
        terminal_print_wrapped(arena_print(arena, "no map of pairs: there is no file %s", matrix_path), 0,
                               stream);
        return true;
    }
    bool good = read_map(&map, matrix_path, arena, error);
    float fastest = good ? keep_fastest(&map) : 0;
    if (fastest > 0)
        print_map(&map, fastest, arena, stream);
    free(map.pairs);
    return good;
}
