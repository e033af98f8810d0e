/* The least value of a function of a few variables, without its derivatives: the simplex of Nelder and Mead
 * (The Computer Journal 7, 1965), started again from its best point until that no longer helps. It finds a
 * local minimum. Our own because it is short: GSL's is under the GPL, and NLopt would be one more library to
 * install on a login node for this alone. */
#ifndef CLUSTERPLAN_MINIMISE_H
#define CLUSTERPLAN_MINIMISE_H

#include <stddef.h>

enum { MINIMISE_MAX_VARIABLES = 12 };

struct minimise {
    double (*value)(const double *x, void *context);
    void *context;
    size_t variables; /* 1 to MINIMISE_MAX_VARIABLES */
    double step;      /* of the first simplex, in each variable */
    double tolerance; /* stop when the simplex's values differ by less than this share */
};

/* `x` is where it starts, and in the end where the least value was found; returns that value. */
double minimise(const struct minimise *problem, double *x);

#endif
