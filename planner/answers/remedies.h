/* What would help where nothing fits: more devices, other settings of the software, a layout left free. */
#ifndef CLUSTERPLAN_REMEDIES_H
#define CLUSTERPLAN_REMEDIES_H

#include "planner/answers/answer.h"

struct remedy {
    const char *flag;        /* what to add to the question: "--devices 24" */
    const struct plan *plan; /* the best with it */
};

enum { REMEDIES_MOST = 5 };

struct remedies {
    struct remedy items[REMEDIES_MOST];
    size_t count;
};

/* Of an answer without a plan finds what would do by itself, the fewest devices first, and sets
 * answer->remedies; they stay NULL where nothing that is tried does. Adds what was looked at to the answer,
 * and leaves the problem as it was. */
void remedies_find(struct problem *problem, struct answer *answer);

#endif
