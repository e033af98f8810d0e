#include "check.h"

#include <math.h>

#include "planner/calibration/minimise.h"

/* Rosenbrock's valley, least at (1, 1). */
static double rosenbrock(const double *x, void *context) {
    (void)context;
    double a = 1 - x[0], b = x[1] - x[0] * x[0];
    return a * a + 100 * b * b;
}

/* A median-like loss with kinks: least at 3. */
static double distances(const double *x, void *context) {
    (void)context;
    return fabs(x[0] - 1) + fabs(x[0] - 3) + fabs(x[0] - 7);
}

static double nowhere(const double *x, void *context) {
    (void)context;
    return x[0] < 0 ? (double)NAN : x[0];
}

static void finds_the_end_of_rosenbrocks_valley(void **state) {
    (void)state;
    double x[2] = {-1.2, 1};
    struct minimise problem = {.value = rosenbrock, .variables = 2, .step = 0.5, .tolerance = 1e-12};
    assert_true(minimise(&problem, x) < 1e-6);
    assert_true(fabs(x[0] - 1) < 1e-3 && fabs(x[1] - 1) < 1e-3);
}

static void finds_a_kink(void **state) {
    (void)state;
    double x[1] = {20};
    struct minimise problem = {.value = distances, .variables = 1, .step = 1, .tolerance = 1e-9};
    assert_true(fabs(minimise(&problem, x) - 6) < 1e-4);
    assert_true(fabs(x[0] - 3) < 1e-3);
}

static void what_is_no_number_is_never_least(void **state) {
    (void)state;
    double x[1] = {5};
    struct minimise problem = {.value = nowhere, .variables = 1, .step = 1, .tolerance = 1e-9};
    double least = minimise(&problem, x);
    assert_true(least >= 0 && least < 0.01);
    assert_true(x[0] >= 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_end_of_rosenbrocks_valley),
        cmocka_unit_test(finds_a_kink),
        cmocka_unit_test(what_is_no_number_is_never_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
