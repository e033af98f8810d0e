#include "planner/search_room.h"

#include "planner/memory_parts.h"

static double least_static_bytes(const struct search_problem *problem, const struct layout *layout) {
    struct memory_parts parts = {.model = problem->model, .training = &problem->training, .layout = layout};
    memory_static_init(&parts);
    memory_sharding_init(&parts);
    return memory_parts_least_bytes(&parts, problem->cluster, false);
}

bool search_split_has_room(const struct search_problem *problem, const struct split_choices *choices) {
    const struct layout layout = split_thriftiest(choices);
    return least_static_bytes(problem, &layout) <= problem->cluster->device.memory_bytes;
}

/* A layout that stands for all of a frame where it says what they need least. Experts' weights are least on
 * the most ranks, their activations without etp; no layout has both, and ep says nothing else, so all those
 * ranks are ep. */
static struct layout thriftiest(const struct search_space *space, const struct frame *frame) {
    struct layout layout = frame_layout(frame);
    layout.ep = space->split_groups[frame->split_group].most_ranks;
    layout.zero = frame->zero;
    layout.zero_group = frame->zero_group;
    layout.offload = (enum offload)frame->offload;
    layout.schedule = SCHEDULE_1F1B;
    return layout;
}

bool search_frame_has_room(const struct search_problem *problem, const struct search_space *space,
                           const struct frame *frame) {
    const struct layout layout = thriftiest(space, frame);
    return frame->zero < 0 || least_static_bytes(problem, &layout) <= problem->cluster->device.memory_bytes;
}

static bool allows(const struct search_problem *problem, enum layout_key key, int64_t value) {
    return layout_request_allows(&problem->request, key, value);
}

static bool next_mode(const struct search_problem *problem, int *recompute) {
    while (*recompute < RECOMPUTE_COUNT && !allows(problem, LAYOUT_RECOMPUTE, *recompute))
        (*recompute)++;
    return *recompute < RECOMPUTE_COUNT;
}

bool search_modes_asked(const struct search_problem *problem, const struct frame *frame,
                        struct search_modes *modes) {
    bool any = false;
    for (int value = 0; value < 2; value++) {
        int *recompute = &modes->least_recompute[value];
        bool possible = (value == 0 || frame->tp > 1) && allows(problem, LAYOUT_SEQUENCE_PARALLEL, value);
        *recompute = possible ? RECOMPUTE_NONE : RECOMPUTE_COUNT;
        any = next_mode(problem, recompute) || any;
        modes->partial[value] = false; /* no more than none */
    }
    return any;
}

/* Activations are no less than 1F1B's of equal chunks, which DualPipe's and unequal ones may be; and where
 * experts alone may be divided by ZeRO, the choices of one split say nothing of another's. */
static bool can_tell(const struct search_problem *problem, const struct frame *frame) {
    return (frame->schedules.mask & 1U << SCHEDULE_DUALPIPE) == 0 &&
           problem->request.keys[LAYOUT_VPP].count == 0 && frame->zero >= 0;
}

bool search_modes_with_room(const struct search_problem *problem, const struct search_space *space,
                            const struct frame *frame, struct search_modes *modes) {
    struct layout layout = thriftiest(space, frame);
    struct memory_parts parts;
    bool any = false;
    if (!can_tell(problem, frame))
        return true;
    for (int value = 0; value < 2; value++) {
        int *recompute = &modes->least_recompute[value];
        layout.sequence_parallel = value != 0;
        while (next_mode(problem, recompute)) {
            layout.recompute = (enum recompute) * recompute;
            memory_parts_init(&parts, problem->model, &problem->training, &layout);
            if (memory_parts_least_bytes(&parts, problem->cluster, true) <=
                problem->cluster->device.memory_bytes)
                break;
            (*recompute)++;
        }
        modes->partial[value] =
            *recompute > RECOMPUTE_NONE && *recompute < RECOMPUTE_COUNT && search_has_partials(problem);
        any = any || *recompute < RECOMPUTE_COUNT;
    }
    return any;
}

double search_frame_least_bytes(const struct search_problem *problem, const struct search_space *space,
                                const struct frame *frame) {
    struct layout layout = thriftiest(space, frame);
    struct memory_parts parts;
    if (frame->zero < 0)
        return 0;
    layout.sequence_parallel = frame->tp > 1;
    layout.recompute = RECOMPUTE_FULL;
    memory_parts_init(&parts, problem->model, &problem->training, &layout);
    return memory_parts_least_bytes(&parts, problem->cluster, can_tell(problem, frame));
}
