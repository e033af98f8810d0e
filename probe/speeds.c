#include "probe/speeds.h"

#include <math.h>
#include <string.h>

#include "common/cluster.h"

const enum task_kind speeds_tasks[SPEEDS_KINDS] = {TASK_COMPUTE, TASK_MEMORY};
const char *const speeds_words[SPEEDS_KINDS] = {"computes", "copies in its memory"};
static const double USUAL_QUANTILE = 0.75;

double speeds_rate(enum speeds_kind kind, const struct summary *summary) {
    if (summary->count == 0)
        return 0;
    return kind == SPEEDS_COMPUTE ? 1 / summary->minimum : summary->upper_quartile;
}

bool speeds_is_slow(enum speeds_kind kind, double rate, double usual) {
    return rate < (kind == SPEEDS_COMPUTE ? CLUSTER_SLOW_COMPUTE : CLUSTER_SLOW_FACTOR) * usual;
}

/* Of each rank the best of its looks; 0: none. */
static void best_of_ranks(const struct records *records, enum speeds_kind kind, double *best) {
    for (size_t r = 0; r < records->count; r++) {
        const struct record *record = &records->items[r];
        if (record->phase == PHASE_MEMORY && record->kind == (int32_t)speeds_tasks[kind])
            best[record->from] = fmax(best[record->from], speeds_rate(kind, &record->summary));
    }
}

/* The first host of the class of `host`. */
static size_t first_of_class(const size_t *class_of, size_t host) {
    size_t first = 0;
    while (class_of[first] != class_of[host])
        first++;
    return first;
}

static void judge(enum speeds_kind kind, const double *rates, const size_t *class_of, size_t hosts,
                  double *scratch, struct speeds_host *out) {
    for (size_t host = 0; host < hosts; host++) {
        size_t first = first_of_class(class_of, host), count = 0;
        for (size_t i = first; i < hosts && first == host; i++)
            if (class_of[i] == class_of[host] && rates[i] > 0)
                scratch[count++] = rates[i];
        if (first == host) {
            out[host].usual[kind] = summary_quantile(scratch, count, USUAL_QUANTILE);
            out[host].beside[kind] = count > 1;
        }
        out[host].usual[kind] = out[first].usual[kind];
        out[host].beside[kind] = out[first].beside[kind];
        if (out[host].beside[kind] && rates[host] > 0) {
            out[host].factor[kind] = rates[host] / out[host].usual[kind];
            out[host].looks_slow[kind] = speeds_is_slow(kind, rates[host], out[host].usual[kind]);
        }
    }
}

void speeds_judge(const struct records *records, const int32_t *host_of, size_t ranks, const size_t *class_of,
                  size_t hosts, struct arena *arena, struct speeds_host *out) {
    double *scratch = ARENA_ARRAY(arena, double, ranks + hosts);
    double *rates = ARENA_ARRAY(arena, double, hosts);
    memset(out, 0, hosts * sizeof *out);
    for (int kind = 0; kind < SPEEDS_KINDS; kind++) {
        double *best = ARENA_ARRAY(arena, double, ranks);
        best_of_ranks(records, (enum speeds_kind)kind, best);
        for (size_t host = 0; host < hosts; host++) {
            size_t count = 0;
            for (size_t rank = 0; rank < ranks; rank++)
                if (host_of[rank] == (int32_t)host && best[rank] > 0)
                    scratch[count++] = best[rank];
            rates[host] = summary_median(scratch, count);
        }
        judge((enum speeds_kind)kind, rates, class_of, hosts, scratch, out);
    }
}
