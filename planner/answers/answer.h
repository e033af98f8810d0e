/* The answer to a problem: the best plans for one device count, for each of a range, or for the fewest that a
 * model fits on. */
#ifndef CLUSTERPLAN_ANSWER_H
#define CLUSTERPLAN_ANSWER_H

#include "planner/answers/problem.h"

struct what_if;
struct why_not;
struct remedies;

struct answer {
    const struct plan **plans; /* best first: the search's ranking, or of a range the fastest of each count */
    size_t plan_count;         /* 0: nothing fits */
    bool range;
    bool fewest;                 /* no count was asked: the fewest that it fits on */
    struct search_counts looked; /* over all searches */
    struct near_miss nearest;    /* on the largest count, when nothing fits */
    int64_t nearest_devices;
    const struct what_if *what_if;   /* where that was asked too (what_if.h); else NULL */
    const struct why_not *why_not;   /* the same (why_not.h) */
    const struct remedies *remedies; /* where nothing fits and something would help (remedies.h) */
};

/* Answers the problem, by what was asked of devices:
 *
 * - One count: plans on that many. Where up to a sixteenth fewer take 3 % less time a note says so; where
 *   they take a fifth less, or no layout splits all, they are planned and a note says that.
 * - A range: the smallest count, doubled up to the largest, and the count between that is faster than all of
 *   these, if one is.
 * - Nothing: the fewest nodes on which something fits, with a note.
 *
 * Everything belongs to the problem's arena. False with the error set where no layout splits the devices. */
bool answer_find(struct problem *problem, struct answer *answer, struct error *error);

/* The fastest plan of the answer; NULL where nothing fits. */
const struct plan *answer_best(const struct answer *answer);

/* The count that a range looks at after this one: twice as many, but a full node and the end aren't passed
 * by. */
int64_t answer_next_count(const struct problem *problem, int64_t devices);

/* More nodes to try where `nodes` are too few: the next, or of large counts the next multiple of a power of
 * two, so that between one count and its double at least `resolution` are tried. Near enough to the fewest,
 * and odd multiples split badly anyway. */
int64_t answer_more_nodes(int64_t nodes, int64_t resolution);

#endif
