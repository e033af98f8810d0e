#include "planner/search/search_bound.h"

#include <math.h>

#include "planner/numbers.h"

static const double NOTHING_FASTER = HUGE_VAL;

/* What a bound is of: any experts, and as many sequences as micro-batches of any size have; any experts, all
 * splits of a row, or one of them. */
enum experts { EXPERTS_ANY_MICRO_BATCH, EXPERTS_ANY, EXPERTS_OF_ROW, EXPERTS_OF_SPLIT };

struct bound_of {
    enum experts experts;
    const struct expert_row *row;
    const struct expert_split *split;
    const struct search_mode *mode; /* NULL: as the layout says */
};

/* The order of the ranks matters to a layer only where a group of experts reaches beyond tp x cp. */
static bool order_matters(const struct layout *layout) {
    return layout->pp > 1 && layout->ep * layout->etp > layout->tp * layout->cp;
}

static void layout_work(struct cost_context *context, const struct layout *layout, const struct bound_of *of,
                        struct pipeline_work *work) {
    bool dual = layout->schedule == SCHEDULE_DUALPIPE;
    if (of->experts == EXPERTS_OF_SPLIT)
        cost_least_work_in_row(context, layout, of->row, of->split, order_matters(layout), work);
    else if (of->experts == EXPERTS_OF_ROW && !dual)
        cost_least_work_of_row(context, layout, of->row, work);
    else if (of->experts == EXPERTS_ANY_MICRO_BATCH)
        cost_least_work_any_micro_batch(context, layout, work);
    else
        cost_least_work_any_experts(context, layout, work);
}

static void least_work(struct cost_context *context, const struct layout *layout, const struct bound_of *of,
                       struct pipeline_work *work) {
    layout_work(context, layout, of, work);
    if (of->mode != NULL && of->mode->share > 0) {
        struct layout full = *layout;
        struct pipeline_work all;
        full.recompute = RECOMPUTE_FULL;
        layout_work(context, &full, of, &all);
        cost_blend_work(work, &all, of->mode->share);
    }
    if (of->mode != NULL && of->mode->streamed_seconds > 0)
        cost_stream_beside(of->mode->streamed_seconds, work);
}

static bool has(const struct frame_schedules *schedules, enum schedule schedule) {
    return (schedules->mask & 1U << schedule) != 0;
}

/* The least over those that the frame can run, but DualPipe. No bound of interleaving is above that of 1F1B,
 * which is not above that of GPipe, and zero bubbles' are the same. */
static double bound_schedules_but_dual(const struct open_frame *frame, const struct pipeline_work *work) {
    const struct frame_schedules *schedules = frame->schedules;
    double least = NOTHING_FASTER;
    if (has(schedules, SCHEDULE_INTERLEAVED))
        least = cost_bound(&frame->pace, SCHEDULE_INTERLEAVED, work);
    else if (has(schedules, SCHEDULE_1F1B) || has(schedules, SCHEDULE_GPIPE))
        least = cost_bound(&frame->pace, SCHEDULE_1F1B, work);
    if (has(schedules, SCHEDULE_ZB_1P) || has(schedules, SCHEDULE_ZB_2P))
        least = smaller(least, cost_bound(&frame->pace, SCHEDULE_ZB_2P, work));
    return least;
}

/* The least over some schedules of a layout, whose own does not matter and is changed. All have the same work
 * but DualPipe, which hides exchanges. */
static double bound_schedules(struct cost_context *context, struct layout *layout,
                              const struct open_frame *frame, const struct bound_of *of) {
    struct pipeline_work work;
    double least;
    layout->schedule = SCHEDULE_1F1B;
    least_work(context, layout, of, &work);
    least = bound_schedules_but_dual(frame, &work);
    if (!has(frame->schedules, SCHEDULE_DUALPIPE))
        return least;
    layout->schedule = SCHEDULE_DUALPIPE;
    least_work(context, layout, of, &work);
    return smaller(least, cost_bound(&frame->pace, SCHEDULE_DUALPIPE, &work));
}

/* Sets a frame's layout to a mode, with the most overlap. */
static void set_mode(const struct open_frame *open, const struct search_mode *mode, struct layout *layout) {
    layout->overlap = open->modes.overlap;
    layout->sequence_parallel = mode->sequence_parallel;
    layout->recompute = mode->recompute;
    layout->recompute_modules = mode->modules;
}

static bool is_hidden(struct cost_context *context, const struct open_frame *open,
                      const struct search_mode *mode) {
    struct layout layout = frame_layout(open->frame);
    struct pipeline_work work;
    set_mode(open, mode, &layout);
    cost_least_work_any_experts(context, &layout, &work);
    return mode->streamed_seconds <= work.forward &&
           mode->streamed_seconds <= work.backward_input + work.backward_weight;
}

/* `layout`: the frame's. */
static double bound_mode(struct cost_context *context, const struct open_frame *open, struct layout *layout,
                         const struct search_mode *mode, enum experts experts) {
    struct bound_of of = {experts, NULL, NULL, mode};
    set_mode(open, mode, layout);
    if (experts == EXPERTS_OF_ROW)
        of.row = cost_expert_row(context, layout, open->splits, open->split_count);
    return bound_schedules(context, layout, open, &of);
}

bool search_drop_modes(const double *bounds, double limit, struct search_modes *modes) {
    size_t kept = 0;
    for (size_t i = 0; i < modes->count; i++)
        if (bounds[i] <= limit)
            modes->modes[kept++] = modes->modes[i];
    modes->count = kept;
    return kept > 0;
}

bool search_has_mode(const struct open_frame *open, bool sequence_parallel) {
    for (size_t i = 0; i < open->modes.count; i++)
        if (open->modes.modes[i].sequence_parallel == sequence_parallel)
            return true;
    return false;
}

/* Modes of one kind of sequence parallelism follow each other, each repeating more than the one before. */
bool search_bound_modes(struct cost_context *context, double limit, struct open_frame *open) {
    struct search_modes *modes = &open->modes;
    struct layout layout = frame_layout(open->frame);
    bool done[2] = {false, false};
    size_t kept = 0;
    for (size_t i = 0; i < modes->count; i++) {
        const struct search_mode mode = modes->modes[i];
        if (done[mode.sequence_parallel])
            continue;
        done[mode.sequence_parallel] = mode.streamed_seconds > 0 && is_hidden(context, open, &mode);
        if (bound_mode(context, open, &layout, &mode, EXPERTS_OF_ROW) <= limit)
            modes->modes[kept++] = mode;
    }
    modes->count = kept;
    return kept > 0;
}

void search_bound_frame(struct cost_context *context, const struct open_frame *open, double *bounds) {
    struct layout layout = frame_layout(open->frame);
    for (size_t i = 0; i < open->modes.count; i++)
        bounds[i] = bound_mode(context, open, &layout, &open->modes.modes[i], EXPERTS_ANY);
}

double search_least_bound(const double *bounds, size_t count) {
    double least = NOTHING_FASTER;
    for (size_t i = 0; i < count; i++)
        least = smaller(least, bounds[i]);
    return least;
}

double search_bound_larger(struct cost_context *context, const struct open_frame *open) {
    struct layout layout = frame_layout(open->frame);
    double least = NOTHING_FASTER;
    for (size_t i = 0; i < open->modes.count; i++)
        least = smaller(least,
                        bound_mode(context, open, &layout, &open->modes.modes[i], EXPERTS_ANY_MICRO_BATCH));
    return least;
}

/* The most that a frame's stages may do together for a micro-batch within a limit: the bound of any work is
 * no less than that of as much in even stages, which rises with it along a line. */
static double most_work(const struct open_frame *open, double limit) {
    static const double ROUNDING = 1e-9;
    const struct pipeline_work second = {.backward_input = 1};
    double fixed = open->pace.fixed_seconds, one = bound_schedules_but_dual(open, &second);
    if (has(open->schedules, SCHEDULE_DUALPIPE))
        one = smaller(one, cost_bound(&open->pace, SCHEDULE_DUALPIPE, &second));
    return (1 + ROUNDING) * (limit - fixed) / (one - fixed);
}

/* What a mode's splits take, as one number. */
struct mode_work {
    const struct search_mode *mode;
    struct cost_row_work work, all; /* with the mode's recompute; with all recomputed, where it has a share */
};

static void mode_work_of(struct cost_context *context, const struct layout *layout,
                         const struct open_frame *open, const struct bound_of *of, struct mode_work *work) {
    bool hides = has(open->schedules, SCHEDULE_DUALPIPE);
    struct layout full = *layout;
    work->mode = of->mode;
    cost_row_work_of(context, layout, hides, of->row, &work->work);
    full.recompute = RECOMPUTE_FULL;
    if (of->mode->share > 0)
        cost_row_work_of(context, &full, hides, of->row, &work->all);
}

static double work_of_split(const struct mode_work *work, const struct expert_split *split, bool any_order) {
    const struct search_mode *mode = work->mode;
    double seconds = cost_row_work(&work->work, split, any_order), streamed = 2 * mode->streamed_seconds;
    if (mode->share > 0)
        seconds += mode->share * (cost_row_work(&work->all, split, any_order) - seconds);
    return seconds > streamed ? seconds : streamed;
}

/* The splits of a mode, most of which one number rules out. */
static void bound_splits_of_mode(struct cost_context *context, struct layout *layout,
                                 const struct open_frame *open, const struct search_mode *mode, double most,
                                 double *bounds) {
    struct bound_of of = {EXPERTS_OF_SPLIT, cost_expert_row(context, layout, open->splits, open->split_count),
                          NULL, mode};
    struct mode_work work;
    layout->zero = 0;
    mode_work_of(context, layout, open, &of, &work);
    for (size_t i = 0; i < open->split_count; i++) {
        of.split = &open->splits[i];
        layout->ep = of.split->ep;
        layout->etp = of.split->etp;
        layout->zero = search_least_zero(open->frame, of.split);
        if (work_of_split(&work, of.split, order_matters(layout)) <= most)
            bounds[i] = smaller(bounds[i], bound_schedules(context, layout, open, &of));
    }
}

void search_bound_splits(struct cost_context *context, const struct open_frame *open, double limit,
                         double *bounds) {
    struct layout layout = frame_layout(open->frame);
    double most = most_work(open, limit);
    for (size_t i = 0; i < open->split_count; i++)
        bounds[i] = NOTHING_FASTER;
    for (size_t i = 0; i < open->modes.count; i++) {
        set_mode(open, &open->modes.modes[i], &layout);
        bound_splits_of_mode(context, &layout, open, &open->modes.modes[i], most, bounds);
    }
}

double search_bound_split(struct cost_context *context, const struct open_frame *open, size_t split) {
    struct layout layout = frame_split(open->frame, &open->splits[split]);
    double least = NOTHING_FASTER;
    layout.zero = search_least_zero(open->frame, &open->splits[split]);
    for (size_t i = 0; i < open->modes.count; i++) {
        struct bound_of of = {EXPERTS_OF_SPLIT, NULL, &open->splits[split], &open->modes.modes[i]};
        set_mode(open, of.mode, &layout);
        of.row = cost_expert_row(context, &layout, open->splits, open->split_count);
        least = smaller(least, bound_schedules(context, &layout, open, &of));
    }
    return least;
}

double search_bound_variant(struct cost_context *context, const struct open_frame *open, size_t split,
                            const struct layout *variant) {
    struct bound_of of = {EXPERTS_OF_SPLIT,
                          cost_expert_row(context, variant, open->splits, open->split_count),
                          &open->splits[split], NULL};
    struct layout layout = *variant;
    layout.zero = search_least_zero(open->frame, of.split);
    return bound_schedules(context, &layout, open, &of);
}

static double device_seconds(const struct search_problem *problem, const struct frame *frame, double bound) {
    return (bound - problem->training.stack->step_seconds) * ((double)frame->tp * (double)frame->cp) /
           (double)frame->micro_batch;
}

/* Device-seconds of a sequence, of one micro-batch of so many on tp x cp devices, where they are less than
 * `least`, which is returned otherwise. */
static double less_work_of_frame(const struct search_problem *problem, struct cost_context *context,
                                 int64_t tp, int64_t cp, int64_t sequences, double least) {
    const struct frame frame = {.tp = (int32_t)tp,
                                .pp = 1,
                                .cp = (int32_t)cp,
                                .dp = 1,
                                .micro_batch = (int32_t)sequences,
                                .schedules = {.mask = 1U << SCHEDULE_1F1B}};
    const struct layout layout = frame_layout(&frame);
    struct open_frame open = {.frame = &frame, .schedules = &frame.schedules};
    double bounds[SEARCH_ASKED_MODES];
    if (!search_allows(problem, LAYOUT_TP, tp) || !search_allows(problem, LAYOUT_CP, cp) ||
        !layout_valid(&layout, problem->model, problem->training.sequence, sequences, NULL, 0) ||
        !search_modes_asked(problem, tp > 1, &open.modes))
        return least;
    cost_pace_of(context, &layout, &open.pace);
    if (device_seconds(problem, &frame, search_bound_larger(context, &open)) >= least)
        return least;
    search_bound_frame(context, &open, bounds);
    return smaller(least, device_seconds(problem, &frame, search_least_bound(bounds, open.modes.count)));
}

static double less_work_of_context(const struct search_problem *problem, struct cost_context *context,
                                   int64_t cp, int64_t sequences, double least) {
    for (int64_t tp = 1; tp <= problem->model->heads; tp++)
        if (problem->model->heads % tp == 0)
            least = less_work_of_frame(problem, context, tp, cp, sequences, least);
    return least;
}

static double less_work_of_micro_batch(const struct search_problem *problem, struct cost_context *context,
                                       int64_t sequences, struct arena *arena, double least) {
    int64_t sequence = problem->training.sequence;

    cost_context_renew(context, sequences, arena);
    /* Divisors come in pairs, the smaller of which are soon found. */
    for (int64_t cp = 1; cp <= sequence / cp; cp++)
        if (sequence % cp == 0) {
            least = less_work_of_context(problem, context, cp, sequences, least);
            if (cp < sequence / cp)
                least = less_work_of_context(problem, context, sequence / cp, sequences, least);
        }
    return least;
}

/* What a frame's bound is made of depends on tp, cp and micro-batch alone: pp and dp deal the same work to
 * more devices, and stragglers are fewest on the fewest. So frames of tp x cp devices stand for all. */
double search_bound_work(const struct search_problem *problem, struct arena *arena) {
    const struct layout_request *request = &problem->request;
    size_t given = request->keys[LAYOUT_MICRO_BATCH].count;
    double least = HUGE_VAL;
    struct cost_context *context = problem->context;
    if (context == NULL)
        context = cost_context_create(arena, problem->model, problem->cluster, &problem->training);
    for (size_t i = 0; i < given; i++)
        least = less_work_of_micro_batch(problem, context, request->keys[LAYOUT_MICRO_BATCH].values[i], arena,
                                         least);
    for (int64_t size = 1; given == 0 && size <= SEARCH_MAX_MICRO_BATCH; size++)
        least = less_work_of_micro_batch(problem, context, size, arena, least);
    return isfinite(least) ? least : 0;
}
