#include "planner/calibration/minimise.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { POINTS = MINIMISE_MAX_VARIABLES + 1, STEPS_PER_VARIABLE = 300, STARTS = 5 };

/* Nelder and Mead's coefficients. */
static const double REFLECTION = 1, EXPANSION = 2, CONTRACTION = 0.5, SHRINKAGE = 0.5;

struct simplex {
    const struct minimise *problem;
    double points[POINTS][MINIMISE_MAX_VARIABLES];
    double values[POINTS];
    double centre[MINIMISE_MAX_VARIABLES]; /* of all points but the worst */
    size_t best, worst, second_worst;
};

static double evaluate(const struct minimise *problem, const double *x) {
    double value = problem->value(x, problem->context);
    return isnan(value) ? HUGE_VAL : value;
}

static void build(struct simplex *simplex, const double *x, double step) {
    size_t n = simplex->problem->variables;
    for (size_t p = 0; p <= n; p++) {
        memcpy(simplex->points[p], x, n * sizeof *x);
        if (p > 0)
            simplex->points[p][p - 1] += step;
        simplex->values[p] = evaluate(simplex->problem, simplex->points[p]);
    }
}

static void rank(struct simplex *simplex) {
    size_t n = simplex->problem->variables;
    simplex->best = simplex->worst = 0;
    for (size_t p = 1; p <= n; p++) {
        if (simplex->values[p] < simplex->values[simplex->best])
            simplex->best = p;
        if (simplex->values[p] >= simplex->values[simplex->worst])
            simplex->worst = p;
    }
    simplex->second_worst = simplex->best;
    for (size_t p = 0; p <= n; p++)
        if (p != simplex->worst && simplex->values[p] > simplex->values[simplex->second_worst])
            simplex->second_worst = p;
    for (size_t v = 0; v < n; v++) {
        double sum = 0;
        for (size_t p = 0; p <= n; p++)
            sum += p == simplex->worst ? 0 : simplex->points[p][v];
        simplex->centre[v] = sum / (double)n;
    }
}

/* The point on the line from the worst through the centre, `reach` times their distance beyond it. */
static double try_point(const struct simplex *simplex, double reach, double *point) {
    for (size_t v = 0; v < simplex->problem->variables; v++)
        point[v] = simplex->centre[v] + reach * (simplex->centre[v] - simplex->points[simplex->worst][v]);
    return evaluate(simplex->problem, point);
}

static void replace_worst(struct simplex *simplex, const double *point, double value) {
    memcpy(simplex->points[simplex->worst], point, simplex->problem->variables * sizeof *point);
    simplex->values[simplex->worst] = value;
}

static void shrink(struct simplex *simplex) {
    size_t n = simplex->problem->variables;
    for (size_t p = 0; p <= n; p++) {
        if (p == simplex->best)
            continue;
        for (size_t v = 0; v < n; v++) {
            double best = simplex->points[simplex->best][v];
            simplex->points[p][v] = best + SHRINKAGE * (simplex->points[p][v] - best);
        }
        simplex->values[p] = evaluate(simplex->problem, simplex->points[p]);
    }
}

static void move(struct simplex *simplex) {
    double reflected[MINIMISE_MAX_VARIABLES], other[MINIMISE_MAX_VARIABLES];
    double value = try_point(simplex, REFLECTION, reflected);
    if (value < simplex->values[simplex->best]) {
        double further = try_point(simplex, EXPANSION, other);
        if (further < value)
            replace_worst(simplex, other, further);
        else
            replace_worst(simplex, reflected, value);
    } else if (value < simplex->values[simplex->second_worst]) {
        replace_worst(simplex, reflected, value);
    } else {
        bool outside = value < simplex->values[simplex->worst];
        double nearer = try_point(simplex, outside ? CONTRACTION : -CONTRACTION, other);
        if (nearer < fmin(value, simplex->values[simplex->worst]))
            replace_worst(simplex, other, nearer);
        else
            shrink(simplex);
    }
}

double minimise(const struct minimise *problem, double *x) {
    struct simplex simplex = {.problem = problem};
    size_t n = problem->variables;
    double least = evaluate(problem, x);
    for (int start = 0; start < STARTS; start++) {
        build(&simplex, x, start % 2 == 0 ? problem->step : -problem->step);
        rank(&simplex);
        for (size_t step = 0; step < STEPS_PER_VARIABLE * n; step++) {
            double spread = simplex.values[simplex.worst] - simplex.values[simplex.best];
            if (spread <= problem->tolerance * fabs(simplex.values[simplex.best]))
                break;
            move(&simplex);
            rank(&simplex);
        }
        double gain = least - simplex.values[simplex.best];
        if (!(gain > 0))
            break;
        least = simplex.values[simplex.best];
        memcpy(x, simplex.points[simplex.best], n * sizeof *x);
        if (gain <= problem->tolerance * fabs(least))
            break;
    }
    return least;
}
