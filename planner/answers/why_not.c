#include "planner/answers/why_not.h"

#include "common/units.h"
#include "planner/answers/recommend.h"
#include "planner/search/search_why.h"

const char *const why_not_names[WHY_NOT_REASON_COUNT + 1] = {"memory", "divisibility", "slower", "unasked",
                                                             NULL};

/* Devices of so many times the memory: a little more, the next generations, and one that everything fits on.
 */
static const double MEMORY_TIMES[WHY_NOT_MOST_FASTER] = {1.1, 1.25, 1.5, 2, 1e6};

static const char *over_words(const struct problem *problem, const struct memory_use *memory) {
    double capacity = problem->cluster.device.memory_bytes;
    char over[32], whole[32];
    units_format(memory->per_device_bytes - capacity, UNIT_BYTES, over, sizeof over);
    units_format(capacity, UNIT_BYTES, whole, sizeof whole);
    return arena_print(problem->arena, "%s over the device's %s", over, whole);
}

/* The layout in full, fitting or not. */
static const struct plan *cost(struct problem *problem, const struct layout *layout) {
    struct plan *plan = ARENA_NEW(problem->arena, struct plan);
    search_evaluate(&problem->search, layout, problem->arena, plan, NULL);
    return plan;
}

/* The fastest with ever more memory: faster than the best only because the device has less. */
static bool find_faster(struct problem *problem, struct answer *answer, struct why_not *why_not,
                        struct error *error) {
    struct search_problem search = problem->search;
    struct cluster larger = *problem->search.cluster;
    search.cluster = &larger;
    search.top = 1;
    if (answer->plan_count > 0) {
        search_keep_offloads(&search, why_not->base.layout.offload);
        search.limit_seconds = why_not->base.step.seconds;
    }
    for (size_t i = 0; i < WHY_NOT_MOST_FASTER; i++) {
        struct search_result result;
        larger.device.memory_bytes = MEMORY_TIMES[i] * problem->cluster.device.memory_bytes;
        if (!recommend_run(&search, problem->arena, &result, error))
            return false;
        search_counts_add(&result.looked, &answer->looked);
        if (result.plan_count == 0)
            continue;
        const struct plan *plan = cost(problem, &result.plans[0].layout);
        bool fits = memory_fits(&plan->memory);
        if (fits || (search.limit_seconds > 0 && plan->step.seconds >= search.limit_seconds))
            continue;
        search.limit_seconds = plan->step.seconds;
        why_not->faster[why_not->faster_count++] = (struct why_not_layout){
            .reason = WHY_NOT_MEMORY, .why = over_words(problem, &plan->memory), .plan = plan};
    }
    return true;
}

/* What the best layout with the request's keys is, or why there is none. */
static void judge(struct problem *problem, struct answer *answer, const struct search_problem *search,
                  const struct plan *base, struct why_not_layout *next) {
    struct search_result result;
    struct error error = {0};
    if (!recommend_run(search, problem->arena, &result, &error)) {
        char why[SEARCH_WHY_SIZE];
        search_why_not_split(search, why);
        next->reason = WHY_NOT_DIVISIBILITY;
        next->why = arena_copy_string(problem->arena, why);
        return;
    }
    search_counts_add(&result.looked, &answer->looked);
    if (result.plan_count == 0) {
        next->reason = WHY_NOT_MEMORY;
        next->why = arena_copy_string(problem->arena, result.nearest.why);
        next->plan = cost(problem, &result.nearest.layout);
        return;
    }
    next->plan = result.plans;
    double slower = next->plan->step.seconds / base->step.seconds - 1;
    next->reason = slower < 0 ? WHY_NOT_UNASKED : WHY_NOT_SLOWER;
    if (slower < 0)
        next->why = arena_print(problem->arena, "%.1f %% faster; tried only where asked for", -100 * slower);
    else
        next->why = slower > 0 ? arena_print(problem->arena, "%.1f %% slower", 100 * slower) : "as fast";
}

/* Chunks of unequal layers are costed by the search when they are asked for, but seldom run. */
static bool is_run(const struct problem *problem, const struct layout *base, enum layout_key key,
                   int64_t value, struct why_not_layout *next) {
    int64_t pp = base->pp, layers = problem->model.layers;
    if (key != LAYOUT_VPP || value == 1 || search_may_interleave(&problem->search, pp, value))
        return true;
    next->reason = WHY_NOT_DIVISIBILITY;
    next->why = arena_print(problem->arena, "layers %lld not divisible by pp x vpp %lld", (long long)layers,
                            (long long)(pp * value));
    return false;
}

/* The split of the base, but for one key; what of the rest the request leaves open is chosen anew. */
static void add_next(struct problem *problem, struct answer *answer, enum layout_key key, int64_t value,
                     struct why_not *why_not) {
    static const enum layout_key split[] = {LAYOUT_TP, LAYOUT_PP, LAYOUT_CP, LAYOUT_EP, LAYOUT_ETP};
    struct search_problem search = problem->search;
    struct why_not_layout *next = &why_not->next[why_not->next_count];
    if (value < 1 && key != LAYOUT_RECOMPUTE)
        return;
    if (!layout_request_allows(&search.request, key, value) || why_not->next_count == WHY_NOT_MOST_NEXT)
        return;
    for (size_t i = 0; i < sizeof split / sizeof *split; i++)
        layout_request_fix(&search.request, split[i], layout_get(&why_not->base.layout, split[i]));
    search_keep_offloads(&search, why_not->base.layout.offload);
    layout_request_fix(&search.request, key, value);
    search.top = 1;
    *next = (struct why_not_layout){.key = key, .value = value};
    if (is_run(problem, &why_not->base.layout, key, value, next))
        judge(problem, answer, &search, &why_not->base, next);
    why_not->next_count++;
}

static void find_next(struct problem *problem, struct answer *answer, struct why_not *why_not) {
    static const enum layout_key keys[] = {LAYOUT_TP, LAYOUT_PP,  LAYOUT_VPP,        LAYOUT_CP,
                                           LAYOUT_EP, LAYOUT_ETP, LAYOUT_MICRO_BATCH};
    const struct layout *base = &why_not->base.layout;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t value = layout_get(base, keys[i]);
        if ((keys[i] == LAYOUT_EP || keys[i] == LAYOUT_ETP) && problem->model.experts.count == 0)
            continue;
        if (value % 2 == 0)
            add_next(problem, answer, keys[i], value / 2, why_not);
        if (keys[i] != LAYOUT_VPP || base->pp > 1)
            add_next(problem, answer, keys[i], 2 * value, why_not);
    }
    for (int recompute = 0; recompute < RECOMPUTE_COUNT; recompute++)
        if (recompute != (int)base->recompute)
            add_next(problem, answer, LAYOUT_RECOMPUTE, recompute, why_not);
}

bool why_not_find(struct problem *problem, struct answer *answer, struct error *error) {
    struct why_not *why_not = ARENA_NEW(problem->arena, struct why_not);
    if (!answer_find(problem, answer, error))
        return false;
    if (answer->plan_count == 0 && !answer->nearest.found)
        return true;
    problem->search.devices = answer->plan_count > 0 ? answer->plans[0]->devices : answer->nearest_devices;
    why_not->base = answer->plan_count > 0 ? *answer->plans[0] : *cost(problem, &answer->nearest.layout);
    if (!find_faster(problem, answer, why_not, error))
        return false;
    find_next(problem, answer, why_not);
    answer->why_not = why_not;
    return true;
}
