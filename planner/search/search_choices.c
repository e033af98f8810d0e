/* Where a key is free its choices are all that make a difference; where it is given, all that were given.
 * What can't make a valid base invalid isn't checked again: frames have their choices made by the thousand.
 */
#include "planner/search/search_choices.h"

#include "planner/cost/communication.h"

static bool is_given(const struct search_problem *problem, enum layout_key key) {
    return problem->request.keys[key].count > 0;
}

bool search_allows(const struct search_problem *problem, enum layout_key key, int64_t value) {
    return layout_request_allows(&problem->request, key, value);
}

static bool is_valid(const struct search_problem *problem, const struct layout *layout) {
    return layout_valid(layout, problem->model, problem->training.sequence, problem->training.global_batch,
                        NULL, 0);
}

bool search_has_partials(const struct search_problem *problem) {
    return !is_given(problem, LAYOUT_RECOMPUTE) && !is_given(problem, LAYOUT_RECOMPUTE_LAYERS);
}

static void add_schedule(const struct search_problem *problem, struct layout layout, enum schedule schedule,
                         int64_t vpp, struct split_choices *choices) {
    layout.schedule = schedule;
    layout.vpp = vpp;
    if (choices->schedule_count == SEARCH_MAX_SCHEDULES ||
        !layout_schedule_valid(&layout, problem->model, problem->training.global_batch))
        return;
    choices->schedules[choices->schedule_count].schedule = schedule;
    choices->schedules[choices->schedule_count].vpp = vpp;
    choices->schedules[choices->schedule_count].partials =
        search_has_partials(problem) ? layout_most_chunk_layers(&layout, problem->model) - 1 : 0;
    choices->schedule_count++;
}

bool search_has_equal_chunks(const struct model *model, int64_t pp, int64_t vpp) {
    int64_t layers = model->layers, chunks = pp * vpp;
    return layers % chunks == 0 || layout_divides_with_ends(model, chunks);
}

bool search_may_interleave(const struct search_problem *problem, int64_t pp, int64_t vpp) {
    const struct model *model = problem->model;
    if (search_has_equal_chunks(model, pp, vpp))
        return true;
    if (!problem->training.stack->own_chunks || vpp != model->layers / pp)
        return false;
    for (int64_t equal = 2; pp * equal <= model->layers + 2; equal++)
        if (search_has_equal_chunks(model, pp, equal))
            return false;
    return true;
}

bool search_has_one_split(const struct search_problem *problem) {
    static const enum layout_key keys[] = {LAYOUT_TP, LAYOUT_PP, LAYOUT_CP, LAYOUT_DP};
    const struct layout_request *request = &problem->request;
    size_t fixed = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        fixed += request->keys[keys[i]].count == 1;
    return fixed >= 3 && (problem->model->experts.count == 0 ||
                          (request->keys[LAYOUT_EP].count == 1 && request->keys[LAYOUT_ETP].count == 1));
}

/* A plan is for software that is there: a schedule that the stack lacks is searched only when asked for. */
static bool may_run(const struct search_problem *problem, enum schedule schedule) {
    if (is_given(problem, LAYOUT_SCHEDULE))
        return search_allows(problem, LAYOUT_SCHEDULE, schedule);
    return (problem->training.stack->schedules & 1U << schedule) != 0;
}

/* Micro-batches that pp doesn't divide are interleaved only when that is asked for: few stacks can. */
static bool may_interleave(const struct search_problem *problem, const struct layout *layout) {
    return is_given(problem, LAYOUT_VPP) || is_given(problem, LAYOUT_SCHEDULE) ||
           layout_micro_batches(layout, problem->training.global_batch) % layout->pp == 0;
}

void split_choices_schedules(const struct search_problem *problem, struct split_choices *choices) {
    const struct layout *base = &choices->base;
    bool vpp_given = is_given(problem, LAYOUT_VPP);
    choices->schedule_count = 0;
    for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++) {
        if (!may_run(problem, (enum schedule)schedule))
            continue;
        if (schedule != SCHEDULE_INTERLEAVED) {
            if (search_allows(problem, LAYOUT_VPP, 1))
                add_schedule(problem, *base, (enum schedule)schedule, 1, choices);
            continue;
        }
        if (!may_interleave(problem, base))
            continue;
        for (int64_t vpp = 2; base->pp > 1 && base->pp * vpp <= problem->model->layers + 2; vpp++)
            if (vpp_given ? search_allows(problem, LAYOUT_VPP, vpp)
                          : layout_has_own_ends(base) || search_may_interleave(problem, base->pp, vpp))
                add_schedule(problem, *base, SCHEDULE_INTERLEAVED, vpp, choices);
    }
}

/* Only FSDP runs ZeRO-2 and 3 in a pipeline; others do when they are asked to. */
static bool makes_sense(const struct search_problem *problem, const struct layout *layout, int64_t zero) {
    bool alone = layout->dp * layout->cp == 1 && layout_expert_dp(layout) == 1;
    if (is_given(problem, LAYOUT_ZERO))
        return true;
    if (zero > 0 && alone)
        return false;
    return zero < 2 || layout->pp == 1 || problem->training.stack->fully_sharded;
}

static void add_sharding(const struct search_problem *problem, int64_t zero, int64_t group,
                         struct split_choices *choices) {
    struct layout layout = choices->base;
    layout.zero = zero;
    layout.zero_group = group;
    if (choices->sharding_count == SEARCH_MAX_SHARDINGS || (group > 0 && !is_valid(problem, &layout)))
        return;
    choices->shardings[choices->sharding_count].zero = zero;
    choices->shardings[choices->sharding_count].group = group;
    choices->sharding_count++;
}

static void make_shardings(const struct search_problem *problem, struct split_choices *choices) {
    size_t groups = problem->request.keys[LAYOUT_ZERO_GROUP].count;
    choices->sharding_count = 0;
    for (int64_t zero = 0; zero <= 3; zero++) {
        if (!search_allows(problem, LAYOUT_ZERO, zero) || !makes_sense(problem, &choices->base, zero))
            continue;
        if (groups == 0)
            add_sharding(problem, zero, 0, choices);
        for (size_t i = 0; i < groups; i++)
            add_sharding(problem, zero, problem->request.keys[LAYOUT_ZERO_GROUP].values[i], choices);
    }
}

static void make_sequence_parallel(const struct search_problem *problem, struct split_choices *choices) {
    choices->sequence_parallel_count = 0;
    for (int value = 0; value <= 1; value++)
        if (search_allows(problem, LAYOUT_SEQUENCE_PARALLEL, value) &&
            (value == 0 || layout_sequence_parallel_valid(&choices->base, problem->training.sequence)))
            choices->sequence_parallel[choices->sequence_parallel_count++] = value != 0;
}

static void make_overlaps(const struct search_problem *problem, struct split_choices *choices) {
    const struct stack *stack = problem->training.stack;
    struct layout overlapped = choices->base;
    overlapped.overlap.tp = stack->overlap_tp;
    const bool defaults[] = {communication_overlaps_products(problem->cluster, &overlapped),
                             stack->overlap_dp, stack->overlap_pp};
    choices->overlap_count = 0;
    for (int flags = 0; flags < 8; flags++) {
        bool allowed = true;
        for (int i = 0; i < 3; i++) {
            enum layout_key key = (enum layout_key)(LAYOUT_OVERLAP_TP + i);
            int64_t value = flags >> i & 1;
            allowed = allowed && (is_given(problem, key) ? search_allows(problem, key, value)
                                                         : value == (int64_t)defaults[i]);
        }
        if (allowed)
            choices->overlaps[choices->overlap_count++] =
                (struct layout_overlap){(flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0};
    }
}

/* Of some layers, or of all. */
static void add_recompute(const struct search_problem *problem, const struct recompute_kinds *kinds, int kind,
                          int64_t layers, struct split_choices *choices) {
    struct layout layout = choices->base;
    layout.recompute = kinds->kinds[kind].mode;
    layout.recompute_modules = kinds->kinds[kind].modules;
    layout.recompute_layers = layers;
    if (layers > 1 && !is_valid(problem, &layout)) /* one there is in any model */
        return;
    choices->recomputes[choices->recompute_count].kind = kind;
    choices->recomputes[choices->recompute_count].mode = layout.recompute;
    choices->recomputes[choices->recompute_count].modules = layout.recompute_modules;
    choices->recomputes[choices->recompute_count].layers = layers;
    choices->recomputes[choices->recompute_count].partial = false;
    choices->recompute_count++;
}

/* In the order of what they repeat. */
static void make_recomputes(const struct search_problem *problem, struct split_choices *choices) {
    const struct layout_request *request = &problem->request;
    struct recompute_kinds kinds;
    search_recompute_kinds(problem, &kinds);
    choices->recompute_count = 0;
    for (int kind = 0; kind < kinds.count; kind++) {
        if (kinds.kinds[kind].mode == RECOMPUTE_FULL && search_has_partials(problem)) {
            add_recompute(problem, &kinds, kind, 1, choices);
            choices->recomputes[choices->recompute_count - 1].partial = true;
        }
        if (search_allows(problem, LAYOUT_RECOMPUTE_LAYERS, 0))
            add_recompute(problem, &kinds, kind, 0, choices);
    }
    for (size_t i = 0; i < request->keys[LAYOUT_RECOMPUTE_LAYERS].count; i++)
        if (request->keys[LAYOUT_RECOMPUTE_LAYERS].values[i] > 0 && kinds.count > 0 &&
            kinds.kinds[kinds.count - 1].mode == RECOMPUTE_FULL)
            add_recompute(problem, &kinds, kinds.count - 1, request->keys[LAYOUT_RECOMPUTE_LAYERS].values[i],
                          choices);
}

/* Whether anything can lie outside a device: the cluster file says what its hosts have, or has a store. */
static bool has_outside(const struct cluster *cluster) {
    const struct cluster_node *node = &cluster->node;
    return (node->host_memory_bytes > 0 && node->host_link_bytes_per_second > 0) ||
           cluster->store.name != NULL;
}

bool search_only_streams(const struct cluster *cluster) {
    return cluster->parallelism == PARALLELISM_DATA && cluster->store.name != NULL;
}

unsigned search_usual_offloads(const struct search_problem *problem) {
    if (search_only_streams(problem->cluster))
        return (1U << OFFLOAD_COUNT) - 1; /* by software of its own */
    unsigned moved = has_outside(problem->cluster) ? problem->training.stack->offloads : 0;
    return moved | 1U << OFFLOAD_NONE;
}

unsigned search_further_offloads(const struct search_problem *problem) {
    const unsigned all = (1U << OFFLOAD_COUNT) - 1;
    if (is_given(problem, LAYOUT_OFFLOAD) || !has_outside(problem->cluster))
        return 0;
    return all & ~search_usual_offloads(problem);
}

void search_keep_offloads(struct search_problem *problem, enum offload offload) {
    const unsigned usual = search_usual_offloads(problem);
    const unsigned kept = usual & 1U << offload ? usual : search_further_offloads(problem);
    if (is_given(problem, LAYOUT_OFFLOAD))
        return;
    for (int value = 0; value < OFFLOAD_COUNT; value++)
        if (kept & 1U << value)
            problem->request.keys[LAYOUT_OFFLOAD].values[problem->request.keys[LAYOUT_OFFLOAD].count++] =
                value;
}

static void make_others(const struct search_problem *problem, unsigned offloads,
                        struct split_choices *choices) {
    const struct layout *base = &choices->base;
    bool order_matters = base->pp > 1 && base->dp > 1;
    choices->order_count = choices->offload_count = choices->keeping_count = 0;
    for (int order = 0; order < ORDER_COUNT; order++)
        if (is_given(problem, LAYOUT_ORDER) ? search_allows(problem, LAYOUT_ORDER, order)
                                            : order == 0 || order_matters)
            choices->orders[choices->order_count++] = (enum rank_order)order;
    for (int value = 0; value < OFFLOAD_COUNT; value++)
        if (is_given(problem, LAYOUT_OFFLOAD) ? search_allows(problem, LAYOUT_OFFLOAD, value)
                                              : (offloads & 1U << value) != 0) {
            choices->offloads[choices->offload_count++] = (enum offload)value;
            choices->keeping_count += !offload_activations((enum offload)value);
        }
}

void split_choices_others(const struct search_problem *problem, unsigned offloads,
                          struct split_choices *choices) {
    make_shardings(problem, choices);
    make_sequence_parallel(problem, choices);
    make_overlaps(problem, choices);
    make_recomputes(problem, choices);
    make_others(problem, offloads, choices);
}

/* Of all schedules and what is moved out. */
static int64_t recompute_count(const struct split_choices *choices, size_t recompute) {
    int64_t partials = 0;
    if (!choices->recomputes[recompute].partial)
        return (int64_t)(choices->schedule_count * choices->offload_count);
    for (size_t i = 0; i < choices->schedule_count; i++)
        partials += choices->schedules[i].partials;
    return partials * (int64_t)choices->keeping_count;
}

int64_t split_recompute_count(const struct split_choices *choices, size_t recompute) {
    return (int64_t)(choices->sharding_count * choices->order_count * choices->overlap_count) *
           recompute_count(choices, recompute);
}

int64_t split_choices_count(const struct split_choices *choices) {
    int64_t count = 0;
    for (size_t i = 0; i < choices->recompute_count; i++)
        count += split_recompute_count(choices, i);
    return count * (int64_t)choices->sequence_parallel_count;
}

bool split_choices_make(const struct search_problem *problem, unsigned offloads, const struct layout *split,
                        struct split_choices *choices) {
    choices->base = *split;
    if (!is_valid(problem, &choices->base))
        return false;
    split_choices_schedules(problem, choices);
    split_choices_others(problem, offloads, choices);
    return split_choices_count(choices) > 0;
}

struct layout split_thriftiest(const struct split_choices *choices) {
    struct layout layout = choices->base;
    layout.zero = choices->shardings[choices->sharding_count - 1].zero;
    layout.zero_group = choices->shardings[choices->sharding_count - 1].group;
    for (size_t i = 0; i < choices->offload_count; i++)
        layout.offload = offload_union(layout.offload, choices->offloads[i]);
    layout.schedule = SCHEDULE_1F1B;
    return layout;
}

size_t split_variants(const struct split_choices *choices, struct layout *variants) {
    size_t count = 0;
    for (size_t i = 0; i < choices->sequence_parallel_count; i++)
        for (size_t j = 0; j < choices->recompute_count; j++) {
            struct layout *variant = &variants[count++];
            *variant = choices->base;
            variant->sequence_parallel = choices->sequence_parallel[i];
            variant->recompute = choices->recomputes[j].mode;
            variant->recompute_modules = choices->recomputes[j].modules;
            variant->recompute_layers = choices->recomputes[j].layers;
            variant->overlap = choices->overlaps[choices->overlap_count - 1];
        }
    return count;
}
