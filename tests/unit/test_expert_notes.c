/* What plans of experts say of uneven loads, and of an exchange that shows. */
#include <string.h>

#include "posed.h"

#include "planner/answers/expert_notes.h"

/* A question of Mixtral on 64 devices, and the notes on one layout of it, with what the model file adds to
 * its experts; `before`: how many others stand before. */
static struct problem *noted_on(struct arena *arena, const char *cluster, const char *training,
                                const char *layout, double capacity_factor, const struct routing *routing,
                                size_t *before) {
    const struct problem_flags flags = {.model = "mixtral-8x22b",
                                        .cluster = cluster,
                                        .devices = "64",
                                        .sequence = "4096",
                                        .global_batch = "256",
                                        .training = training,
                                        .layout = layout};
    struct problem *problem = ARENA_NEW(arena, struct problem);
    struct search_result result;
    struct error error = {0};
    pose(arena, &flags, problem);
    problem->model.experts.capacity_factor = capacity_factor;
    problem->search.training.routing = *routing;
    problem_set_devices(problem, 64, 64);
    must(search_run(&problem->search, arena, &result, &error), &error);
    assert_true(result.plan_count > 0);
    *before = problem->note_count;
    expert_notes_add(problem, &result.plans[0]);
    return problem;
}

static const char *find_note(const struct problem *problem, size_t before, const char *words) {
    for (size_t i = before; i < problem->note_count; i++)
        if (strstr(problem->notes[i], words))
            return problem->notes[i];
    return NULL;
}

/* The one that has `words`; NULL: none. */
static const char *note(struct arena *arena, const char *words, const char *layout, double capacity_factor,
                        const struct routing *routing) {
    size_t before;
    const struct problem *problem =
        noted_on(arena, "dgx-h100", NULL, layout, capacity_factor, routing, &before);
    return find_note(problem, before, words);
}

#define EXCHANGED "tp=2 pp=4 ep=8 etp=1 cp=1 dp=8 vpp=1 micro_batch=1 recompute=full zero=1 offload=none"
#define AT_HOME   "tp=4 pp=8 ep=1 etp=4 cp=1 dp=2 vpp=1 micro_batch=1 recompute=full zero=1 offload=none"

static const struct routing untold = {.imbalance = 0};

static void an_assumed_load_is_told_with_what_another_would_take(void **state) {
    const char *text = note(*state, "loaded evenly", EXCHANGED, 0, &untold);
    assert_non_null(text);
    assert_non_null(strstr(text, "evenly to 5 %; with 1.5 times the mean"));
    double longer = strtod(strstr(text, "takes ") + strlen("takes "), NULL);
    assert_within(longer, 30, 15); /* the experts are most of the work, and 1.5 / 1.05 is 1.43 */
}

static void a_router_in_training_is_told_by_its_load(void **state) {
    const struct routing learned = {.balance = BALANCE_LEARNED};
    assert_non_null(strstr(note(*state, "loaded evenly", EXCHANGED, 0, &learned), "evenly to 20 %;"));
}

static void a_known_load_and_experts_at_home_are_not_told(void **state) {
    const struct routing known = {.imbalance = 1}, forced = {.balance = BALANCE_FORCED};
    assert_null(note(*state, "loaded evenly", EXCHANGED, 0, &forced));
    assert_null(note(*state, "loaded evenly", EXCHANGED, 1, &untold));
    assert_null(note(*state, "loaded evenly", EXCHANGED, 0, &known));
    assert_null(note(*state, "", AT_HOME, 0, &untold));
}

static void an_exchange_that_could_hide_is_told(void **state) {
    const struct routing slow = {.dispatcher = DISPATCHER_ALL_TO_ALL},
                         hidden = {.dispatcher = DISPATCHER_ALL_TO_ALL, .overlap = true};
    const char *text = note(*state, "tokens are exchanged", EXCHANGED, 0, &slow);
    assert_non_null(text);
    double less = strtod(strstr(text, "takes ") + strlen("takes "), NULL);
    assert_true(less >= 5 && less < 40);
    assert_null(note(*state, "tokens are exchanged", EXCHANGED, 0, &hidden));
    assert_null(note(*state, "tokens are exchanged", AT_HOME, 0, &slow));
}

static void graphs_that_nobody_asked_for_are_told(void **state) {
    size_t before;
    const struct problem *problem = noted_on(*state, "gb200-nvl72", NULL, EXCHANGED, 0, &untold, &before);
    const char *text = find_note(problem, before, "replayed from CUDA graphs");
    assert_non_null(text);
    assert_non_null(strstr(text, "--training \"cuda_graphs: false\""));
    assert_true(strtod(strstr(text, "takes ") + strlen("takes "), NULL) >= 1);
    problem = noted_on(*state, "gb200-nvl72", "cuda_graphs: attention", EXCHANGED, 0, &untold, &before);
    assert_null(find_note(problem, before, "replayed from CUDA graphs"));
    assert_null(note(*state, "replayed from CUDA graphs", EXCHANGED, 0, &untold));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_assumed_load_is_told_with_what_another_would_take),
        cmocka_unit_test(a_router_in_training_is_told_by_its_load),
        cmocka_unit_test(a_known_load_and_experts_at_home_are_not_told),
        cmocka_unit_test(an_exchange_that_could_hide_is_told),
        cmocka_unit_test(graphs_that_nobody_asked_for_are_told),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
