#include "planner/answers/what_if.h"

#include "planner/answers/recommend.h"
#include "planner/kernels/collective.h"
#include "planner/kernels/device_scale.h"

const char *const what_if_names[WHAT_IF_KIND_COUNT + 1] = {"compute",   "memory",  "memory_bandwidth",
                                                           "bandwidth", "latency", NULL};

static const double TWICE = 2, HALF = 0.5;

static void scale_bandwidth(struct network_level *level, double factor) {
    level->bandwidth_bytes_per_second *= factor;
    for (int i = 0; i < COLLECTIVE_COUNT; i++)
        collective_scale_bandwidth(&level->collectives[i], factor);
}

void what_if_apply(enum what_if_kind kind, double factor, size_t level, struct cluster *cluster) {
    size_t first = level < cluster->level_count ? level : 0;
    size_t end = level < cluster->level_count ? level + 1 : cluster->level_count;
    switch (kind) {
    case WHAT_IF_COMPUTE:
        device_scale_compute(&cluster->device, factor);
        break;
    case WHAT_IF_MEMORY:
        cluster->device.memory_bytes *= factor;
        break;
    case WHAT_IF_MEMORY_BANDWIDTH:
        device_scale_memory_bandwidth(&cluster->device, factor);
        break;
    case WHAT_IF_BANDWIDTH:
        for (size_t i = first; i < end; i++)
            scale_bandwidth(&cluster->levels[i], factor);
        break;
    case WHAT_IF_LATENCY:
        for (size_t i = first; i < end; i++)
            collective_scale_latency(&cluster->levels[i], factor);
        break;
    case WHAT_IF_KIND_COUNT:
        break;
    }
}

/* Only what is no slower than today's best is of use, which prunes most of the space from the start. */
bool what_if_search(struct search_problem *search, struct answer *answer, struct arena *arena,
                    struct what_if_gain *gain, struct error *error) {
    const struct plan *today = answer->plans[0];
    struct plan *kept = ARENA_NEW(arena, struct plan);
    struct search_result result;
    search->devices = today->devices;
    search->top = 1;
    search->context = NULL;
    search->plans_only = true;
    search_keep_offloads(search, today->layout.offload);
    search->limit_seconds = today->step.seconds;
    if (!recommend_run(search, arena, &result, error))
        return false;
    search_counts_add(&result.looked, &answer->looked);
    search_evaluate(search, &today->layout, arena, kept, NULL);
    bool fits = memory_fits(&kept->memory);
    gain->kept_seconds = fits ? kept->step.seconds : 0;
    gain->plan = fits && kept->step.seconds <= today->step.seconds ? kept : today;
    if (result.plan_count > 0 && result.plans[0].step.seconds < gain->plan->step.seconds)
        gain->plan = result.plans;
    gain->saved = 1 - gain->plan->step.seconds / today->step.seconds;
    return true;
}

static bool search_change(struct problem *problem, struct answer *answer, size_t level,
                          struct what_if_change *change, struct error *error) {
    struct search_problem search = problem->search;
    struct cluster *cluster = ARENA_NEW(problem->arena, struct cluster);
    *cluster = *problem->search.cluster;
    what_if_apply(change->kind, change->factor, level, cluster);
    search.cluster = cluster;
    return what_if_search(&search, answer, problem->arena, &change->gain, error);
}

/* How many levels groups of so many devices reach. */
static size_t levels_reached(const struct cluster *cluster, int64_t devices) {
    return devices > 1 ? cluster_level_of_span(cluster, devices) + 1 : 0;
}

static bool add(struct problem *problem, struct answer *answer, enum what_if_kind kind, size_t level,
                struct what_if *what_if, struct error *error) {
    const struct cluster *cluster = &problem->cluster;
    struct what_if_change *change = &what_if->changes[what_if->count++];
    *change =
        (struct what_if_change){.kind = kind,
                                .factor = kind == WHAT_IF_LATENCY ? HALF : TWICE,
                                .level = level < cluster->level_count ? cluster->levels[level].name : NULL};
    return search_change(problem, answer, level, change, error);
}

/* Most saved first; of equals in the order they were tried, which is that of the places. */
static void sort_changes(struct what_if *what_if) {
    for (size_t i = 1; i < what_if->count; i++) {
        struct what_if_change change = what_if->changes[i];
        size_t place = i;
        for (; place > 0 && what_if->changes[place - 1].gain.saved < change.gain.saved; place--)
            what_if->changes[place] = what_if->changes[place - 1];
        what_if->changes[place] = change;
    }
}

bool what_if_find(struct problem *problem, struct answer *answer, struct error *error) {
    problem->search.top = 1;
    if (!answer_find(problem, answer, error))
        return false;
    if (answer->plan_count == 0)
        return true;
    struct what_if *what_if = ARENA_NEW(problem->arena, struct what_if);
    size_t all = problem->cluster.level_count,
           reached = levels_reached(&problem->cluster, answer->plans[0]->devices);
    for (int kind = 0; kind < WHAT_IF_BANDWIDTH; kind++)
        if (!add(problem, answer, (enum what_if_kind)kind, all, what_if, error))
            return false;
    for (int kind = WHAT_IF_BANDWIDTH; kind < WHAT_IF_KIND_COUNT; kind++) {
        for (size_t level = 0; level < reached; level++)
            if (!add(problem, answer, (enum what_if_kind)kind, level, what_if, error))
                return false;
        if (reached > 1 && !add(problem, answer, (enum what_if_kind)kind, all, what_if, error))
            return false;
    }
    sort_changes(what_if);
    if (!what_if_add_settings(problem, answer, what_if, error))
        return false;
    answer->what_if = what_if;
    return true;
}
