#include "planner/search_space.h"

#include <stdlib.h>
#include <string.h>

#include "planner/stage_balance.h"

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

bool search_has_partials(const struct search_problem *problem) {
    return !is_given(problem, LAYOUT_RECOMPUTE) && !is_given(problem, LAYOUT_RECOMPUTE_LAYERS);
}

static void add_schedule(const struct search_problem *problem, struct layout layout, enum schedule schedule,
                         int64_t vpp, struct split_choices *choices) {
    layout.schedule = schedule;
    layout.vpp = vpp;
    if (choices->schedule_count == SEARCH_MAX_SCHEDULES || !is_valid(problem, &layout))
        return;
    choices->schedules[choices->schedule_count].schedule = schedule;
    choices->schedules[choices->schedule_count].vpp = vpp;
    choices->schedules[choices->schedule_count].partials =
        search_has_partials(problem) ? layout_most_chunk_layers(&layout, problem->model) - 1 : 0;
    choices->schedule_count++;
}

bool search_has_equal_chunks(const struct model *model, int64_t pp, int64_t vpp) {
    int64_t layers = model->layers, chunks = pp * vpp;
    return layers % chunks == 0 || layout_counts_ends(model, chunks);
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

bool search_may_run(const struct search_problem *problem, enum schedule schedule) {
    if (is_given(problem, LAYOUT_SCHEDULE))
        return allows(problem, LAYOUT_SCHEDULE, schedule);
    return (problem->training.stack->schedules & 1U << schedule) != 0;
}

/* Micro-batches that pp doesn't divide are interleaved only when that is asked for: few stacks can. */
static bool may_interleave(const struct search_problem *problem, const struct layout *layout) {
    return is_given(problem, LAYOUT_VPP) || is_given(problem, LAYOUT_SCHEDULE) ||
           layout_micro_batches(layout, problem->training.global_batch) % layout->pp == 0;
}

static void make_schedules(const struct search_problem *problem, struct split_choices *choices) {
    const struct layout *base = &choices->base;
    bool vpp_given = is_given(problem, LAYOUT_VPP);
    choices->schedule_count = 0;
    for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++) {
        if (!search_may_run(problem, (enum schedule)schedule))
            continue;
        if (schedule != SCHEDULE_INTERLEAVED) {
            if (allows(problem, LAYOUT_VPP, 1))
                add_schedule(problem, *base, (enum schedule)schedule, 1, choices);
            continue;
        }
        if (!may_interleave(problem, base))
            continue;
        for (int64_t vpp = 2; base->pp > 1 && base->pp * vpp <= problem->model->layers + 2; vpp++)
            if (vpp_given ? allows(problem, LAYOUT_VPP, vpp)
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

static void add_recompute(const struct search_problem *problem, enum recompute mode, int64_t layers,
                          struct split_choices *choices) {
    struct layout layout = choices->base;
    layout.recompute = mode;
    layout.recompute_layers = layers;
    if (layers > 0 && !is_valid(problem, &layout))
        return;
    choices->recomputes[choices->recompute_count].mode = mode;
    choices->recomputes[choices->recompute_count].layers = layers;
    choices->recomputes[choices->recompute_count].partial = false;
    choices->recompute_count++;
}

/* In the order of what they repeat. */
static void make_recomputes(const struct search_problem *problem, struct split_choices *choices) {
    choices->recompute_count = 0;
    for (int mode = 0; mode < RECOMPUTE_COUNT; mode++) {
        if (mode == RECOMPUTE_FULL && search_has_partials(problem)) {
            add_recompute(problem, RECOMPUTE_FULL, 1, choices);
            choices->recomputes[choices->recompute_count - 1].partial = true;
        }
        if (allows(problem, LAYOUT_RECOMPUTE, mode) && allows(problem, LAYOUT_RECOMPUTE_LAYERS, 0))
            add_recompute(problem, (enum recompute)mode, 0, choices);
    }
    for (size_t i = 0; i < problem->request.keys[LAYOUT_RECOMPUTE_LAYERS].count; i++)
        if (problem->request.keys[LAYOUT_RECOMPUTE_LAYERS].values[i] > 0 &&
            allows(problem, LAYOUT_RECOMPUTE, RECOMPUTE_FULL))
            add_recompute(problem, RECOMPUTE_FULL, problem->request.keys[LAYOUT_RECOMPUTE_LAYERS].values[i],
                          choices);
}

/* Whether anything can lie outside a device: the cluster file says what its hosts have, or has a store. */
static bool has_outside(const struct cluster *cluster) {
    const struct cluster_node *node = &cluster->node;
    return (node->host_memory_bytes > 0 && node->host_link_bytes_per_second > 0) ||
           cluster->store.name != NULL;
}

unsigned search_usual_offloads(const struct search_problem *problem) {
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
        if (is_given(problem, LAYOUT_ORDER) ? allows(problem, LAYOUT_ORDER, order)
                                            : order == 0 || order_matters)
            choices->orders[choices->order_count++] = (enum rank_order)order;
    for (int value = 0; value < OFFLOAD_COUNT; value++)
        if (is_given(problem, LAYOUT_OFFLOAD) ? allows(problem, LAYOUT_OFFLOAD, value)
                                              : (offloads & 1U << value) != 0) {
            choices->offloads[choices->offload_count++] = (enum offload)value;
            choices->keeping_count += !offload_activations((enum offload)value);
        }
}

static void make_all_but_schedules(const struct search_problem *problem, unsigned offloads,
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
    make_schedules(problem, choices);
    make_all_but_schedules(problem, offloads, choices);
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
            variant->recompute_layers = choices->recomputes[j].layers;
            variant->overlap = choices->overlaps[choices->overlap_count - 1];
        }
    return count;
}

/* Divisors of the device count, rising. A number below 2^31 has at most 1536. */
enum { MAX_DIVISORS = 1536 };

/* What the check of a schedule asks of the micro-batches, each answer a bit: they are dealt out evenly to
 * stages, they are even, there are two for each stage, there is one. */
enum { MICRO_BATCH_CLASSES = 16 };

struct schedules_known {
    bool known;
    int64_t count, partials; /* of all of them */
    struct frame_schedules schedules;
};

struct builder {
    const struct search_problem *problem;
    struct cost_context *context;
    unsigned offloads;
    struct search_space *space;
    size_t frame_room, split_room, group_room;
    int64_t divisors[MAX_DIVISORS];
    size_t divisor_count;
    struct schedules_known known[2]
                                [MICRO_BATCH_CLASSES]; /* of the pp and the ends at hand, and without own */
    bool balanced;                                     /* `ends` are better than the rule's */
    struct stage_ends ends;
};

struct layout frame_layout(const struct frame *frame) {
    return (struct layout){.tp = frame->tp,
                           .pp = frame->pp,
                           .vpp = 1,
                           .cp = frame->cp,
                           .ep = 1,
                           .etp = 1,
                           .dp = frame->dp,
                           .micro_batch = frame->micro_batch,
                           .first_stage_layers = frame->first_stage_layers,
                           .last_stage_layers = frame->last_stage_layers};
}

struct layout frame_split(const struct frame *frame, const struct expert_split *experts) {
    struct layout layout = frame_layout(frame);
    layout.ep = experts->ep;
    layout.etp = experts->etp;
    return layout;
}

const struct expert_split *frame_splits(const struct search_space *space, const struct frame *frame,
                                        size_t *count) {
    const struct split_group *group = &space->split_groups[frame->split_group];
    *count = group->count;
    return &space->expert_splits[group->first];
}

/* `array` with room for at least one more than `count` items of `size` bytes. */
static void *grown(void *array, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return array;
    *room = *room > 0 ? 2 * *room : 1024;
    array = realloc(array, *room * size);
    if (array == NULL)
        arena_out_of_memory();
    return array;
}

/* Schedules of a frame: the same for all of its pp whose micro-batches are of one class. */
static const struct schedules_known *schedules_of(struct builder *builder, const struct frame *frame) {
    struct split_choices choices = {.base = frame_layout(frame)};
    int64_t micro_batches = layout_micro_batches(&choices.base, builder->problem->training.global_batch);
    int class = (micro_batches % frame->pp == 0) | (micro_batches % 2 == 0) << 1 |
                (micro_batches >= 2 * (int64_t)frame->pp) << 2 | (micro_batches >= frame->pp) << 3;
    struct schedules_known *known = &builder->known[layout_has_own_ends(&choices.base)][class];
    if (known->known)
        return known;
    make_schedules(builder->problem, &choices);
    *known = (struct schedules_known){
        .known = true, .count = (int64_t)choices.schedule_count, .schedules = {.most_chunks = 1}};
    for (size_t i = 0; i < choices.schedule_count; i++) {
        known->partials += choices.schedules[i].partials;
        known->schedules.mask |= 1U << choices.schedules[i].schedule;
        if (choices.schedules[i].vpp > 1 && !layout_has_own_ends(&choices.base) &&
            !search_has_equal_chunks(builder->problem->model, frame->pp, choices.schedules[i].vpp))
            known->schedules.unequal = true;
        if (choices.schedules[i].vpp > known->schedules.most_chunks)
            known->schedules.most_chunks = (int32_t)choices.schedules[i].vpp;
    }
    return known;
}

static void set_thriftiest(const struct split_choices *choices, struct frame *frame) {
    const struct layout layout = split_thriftiest(choices);
    frame->zero = (int32_t)layout.zero;
    frame->zero_group = (int32_t)layout.zero_group;
    frame->offload = (int32_t)layout.offload;
    frame->keeps = choices->keeping_count > 0;
    frame->moves = choices->keeping_count < choices->offload_count;
}

/* Leaves of all splits of a frame: of each schedule, and of each of its partials. */
struct frame_leaves {
    int64_t whole, partial;
};

/* Splits differ only where ZeRO has experts alone to divide. */
static struct frame_leaves leaves_a_schedule(const struct builder *builder, struct frame *frame) {
    bool equal = frame->dp * frame->cp > 1;
    size_t count;
    const struct expert_split *splits = frame_splits(builder->space, frame, &count);
    struct frame_leaves leaves = {0, 0};
    frame->zero = -1;
    for (size_t i = 0; i < (equal && count > 0 ? 1 : count); i++) {
        struct split_choices choices = {.base = frame_split(frame, &splits[i]), .schedule_count = 1};
        int64_t whole;
        if (!is_valid(builder->problem, &choices.base))
            continue;
        make_all_but_schedules(builder->problem, builder->offloads, &choices);
        choices.schedules[0].partials = 0;
        whole = split_choices_count(&choices);
        leaves.whole += whole;
        if (equal && whole > 0)
            set_thriftiest(&choices, frame);
        choices.schedules[0].partials = 1;
        leaves.partial += split_choices_count(&choices) - whole;
    }
    if (equal) {
        leaves.whole *= (int64_t)count;
        leaves.partial *= (int64_t)count;
    }
    return leaves;
}

static void add_frame(struct builder *builder, struct frame frame, int64_t each,
                      const struct frame_leaves *leaves) {
    struct search_space *space = builder->space;
    if (frame.micro_batch > each || each % frame.micro_batch != 0)
        return;
    const struct schedules_known *known = schedules_of(builder, &frame);
    if (known->count == 0)
        return;
    frame.schedules = known->schedules;
    frame.leaves = known->count * leaves->whole + known->partials * leaves->partial;
    space->frames = grown(space->frames, space->count, &builder->frame_room, sizeof frame);
    space->frames[space->count++] = frame;
    space->layouts += frame.leaves;
}

static void add_micro_batches(struct builder *builder, struct frame frame) {
    const struct layout_request *request = &builder->problem->request;
    int64_t each = builder->problem->training.global_batch / frame.dp;
    struct frame_leaves leaves;
    size_t given = request->keys[LAYOUT_MICRO_BATCH].count;
    frame.micro_batch = 1;
    leaves = leaves_a_schedule(builder, &frame);
    if (leaves.whole == 0)
        return;
    for (size_t i = 0; i < given; i++) {
        frame.micro_batch = (int32_t)request->keys[LAYOUT_MICRO_BATCH].values[i];
        add_frame(builder, frame, each, &leaves);
    }
    for (int32_t size = 1; given == 0 && size <= SEARCH_MAX_MICRO_BATCH; size++) {
        frame.micro_batch = size;
        add_frame(builder, frame, each, &leaves);
    }
}

/* The ends' numbers of layers: those given; else the rule's, and those that balance the stages. */
static void add_ends(struct builder *builder, struct frame frame) {
    static const int64_t by_rule[] = {0};
    const struct layout_request *request = &builder->problem->request;
    size_t firsts = request->keys[LAYOUT_FIRST_STAGE_LAYERS].count;
    size_t lasts = request->keys[LAYOUT_LAST_STAGE_LAYERS].count;
    const int64_t *first = firsts > 0 ? request->keys[LAYOUT_FIRST_STAGE_LAYERS].values : by_rule;
    const int64_t *last = lasts > 0 ? request->keys[LAYOUT_LAST_STAGE_LAYERS].values : by_rule;
    for (size_t i = 0; i < (firsts > 0 ? firsts : 1); i++)
        for (size_t j = 0; j < (lasts > 0 ? lasts : 1); j++) {
            frame.first_stage_layers = (int32_t)first[i];
            frame.last_stage_layers = (int32_t)last[j];
            if (firsts > 1 || lasts > 1)
                memset(builder->known[true], 0, sizeof builder->known[true]);
            add_micro_batches(builder, frame);
        }
    if (firsts > 0 || lasts > 0 || !builder->balanced)
        return;
    frame.first_stage_layers = (int32_t)builder->ends.first;
    frame.last_stage_layers = (int32_t)builder->ends.last;
    add_micro_batches(builder, frame);
}

/* All ep and etp that the model has experts and units for and that `ranks` can be dealt to: a group of its
 * own. */
static void add_split_group(struct builder *builder, int64_t ranks) {
    const struct search_problem *problem = builder->problem;
    const struct model_experts *experts = &problem->model->experts;
    struct search_space *space = builder->space;
    int64_t most_ep = experts->count > 0 ? experts->count : 1;
    int64_t most_etp = experts->count > 0 ? experts->ffn_hidden : 1;
    struct split_group group = {.first = space->expert_split_count};
    for (size_t i = 0; i < builder->divisor_count; i++) {
        int64_t ep = builder->divisors[i];
        if (most_ep % ep != 0 || ranks % ep != 0 || !allows(problem, LAYOUT_EP, ep))
            continue;
        for (size_t j = 0; j < builder->divisor_count; j++) {
            int64_t etp = builder->divisors[j];
            if (most_etp % etp != 0 || ranks / ep % etp != 0 || !allows(problem, LAYOUT_ETP, etp))
                continue;
            space->expert_splits = grown(space->expert_splits, space->expert_split_count,
                                         &builder->split_room, sizeof *space->expert_splits);
            space->expert_splits[space->expert_split_count++] =
                (struct expert_split){ep, etp, cost_expert_place(builder->context, ep, etp)};
            group.count++;
            if (ep * etp > group.most_ranks)
                group.most_ranks = ep * etp;
        }
    }
    space->most_splits = group.count > space->most_splits ? group.count : space->most_splits;
    space->split_groups =
        grown(space->split_groups, space->split_group_count, &builder->group_room, sizeof group);
    space->split_groups[space->split_group_count++] = group;
}

/* Frames of `ranks` devices a stage. */
static void add_frames_of_pp(struct builder *builder, int64_t pp, int64_t ranks) {
    const struct search_problem *problem = builder->problem;
    memset(builder->known, 0, sizeof builder->known);
    builder->balanced = problem->training.stack->own_ends &&
                        stage_balance_ends(cost_stage_balance(builder->context), pp, &builder->ends);
    add_split_group(builder, ranks);
    for (size_t i = 0; i < builder->divisor_count; i++) {
        int64_t tp = builder->divisors[i];
        if (ranks % tp != 0 || problem->model->heads % tp != 0 || !allows(problem, LAYOUT_TP, tp))
            continue;
        for (size_t j = 0; j < builder->divisor_count; j++) {
            int64_t cp = builder->divisors[j], dp = ranks / tp / cp;
            if (ranks / tp % cp != 0 || problem->training.sequence % cp != 0 ||
                problem->training.global_batch % dp != 0 || !allows(problem, LAYOUT_CP, cp) ||
                !allows(problem, LAYOUT_DP, dp))
                continue;
            add_ends(builder, (struct frame){.tp = (int32_t)tp,
                                             .pp = (int32_t)pp,
                                             .cp = (int32_t)cp,
                                             .dp = (int32_t)dp,
                                             .split_group = (int32_t)builder->space->split_group_count - 1});
        }
    }
}

static void find_divisors(struct builder *builder) {
    int64_t devices = builder->problem->devices, *divisors = builder->divisors;
    size_t low = 0, high = MAX_DIVISORS; /* both ends of the array are filled towards each other */
    for (int64_t i = 1; i * i <= devices; i++) {
        if (devices % i != 0)
            continue;
        divisors[low++] = i;
        if (devices / i != i)
            divisors[--high] = devices / i;
    }
    memmove(&divisors[low], &divisors[high], (MAX_DIVISORS - high) * sizeof *divisors);
    builder->divisor_count = low + MAX_DIVISORS - high;
}

void search_space_build(const struct search_problem *problem, struct cost_context *context, unsigned offloads,
                        struct search_space *space) {
    struct builder builder = {.problem = problem, .context = context, .offloads = offloads, .space = space};
    *space = (struct search_space){0};
    find_divisors(&builder);
    for (size_t i = 0; i < builder.divisor_count; i++) {
        int64_t pp = builder.divisors[i];
        if (pp <= problem->model->layers + 2 && allows(problem, LAYOUT_PP, pp))
            add_frames_of_pp(&builder, pp, problem->devices / pp);
    }
}

void search_space_free(struct search_space *space) {
    free(space->frames);
    free(space->expert_splits);
    free(space->split_groups);
    *space = (struct search_space){0};
}
