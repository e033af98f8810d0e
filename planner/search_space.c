#include "planner/search_space.h"

#include <stdlib.h>

/* Where a key is free its choices are all that make a difference; where it is given, all that were given. */
static bool is_given(const struct search_problem *problem, enum layout_key key) {
    return problem->request.keys[key].count > 0;
}

static bool allows(const struct search_problem *problem, enum layout_key key, int64_t value) {
    return layout_request_allows(&problem->request, key, value);
}

static bool is_valid(const struct search_problem *problem, const struct layout *layout) {
    return layout_valid(layout, problem->model, problem->training.sequence, problem->training.global_batch,
                        NULL, 0);
}

static void add_schedule(const struct search_problem *problem, struct layout layout, enum schedule schedule,
                         int64_t vpp, struct split_choices *choices) {
    layout.schedule = schedule;
    layout.vpp = vpp;
    if (choices->schedule_count == SEARCH_MAX_SCHEDULES || !is_valid(problem, &layout))
        return;
    choices->schedules[choices->schedule_count].schedule = schedule;
    choices->schedules[choices->schedule_count].vpp = vpp;
    choices->schedule_count++;
}

/* Frameworks interleave equal chunks only, embedding and loss counted as a layer each or not. */
static bool has_equal_chunks(const struct search_problem *problem, int64_t pp, int64_t vpp) {
    int64_t layers = problem->model->layers, chunks = pp * vpp;
    return layers % chunks == 0 || (layers + 2) % chunks == 0;
}

/* A plan is for software that is there: what the stack lacks is searched only when asked for. */
static bool may_run(const struct search_problem *problem, int schedule) {
    if (is_given(problem, LAYOUT_SCHEDULE))
        return allows(problem, LAYOUT_SCHEDULE, schedule);
    return (problem->training.stack->schedules & 1U << schedule) != 0;
}

static void make_schedules(const struct search_problem *problem, struct split_choices *choices) {
    const struct layout *base = &choices->base;
    bool vpp_given = is_given(problem, LAYOUT_VPP);
    choices->schedule_count = 0;
    for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++) {
        if (!may_run(problem, schedule))
            continue;
        if (schedule != SCHEDULE_INTERLEAVED) {
            if (allows(problem, LAYOUT_VPP, 1))
                add_schedule(problem, *base, (enum schedule)schedule, 1, choices);
            continue;
        }
        for (int64_t vpp = 2; base->pp > 1 && base->pp * vpp <= problem->model->layers + 2; vpp++)
            if (vpp_given ? allows(problem, LAYOUT_VPP, vpp) : has_equal_chunks(problem, base->pp, vpp))
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
    if (choices->sharding_count == SEARCH_MAX_SHARDINGS || !is_valid(problem, &layout))
        return;
    choices->shardings[choices->sharding_count].zero = zero;
    choices->shardings[choices->sharding_count].group = group;
    choices->sharding_count++;
}

static void make_shardings(const struct search_problem *problem, struct split_choices *choices) {
    size_t groups = problem->request.keys[LAYOUT_ZERO_GROUP].count;
    choices->sharding_count = 0;
    for (int64_t zero = 0; zero <= 3; zero++) {
        if (!allows(problem, LAYOUT_ZERO, zero) || !makes_sense(problem, &choices->base, zero))
            continue;
        if (groups == 0)
            add_sharding(problem, zero, 0, choices);
        for (size_t i = 0; i < groups; i++)
            add_sharding(problem, zero, problem->request.keys[LAYOUT_ZERO_GROUP].values[i], choices);
    }
}

static void make_sequence_parallel(const struct search_problem *problem, struct split_choices *choices) {
    choices->sequence_parallel_count = 0;
    for (int value = 0; value <= 1; value++) {
        struct layout layout = choices->base;
        layout.sequence_parallel = value != 0;
        if (allows(problem, LAYOUT_SEQUENCE_PARALLEL, value) && is_valid(problem, &layout))
            choices->sequence_parallel[choices->sequence_parallel_count++] = value != 0;
    }
}

static void make_overlaps(const struct search_problem *problem, struct split_choices *choices) {
    const struct stack *stack = problem->training.stack;
    const bool defaults[] = {stack->overlap_tp, stack->overlap_dp, stack->overlap_pp};
    choices->overlap_count = 0;
    for (int flags = 0; flags < 8; flags++) {
        bool allowed = true;
        for (int i = 0; i < 3; i++) {
            enum layout_key key = (enum layout_key)(LAYOUT_OVERLAP_TP + i);
            int64_t value = flags >> i & 1;
            allowed = allowed &&
                      (is_given(problem, key) ? allows(problem, key, value) : value == (int64_t)defaults[i]);
        }
        if (allowed)
            choices->overlaps[choices->overlap_count++] =
                (struct layout_overlap){(flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0};
    }
}

static void make_others(const struct search_problem *problem, bool offload, struct split_choices *choices) {
    const struct layout *base = &choices->base;
    bool order_matters = base->pp > 1 && base->dp > 1;
    choices->recompute_count = choices->order_count = choices->offload_count = 0;
    for (int recompute = 0; recompute < RECOMPUTE_COUNT; recompute++)
        if (allows(problem, LAYOUT_RECOMPUTE, recompute))
            choices->recomputes[choices->recompute_count++] = (enum recompute)recompute;
    for (int order = 0; order < ORDER_COUNT; order++)
        if (is_given(problem, LAYOUT_ORDER) ? allows(problem, LAYOUT_ORDER, order)
                                            : order == 0 || order_matters)
            choices->orders[choices->order_count++] = (enum rank_order)order;
    for (int value = 0; value <= 1; value++)
        if (is_given(problem, LAYOUT_OFFLOAD) ? allows(problem, LAYOUT_OFFLOAD, value)
                                              : (value != 0) == offload)
            choices->offloads[choices->offload_count++] = value != 0;
}

int64_t split_choices_count(const struct split_choices *choices) {
    return (int64_t)(choices->schedule_count * choices->sharding_count * choices->recompute_count *
                     choices->sequence_parallel_count * choices->order_count * choices->overlap_count *
                     choices->offload_count);
}

struct layout split_layout(const struct split *split) {
    return (struct layout){.tp = split->tp,
                           .pp = split->pp,
                           .vpp = 1,
                           .cp = split->cp,
                           .ep = split->ep,
                           .etp = split->etp,
                           .dp = split->dp,
                           .micro_batch = split->micro_batch};
}

bool split_choices_make(const struct search_problem *problem, bool offload, const struct split *split,
                        struct split_choices *choices) {
    choices->base = split_layout(split);
    if (!is_valid(problem, &choices->base))
        return false;
    make_schedules(problem, choices);
    make_shardings(problem, choices);
    make_sequence_parallel(problem, choices);
    make_overlaps(problem, choices);
    make_others(problem, offload, choices);
    return split_choices_count(choices) > 0;
}

/* Divisors of the device count, rising. A number below 2^31 has at most 1536. */
enum { MAX_DIVISORS = 1536 };

struct builder {
    const struct search_problem *problem;
    bool offload;
    struct search_space *space;
    size_t room;
    int64_t divisors[MAX_DIVISORS];
    size_t divisor_count;
};

static void add_split(struct builder *builder, struct split split) {
    struct search_space *space = builder->space;
    struct split_choices choices;
    int64_t leaves;
    if (!split_choices_make(builder->problem, builder->offload, &split, &choices))
        return;
    if (space->count == builder->room) {
        builder->room = builder->room > 0 ? 2 * builder->room : 1024;
        struct split *splits = realloc(space->splits, builder->room * sizeof *splits);
        if (splits == NULL)
            abort();
        space->splits = splits;
    }
    leaves = split_choices_count(&choices);
    split.leaves = (int32_t)leaves;
    space->splits[space->count++] = split;
    space->layouts += leaves;
}

static void add_micro_batch(struct builder *builder, struct split split, int64_t each, int64_t size) {
    if (size > each || each % size != 0)
        return;
    split.micro_batch = (int32_t)size;
    add_split(builder, split);
}

static void add_micro_batches(struct builder *builder, struct split split) {
    const struct layout_request *request = &builder->problem->request;
    int64_t each = builder->problem->training.global_batch / split.dp;
    size_t given = request->keys[LAYOUT_MICRO_BATCH].count;
    for (size_t i = 0; i < given; i++)
        add_micro_batch(builder, split, each, request->keys[LAYOUT_MICRO_BATCH].values[i]);
    for (int64_t size = 1; given == 0 && size <= SEARCH_MAX_MICRO_BATCH; size++)
        add_micro_batch(builder, split, each, size);
}

/* ep and etp that the replicas of tp x cp x dp devices can be dealt to. */
static void add_expert_splits(struct builder *builder, struct split split) {
    const struct search_problem *problem = builder->problem;
    const struct model_experts *experts = &problem->model->experts;
    int64_t devices = (int64_t)split.tp * split.cp * split.dp;
    int64_t most_ep = experts->count > 0 ? experts->count : 1;
    int64_t most_etp = experts->count > 0 ? experts->ffn_hidden : 1;
    for (size_t i = 0; i < builder->divisor_count && builder->divisors[i] <= most_ep; i++) {
        int64_t ep = builder->divisors[i];
        if (most_ep % ep != 0 || devices % ep != 0 || !allows(problem, LAYOUT_EP, ep))
            continue;
        for (size_t j = 0; j < builder->divisor_count && builder->divisors[j] <= most_etp; j++) {
            int64_t etp = builder->divisors[j];
            if (most_etp % etp != 0 || devices / ep % etp != 0 || !allows(problem, LAYOUT_ETP, etp))
                continue;
            split.ep = (int32_t)ep;
            split.etp = (int32_t)etp;
            add_micro_batches(builder, split);
        }
    }
}

static void add_splits_of_tp(struct builder *builder, int64_t tp, int64_t rest) {
    const struct search_problem *problem = builder->problem;
    for (size_t i = 0; i < builder->divisor_count; i++) {
        int64_t pp = builder->divisors[i];
        if (rest % pp != 0 || pp > problem->model->layers + 2 || !allows(problem, LAYOUT_PP, pp))
            continue;
        for (size_t j = 0; j < builder->divisor_count; j++) {
            int64_t cp = builder->divisors[j], dp = rest / pp / cp;
            if (rest / pp % cp != 0 || problem->training.sequence % cp != 0 ||
                problem->training.global_batch % dp != 0 || !allows(problem, LAYOUT_CP, cp) ||
                !allows(problem, LAYOUT_DP, dp))
                continue;
            add_expert_splits(
                builder,
                (struct split){.tp = (int32_t)tp, .pp = (int32_t)pp, .cp = (int32_t)cp, .dp = (int32_t)dp});
        }
    }
}

void search_space_build(const struct search_problem *problem, bool offload, struct search_space *space) {
    struct builder builder = {.problem = problem, .offload = offload, .space = space};
    *space = (struct search_space){0};
    for (int64_t i = 1; i <= problem->devices && builder.divisor_count < MAX_DIVISORS; i++)
        if (problem->devices % i == 0)
            builder.divisors[builder.divisor_count++] = i;
    for (size_t i = 0; i < builder.divisor_count; i++) {
        int64_t tp = builder.divisors[i];
        if (problem->model->heads % tp == 0 && allows(problem, LAYOUT_TP, tp))
            add_splits_of_tp(&builder, tp, problem->devices / tp);
    }
}

void search_space_free(struct search_space *space) {
    free(space->splits);
    *space = (struct search_space){0};
}
