/* What plans of experts say of uneven loads. */
#include <string.h>

#include "posed.h"

#include "planner/answers/expert_load.h"

/* The note on one layout of Mixtral on 64 devices, with what the model file adds to its experts; NULL: none.
 */
static const char *note(struct arena *arena, const char *layout, double capacity_factor, double imbalance) {
    const struct problem_flags flags = {.model = "mixtral-8x22b",
                                        .cluster = "dgx-h100",
                                        .devices = "64",
                                        .sequence = "4096",
                                        .global_batch = "256",
                                        .layout = layout};
    struct problem *problem = ARENA_NEW(arena, struct problem);
    struct search_result result;
    struct error error = {0};
    pose(arena, &flags, problem);
    problem->model.experts.capacity_factor = capacity_factor;
    problem->search.training.routing.imbalance = imbalance;
    problem_set_devices(problem, 64, 64);
    must(search_run(&problem->search, arena, &result, &error), &error);
    assert_true(result.plan_count > 0);
    size_t before = problem->note_count;
    expert_load_note(problem, &result.plans[0]);
    return problem->note_count > before ? problem->notes[before] : NULL;
}

#define EXCHANGED "tp=2 pp=4 ep=8 etp=1 cp=1 dp=8 vpp=1 micro_batch=1 recompute=full zero=1 offload=none"
#define AT_HOME   "tp=4 pp=8 ep=1 etp=4 cp=1 dp=2 vpp=1 micro_batch=1 recompute=full zero=1 offload=none"

static void an_assumed_load_is_told_with_what_another_would_take(void **state) {
    const char *text = note(*state, EXCHANGED, 0, 0);
    assert_non_null(text);
    assert_non_null(strstr(text, "evenly to 5 %; with 1.5 times the mean"));
    double longer = strtod(strstr(text, "takes ") + strlen("takes "), NULL);
    assert_within(longer, 30, 15); /* the experts are most of the work, and 1.5 / 1.05 is 1.43 */
}

static void a_known_load_and_experts_at_home_are_not_told(void **state) {
    assert_null(note(*state, EXCHANGED, 1, 0));
    assert_null(note(*state, EXCHANGED, 0, 1));
    assert_null(note(*state, AT_HOME, 0, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assumed_load_is_told_with_what_another_would_take),
        cmocka_unit_test(a_known_load_and_experts_at_home_are_not_told),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
