/* Why other layouts are not the answer: those that would be faster if only they fitted, and those next to the
 * best one, each with the constraint that bound and by how much. */
#ifndef CLUSTERPLAN_WHY_NOT_H
#define CLUSTERPLAN_WHY_NOT_H

#include "planner/answers/answer.h"

/* Unasked: it would be faster, but is what the search leaves out unless its key is given. */
enum why_not_reason {
    WHY_NOT_MEMORY,
    WHY_NOT_DIVISIBILITY,
    WHY_NOT_SLOWER,
    WHY_NOT_UNASKED,
    WHY_NOT_REASON_COUNT
};
/* "memory" "divisibility" "slower" "unasked"; ends with NULL */
extern const char *const why_not_names[WHY_NOT_REASON_COUNT + 1];

struct why_not_layout {
    enum why_not_reason reason;
    const char
        *why; /* "12.3 GB over the device's 80 GB", "heads 84 not divisible by tp 16", "4.2 % slower" */
    enum layout_key key;     /* of one next to the best: what was changed, */
    int64_t value;           /* and to what */
    const struct plan *plan; /* costed as if it fitted; NULL where the model can't be split so */
};

enum { WHY_NOT_MOST_FASTER = 5, WHY_NOT_MOST_NEXT = 24 };

struct why_not {
    struct plan base; /* the best plan, or the nearest miss where nothing fits: what the others are next to */
    struct why_not_layout faster[WHY_NOT_MOST_FASTER]; /* least over memory first: each is the fastest of all
                                                          that are as little over */
    size_t faster_count;
    struct why_not_layout next[WHY_NOT_MOST_NEXT]; /* in the order of the keys */
    size_t next_count;
};

/* Finds the best plans as answer_find does, and sets answer->why_not (NULL where not even a near miss is
 * known). */
bool why_not_find(struct problem *problem, struct answer *answer, struct error *error);

#endif
