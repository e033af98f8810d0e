#include "planner/search/search_room.h"

#include "planner/cost/memory_parts.h"

/* Whether there is room for weights, gradients and optimizer, where weights are known: memory_static_init. */
static bool has_static_room(const struct search_problem *problem, struct memory_parts *parts) {
    memory_sharding_init(parts);
    if (parts->stages != NULL)
        memory_stages_resharded(parts->stages);
    return memory_parts_least_bytes(parts, problem->cluster, false) <= problem->cluster->device.memory_bytes;
}

static struct memory_parts static_parts(const struct search_problem *problem, const struct layout *layout) {
    struct memory_parts parts = {.model = problem->model, .training = &problem->training, .layout = layout};
    memory_static_init(&parts);
    return parts;
}

bool search_split_has_room(const struct search_problem *problem, const struct split_choices *choices) {
    const struct layout layout = split_thriftiest(choices);
    struct memory_parts parts = static_parts(problem, &layout);
    return has_static_room(problem, &parts);
}

/* A layout that stands for all of a frame where it says what they need least. Experts' weights are least on
 * the most ranks, their activations without etp; no layout has both, and ep says nothing else, so all those
 * ranks are ep. */
static struct layout thriftiest(const struct search_space *space, const struct frame *frame) {
    struct layout layout = frame_layout(frame);
    const struct split_group *group = &space->split_groups[frame->split_group];
    layout.ep = space->ranks[group->first_ranks + group->ranks_count - 1];
    layout.zero = frame->thrift.zero;
    layout.zero_group = frame->thrift.zero_group;
    layout.offload = (enum offload)frame->thrift.offload;
    layout.schedule = SCHEDULE_1F1B;
    return layout;
}

/* With experts loaded evenly: those of the fullest device get more rows with ep, which stands for etp above.
 */
static struct training evenly_loaded(const struct training *training) {
    struct training even = *training;
    even.routing.imbalance = 1;
    return even;
}

/* The least ep x etp of a frame's with room for a ZeRO stage: more ranks hold fewer of the experts' weights
 * each. `all`: the weights of a layout with ep and etp 1. */
static int32_t least_ranks(const struct search_problem *problem, const struct search_space *space,
                           const struct frame *frame, int64_t zero, const struct memory_parts *all) {
    const struct split_group *group = &space->split_groups[frame->split_group];
    const int64_t *ranks = &space->ranks[group->first_ranks];
    struct layout layout = *all->layout;
    struct stage_parts stages[STAGES_KEPT] = {{.known = false}}; /* ep and ZeRO deal no layers */
    struct memory_parts parts = *all;
    size_t low = 0, high = group->ranks_count; /* those below low have no room, those from high on have */
    parts.layout = &layout;
    parts.stages = stages;
    layout.zero = zero;
    while (low < high) {
        size_t middle = (low + high) / 2;
        layout.ep = ranks[middle];
        for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
            parts.expert_parameters[kind] = all->expert_parameters[kind] / (double)ranks[middle];
        if (has_static_room(problem, &parts))
            high = middle;
        else
            low = middle + 1;
    }
    return high < group->ranks_count ? (int32_t)ranks[high] : FRAME_NO_ROOM;
}

void search_frame_find_room(const struct search_problem *problem, const struct search_space *space,
                            struct frame *frame) {
    bool gathers = frame->thrift.zero == 3 && frame->pp == 1 && frame->thrift.zero_group == 0;
    frame->least_ranks = 1;
    frame->whole_ranks = 0;
    if (frame->thrift.zero < 0)
        return;
    struct layout layout = thriftiest(space, frame);
    layout.ep = 1;
    const struct memory_parts all = static_parts(problem, &layout);
    frame->least_ranks = least_ranks(problem, space, frame, frame->thrift.zero, &all);
    if (gathers && frame->least_ranks < FRAME_NO_ROOM)
        frame->whole_ranks = least_ranks(problem, space, frame, 2, &all);
}

int64_t search_least_zero(const struct frame *frame, const struct expert_split *split) {
    return split->ep * split->etp < frame->whole_ranks ? 3 : 0;
}

/* A layout that recomputes some layers does no less than none. */
static void add_mode(const struct search_problem *problem, int sequence_parallel, enum recompute recompute,
                     int64_t modules, double share, double streamed_seconds, struct search_modes *modes) {
    bool limited = problem->request.keys[LAYOUT_RECOMPUTE_LAYERS].count > 0 || share > 0;
    modes->modes[modes->count++] = (struct search_mode){.sequence_parallel = sequence_parallel != 0,
                                                        .recompute = limited ? RECOMPUTE_NONE : recompute,
                                                        .modules = modules,
                                                        .share = share,
                                                        .streamed_seconds = streamed_seconds};
}

/* Of a kind and those behind it. */
static void add_kind(const struct search_problem *problem, int sequence_parallel,
                     const struct recompute_kind *kind, struct search_modes *modes) {
    add_mode(problem, sequence_parallel, kind->least_mode, kind->least_modules, 0, 0, modes);
}

/* Overlap hides: as much of it as is allowed is fastest. */
static bool most_overlap(const struct search_problem *problem, enum layout_key key, bool of_stack) {
    return problem->request.keys[key].count > 0 ? search_allows(problem, key, 1) : of_stack;
}

bool search_modes_asked(const struct search_problem *problem, bool tensor_parallel,
                        struct search_modes *modes) {
    const struct stack *stack = problem->training.stack;
    modes->count = 0;
    modes->moves = true;
    modes->overlap = (struct layout_overlap){most_overlap(problem, LAYOUT_OVERLAP_TP, stack->overlap_tp),
                                             most_overlap(problem, LAYOUT_OVERLAP_DP, stack->overlap_dp),
                                             most_overlap(problem, LAYOUT_OVERLAP_PP, stack->overlap_pp)};
    struct recompute_kinds kinds;
    search_recompute_kinds(problem, &kinds);
    for (int value = 0; value < 2; value++) {
        bool possible =
            (value == 0 || tensor_parallel) && search_allows(problem, LAYOUT_SEQUENCE_PARALLEL, value);
        modes->first_kind[value] = possible ? 0 : kinds.count;
        if (possible && kinds.count > 0)
            add_kind(problem, value, &kinds.kinds[0], modes);
    }
    return modes->count > 0;
}

/* Layers of more than one kind. */
static bool has_unlike_layers(const struct model *model) {
    int64_t experts = model_expert_layers(model);
    return experts > 0 && experts < model->layers;
}

/* Activations are no less than 1F1B's of equal chunks, nor of as many unequal ones as there can be: of so
 * many the first stage has its longer ones in front, all of which are in flight. DualPipe's may be, and
 * others; and where experts alone may be divided by ZeRO, the choices of one split say nothing of another's.
 */
static bool can_tell(const struct search_problem *problem, const struct frame *frame) {
    return (frame->schedules.mask & 1U << SCHEDULE_DUALPIPE) == 0 &&
           problem->request.keys[LAYOUT_VPP].count == 0 && frame->thrift.zero >= 0 &&
           !(frame->schedules.unequal && has_unlike_layers(problem->model));
}

/* Of each virtual stage's layers the share that is to be recomputed at least where none needs so much too
 * much. Chunks of interleaved stages keep no less, so neither is it less of them. */
static double least_share(const struct search_problem *problem, const struct memory_parts *parts,
                          double excess) {
    double layers = (double)layout_most_chunk_layers(parts->layout, problem->model);
    return excess / memory_parts_layer_bytes(parts) / layers;
}

/* The modes of a frame in a mode of sequence parallelism, from none on. */
static void add_modes_with_room(const struct search_problem *problem, const struct cost_context *context,
                                const struct frame *frame, struct layout *layout, struct memory_parts *parts,
                                struct search_modes *modes) {
    struct recompute_kinds kinds;
    int value = layout->sequence_parallel, *first = &modes->first_kind[value];
    double share = 0, capacity = problem->cluster->device.memory_bytes;
    search_recompute_kinds(problem, &kinds);
    for (; *first < kinds.count; (*first)++) {
        const struct recompute_kind *kind = &kinds.kinds[*first];
        layout->recompute = kind->mode;
        layout->recompute_modules = kind->modules;
        memory_parts_follow(parts, layout, parts);
        const double bytes = memory_parts_least_bytes(parts, problem->cluster, true);
        if (frame->thrift.keeps && bytes <= capacity)
            break;
        if (kind->mode == RECOMPUTE_NONE)
            share = least_share(problem, parts, bytes - capacity);
        if (frame->thrift.moves)
            add_mode(problem, value, kind->mode, kind->modules, 0, cost_least_stream(context, parts), modes);
    }
    if (*first == kinds.count)
        return;
    add_kind(problem, value, &kinds.kinds[*first], modes);
    if (kinds.kinds[*first].mode != RECOMPUTE_NONE && search_has_partials(problem))
        add_mode(problem, value, RECOMPUTE_NONE, 0, cost_recomputed_share(context, share < 1 ? share : 1), 0,
                 modes);
}

bool search_modes_with_room(const struct search_problem *problem, const struct cost_context *context,
                            const struct search_space *space, const struct frame *frame,
                            const struct expert_split *split, struct search_modes *modes) {
    struct layout layout = thriftiest(space, frame);
    const struct search_modes asked = *modes;
    struct stage_parts stages[STAGES_KEPT] = {{.known = false}};
    struct memory_parts parts;
    const struct training even = evenly_loaded(&problem->training);
    if (!can_tell(problem, frame))
        return true;
    if (split != NULL) {
        layout.ep = split->ep;
        layout.etp = split->etp;
    }
    if (offload_activations(layout.offload)) /* seen apart */
        layout.offload = (enum offload)(layout.offload - 1);
    modes->count = 0;
    modes->moves = frame->thrift.moves;
    memory_parts_init(&parts, problem->model, split != NULL ? &problem->training : &even, &layout);
    parts.stages = stages;
    for (size_t i = 0; i < asked.count; i++) {
        layout.sequence_parallel = asked.modes[i].sequence_parallel;
        add_modes_with_room(problem, context, frame, &layout, &parts, modes);
    }
    return modes->count > 0;
}

double search_frame_least_bytes(const struct search_problem *problem, const struct search_space *space,
                                const struct frame *frame) {
    struct layout layout = thriftiest(space, frame);
    struct memory_parts parts;
    const struct training even = evenly_loaded(&problem->training);
    if (frame->thrift.zero < 0)
        return 0;
    layout.sequence_parallel = frame->tp > 1;
    layout.recompute = RECOMPUTE_FULL;
    memory_parts_init(&parts, problem->model, &even, &layout);
    return memory_parts_least_bytes(&parts, problem->cluster, can_tell(problem, frame));
}
