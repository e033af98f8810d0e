#include "planner/answer.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COUNTS = 32, MAX_FEWEST_TRIES = 256, FEWEST_RESOLUTION = 32 };

void answer_count(struct answer *answer, const struct search_result *result) {
    answer->layouts += result->layouts;
    answer->evaluated += result->evaluated;
    answer->pruned += result->pruned;
    answer->feasible += result->feasible;
    answer->seconds += result->seconds;
}

static bool search_count(struct problem *problem, int64_t devices, struct answer *answer,
                         struct search_result *result, struct error *error) {
    problem->search.devices = devices;
    if (!search_run(&problem->search, problem->arena, result, error)) {
        return false;
    }
    answer_count(answer, result);
    answer->nearest = result->nearest;
    answer->nearest_devices = devices;
    return true;
}

static void take_plans(struct answer *answer, const struct search_result *result, size_t most) {
    for (size_t i = 0; i < result->plan_count && i < most; i++) {
        answer->plans[answer->plan_count++] = &result->plans[i];
    }
}

int64_t answer_next_count(const struct problem *problem, int64_t devices) {
    int64_t per_node = problem->cluster.node.devices, to = problem->devices_to;
    int64_t next = devices < per_node && devices * 2 > per_node ? per_node : devices * 2;
    return next < to ? next : to;
}

static int compare_by_time(const void *left, const void *right) {
    const struct plan *const *a = left, *const *b = right;
    return ((*a)->step.seconds > (*b)->step.seconds) - ((*a)->step.seconds < (*b)->step.seconds);
}

static bool search_range(struct problem *problem, struct answer *answer, struct error *error) {
    int64_t from = problem->devices_from, to = problem->devices_to;
    problem_set_devices(problem, from, to);
    problem->search.top = 1; /* the best of each */
    for (int64_t devices = from;; devices = answer_next_count(problem, devices)) {
        struct search_result result;
        if (!search_count(problem, devices, answer, &result, error)) {
            return false;
        }
        take_plans(answer, &result, 1);
        if (devices == to) {
            break;
        }
    }
    qsort(answer->plans, answer->plan_count, sizeof *answer->plans, compare_by_time);
    return true;
}

static bool search_one(struct problem *problem, struct answer *answer, struct error *error) {
    struct search_result result;
    problem_set_devices(problem, problem->devices_from, problem->devices_from);
    if (!search_count(problem, problem->devices_from, answer, &result, error)) {
        return false;
    }
    take_plans(answer, &result, problem->search.top);
    return true;
}

/* Small counts are tried one by one; of large ones those that are multiples of a power of two, about one in
 * thirty: near enough to the fewest, and odd multiples split badly anyway. */
static int64_t fewest_nodes_step(int64_t nodes) {
    int64_t step = 1;
    while (step * 2 * FEWEST_RESOLUTION <= nodes) {
        step *= 2;
    }
    return step;
}

static bool search_fewest(struct problem *problem, struct answer *answer, struct error *error) {
    problem_keep_states(problem);
    int64_t per_node = problem->cluster.node.devices, first = problem_fewest_devices(problem) / per_node;
    int64_t nodes = first;
    for (int tries = 0; tries < MAX_FEWEST_TRIES; tries++) {
        struct search_result result;
        problem_set_devices(problem, nodes * per_node, nodes * per_node);
        /* A count that no layout splits is one to pass by. */
        if (search_count(problem, nodes * per_node, answer, &result, error) && result.plan_count > 0) {
            take_plans(answer, &result, problem->search.top);
            problem_note(problem, "%" PRId64 " devices: the fewest whole nodes it fits on%s (--devices)",
                         nodes * per_node, fewest_nodes_step(nodes) > 1 ? ", to a few percent" : "");
            return true;
        }
        int64_t step = fewest_nodes_step(nodes);
        nodes = (nodes / step + 1) * step;
    }
    problem_note(problem, "tried %" PRId64 " to %" PRId64 " devices (--devices tries others)",
                 first * per_node, answer->nearest_devices);
    return true;
}

bool answer_find(struct problem *problem, struct answer *answer, struct error *error) {
    memset(answer, 0, sizeof *answer);
    size_t room = problem->search.top > MAX_COUNTS ? problem->search.top : MAX_COUNTS;
    answer->plans = ARENA_ARRAY(problem->arena, const struct plan *, room);
    answer->range = problem->devices_from != problem->devices_to;
    if (!problem->devices_from) {
        return search_fewest(problem, answer, error);
    }
    return answer->range ? search_range(problem, answer, error) : search_one(problem, answer, error);
}
