/* Best first: frames, and the splits of a frame, in the order of a time that none of their layouts can beat,
 * as long as that time is of use. Within a split come the bound of each variant, memory, then the cost. */
#include "planner/search/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "planner/search/search_open.h"
#include "planner/search/search_queue.h"
#include "planner/search/search_space.h"
#include "planner/search/search_why.h"

/* Frames between two updates of the progress. */
enum { PROGRESS_STEP = 256 };

/* Bounds hold but for rounding. */
static const double ROUNDING = 1e-9;

/* What is of no use changes with what is kept. */
static void set_limit(struct search *search) {
    double asked = search->problem->limit_seconds;
    search->limit = (1 + ROUNDING) * fmin(search_pool_limit(&search->best), asked > 0 ? asked : HUGE_VAL);
}

bool search_is_pruned(const struct search *search, double bound) {
    return !search->problem->exhaustive && bound > search->limit;
}

void search_cost(struct search *search, const struct layout *layout, bool beaten) {
    struct candidate candidate = {.layout = *layout};
    struct step_cost cost;
    search->result->looked.evaluated++;
    if (!search->problem->simulates_all) {
        cost_evaluate(search->context, layout, PIPELINE_LEAST, &cost, NULL);
        if (cost.seconds > (1 + ROUNDING) * search_pool_limit_of(&search->best, layout) ||
            cost.seconds > search->limit)
            return;
    }
    cost_evaluate(search->context, layout, PIPELINE_SIMULATED, &cost, NULL);
    candidate.seconds = cost.seconds;
    if (beaten || candidate.seconds > search->limit)
        return;
    search_pool_add(&search->best, &candidate);
    set_limit(search);
}

static int compare_seconds(double a, double b) {
    return (a > b) - (a < b);
}

static int compare_splits(const void *left, const void *right) {
    const struct open_split *a = left, *b = right;
    return compare_seconds(a->bound, b->bound);
}

/* Choices of the splits of a frame are the same, but where ZeRO has only experts to divide. */
static bool choose_split(const struct search *search, const struct open_frame *open, size_t place,
                         struct split_choices *choices) {
    struct layout layout = frame_split(open->frame, &open->splits[place]);
    if (choices->schedule_count == 0 || layout.dp * layout.cp == 1)
        return split_choices_make(search->problem, open->offloads, &layout, choices);
    choices->base = layout;
    return true;
}

static void prune_split(struct search *search, const struct open_frame *open, size_t place,
                        struct split_choices *choices) {
    if (open->frame->dp * open->frame->cp > 1)
        search->result->looked.pruned += open->split_leaves;
    else if (choose_split(search, open, place, choices))
        search->result->looked.pruned += split_choices_count(choices);
}

/* Splits that are of use, in the order of their bounds; returns how many. */
static size_t order_splits(struct search *search, const struct open_frame *open,
                           struct split_choices *choices) {
    const struct search_problem *problem = search->problem;
    size_t kept = 0;
    if (!problem->exhaustive)
        search_bound_splits(search->context, open, search->limit, search->bounds);
    for (size_t i = 0; i < open->split_count; i++)
        if (problem->exhaustive || !search_is_pruned(search, search->bounds[i]))
            search->splits[kept++] = (struct open_split){i, search->bounds[i]};
        else
            prune_split(search, open, i, choices);
    if (!problem->exhaustive && kept > 0)
        qsort(search->splits, kept, sizeof search->splits[0], compare_splits);
    return kept;
}

/* Leaves the modes that a split has room for, with as much of the experts as it has. False when they are
 * none, or too slow. */
static bool narrow_modes(const struct search *search, const struct search_space *space, size_t place,
                         struct open_frame *open) {
    const struct search_problem *problem = search->problem;
    struct search_modes of_use = open->asked;
    if (problem->exhaustive)
        return true;
    of_use.count = 0;
    for (size_t i = 0; i < open->asked.count; i++)
        if (search_has_mode(open, open->asked.modes[i].sequence_parallel))
            of_use.modes[of_use.count++] = open->asked.modes[i];
    open->modes = of_use;
    if (!search_modes_with_room(problem, search->context, space, open->frame, &open->splits[place],
                                &open->modes))
        return false;
    return !search_is_pruned(search, search_bound_split(search->context, open, place));
}

static void open_splits(struct search *search, const struct search_space *space,
                        const struct open_frame *open) {
    struct split_choices choices = {.schedule_count = 0}; /* none chosen yet */
    size_t kept = order_splits(search, open, &choices);
    for (size_t i = 0; i < kept; i++) {
        const struct open_split *split = &search->splits[i];
        struct open_frame narrowed = *open;
        if (search_is_pruned(search, split->bound) || !narrow_modes(search, space, split->place, &narrowed))
            prune_split(search, open, split->place, &choices);
        else if (choose_split(search, open, split->place, &choices) &&
                 search_split_has_room(search->problem, &choices))
            search_open_split(search, &narrowed, split->place, &choices);
    }
}

/* With all modes that are asked for, and `schedules`. */
static void set_asked(const struct search *search, const struct frame *frame,
                      const struct frame_schedules *schedules, struct open_frame *open) {
    struct layout layout = frame_layout(frame);
    open->frame = frame;
    open->schedules = schedules;
    open->modes = search->asked[frame->tp > 1];
    cost_pace_of(search->context, &layout, &open->pace);
    open->pace.whole = schedules->whole;
    open->pace.chunked = schedules->chunked;
}

/* Those that have room. */
static void find_splits(const struct search *search, const struct search_space *space,
                        struct open_frame *open) {
    size_t count;
    const struct expert_split *splits = frame_splits(space, open->frame, &count);
    open->splits = search->with_room;
    open->split_count = 0;
    for (size_t i = 0; i < count; i++)
        if (splits[i].ep * splits[i].etp >= open->frame->least_ranks)
            search->with_room[open->split_count++] = splits[i];
    open->split_leaves = count > 0 ? open->frame->leaves / (int64_t)count : 0;
}

/* Leaves the modes that are fast enough, and have room. False when none is. */
static bool find_modes(struct search *search, const struct search_space *space, struct open_frame *open) {
    bool fast = search_bound_modes(search->context, search->limit, open);
    open->asked = open->modes;
    if (fast &&
        !search_modes_with_room(search->problem, search->context, space, open->frame, NULL, &open->modes))
        return false;
    fast = fast && search_bound_modes(search->context, search->limit, open);
    if (!fast)
        search->result->looked.pruned += open->frame->leaves;
    return fast;
}

/* `modes`: those that are of use. */
static void open_frame(struct search *search, const struct search_space *space, unsigned offloads,
                       const struct frame *frame, const struct search_modes *modes) {
    const struct search_problem *problem = search->problem;
    struct open_frame open;
    set_asked(search, frame, &frame->schedules, &open);
    open.offloads = offloads;
    open.modes = open.asked = *modes;
    if (modes->count == 0)
        return;
    find_splits(search, space, &open);
    if (problem->exhaustive || find_modes(search, space, &open))
        open_splits(search, space, &open);
}

static void show_progress(const struct search *search, size_t done, size_t count) {
    if (done % PROGRESS_STEP == 0)
        progress_update(search->problem->progress, (double)done / (double)count);
}

/* Frames that differ in the micro-batch alone come one after the other. */
static bool differ_in_micro_batch(const struct frame *a, const struct frame *b) {
    return a->tp == b->tp && a->pp == b->pp && a->cp == b->cp && a->dp == b->dp &&
           a->first_stage_layers == b->first_stage_layers && a->last_stage_layers == b->last_stage_layers;
}

/* Whether a frame has room for its weights, which is looked at once for those that differ in the micro-batch.
 */
static bool has_room(const struct search *search, const struct search_space *space, struct frame *frame) {
    struct frame *first = frame;
    while (first > space->frames && differ_in_micro_batch(first - 1, frame))
        first--;
    if (first->least_ranks == 0)
        search_frame_find_room(search->problem, space, first);
    frame->least_ranks = first->least_ranks;
    frame->whole_ranks = first->whole_ranks;
    return frame->least_ranks < FRAME_NO_ROOM;
}

/* Frames that differ in the micro-batch alone stand in the queue for each other: one for all that follow it
 * with larger ones. */
static bool follows(const struct search_space *space, size_t index) {
    const struct frame *frame = &space->frames[index];
    return index > 0 && frame[-1].micro_batch < frame->micro_batch &&
           differ_in_micro_batch(&frame[-1], frame);
}

/* The schedules of each frame and those that follow it. */
static void find_later(struct search_space *space) {
    for (size_t i = space->count; i-- > 0;) {
        struct frame *frame = &space->frames[i];
        frame->later = frame->schedules;
        if (i + 1 == space->count || !follows(space, i + 1))
            continue;
        frame->later.mask |= frame[1].later.mask;
        search_keep_least_ends(&frame[1].later.chunked, &frame->later.chunked);
    }
}

/* A frame and those that follow it, by a time that none of them beats; left out where that is too long. In
 * such a time the whole batch takes the same and the bubble longer, the larger micro-batches are. */
static void queue_frame(struct search *search, const struct search_space *space, size_t index,
                        struct search_queue *queue) {
    const struct frame *frame = &space->frames[index];
    struct open_frame open;
    set_asked(search, frame, &frame->later, &open);
    double bound = search_bound_larger(search->context, &open);
    if (!search_is_pruned(search, bound))
        search_queue_add(queue, (struct queued_frame){bound, index});
}

/* Reckons the bound of a frame by its own micro-batch, and lets it wait by that. */
static void requeue_frame(struct search *search, struct search_space *space, size_t index,
                          struct search_queue *queue) {
    struct frame *frame = &space->frames[index];
    struct open_frame open;
    set_asked(search, frame, &frame->schedules, &open);
    search_bound_frame(search->context, &open, frame->bounds);
    frame->bounded = true;
    double bound = search_least_bound(frame->bounds, open.modes.count);
    if (!search_is_pruned(search, bound))
        search_queue_add(queue, (struct queued_frame){bound, index});
}

/* Best first. Once a frame is too slow, so are all that are left. */
static void search_queued(struct search *search, unsigned offloads, struct search_space *space) {
    find_later(space);
    struct search_queue queue = {.items = ARENA_ARRAY(search->arena, struct queued_frame, space->count)};
    int64_t opened = 0; /* leaves; those of the others are pruned */
    for (size_t i = 0; i < space->count; i++)
        if (!follows(space, i))
            queue_frame(search, space, i, &queue);
    for (size_t done = 0; queue.count > 0 && queue.items[0].seconds <= search->limit;) {
        size_t index = search_queue_take(&queue).index;
        struct frame *frame = &space->frames[index];
        if (!frame->bounded) {
            requeue_frame(search, space, index, &queue);
            if (index + 1 < space->count && follows(space, index + 1))
                queue_frame(search, space, index + 1, &queue);
            continue;
        }
        show_progress(search, done++, space->count);
        struct search_modes modes = search->asked[frame->tp > 1];
        if (!search_drop_modes(frame->bounds, search->limit, &modes))
            continue;
        opened += frame->leaves;
        if (has_room(search, space, frame))
            open_frame(search, space, offloads, frame, &modes);
    }
    search->result->looked.pruned += space->layouts - opened;
}

static void search_frames(struct search *search, unsigned offloads, struct search_space *space) {
    search->with_room = ARENA_ARRAY(search->arena, struct expert_split, space->most_splits);
    search->splits = ARENA_ARRAY(search->arena, struct open_split, space->most_splits);
    search->bounds = ARENA_ARRAY(search->arena, double, space->most_splits);
    if (!search->problem->exhaustive) {
        search_queued(search, offloads, space);
        return;
    }
    for (size_t i = 0; i < space->count; i++) {
        show_progress(search, i, space->count);
        const struct frame *frame = &space->frames[i];
        open_frame(search, space, offloads, frame, &search->asked[frame->tp > 1]);
    }
}

static void fill_plan(const struct search_problem *problem, struct cost_context *context,
                      const struct layout *layout, struct plan *plan, struct explain *explain) {
    int64_t per_node = problem->cluster->node.devices;
    *plan = (struct plan){.model = problem->model,
                          .cluster = problem->cluster,
                          .training = problem->training,
                          .devices = layout_devices(layout),
                          .layout = *layout};
    plan->nodes = (plan->devices + per_node - 1) / per_node;
    memory_estimate(problem->model, problem->cluster, &problem->training, layout, &plan->memory, explain);
    cost_evaluate(context, layout, PIPELINE_SIMULATED, &plan->step, explain);
    plan->mfu = cost_mfu(problem->model, problem->cluster, &problem->training, layout, plan->step.seconds);
    if (problem->training.tokens > 0)
        cost_training(problem->model, problem->cluster, &problem->training, layout, plan->step.seconds,
                      &plan->total);
}

void search_evaluate(const struct search_problem *problem, const struct layout *layout, struct arena *arena,
                     struct plan *plan, struct explain *explain) {
    struct cost_context *context =
        cost_context_create(arena, problem->model, problem->cluster, &problem->training);
    fill_plan(problem, context, layout, plan, explain);
}

double search_least_work(const struct search_problem *problem) {
    struct arena *arena = arena_create();
    double least = search_bound_work(problem, arena);
    arena_destroy(arena);
    return least;
}

static void pool_room(struct arena *arena, struct search_pool *pool, size_t room,
                      bool (*alike)(const struct layout *, const struct layout *)) {
    *pool = (struct search_pool){.room = room, .alike = alike};
    pool->candidates = ARENA_ARRAY(arena, struct candidate, room + 1);
}

/* Where the request leaves one split, runners-up are its variants. */
static bool (*likeness(const struct search_problem *problem))(const struct layout *, const struct layout *) {
    return search_has_one_split(problem) ? layout_alike : layout_same_split;
}

static void take_plans(const struct search *search, struct arena *arena) {
    const struct search_pool *best = &search->best;
    struct search_result *result = search->result;
    result->plans = ARENA_ARRAY(arena, struct plan, best->count);
    for (size_t i = 0; i < best->count; i++)
        fill_plan(search->problem, search->context, &best->candidates[i].layout, &result->plans[i], NULL);
    result->plan_count = best->count;
}

/* One pass over the space. False with the error set when there is no layout in it. */
static bool search_pass(struct search *search, unsigned offloads, struct error *error) {
    struct search_space space;
    search_space_build(search->problem, search->context, offloads, &space);
    search->result->looked.layouts += space.layouts;
    if (space.layouts == 0) {
        search_space_free(&space);
        return search_why_no_layout(search->problem, error);
    }
    search_frames(search, offloads, &space);
    if (search->best.count == 0 && !search->problem->plans_only && search->problem->limit_seconds <= 0)
        search_why_nothing_fits(search->problem, offloads, &space, &search->result->nearest);
    search_space_free(&space);
    return true;
}

void search_counts_add(const struct search_counts *more, struct search_counts *sums) {
    sums->layouts += more->layouts;
    sums->evaluated += more->evaluated;
    sums->pruned += more->pruned;
    sums->feasible += more->feasible;
    sums->seconds += more->seconds;
}

bool search_run(const struct search_problem *problem, struct arena *arena, struct search_result *result,
                struct error *error) {
    double start = clock_seconds();
    struct search search = {.problem = problem, .arena = arena_create(), .result = result};
    bool posed;
    *result = (struct search_result){0};
    search.context = problem->context;
    if (search.context == NULL || !cost_context_is_of(search.context, problem->model, problem->cluster))
        search.context =
            cost_context_create(search.arena, problem->model, problem->cluster, &problem->training);
    cost_context_renew(search.context, problem->training.global_batch, search.arena);
    search_modes_asked(problem, false, &search.asked[false]);
    search_modes_asked(problem, true, &search.asked[true]);
    search.only_adds = cost_offload_only_adds(problem->cluster);
    pool_room(search.arena, &search.best, problem->top > 0 ? problem->top : 1,
              problem->alike ? NULL : likeness(problem));
    set_limit(&search);
    posed = search_pass(&search, search_usual_offloads(problem), error);
    if (posed && result->looked.feasible == 0 && search_further_offloads(problem) != 0)
        posed = search_pass(&search, search_further_offloads(problem), error);
    if (search.best.count > 0)
        result->nearest = (struct near_miss){0};
    if (posed)
        take_plans(&search, arena);
    arena_destroy(search.arena);
    result->looked.seconds = clock_seconds() - start;
    return posed;
}
