#include "planner/answers/frontier.h"

#include <stdlib.h>

const double FRONTIER_STEP = 0.05, FRONTIER_SLOWEST = 4;

/* A list of plans that grows in the arena. */
struct plans {
    const struct plan **items;
    size_t count, room;
};

static void add_plan(struct arena *arena, struct plans *plans, const struct plan *plan) {
    if (plans->count == plans->room) {
        size_t room = 2 * plans->room + 64;
        const struct plan **items = ARENA_ARRAY(arena, const struct plan *, room);
        for (size_t i = 0; i < plans->count; i++)
            items[i] = plans->items[i];
        plans->items = items;
        plans->room = room;
    }
    plans->items[plans->count++] = plan;
}

/* Slower plans than this are of no use, nor what the stack does not move out, unless the fastest does. */
static void follow(const struct plan *fastest, struct search_problem *search) {
    search->limit_seconds = FRONTIER_SLOWEST * fastest->step.seconds;
    search_keep_offloads(search, fastest->layout.offload);
}

/* From the fastest plan on to ever less memory. The search sees a device of less memory; the plans don't. */
static bool walk_memory(struct problem *problem, struct answer *answer, struct plans *plans,
                        struct error *error) {
    struct search_problem search = problem->search;
    const struct cluster *cluster = problem->search.cluster;
    struct cluster less = *cluster;
    search.cluster = &less;
    search.top = 1;
    for (;;) {
        struct search_result result;
        if (!search_run(&search, problem->arena, &result, error))
            return false;
        search_counts_add(&result.looked, &answer->looked);
        if (result.plan_count == 0) {
            if (search.limit_seconds <= 0)
                answer->nearest = result.nearest;
            return true;
        }
        struct plan *plan = &result.plans[0];
        plan->cluster = cluster;
        plan->memory.capacity_bytes = cluster->device.memory_bytes;
        add_plan(problem->arena, plans, plan);
        less.device.memory_bytes = plan->memory.per_device_bytes * (1 - FRONTIER_STEP);
        if (search.limit_seconds <= 0)
            follow(plan, &search);
    }
}

static bool no_worse(const struct plan *a, const struct plan *b) {
    return a->devices <= b->devices && a->step.seconds <= b->step.seconds &&
           a->memory.per_device_bytes <= b->memory.per_device_bytes;
}

/* Of plans that are equal in all three the first stays. */
static bool is_beaten(const struct plans *plans, size_t index) {
    for (size_t i = 0; i < plans->count; i++)
        if (i != index && no_worse(plans->items[i], plans->items[index]) &&
            (i < index || !no_worse(plans->items[index], plans->items[i])))
            return true;
    return false;
}

static int compare_by_time(const void *left, const void *right) {
    const struct plan *const *a = left, *const *b = right;
    return ((*a)->step.seconds > (*b)->step.seconds) - ((*a)->step.seconds < (*b)->step.seconds);
}

static void take_unbeaten(struct arena *arena, const struct plans *plans, struct answer *answer) {
    answer->plan_count = 0;
    answer->plans = ARENA_ARRAY(arena, const struct plan *, plans->count);
    for (size_t i = 0; i < plans->count; i++)
        if (!is_beaten(plans, i))
            answer->plans[answer->plan_count++] = plans->items[i];
    if (answer->plan_count > 0)
        qsort(answer->plans, answer->plan_count, sizeof *answer->plans, compare_by_time);
}

bool frontier_find(struct problem *problem, struct answer *answer, struct error *error) {
    struct plans plans = {0};
    *answer = (struct answer){0};
    if (!problem->devices_from) { /* the fewest that it fits on */
        if (!answer_find(problem, answer, error))
            return false;
        if (answer->plan_count == 0)
            return true;
    }
    problem_set_devices(problem, problem->devices_from, problem->devices_to);
    for (int64_t devices = problem->devices_from;; devices = answer_next_count(problem, devices)) {
        problem_set_count(problem, devices);
        if (!walk_memory(problem, answer, &plans, error))
            return false;
        answer->nearest_devices = devices;
        if (devices == problem->devices_to)
            break;
    }
    take_unbeaten(problem->arena, &plans, answer);
    return true;
}
