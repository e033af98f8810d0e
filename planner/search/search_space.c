#include "planner/search/search_space.h"

#include <stdlib.h>
#include <string.h>

#include "planner/numbers.h"

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

/* What a split leaves open besides schedules: leaves of each schedule, and of each of its partials. */
struct others {
    int64_t tp; /* whose they are, where they are kept; 0: of none yet */
    int64_t whole, partial;
    struct frame_thrift thrift;
};

/* With replicas, and groups for ZeRO left free, they differ in tp, and in whether there is a pipeline, are
 * several dp, and may be sequence parallelism. So many tp are kept, each in the place of its remainder. */
enum { TP_PLACES = 31 };

struct builder {
    const struct search_problem *problem;
    struct cost_context *context;
    unsigned offloads;
    struct search_space *space;
    size_t frame_room, split_room, group_room, ranks_room;
    int64_t divisors[MAX_DIVISORS];
    size_t divisor_count;
    int32_t sizes[SEARCH_MAX_MICRO_BATCH]; /* of micro-batches: those given, else all that divide the batch */
    size_t size_count;
    struct schedules_known known[1 + STAGE_BALANCE_MOST][MICRO_BATCH_CLASSES]; /* of the pp at hand: without
                                                                                  own ends, and with each */
    struct others others[TP_PLACES][2][2][2];
    const struct stage_ends *ends; /* that balance the stages of the tp and pp at hand */
    size_t end_count;
};

static bool is_valid(const struct search_problem *problem, const struct layout *layout) {
    return layout_valid(layout, problem->model, problem->training.sequence, problem->training.global_batch,
                        NULL, 0);
}

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

void search_keep_least_ends(const struct cost_ends *ends, struct cost_ends *least) {
    least->last = smaller(least->last, ends->last);
    least->before = smaller(least->before, ends->before);
}

static void keep_ends(const struct builder *builder, const struct split_choices *choices, int64_t vpp,
                      struct cost_ends *least) {
    struct layout layout = choices->base;
    struct cost_ends ends;
    layout.vpp = vpp;
    cost_ends_of(builder->context, &layout, &ends);
    search_keep_least_ends(&ends, least);
}

/* Schedules of a frame: the same for all of its pp whose micro-batches are of one class. */
static const struct schedules_known *schedules_of(struct builder *builder, const struct frame *frame,
                                                  size_t place, int64_t micro_batches) {
    struct split_choices choices;
    bool own_ends = frame->first_stage_layers > 0 || frame->last_stage_layers > 0;
    int class = (micro_batches % frame->pp == 0) | (micro_batches % 2 == 0) << 1 |
                (micro_batches >= 2 * (int64_t)frame->pp) << 2 | (micro_batches >= frame->pp) << 3;
    struct schedules_known *known = &builder->known[place][class];
    if (known->known)
        return known;
    choices.base = frame_layout(frame);
    split_choices_schedules(builder->problem, &choices);
    *known = (struct schedules_known){.known = true, .count = (int64_t)choices.schedule_count};
    cost_ends_of(builder->context, &choices.base, &known->schedules.whole);
    known->schedules.chunked = known->schedules.whole;
    for (size_t i = 0; i < choices.schedule_count; i++) {
        known->partials += choices.schedules[i].partials;
        known->schedules.mask |= 1U << choices.schedules[i].schedule;
        if (choices.schedules[i].vpp > 1 && !own_ends &&
            !search_has_equal_chunks(builder->problem->model, frame->pp, choices.schedules[i].vpp))
            known->schedules.unequal = true;
        if (choices.schedules[i].vpp > 1)
            keep_ends(builder, &choices, choices.schedules[i].vpp, &known->schedules.chunked);
    }
    return known;
}

static struct others reckon_others(const struct builder *builder, const struct layout *split) {
    struct split_choices choices;
    struct others others = {.tp = split->tp, .thrift = {.zero = -1}};
    choices.base = *split;
    choices.schedule_count = 1;
    split_choices_others(builder->problem, builder->offloads, &choices);
    choices.schedules[0].partials = 0;
    others.whole = split_choices_count(&choices);
    choices.schedules[0].partials = 1;
    others.partial = split_choices_count(&choices) - others.whole;
    if (others.whole > 0) {
        const struct layout layout = split_thriftiest(&choices);
        others.thrift = (struct frame_thrift){.zero_group = (int32_t)layout.zero_group,
                                              .zero = (int32_t)layout.zero,
                                              .offload = (int32_t)layout.offload,
                                              .keeps = choices.keeping_count > 0,
                                              .moves = choices.keeping_count < choices.offload_count};
    }
    return others;
}

static struct others others_of(struct builder *builder, const struct layout *split) {
    const struct search_problem *problem = builder->problem;
    bool sequence_parallel = layout_sequence_parallel_valid(split, problem->training.sequence);
    struct others *known =
        &builder->others[split->tp % TP_PLACES][split->pp > 1][split->dp > 1][sequence_parallel];
    if (problem->request.keys[LAYOUT_ZERO_GROUP].count > 0)
        return reckon_others(builder, split);
    if (known->tp != split->tp)
        *known = reckon_others(builder, split);
    return *known;
}

/* Of all splits of a frame, which differ only where ZeRO has experts alone to divide. */
static struct others others_of_frame(struct builder *builder, const struct frame *frame) {
    size_t count;
    const struct expert_split *splits = frame_splits(builder->space, frame, &count);
    struct others others = {.thrift = {.zero = -1}};
    bool equal = frame->dp * frame->cp > 1;
    for (size_t i = 0; i < (equal && count > 0 ? 1 : count); i++) {
        const struct layout split = frame_split(frame, &splits[i]);
        if (!is_valid(builder->problem, &split))
            continue;
        const struct others each = equal ? others_of(builder, &split) : reckon_others(builder, &split);
        others.whole += (equal ? (int64_t)count : 1) * each.whole;
        others.partial += (equal ? (int64_t)count : 1) * each.partial;
        if (equal)
            others.thrift = each.thrift;
    }
    return others;
}

static void add_frame(struct builder *builder, struct frame frame, size_t place, int64_t each,
                      const struct others *others) {
    struct search_space *space = builder->space;
    if (frame.micro_batch > each || each % frame.micro_batch != 0)
        return;
    const struct schedules_known *known = schedules_of(builder, &frame, place, each / frame.micro_batch);
    if (known->count == 0)
        return;
    frame.schedules = known->schedules;
    frame.leaves = known->count * others->whole + known->partials * others->partial;
    space->frames = grown(space->frames, space->count, &builder->frame_room, sizeof frame);
    space->frames[space->count++] = frame;
    space->layouts += frame.leaves;
}

/* `place`: of the ends, among those that are tried with the same pp. */
static void add_micro_batches(struct builder *builder, struct frame frame, size_t place) {
    int64_t each = builder->problem->training.global_batch / frame.dp;
    struct others others;
    frame.micro_batch = 1;
    others = others_of_frame(builder, &frame);
    if (others.whole == 0)
        return;
    frame.thrift = others.thrift;
    for (size_t i = 0; i < builder->size_count; i++) {
        frame.micro_batch = builder->sizes[i];
        add_frame(builder, frame, place, each, &others);
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
                memset(builder->known[0], 0, sizeof builder->known[0]);
            add_micro_batches(builder, frame, 0);
        }
    for (size_t i = 0; firsts == 0 && lasts == 0 && i < builder->end_count; i++) {
        frame.first_stage_layers = (int32_t)builder->ends[i].first;
        frame.last_stage_layers = (int32_t)builder->ends[i].last;
        add_micro_batches(builder, frame, 1 + i);
    }
}

/* Puts in its place what ep x etp comes to, of each number one. */
static void add_ranks(struct builder *builder, struct split_group *group) {
    struct search_space *space = builder->space;
    group->first_ranks = space->ranks_count;
    for (size_t i = 0; i < group->count; i++) {
        const struct expert_split *split = &space->expert_splits[group->first + i];
        const int64_t ranks = split->ep * split->etp;
        size_t place = space->ranks_count;
        while (place > group->first_ranks && space->ranks[place - 1] > ranks)
            place--;
        if (place > group->first_ranks && space->ranks[place - 1] == ranks)
            continue;
        space->ranks = grown(space->ranks, space->ranks_count, &builder->ranks_room, sizeof *space->ranks);
        memmove(&space->ranks[place + 1], &space->ranks[place],
                (space->ranks_count - place) * sizeof *space->ranks);
        space->ranks[place] = ranks;
        space->ranks_count++;
    }
    group->ranks_count = space->ranks_count - group->first_ranks;
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
        if (most_ep % ep != 0 || ranks % ep != 0 || !search_allows(problem, LAYOUT_EP, ep))
            continue;
        for (size_t j = 0; j < builder->divisor_count; j++) {
            int64_t etp = builder->divisors[j];
            if (most_etp % etp != 0 || ranks / ep % etp != 0 || !search_allows(problem, LAYOUT_ETP, etp))
                continue;
            space->expert_splits = grown(space->expert_splits, space->expert_split_count,
                                         &builder->split_room, sizeof *space->expert_splits);
            space->expert_splits[space->expert_split_count++] =
                (struct expert_split){ep, etp, cost_expert_place(builder->context, ep, etp)};
            group.count++;
        }
    }
    add_ranks(builder, &group);
    space->most_splits = group.count > space->most_splits ? group.count : space->most_splits;
    space->split_groups =
        grown(space->split_groups, space->split_group_count, &builder->group_room, sizeof group);
    space->split_groups[space->split_group_count++] = group;
}

size_t search_balanced_ends(const struct search_problem *problem, struct cost_context *context, int64_t tp,
                            int64_t pp, const struct stage_ends **ends) {
    const struct layout_request *request = &problem->request;
    const int64_t experts = problem->model->experts.count;
    const int64_t most_ep = request->keys[LAYOUT_EP].count > 0 ? request->keys[LAYOUT_EP].values[0]
                                                               : problem->cluster->node.devices;
    struct balance_sizes sizes = {.tp = tp, .ep = 1, .micro_batch = 1};
    if (!problem->training.stack->own_ends || pp == 1)
        return 0;
    if (experts > 0)
        sizes.ep = greatest_common_divisor(greatest_common_divisor(experts, problem->devices / pp), most_ep);
    if (request->keys[LAYOUT_MICRO_BATCH].count > 0)
        sizes.micro_batch = request->keys[LAYOUT_MICRO_BATCH].values[0];
    return stage_balance_ends(cost_stage_balance(context, &sizes), pp, ends);
}

/* The ends that balance the stages with this tp; the schedules of those before are forgotten. */
static void balance_ends(struct builder *builder, int64_t tp, int64_t pp) {
    builder->end_count = search_balanced_ends(builder->problem, builder->context, tp, pp, &builder->ends);
    memset(builder->known[1], 0, builder->end_count * sizeof builder->known[1]);
}

/* Frames of `ranks` devices a stage. */
static void add_frames_of_pp(struct builder *builder, int64_t pp, int64_t ranks) {
    const struct search_problem *problem = builder->problem;
    memset(builder->known[0], 0, sizeof builder->known[0]);
    add_split_group(builder, ranks);
    for (size_t i = 0; i < builder->divisor_count; i++) {
        int64_t tp = builder->divisors[i];
        if (ranks % tp != 0 || problem->model->heads % tp != 0 || !search_allows(problem, LAYOUT_TP, tp))
            continue;
        balance_ends(builder, tp, pp);
        for (size_t j = 0; j < builder->divisor_count; j++) {
            int64_t cp = builder->divisors[j], dp = ranks / tp / cp;
            if (ranks / tp % cp != 0 || problem->training.sequence % cp != 0 ||
                problem->training.global_batch % dp != 0 || !search_allows(problem, LAYOUT_CP, cp) ||
                !search_allows(problem, LAYOUT_DP, dp))
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

static void find_sizes(struct builder *builder) {
    const struct search_problem *problem = builder->problem;
    const struct layout_request *request = &problem->request;
    size_t given = request->keys[LAYOUT_MICRO_BATCH].count;
    for (size_t i = 0; i < given; i++)
        builder->sizes[builder->size_count++] = (int32_t)request->keys[LAYOUT_MICRO_BATCH].values[i];
    for (int32_t size = 1; given == 0 && size <= SEARCH_MAX_MICRO_BATCH; size++)
        if (problem->training.global_batch % size == 0)
            builder->sizes[builder->size_count++] = size;
}

void search_space_build(const struct search_problem *problem, struct cost_context *context, unsigned offloads,
                        struct search_space *space) {
    struct builder builder = {.problem = problem, .context = context, .offloads = offloads, .space = space};
    *space = (struct search_space){0};
    find_divisors(&builder);
    find_sizes(&builder);
    for (size_t i = 0; i < builder.divisor_count; i++) {
        int64_t pp = builder.divisors[i];
        if (pp <= problem->model->layers + 2 && search_allows(problem, LAYOUT_PP, pp))
            add_frames_of_pp(&builder, pp, problem->devices / pp);
    }
}

void search_space_free(struct search_space *space) {
    free(space->frames);
    free(space->expert_splits);
    free(space->split_groups);
    free(space->ranks);
    *space = (struct search_space){0};
}
