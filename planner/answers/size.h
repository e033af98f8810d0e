/* How many devices a wish takes: the best count of a range, and what more or fewer would give.
 *
 * Each count is planned as `plan --devices N` plans it, the global batch included. */
#ifndef CLUSTERPLAN_SIZE_H
#define CLUSTERPLAN_SIZE_H

#include "planner/answers/wish.h"

/* Counts where nothing but the model's file and the cluster's limit them. */
enum { SIZE_MOST_DEVICES = 32768 };

/* A count on the frontier: no smaller one that was looked at is as fast. */
struct size_point {
    const struct plan *plan; /* spare nodes paid for */
    bool meets, is_best;     /* all wishes; the answer */
    /* On the lower hull of time against devices, both as logarithms: what lies above it splits badly. The
     * first and the last point are on it. */
    bool on_hull;
    /* Of a point on the hull: the share of the devices added to the point before it there that turns into
     * speed; 0 for the first. It falls from point to point. */
    double paying;
};

struct size_result {
    const struct plan *best; /* NULL: no count meets the wishes */
    /* Why not fewer: the wish that `fewer` misses by most; WISH_KEY_COUNT: nothing fits on fewer;
     * WISH_DEVICES: fewer were not asked for. Of the objective devices alone. */
    enum wish_key binding;
    const struct plan *fewer;   /* the fastest of the counts next below; NULL: nothing fits on fewer */
    const struct plan *closest; /* where none meets them: misses its worst wish by the smallest share */
    struct near_miss nearest;   /* where nothing fits on any: on the largest count */
    bool never_ends;            /* something fits there, but interruptions come faster than work is saved */
    int64_t nearest_devices;
    struct size_point *points; /* by devices */
    size_t point_count;
    size_t pays_until, stops_at; /* points of the hull between which adding devices stops paying; the same
                                  where it never does */
    int64_t devices_from, devices_to;
    int64_t counts, split; /* of the range, all of which were looked at; and those that a layout splits */
    int64_t searches;
    struct search_counts looked; /* over all searches */
};

/* Adding devices pays while at least this share of them turns into speed. */
extern const double SIZE_PAYING;

/* What plans on other counts are compared by: seconds of the whole training where its tokens are known, else
 * of a token. */
double size_time(const struct plan *plan);

/* The best plan on so many devices, if it takes less than `share` of the time of `best` (of any, where that
 * is NULL); else NULL. Adds what was looked at to the sums. Leaves the problem at these devices. */
const struct plan *size_faster(struct problem *problem, int64_t devices, const struct plan *best,
                               double share, struct search_counts *sums);

/* Whether tensor, pipeline and data parallelism can share so many nodes in many ways: the number has no
 * factor but 2, 3, 5 and 7. */
bool size_splits_well(int64_t nodes);

/* False with the error set only where no count of the range can be split at all. Everything belongs to the
 * problem's arena; the problem is left at the best count, or the closest. */
bool size_find(struct problem *problem, const struct wish *wish, const struct progress *progress,
               struct size_result *result, struct error *error);

#endif
