/* What is named where nothing fits does fit, and is the least of its kind. */
#include <stdlib.h>
#include <string.h>

#include "posed.h"

#include "planner/answers/remedies.h"
#include "planner/answers/settings.h"

static const struct remedies *find(struct arena *arena, const struct problem_flags *flags,
                                   struct problem *problem, struct answer *answer) {
    struct error error = {0};
    pose(arena, flags, problem);
    must(answer_find(problem, answer, &error), &error);
    assert_int_equal(answer->plan_count, 0);
    remedies_find(problem, answer);
    assert_int_equal(answer->looked.feasible, 0); /* nothing fits: nothing of what is counted does */
    return answer->remedies;
}

static const struct remedy *remedy_of(const struct remedies *remedies, const char *words) {
    for (size_t i = 0; remedies && i < remedies->count; i++)
        if (strstr(remedies->items[i].flag, words))
            return &remedies->items[i];
    return NULL;
}

/* The same question asked with the remedy has an answer; with a node less it has none. */
static void the_fewest_devices_are_named(void **state) {
    const struct problem_flags flags = {
        .model = "llama-3-70b", .cluster = "dgx-h100", .devices = "8", .layout = "offload=none"};
    struct problem_flags with = flags;
    struct problem problem = {0}, again = {0};
    struct answer answer = {0}, found = {0};
    struct error error = {0};
    const struct remedy *devices = remedy_of(find(*state, &flags, &problem, &answer), "--devices");
    assert_non_null(devices);
    assert_int_equal(problem.devices_from, 8);
    with.devices = devices->flag + strlen("--devices ");
    pose(*state, &with, &again);
    must(answer_find(&again, &found, &error), &error);
    assert_true(found.plan_count > 0);
    assert_same_double(found.plans[0]->step.seconds, devices->plan->step.seconds);
    with.devices = arena_print(*state, "%lld", (long long)devices->plan->devices - 8);
    pose(*state, &with, &again);
    must(answer_find(&again, &found, &error), &error);
    assert_int_equal(found.plan_count, 0);
}

static void settings_that_do_are_named(void **state) {
    const struct problem_flags flags = {
        .model = "llama-3-70b", .cluster = "dgx-h100", .devices = "16", .layout = "offload=none"};
    struct problem problem = {0};
    struct answer answer = {0};
    const struct remedies *remedies = find(*state, &flags, &problem, &answer);
    const struct remedy *moments = remedy_of(remedies, "--training \"optimizer: {moments: 16-bit}\"");
    const struct remedy *open = remedy_of(remedies, "no --layout");
    assert_non_null(moments);
    assert_int_equal(moments->plan->devices, 16);
    assert_true(memory_fits(&moments->plan->memory));
    assert_int_equal(moments->plan->training.optimizer.moments, MOMENTS_HALF);
    assert_non_null(open);
    assert_true(open->plan->layout.offload != OFFLOAD_NONE);
    assert_null(remedy_of(remedies, "gradients: 16-bit, optimizer")); /* one is enough */
}

/* One --training takes all: what the user gave stands in it too. */
static void settings_that_were_given_stay(void **state) {
    const struct problem_flags flags = {.model = "llama-3-70b",
                                        .cluster = "dgx-h100",
                                        .devices = "16",
                                        .layout = "offload=none",
                                        .training = "optimizer: {kind: adam}, recipe: {compiled: true}"};
    struct problem problem = {0};
    struct answer answer = {0};
    assert_non_null(
        remedy_of(find(*state, &flags, &problem, &answer),
                  "--training \"recipe: {compiled: true}, optimizer: {kind: adam, moments: 16-bit}\""));
    assert_string_equal(settings_with(NULL, "routing.overlap", "true", *state), "routing: {overlap: true}");
    assert_string_equal(settings_with("gradients: 32-bit", "gradients", "16-bit", *state),
                        "gradients: 16-bit");
}

/* With a setting or without a layout the question would be of other devices: those that were searched are
 * named with them. */
static void the_devices_searched_are_named(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    const struct problem_flags range = {
        .model = "llama-3-70b", .cluster = "dgx-h100", .devices = "8..16", .layout = "offload=none"};
    const struct remedies *remedies = find(*state, &range, &problem, &answer);
    assert_non_null(remedy_of(remedies, "--devices 16 --training \"optimizer: {moments: 16-bit}\""));
    assert_non_null(remedy_of(remedies, "--devices 16 no --layout"));
    const struct problem_flags layout = {
        .model = "llama-3-70b", .cluster = "dgx-h100", .layout = "tp=1 pp=1 cp=1 dp=16 zero=1"};
    assert_non_null(remedy_of(find(*state, &layout, &problem, &answer), "--devices 16 no --layout"));
}

/* On Dojo a model may need more than anyone may ask for. */
static void no_more_than_may_be_asked_are_named(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    const struct problem_flags flags = {
        .model = "gpt-4-100t", .cluster = "tesla-dojo", .layout = "tp=64 pp=256 micro_batch=2"};
    const struct remedies *remedies = find(*state, &flags, &problem, &answer);
    assert_true(answer.nearest_devices <= PROBLEM_MAX_DEVICES);
    assert_non_null(remedies);
    for (size_t i = 0; i < remedies->count; i++) {
        assert_true(remedies->items[i].plan->devices <= PROBLEM_MAX_DEVICES);
        assert_ptr_equal(strstr(remedies->items[i].flag, "--devices 1"), remedies->items[i].flag);
    }
}

/* Eight devices hold a thousandth of this model. */
static void far_more_devices_are_named(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    const struct problem_flags flags = {.model = "gpt-4-100t", .cluster = "dgx-h100", .devices = "8"};
    const struct remedy *devices = remedy_of(find(*state, &flags, &problem, &answer), "--devices");
    assert_non_null(devices);
    assert_true(devices->plan->devices > 1024 && memory_fits(&devices->plan->memory));
}

/* A part of a node grows to the whole; and no more than the cluster has. */
static void nothing_is_named_that_is_not_there(void **state) {
    struct problem problem = {0};
    struct answer answer = {0};
    const struct problem_flags part = {
        .model = "llama-3-8b", .cluster = "dgx-h100", .devices = "1", .layout = "offload=none"};
    assert_non_null(remedy_of(find(*state, &part, &problem, &answer), "--devices 4"));
    const struct problem_flags layout = {.model = "gpt-4-100t", .cluster = "dgx-h100", .devices = "8"};
    pose(*state, &layout, &problem);
    problem.cluster.nodes = 2;
    struct error error = {0};
    must(answer_find(&problem, &answer, &error), &error);
    remedies_find(&problem, &answer);
    assert_null(answer.remedies);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_fewest_devices_are_named, create, destroy),
        cmocka_unit_test_setup_teardown(settings_that_do_are_named, create, destroy),
        cmocka_unit_test_setup_teardown(settings_that_were_given_stay, create, destroy),
        cmocka_unit_test_setup_teardown(the_devices_searched_are_named, create, destroy),
        cmocka_unit_test_setup_teardown(no_more_than_may_be_asked_are_named, create, destroy),
        cmocka_unit_test_setup_teardown(far_more_devices_are_named, create, destroy),
        cmocka_unit_test_setup_teardown(nothing_is_named_that_is_not_there, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
