/* Trials of layouts that ran, or ran out of memory: what is said to fit, and what would be chosen. */
#include "check.h"
#include "planner/answers/choice.h"

static struct arena *arena;
static struct validation validation;

static int predict_trials(void **state) {
    const char *paths[] = {TRIALS_FILE};
    struct error error = {0};

    (void)state;
    arena = arena_create();
    if (!validate_files(paths, 1, NULL, arena, &validation, &error))
        fail_msg("%s:%u: %s", error.file, error.line, error.what);
    return 0;
}

static int forget_trials(void **state) {
    (void)state;
    arena_destroy(arena);
    return 0;
}

/* Of 539 trials that ran out, and of 401 that ran, so many are told wrongly. Lower these figures when the
 * model gets better. */
static void who_runs_out_is_known(void **state) {
    (void)state;
    assert_int_equal(validation.run_count, 940);
    assert_int_equal(validation.ran, 401);
    for (size_t i = 0; i < validation.run_count; i++)
        assert_null(validation.runs[i].why);
    print_message("ran out, though said to fit: %zu; ran, though refused: %zu\n", validation.ran_out_but_fit,
                  validation.refused + validation.tight);
    assert_true(validation.ran_out_but_fit <= 22);
    assert_true(validation.refused + validation.tight <= 23);
}

/* By how much the layouts that would be chosen were slower than the best. Lower these figures too. */
static void choices_are_near_the_best(void **state) {
    const struct choices choices = choices_find(&validation, arena);
    const struct choice_summary *summary = &choices.summary;

    (void)state;
    print_message("%zu choices among %zu layouts: slower than the best by %.2f %%, any of them by %.1f %%\n",
                  summary->choices, summary->layouts, 100 * summary->regret, 100 * summary->any_regret);
    assert_int_equal(summary->choices, 24);
    assert_true(summary->regret <= 0.049);
    assert_true(summary->within_5_percent >= 15);
    assert_true(summary->ran_out_first <= 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_runs_out_is_known),
                                       cmocka_unit_test(choices_are_near_the_best)};

    return cmocka_run_group_tests(tests, predict_trials, forget_trials);
}
