#include "probe/sockets.h"

#include <math.h>
#include <string.h>

#include "probe/levels.h"
#include "probe/summary.h"
#include "probe/task.h"

/* No distance is known better than a clock's worth, or a hundredth. */
static const double LEAST_SPREAD_SECONDS = 20e-9, LEAST_SPREAD_SHARE = 0.01;

static size_t find_rank(const int32_t *ranks, size_t count, int32_t rank) {
    size_t found = 0;
    while (found < count && ranks[found] != rank)
        found++;
    return found;
}

/* Distances of pairs: the least latency, or seconds a byte. */
static void fill_matrix(const struct records *records, const int32_t *ranks, enum task_kind kind,
                        size_t count, float *distance, float *spread) {
    for (size_t i = 0; i < count * count; i++)
        distance[i] = spread[i] = NAN;
    for (size_t r = 0; r < records->count; r++) {
        const struct record *record = &records->items[r];
        size_t from = find_rank(ranks, count, record->from), to = find_rank(ranks, count, record->to);
        const struct summary *s = &record->summary;
        if (record->phase != PHASE_LOCAL || record->kind != (int32_t)kind ||
            record->transport != TRANSPORT_HOST || s->count == 0 || from == count || to == count)
            continue;
        double value = s->minimum, off = fmax(s->lower_quartile - s->minimum, LEAST_SPREAD_SECONDS);
        if (kind == TASK_STREAM) {
            value = 1 / s->median;
            off = summary_spread(s) / s->median * value;
        }
        off = fmax(off, LEAST_SPREAD_SHARE * value);
        distance[from * count + to] = distance[to * count + from] = (float)value;
        spread[from * count + to] = spread[to * count + from] = (float)off;
    }
}

/* Whether groups of ranks are those that `place_of` names, as many ranks in each. */
static bool agrees(const struct levels_level *level, const int32_t *place_of, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t size = 0, first_size = 0;
        for (size_t j = 0; j < count; j++) {
            bool together = level->group_of[i] == level->group_of[j];
            if (place_of[i] < 0 || together != (place_of[i] == place_of[j]))
                return false;
            size += together ? 1 : 0;
            first_size += level->group_of[0] == level->group_of[j] ? 1 : 0;
        }
        if (size != first_size)
            return false;
    }
    return true;
}

void sockets_find(const struct records *records, const int32_t *ranks, const struct node_place *places,
                  size_t count, struct arena *arena, struct sockets *sockets) {
    static const enum task_kind kinds[] = {TASK_LATENCY, TASK_STREAM};
    static const char *const names[] = {"socket", "numa"};
    float *distance = ARENA_ARRAY(arena, float, count *count),
          *spread = ARENA_ARRAY(arena, float, count *count);
    int32_t *place_of = ARENA_ARRAY(arena, int32_t, count);
    const struct levels_matrix matrix = {count, distance, spread};
    *sockets = (struct sockets){.name = NULL};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds && count > 2; k++) {
        struct levels levels;
        fill_matrix(records, ranks, kinds[k], count, distance, spread);
        levels_find(&matrix, arena, &levels);
        for (size_t n = 0; n < sizeof names / sizeof *names && levels.count > 1 && sockets->name == NULL;
             n++) {
            const struct levels_level *outer = &levels.level[levels.count - 2];
            for (size_t i = 0; i < count; i++)
                place_of[i] = n == 0 ? places[ranks[i]].package : places[ranks[i]].numa;
            if (agrees(outer, place_of, count))
                *sockets = (struct sockets){names[n], outer->group_count, outer->group_of};
        }
    }
}
