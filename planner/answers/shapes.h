/* How much an unknown shape matters: a question answered for every plausible shape of a model that gives its
 * size alone. */
#ifndef CLUSTERPLAN_SHAPES_H
#define CLUSTERPLAN_SHAPES_H

#include "planner/answers/problem.h"

struct shape {
    const char *what; /* "as derived", "deeper" ... */
    const struct model *model;
    const struct plan *plan; /* NULL: there is no answer for it */
};

/* The derived shape comes first. */
struct shapes {
    struct shape all[1 + MODEL_OTHER_SHAPES];
    size_t count, answered;
};

/* The range of a figure over the shapes that have an answer. */
struct shapes_range {
    double least, most;
};

/* The answer to a problem; NULL where there is none. */
typedef const struct plan *shapes_question(struct problem *problem, void *data);

/* Where the model's shape is derived: asks again for each other shape what was `asked`, a copy of the problem
 * from before it was answered, and sets problem->shapes, `own` being the answer for the derived one. But for
 * that the problem is left as it was; everything belongs to its arena. */
void shapes_find(struct problem *problem, const struct problem *asked, const struct plan *own,
                 shapes_question *find, void *data);

/* shapes_find with the question of size_find: the best count of devices for the wish. */
struct wish;
void shapes_find_sizes(struct problem *problem, const struct problem *asked, const struct wish *wish,
                       const struct progress *progress, const struct plan *own);

/* The range of a figure of the plans. */
struct shapes_range shapes_range_of(const struct shapes *shapes, double (*figure)(const struct plan *plan));

double shapes_step(const struct plan *plan);   /* seconds */
double shapes_memory(const struct plan *plan); /* bytes of the fullest device */
double shapes_devices(const struct plan *plan);
double shapes_days(const struct plan *plan); /* 0 where no tokens were asked */

#endif
