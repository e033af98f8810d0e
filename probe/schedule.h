/* Which pairs are measured when: rounds of a tournament, in which everyone meets everyone once. No MPI.
 *
 * A slot is a set of pairs measured at the same time, in which nobody appears twice. Pairs at the same time
 * share uplinks, so a plan puts as few into a slot as the time allows: one where possible, a whole round of
 * the tournament where it must. Where even whole rounds take too long, pairs are sampled: neighbours at the
 * distances 1, 2, 4 ..., then evenly spread rounds. */
#ifndef CLUSTERPLAN_PROBE_SCHEDULE_H
#define CLUSTERPLAN_PROBE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct schedule_pair {
    int64_t first, second;
};

/* Rounds in which `members` all meet: N - 1, or N with one of them idle where N is odd. */
int64_t schedule_round_count(int64_t members);

/* The pairs of one round by the circle method; `pairs` has room for members / 2. Returns how many. */
size_t schedule_round(int64_t members, int64_t round, struct schedule_pair *pairs);

/* Pairs at `distance`, those whose lower block of that length is even (or odd). Returns how many. */
size_t schedule_neighbours(int64_t members, int64_t distance, bool odd, struct schedule_pair *pairs);

struct schedule_plan {
    int64_t members;
    int64_t at_once;    /* pairs in a slot, at most */
    int64_t rounds;     /* of the tournament that are played */
    int64_t neighbours; /* rounds of neighbours before them, when sampled */
    int64_t slots;
    bool sampled; /* not every pair is met */
};

/* The plan that measures the most pairs, with the fewest at once, in budget_seconds at slot_seconds a slot.
 * Slots are at least one. */
void schedule_make(int64_t members, double slot_seconds, double budget_seconds, struct schedule_plan *plan);

/* The pairs of slot 0 .. slots-1; `pairs` has room for members / 2. Returns how many. */
size_t schedule_slot(const struct schedule_plan *plan, int64_t slot, struct schedule_pair *pairs);

#endif
