/* size against planning every count of its range. */
#include "posed.h"

#include <math.h>
#include <string.h>

#include "planner/answers/recommend.h"
#include "planner/answers/size.h"
#include "planner/report/print_size.h"

/* As short a search as can be: the small model, and few free keys. */
static struct problem_flags small = {.model = "llama-3-8b",
                                     .cluster = "dgx-h100",
                                     .global_batch = "240",
                                     .tokens = "10B",
                                     .layout = "vpp=1 recompute=none,full micro_batch=1,2 cp=1 offload=false",
                                     .devices = "1..160"};

static void pose_wish(struct arena *arena, const struct problem_flags *flags, const struct wish *wish,
                      struct problem *problem) {
    struct error error = {0};
    enum wish_key key;
    pose(arena, flags, problem);
    must(wish_apply(wish, problem, &key, &error), &error);
}

static void size(struct arena *arena, const struct wish *wish, struct problem *problem,
                 struct size_result *result) {
    struct error error = {0};
    pose_wish(arena, &small, wish, problem);
    must(size_find(problem, wish, NULL, result, &error), &error);
}

/* The best plan of each count, by a search without any limit. */
enum { COUNTS = 23 };
static size_t plan_all(struct arena *arena, const struct wish *wish, const struct plan **plans) {
    struct problem *problem = ARENA_NEW(arena, struct problem);
    size_t count = 0;
    pose_wish(arena, &small, wish, problem);
    problem->search.top = 1;
    for (int64_t devices = 1; devices <= 160; devices = devices < 8 ? 2 * devices : devices + 8) {
        struct search_result found;
        struct error error = {0};
        problem_set_devices(problem, devices, devices);
        if (search_run(&problem->search, arena, &found, &error) && found.plan_count > 0) {
            wish_pay_spares(wish, found.plans);
            plans[count++] = found.plans;
        }
    }
    return count;
}

static double value(const struct wish *wish, const struct plan *plan) {
    return wish->objective == OBJECTIVE_TIME   ? plan->total.days
           : wish->objective == OBJECTIVE_COST ? plan->total.cost
                                               : (double)plan->devices;
}

static bool is_met(const struct wish *wish, const struct plan *plan) {
    return (wish->deadline_seconds <= 0 || plan->total.days * 86400 <= wish->deadline_seconds) &&
           (wish->budget <= 0 || plan->total.cost <= wish->budget) &&
           (wish->step_seconds <= 0 || plan->step.seconds <= wish->step_seconds);
}

/* What comes closest on fewer devices is a plan of its count, and none of a count next below the best is
 * faster. */
static void hold_fewer(const struct size_result *result, const struct plan *const *plans, size_t count) {
    bool is_planned = false;
    for (size_t i = 0; i < count; i++) {
        const struct plan *plan = plans[i];
        if (!plan || plan->devices >= result->best->devices)
            break; /* there are no gaps, which the analyser does not know */
        is_planned |=
            result->fewer->devices == plan->devices && result->fewer->step.seconds == plan->step.seconds;
        if (16 * plan->devices >= 15 * result->best->devices)
            assert_true(result->fewer->total.days <= plan->total.days);
    }
    assert_true(is_planned);
}

/* Holds one wish against brute force. */
static void hold(struct arena *arena, const struct wish *wish) {
    const struct plan *plans[COUNTS], *best = NULL;
    struct problem problem;
    struct size_result result;
    size_t count = plan_all(arena, wish, plans);
    for (size_t i = 0; i < count; i++)
        if (is_met(wish, plans[i]) && (!best || value(wish, plans[i]) < value(wish, best)))
            best = plans[i];
    size(arena, wish, &problem, &result);
    assert_int_equal(best != NULL, result.best != NULL);
    if (best && result.best) {
        assert_int_equal(result.best->devices, best->devices);
        assert_same_double(result.best->step.seconds, best->step.seconds);
        assert_same_double(result.best->total.cost, best->total.cost);
    }
    if (best && result.best && result.fewer)
        hold_fewer(&result, plans, count);
}

static void test_fewest_devices(void **state) {
    const double days[] = {0.05, 0.4, 0.6, 1, 2, 5, 30};
    for (size_t i = 0; i < sizeof days / sizeof *days; i++)
        hold(*state, &(struct wish){.deadline_seconds = days[i] * 86400});
    hold(*state, &(struct wish){.step_seconds = 1.5});
    hold(*state, &(struct wish){.deadline_seconds = 86400, .budget = 1500});
    hold(*state, &(struct wish){.headroom_bytes = 40e9});
}

/* Spare nodes are rented and draw nothing. */
static void test_energy_is_paid_for(void **state) {
    const struct problem_flags free_flags = small;
    const struct wish wish = {.objective = OBJECTIVE_COST, .spare_nodes = 2, .deadline_seconds = 43200};
    struct problem problem;
    struct size_result result;
    small.energy_price = "2 $/kWh";
    hold(*state, &wish);
    hold(*state, &(struct wish){.budget = 2500});
    size(*state, &wish, &problem, &result);
    const struct training_cost *total = &result.best->total;
    double hours = total->days * 24, devices = (double)result.best->devices;
    assert_same_double(round(total->energy_cost * 1e6), round(devices * hours * 0.7 * 2 * 1e6));
    assert_same_double(round(total->cost * 1e6),
                       round(((devices + 16) * hours * 2 + total->energy_cost) * 1e6));
    small = free_flags;
}

static void test_other_objectives(void **state) {
    hold(*state, &(struct wish){.objective = OBJECTIVE_TIME});
    hold(*state, &(struct wish){.objective = OBJECTIVE_COST});
    hold(*state, &(struct wish){.objective = OBJECTIVE_TIME, .budget = 1500});
    hold(*state, &(struct wish){.objective = OBJECTIVE_COST, .deadline_seconds = 43200, .spare_nodes = 3});
}

/* With the deadline at what a count just reaches, that count is the answer; an instant less, and it isn't. */
static void test_deadline_is_a_limit(void **state) {
    struct wish wish = {.deadline_seconds = 86400};
    struct problem problem;
    struct size_result result, again;
    size(*state, &wish, &problem, &result);
    assert_non_null(result.best);
    wish.deadline_seconds = result.best->total.days * 86400 * (1 + 1e-9);
    size(*state, &wish, &problem, &again);
    assert_int_equal(again.best->devices, result.best->devices);
    wish.deadline_seconds = result.best->total.days * 86400 * (1 - 1e-9);
    size(*state, &wish, &problem, &again);
    assert_true(again.best->devices > result.best->devices);
    assert_int_equal(again.binding, WISH_DEADLINE);
    assert_int_equal(again.fewer->devices, result.best->devices);
}

static void test_what_binds(void **state) {
    struct problem problem;
    struct size_result result;
    size(*state, &(struct wish){.budget = 1e9}, &problem, &result);
    assert_int_equal(result.binding, WISH_KEY_COUNT); /* nothing fits on one device */
    assert_null(result.fewer);
    size(*state, &(struct wish){.step_seconds = 1.5}, &problem, &result);
    assert_int_equal(result.binding, WISH_STEP_TIME);
    assert_true(result.fewer->step.seconds > 1.5);
}

/* A plan of these devices moves out optimizer and activations, which FSDP can't by itself; size takes only
 * what the stack does, and says so. */
static void test_offload_that_is_left_out_is_said(void **state) {
    const struct problem_flags flags = {.model = "llama-3-405b",
                                        .cluster = "mi250x-frontier",
                                        .sequence = "4096",
                                        .global_batch = "512",
                                        .stack = "fsdp",
                                        .devices = "64"};
    const struct wish wish = {.step_seconds = 1e6};
    struct problem problem;
    struct size_result result;
    struct search_result found;
    struct error error = {0};
    pose_wish(*state, &flags, &wish, &problem);
    problem_set_devices(&problem, 64, 64);
    must(search_run(&problem.search, *state, &found, &error), &error);
    assert_true(found.plan_count > 0);
    pose_wish(*state, &flags, &wish, &problem);
    must(size_find(&problem, &wish, NULL, &result, &error), &error);
    assert_null(result.best);
    assert_non_null(strstr(problem.notes[problem.note_count - 1], "offload that fsdp lacks is left out"));
}

/* What plan says of so many devices. */
static struct plan planned_on(struct arena *arena, const struct problem_flags *flags, const struct wish *wish,
                              int64_t devices) {
    struct problem problem;
    struct search_result planned;
    struct error error = {0};
    pose_wish(arena, flags, wish, &problem);
    problem_set_devices(&problem, devices, devices);
    problem.search.top = 1;
    must(recommend_run(&problem.search, arena, &planned, &error), &error);
    return planned.plans[0];
}

/* Where the soonest or the cheapest is asked for, offload is taken where it saves enough, as for a plan: that
 * it beats what was found before is not what was wished. */
static void test_offload_is_weighed(void **state) {
    static const enum objective objectives[] = {OBJECTIVE_TIME, OBJECTIVE_COST};
    static const char *const sequences[] = {"32768", "65536"};
    for (size_t i = 0; i < 4; i++) {
        const struct problem_flags flags = {.model = "llama-3-70b",
                                            .cluster = "dgx-a100-80g",
                                            .sequence = sequences[i / 2],
                                            .global_batch = "256",
                                            .tokens = "1T",
                                            .devices = i / 2 == 0 ? "64" : "64..96"};
        const struct wish wish = {.deadline_seconds = 1e10, .objective = objectives[i % 2]};
        struct problem problem;
        struct size_result result;
        struct error error = {0};
        pose_wish(*state, &flags, &wish, &problem);
        must(size_find(&problem, &wish, NULL, &result, &error), &error);
        const struct plan planned = planned_on(*state, &flags, &wish, result.best->devices);
        assert_non_null(planned.rival);
        assert_same_double(result.best->step.seconds, planned.step.seconds);
    }
}

/* A machine that streams weights from a store does so for plans too, not only where nothing else fits. */
static void test_streams_as_a_plan_does(void **state) {
    const struct problem_flags flags = {.model = "megatron-22b", .cluster = "cerebras-cs2", .devices = "6"};
    const struct wish wish = {.step_seconds = 30};
    struct problem problem;
    struct size_result result;
    struct error error = {0};
    pose_wish(*state, &flags, &wish, &problem);
    must(size_find(&problem, &wish, NULL, &result, &error), &error);
    assert_non_null(result.best);
    assert_int_equal(result.best->layout.offload, OFFLOAD_WEIGHTS);
    assert_same_double(result.best->step.seconds, planned_on(*state, &flags, &wish, 6).step.seconds);
}

static void test_no_answer(void **state) {
    const struct wish wish = {.deadline_seconds = 600};
    struct problem problem;
    struct size_result result;
    enum wish_key key;
    size(*state, &wish, &problem, &result);
    assert_null(result.best);
    assert_non_null(result.closest);
    for (size_t i = 0; i < result.point_count; i++) {
        assert_true(result.closest->total.days <= result.points[i].plan->total.days);
        assert_false(result.points[i].meets);
    }
    double excess = wish_worst_excess(&wish, result.closest, &key);
    assert_int_equal(key, WISH_DEADLINE);
    assert_true(fabs(excess - (result.closest->total.days * 86400 / 600 - 1)) < 1e-9);
}

/* Nodes of six don't fill 32,768 devices. */
static void test_all_counts_are_whole_nodes(void **state) {
    struct problem_flags six = small;
    const struct wish wish = {.step_seconds = 1e-6};
    struct problem problem;
    struct size_result result;
    struct error error = {0};
    six.devices = NULL;
    pose_wish(*state, &six, &wish, &problem);
    problem.cluster.node.devices = problem.cluster.levels[0].devices = 6;
    must(size_find(&problem, &wish, NULL, &result, &error), &error);
    assert_int_equal(result.devices_to, 32766);
    for (size_t i = 0; i < result.point_count; i++)
        assert_int_equal(result.points[i].plan->devices % 6, 0);
}

static void test_a_training_that_never_ends(void **state) {
    const struct wish wish = {.deadline_seconds = 1e6};
    struct problem problem;
    struct size_result result;
    struct error error = {0};
    enum wish_key key;
    pose_wish(*state, &small, &wish, &problem);
    problem.cluster.device.mtbf_seconds = 1;
    problem.cluster.node.storage_bytes_per_second = 1e9;
    must(size_find(&problem, &wish, NULL, &result, &error), &error);
    assert_true(result.never_ends);
    assert_null(result.closest);
    assert_non_null(strstr(print_size_miss(&wish, &result, *state), "never ends"));
    print_size_no(&problem, &wish, &result, *state, &key, &error);
    assert_string_equal(error.what, "dgx-h100: interruptions come faster than work is saved");
}

static void test_frontier(void **state) {
    struct problem problem;
    struct size_result result;
    size(*state, &(struct wish){.deadline_seconds = 86400}, &problem, &result);
    assert_true(result.point_count >= 4);
    double paying = HUGE_VAL;
    for (size_t i = 1; i < result.point_count; i++) {
        const struct size_point *point = &result.points[i];
        assert_true(point->plan->devices > result.points[i - 1].plan->devices);
        assert_true(point->plan->total.days < result.points[i - 1].plan->total.days);
        if (point->on_hull) {
            assert_true(point->paying <=
                        paying + 0.5); /* slopes flatten; shares of unequal steps nearly so */
            paying = point->paying;
        }
    }
    assert_true(result.points[result.point_count - 1].on_hull);
    assert_true(result.pays_until <= result.stops_at && result.stops_at < result.point_count);
}

/* No plan of any count takes less than the least work says. */
static void test_least_work(void **state) {
    const struct plan *plans[COUNTS];
    struct problem problem;
    size_t count = plan_all(*state, &(struct wish){0}, plans);
    pose_wish(*state, &small, &(struct wish){0}, &problem);
    double least = search_least_work(&problem.search), nearest = HUGE_VAL;
    assert_true(least > 0 && count > 10);
    for (size_t i = 0; i < count; i++) {
        double work =
            plans[i]->step.seconds * (double)plans[i]->devices / (double)plans[i]->training.global_batch;
        assert_true(work >= least);
        nearest = fmin(nearest, work);
    }
    assert_true(nearest < 2 * least); /* and it is of use */
}

/* The longest sequence may be split further than there are devices, and than 32 bits count with tp. */
static void test_least_work_of_a_long_sequence(void **state) {
    struct problem problem;

    pose_wish(*state, &small, &(struct wish){0}, &problem);
    problem.search.training.sequence = 1 << 30;
    assert_true(search_least_work(&problem.search) > 0);
}

static void test_spare_nodes_cost(void **state) {
    struct problem problem;
    struct size_result none, two;
    size(*state, &(struct wish){.deadline_seconds = 86400}, &problem, &none);
    size(*state, &(struct wish){.deadline_seconds = 86400, .spare_nodes = 2}, &problem, &two);
    assert_int_equal(none.best->devices, two.best->devices);
    double devices = (double)none.best->devices;
    assert_true(fabs(two.best->total.cost - (none.best->total.cost * (devices + 16) / devices)) < 1e-6);
}

static void assert_refused(struct arena *arena, const struct problem_flags *flags, const struct wish *wish,
                           enum wish_key wanted) {
    struct problem_asked asked;
    struct problem problem;
    struct error error = {0};
    enum wish_key key;
    assert_true(problem_flags_read(flags, arena, &asked, &error));
    assert_true(problem_pose(&asked, arena, &problem, &error));
    assert_false(wish_apply(wish, &problem, &key, &error));
    assert_int_equal(key, wanted);
    assert_true(error.what[0] != '\0');
}

static void test_wishes_without_sense(void **state) {
    struct problem_flags no_tokens = small;
    no_tokens.tokens = NULL;
    assert_refused(*state, &no_tokens, &(struct wish){.deadline_seconds = 1}, WISH_DEADLINE);
    assert_refused(*state, &no_tokens, &(struct wish){.budget = 1}, WISH_BUDGET);
    assert_refused(*state, &no_tokens, &(struct wish){.objective = OBJECTIVE_COST}, WISH_OBJECTIVE);
    assert_refused(*state, &small, &(struct wish){.headroom_bytes = 90e9}, WISH_HEADROOM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fewest_devices, create, destroy),
        cmocka_unit_test_setup_teardown(test_energy_is_paid_for, create, destroy),
        cmocka_unit_test_setup_teardown(test_other_objectives, create, destroy),
        cmocka_unit_test_setup_teardown(test_deadline_is_a_limit, create, destroy),
        cmocka_unit_test_setup_teardown(test_what_binds, create, destroy),
        cmocka_unit_test_setup_teardown(test_offload_that_is_left_out_is_said, create, destroy),
        cmocka_unit_test_setup_teardown(test_offload_is_weighed, create, destroy),
        cmocka_unit_test_setup_teardown(test_streams_as_a_plan_does, create, destroy),
        cmocka_unit_test_setup_teardown(test_no_answer, create, destroy),
        cmocka_unit_test_setup_teardown(test_all_counts_are_whole_nodes, create, destroy),
        cmocka_unit_test_setup_teardown(test_a_training_that_never_ends, create, destroy),
        cmocka_unit_test_setup_teardown(test_frontier, create, destroy),
        cmocka_unit_test_setup_teardown(test_least_work, create, destroy),
        cmocka_unit_test_setup_teardown(test_least_work_of_a_long_sequence, create, destroy),
        cmocka_unit_test_setup_teardown(test_spare_nodes_cost, create, destroy),
        cmocka_unit_test_setup_teardown(test_wishes_without_sense, create, destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
