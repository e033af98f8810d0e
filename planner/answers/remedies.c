#include "planner/answers/remedies.h"

#include <inttypes.h>

#include "planner/answers/recommend.h"
#include "planner/answers/settings.h"
#include "planner/numbers.h"

/* How often the devices are doubled, and how many counts of a doubling are tried. */
enum { MOST_DOUBLINGS = 12, RESOLUTION = 8 };

/* Settings of the software that save memory; each alone, and both. */
static const struct { bool gradients, moments; } settings[] = {{true, false}, {false, true}, {true, true}};
enum { SETTINGS = sizeof settings / sizeof *settings };

static void add(const char *flag, const struct plan *plan, struct remedies *remedies) {
    if (plan)
        remedies->items[remedies->count++] = (struct remedy){flag, plan};
}

static const char *devices_flag(int64_t devices, struct arena *arena) {
    return arena_print(arena, "--devices %" PRId64, devices);
}

/* `flag`, behind the count that was searched where the question with the flag would be of another. */
static const char *flag_at(const char *flag, bool is_of_one_count, const struct answer *answer,
                           struct arena *arena) {
    return is_of_one_count ? flag
                           : arena_print(arena, "%s %s", devices_flag(answer->nearest_devices, arena), flag);
}

/* The best plan; NULL where nothing fits either. */
static const struct plan *find_plan(struct search_problem search, struct problem *problem,
                                    struct answer *answer) {
    struct search_result result;
    struct error ignored = {0}; /* no layout splits so many */
    search.context = NULL;
    search.top = 1;
    search.plans_only = true;
    if (!recommend_run(&search, problem->arena, &result, &ignored))
        return NULL;
    answer->looked.seconds += result.looked.seconds; /* its layouts answer another question */
    return result.plan_count > 0 ? result.plans : NULL;
}

/* In a node twice as many, then ever more whole nodes. */
static int64_t next_count(int64_t devices, int64_t per_node) {
    if (devices < per_node)
        return devices * 2 < per_node ? devices * 2 : per_node;
    return answer_more_nodes(devices / per_node, RESOLUTION) * per_node;
}

static const struct plan *plan_on(struct problem *problem, int64_t devices, struct answer *answer) {
    problem_set_devices(problem, devices, devices);
    return find_plan(problem->search, problem, answer);
}

/* The least count above `low` and below `high` that next_count comes to and something fits on, or else what
 * fits on `high`, which may be nothing. */
static void try_between(struct problem *problem, int64_t low, int64_t high, const struct plan *on_high,
                        struct answer *answer, struct remedies *remedies) {
    int64_t per_node = problem->cluster.node.devices, devices = next_count(low, per_node);
    const struct plan *plan = NULL;
    for (; devices < high && plan == NULL; devices = next_count(devices, per_node))
        plan = plan_on(problem, devices, answer);
    plan = plan ? plan : on_high;
    if (plan)
        add(devices_flag(plan->devices, problem->arena), plan, remedies);
}

/* Doubled until something fits, as a search that finds nothing takes longest; then those between. */
static void try_devices(struct problem *problem, struct answer *answer, struct remedies *remedies) {
    int64_t per_node = problem->cluster.node.devices;
    int64_t all = problem->cluster.nodes > 0 ? problem->cluster.nodes * per_node : PROBLEM_MAX_DEVICES;
    int64_t low = answer->nearest_devices, high = low;
    /* Without a count nothing was moved out of the devices. */
    const struct plan *plan = answer->fewest ? plan_on(problem, low, answer) : NULL;
    if (plan) {
        add(devices_flag(low, problem->arena), plan, remedies);
        return;
    }
    all = smaller_count(all, PROBLEM_MAX_DEVICES / per_node * per_node);
    for (int tries = 0; tries < MOST_DOUBLINGS && plan == NULL && high < all; tries++) {
        low = high;
        high = smaller_count(low < per_node ? next_count(low, per_node) : low / per_node * per_node * 2, all);
        plan = plan_on(problem, high, answer);
    }
    if (plan || high == all)
        try_between(problem, low, high, plan, answer, remedies);
}

static void try_settings(struct problem *problem, bool is_of_one_count, struct answer *answer,
                         struct remedies *remedies) {
    size_t before = remedies->count;
    for (size_t i = 0; i < SETTINGS; i++) {
        struct search_problem search = problem->search;
        bool both = settings[i].gradients && settings[i].moments;
        if (both && remedies->count > before) /* one is enough */
            continue;
        const char *all = problem->settings;
        if (settings[i].gradients) {
            search.training.gradients = GRADIENTS_HALF;
            all = settings_with(all, "gradients", "16-bit", problem->arena);
        }
        if (settings[i].moments) {
            search.training.optimizer.moments = MOMENTS_HALF;
            all = settings_with(all, "optimizer.moments", "16-bit", problem->arena);
        }
        const char *flag = arena_print(problem->arena, "--training \"%s\"", all);
        add(flag_at(flag, is_of_one_count, answer, problem->arena), find_plan(search, problem, answer),
            remedies);
    }
}

/* Without what --layout asks, which may be the devices too. */
static void try_layout(struct problem *problem, bool is_of_one_count, struct answer *answer,
                       struct remedies *remedies) {
    struct search_problem search = problem->search;
    bool gives_count = problem_layout_devices(&search.request) > 0;
    bool asked = false;
    for (int key = 0; key < LAYOUT_KEY_COUNT; key++)
        asked = asked || search.request.keys[key].count > 0;
    search.request = (struct layout_request){.keys = {{.count = 0}}};
    if (asked)
        add(flag_at("no --layout", is_of_one_count && !gives_count, answer, problem->arena),
            find_plan(search, problem, answer), remedies);
}

void remedies_find(struct problem *problem, struct answer *answer) {
    const struct search_problem search = problem->search;
    int64_t from = problem->devices_from, to = problem->devices_to;
    bool is_of_one_count = !answer->range && !answer->fewest;
    struct remedies *remedies = ARENA_NEW(problem->arena, struct remedies);
    try_devices(problem, answer, remedies);
    problem_set_devices(problem, answer->nearest_devices, answer->nearest_devices);
    try_settings(problem, is_of_one_count, answer, remedies);
    try_layout(problem, is_of_one_count, answer, remedies);
    problem->search = search;
    problem->devices_from = from;
    problem->devices_to = to;
    answer->remedies = remedies->count > 0 ? remedies : NULL;
}
