#include "probe/fit.h"

#include <math.h>
#include <stdlib.h>

#include "probe/summary.h"

enum { TERMS = 4, BYTES_TERM = 2, ROUNDS = 8, LOSS_STEPS = 20 };
static const double RAMP_UNIT_BYTES = 1e6; /* of the form's square-root term: 1 MB */
static const double OUTLIER_FLOOR = 1e-3;  /* errors below this don't gain weight any more */
/* The planner's messages may be longer than those measured: over the best of these so much is to be gained.
 */
static const double MOST_GAIN = 2;
static const double MOST_CORRECTION = 1e3; /* what a file may hold */
static const double MOST_EXCESS = 2;       /* of a time over what other sizes allow */

double fit_bus_volume(enum collective_operation operation, double bytes, int members) {
    double n = members;
    switch (operation) {
    case COLLECTIVE_ALL_REDUCE:
        return 2 * bytes * (n - 1) / n;
    case COLLECTIVE_ALL_GATHER:
    case COLLECTIVE_REDUCE_SCATTER:
    case COLLECTIVE_ALL_TO_ALL:
        return bytes * (n - 1) / n;
    case COLLECTIVE_SEND_RECEIVE:
    case COLLECTIVE_COUNT:
        break;
    }
    return bytes;
}

void fit_clip(struct fit_collective_point *points, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct fit_collective_point *point = &points[i];
        for (size_t j = 0; j < count; j++) {
            const struct fit_collective_point *other = &points[j];
            if (other->members != point->members || other->message_bytes <= 0)
                continue;
            double messages = fmax(1, ceil(point->message_bytes / other->message_bytes));
            point->seconds = fmin(point->seconds, MOST_EXCESS * messages * other->seconds);
        }
    }
}

double fit_collective_seconds(const struct collective_constants *constants, int members,
                              double volume_bytes) {
    double small = 1 - constants->small_group_loss / members;
    return constants->latency_seconds + constants->latency_per_member_seconds * (members - 1) +
           volume_bytes / (constants->bandwidth_bytes_per_second * small) +
           constants->ramp_seconds * sqrt(volume_bytes / RAMP_UNIT_BYTES);
}

/* What each unknown is multiplied by in the time of a point. */
static void terms_of(const struct fit_collective_point *point, double loss, double terms[TERMS]) {
    terms[0] = 1;
    terms[1] = point->members - 1;
    terms[BYTES_TERM] = point->volume_bytes / (1 - loss / point->members);
    terms[3] = sqrt(point->volume_bytes / RAMP_UNIT_BYTES);
}

/* Solves the normal equations restricted to the unknowns in `set`; false when singular or a value is
 * negative.
 */
static bool solve(double matrix[TERMS][TERMS], const double right[TERMS], unsigned set, double out[TERMS]) {
    double a[TERMS][TERMS + 1] = {{0}};
    for (size_t i = 0; i < TERMS; i++) {
        bool in = (set >> i & 1) != 0;
        for (size_t j = 0; j < TERMS; j++) {
            bool both = in && (set >> j & 1) != 0;
            a[i][j] = both ? matrix[i][j] : (i == j ? 1 : 0);
        }
        a[i][TERMS] = in ? right[i] : 0;
    }
    for (size_t i = 0; i < TERMS; i++) {
        size_t pivot = i;
        for (size_t k = i + 1; k < TERMS; k++)
            pivot = fabs(a[k][i]) > fabs(a[pivot][i]) ? k : pivot;
        if (!(fabs(a[pivot][i]) > 1e-9 * fabs(matrix[i][i])))
            return false;
        for (size_t j = 0; j <= TERMS; j++) {
            double swap = a[i][j];
            a[i][j] = a[pivot][j];
            a[pivot][j] = swap;
        }
        for (size_t k = 0; k < TERMS; k++) {
            double factor = k == i ? 0 : a[k][i] / a[i][i];
            for (size_t j = i; j <= TERMS; j++)
                a[k][j] -= factor * a[i][j];
        }
    }
    for (size_t i = 0; i < TERMS; i++) {
        out[i] = a[i][TERMS] / a[i][i];
        if (out[i] < 0)
            return false;
    }
    return true;
}

/* As above, but unknown `fixed` is `value`. */
static bool solve_with(double matrix[TERMS][TERMS], const double right[TERMS], unsigned set, size_t fixed,
                       double value, double out[TERMS]) {
    double rest[TERMS];
    for (size_t i = 0; i < TERMS; i++)
        rest[i] = right[i] - matrix[i][fixed] * value;
    if (!solve(matrix, rest, set & ~(1U << fixed), out))
        return false;
    out[fixed] = value;
    return true;
}

/* What a solution takes off the sum of squares. */
static double gain_of(double matrix[TERMS][TERMS], const double right[TERMS], const double x[TERMS]) {
    double gain = 0;
    for (size_t i = 0; i < TERMS; i++) {
        gain += 2 * right[i] * x[i];
        for (size_t j = 0; j < TERMS; j++)
            gain -= matrix[i][j] * x[i] * x[j];
    }
    return gain;
}

/* The least time a byte that a fit may come to. Without it a curve through short messages, which stay in
 * caches, may promise long ones any bandwidth. */
static double least_seconds_a_byte(const struct fit_collective_point *points, size_t count, double loss) {
    double least = HUGE_VAL;
    for (size_t p = 0; p < count; p++) {
        double terms[TERMS];
        terms_of(&points[p], loss, terms);
        if (terms[BYTES_TERM] > 0)
            least = fmin(least, points[p].seconds / terms[BYTES_TERM] / MOST_GAIN);
    }
    return least;
}

/* Weighted least squares of the relative error over all sets of unknowns that stay positive: of four unknowns
 * there are so few sets that the best is found by trying them. Unknowns are scaled so that terms are near 1.
 */
static bool least_squares(const struct fit_collective_point *points, const double *weights, size_t count,
                          double loss, unsigned allowed, double out[TERMS]) {
    double matrix[TERMS][TERMS] = {{0}}, right[TERMS] = {0}, scale[TERMS] = {0};
    for (size_t p = 0; p < count; p++) {
        double terms[TERMS];
        terms_of(&points[p], loss, terms);
        for (size_t i = 0; i < TERMS; i++)
            scale[i] = fmax(scale[i], terms[i] / points[p].seconds);
    }
    for (size_t p = 0; p < count; p++) {
        double terms[TERMS];
        terms_of(&points[p], loss, terms);
        for (size_t i = 0; i < TERMS; i++) {
            double left = scale[i] > 0 ? terms[i] / points[p].seconds / scale[i] : 0;
            right[i] += weights[p] * left;
            for (size_t j = 0; j < TERMS; j++) {
                double other = scale[j] > 0 ? terms[j] / points[p].seconds / scale[j] : 0;
                matrix[i][j] += weights[p] * left * other;
            }
        }
    }
    bool found = false;
    double least = least_seconds_a_byte(points, count, loss) * scale[BYTES_TERM], best = 0;
    for (unsigned set = 1; set < 1U << TERMS; set++) {
        double x[TERMS];
        if ((set & ~allowed) != 0 || !solve(matrix, right, set, x))
            continue;
        if (x[BYTES_TERM] < least && !solve_with(matrix, right, set, BYTES_TERM, least, x))
            continue;
        double gain = gain_of(matrix, right, x);
        if (gain > best) {
            best = gain;
            found = true;
            for (size_t i = 0; i < TERMS; i++)
                out[i] = scale[i] > 0 ? x[i] / scale[i] : 0;
        }
    }
    return found;
}

static void judge_collective(const struct fit_collective_point *points, size_t count,
                             const struct collective_constants *constants, double *errors) {
    for (size_t p = 0; p < count; p++) {
        errors[p] = fabs(fit_collective_seconds(constants, points[p].members, points[p].volume_bytes) /
                             points[p].seconds -
                         1);
    }
}

/* Least absolute relative error by reweighting least squares. Returns the sum of errors, infinite on failure.
 */
static double fit_at_loss(const struct fit_collective_point *points, size_t count, double loss,
                          unsigned allowed, struct collective_constants *constants) {
    double weights[FIT_POINTS_MAX], errors[FIT_POINTS_MAX], x[TERMS] = {0}, sum = HUGE_VAL;
    for (size_t p = 0; p < count; p++)
        weights[p] = 1;
    for (int round = 0; round < ROUNDS; round++) {
        if (!least_squares(points, weights, count, loss, allowed, x))
            return sum;
        *constants = (struct collective_constants){.known = true,
                                                   .latency_seconds = x[0],
                                                   .latency_per_member_seconds = x[1],
                                                   .bandwidth_bytes_per_second = 1 / x[BYTES_TERM],
                                                   .ramp_seconds = x[3],
                                                   .small_group_loss = loss,
                                                   .from = "measured"};
        judge_collective(points, count, constants, errors);
        sum = 0;
        for (size_t p = 0; p < count; p++) {
            sum += errors[p];
            weights[p] = 1 / fmax(errors[p], OUTLIER_FLOOR);
        }
    }
    return sum;
}

/* Groups of powers of two, where there are several: other sizes take steps more, which corrections say.
 * Returns how many points; 0: all are to be fitted. */
static size_t take_powers_of_two(const struct fit_collective_point *points, size_t count,
                                 struct fit_collective_point *taken) {
    size_t found = 0;
    bool several = false;
    for (size_t p = 0; p < count; p++) {
        if (collective_is_power_of_two(points[p].members)) {
            taken[found++] = points[p];
            several = several || points[p].members != taken[0].members;
        }
    }
    return several ? found : 0;
}

bool fit_collective(const struct fit_collective_point *points, size_t count,
                    struct collective_constants *constants, double *median_error) {
    if (count > FIT_POINTS_MAX)
        count = FIT_POINTS_MAX;
    struct fit_collective_point powers[FIT_POINTS_MAX];
    size_t power_count = take_powers_of_two(points, count, powers);
    if (power_count > 0) {
        points = powers;
        count = power_count;
    }
    bool several_sizes = false;
    for (size_t p = 0; p < count; p++) {
        if (!(points[p].seconds > 0) || points[p].members < 2 || points[p].volume_bytes < 0)
            return false;
        several_sizes = several_sizes || points[p].members != points[0].members;
    }
    if (count < 2)
        return false;
    unsigned allowed = several_sizes ? 0xf : 0xd; /* no latency a member out of one group size */
    double least = HUGE_VAL;
    for (int step = 0; step < (several_sizes ? LOSS_STEPS : 1); step++) {
        struct collective_constants trial;
        double sum = fit_at_loss(points, count, (double)step / LOSS_STEPS, allowed, &trial);
        if (sum < least) {
            least = sum;
            *constants = trial;
        }
    }
    if (!(least < HUGE_VAL))
        return false;
    double errors[FIT_POINTS_MAX];
    judge_collective(points, count, constants, errors);
    *median_error = summary_median(errors, count);
    return true;
}

static int compare_points(const void *left, const void *right) {
    const struct fit_collective_point *a = left, *b = right;
    int members = (a->members > b->members) - (a->members < b->members);
    return members != 0 ? members
                        : (a->message_bytes > b->message_bytes) - (a->message_bytes < b->message_bytes);
}

size_t fit_corrections(struct fit_collective_point *points, size_t count,
                       const struct collective_constants *constants,
                       struct collective_correction *corrections) {
    size_t made = 0;
    double factors[FIT_POINTS_MAX];
    qsort(points, count, sizeof *points, compare_points);
    for (size_t begin = 0, end; begin < count; begin = end) {
        const struct fit_collective_point *point = &points[begin];
        for (end = begin;
             end < count && end - begin < FIT_POINTS_MAX && compare_points(&points[end], point) == 0; end++) {
            factors[end - begin] =
                points[end].seconds / fit_collective_seconds(constants, point->members, point->volume_bytes);
        }
        double factor = summary_median(factors, end - begin);
        corrections[made++] = (struct collective_correction){
            point->members, point->message_bytes, fmin(fmax(factor, 1 / MOST_CORRECTION), MOST_CORRECTION)};
    }
    return made;
}

double fit_corrected_seconds(const struct collective_constants *constants, int members, double message_bytes,
                             double volume_bytes) {
    struct collective_correction_lists lists;
    collective_corrections_of(constants->corrections, constants->correction_count, members, &lists);
    return fit_collective_seconds(constants, members, volume_bytes) *
           collective_corrections_factor(&lists, message_bytes);
}
