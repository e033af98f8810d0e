/* Three walks over counts of devices.
 *
 * 1. Rungs (nodes 2^k and 3 x 2^k, and the ends of the range), rising: the frontier. A rung is searched for
 *    what is faster than the rungs below it, so the search leaves out the rest by its bounds.
 * 2. All counts of the range, for the best by the objective: for the fewest devices rising, to the first that
 *    meets the wishes, which a rung has bounded already; for time and cost all of them. A count is searched
 *    for what meets the wishes and is better than the best so far. Both are a longest step (wish_step_limit),
 *    and the search's bounds hold for every layout: what they leave out is too slow, and so are counts on
 *    which the least work takes too long (search_least_work). So the answer is that of planning every count.
 *    Counts that no layout splits cost next to nothing, and they are most of them.
 * 3. Downwards from the fewest, over the counts next to it: which of them comes closest, and so what binds.
 *    Just below may be counts that split badly, which nobody would take. */
#include "planner/answers/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "planner/answers/recommend.h"
#include "planner/numbers.h"
#include "planner/search/search_choices.h"

const double SIZE_PAYING = 0.5;

/* What comes closest is looked for on so much less than the fewest that do, and on the frontier. */
static const double NEAR_SHARE = 1.0 / 32;

/* Of more counts than this the least work is reckoned: it takes as long as some searches. */
enum { MOST_POINTS = 128, FEW_COUNTS = 256 };

struct walk {
    struct problem *problem;
    const struct wish *wish;
    struct size_result *result;
    const struct progress *progress;
    double least_work;           /* device-seconds of a sequence, search_least_work */
    double share_from, share_to; /* of the progress, of the walk that runs */
};

static void show_progress(const struct walk *walk, double share) {
    progress_update(walk->progress, walk->share_from + share * (walk->share_to - walk->share_from));
}

/* The best plan of a count with a step of at most `limit` seconds; NULL when there is none. Whether it moves
 * anything out is weighed by the wish alone: offload that only beats what was found before is not wished. */
static struct plan *search_count(struct walk *walk, double limit, bool *is_split) {
    struct problem *problem = walk->problem;
    struct search_result found;
    struct error ignored = {0}; /* a count that no layout splits is one to pass by */
    enum wish_key key;
    double least = walk->least_work * (double)problem->search.training.global_batch;
    if (least / (double)problem->search.devices > limit)
        return NULL;
    problem->search.limit_seconds = limit;
    problem->search.wished_seconds = wish_step_limit(walk->wish, problem, &key);
    problem->search.plans_only = true;
    bool posed = recommend_run(&problem->search, problem->arena, &found, &ignored);
    problem->search.limit_seconds = problem->search.wished_seconds = 0;
    problem->search.plans_only = false;
    if (is_split)
        *is_split = posed;
    walk->result->searches++;
    if (!posed)
        return NULL;
    search_counts_add(&found.looked, &walk->result->looked);
    if (found.plan_count == 0 || found.plans[0].step.seconds > limit)
        return NULL;
    wish_pay_spares(walk->wish, found.plans);
    return found.plans;
}

double size_time(const struct plan *plan) {
    double tokens = (double)plan->training.global_batch * (double)plan->training.sequence;
    return plan->training.tokens > 0 ? plan->total.days * SECONDS_A_DAY : plan->step.seconds / tokens;
}

/* The longest step that is no slower than `time`, as size_time has it, on the count that is set. */
static double step_of_time(const struct walk *walk, double time) {
    const struct training *training = &walk->problem->search.training;
    if (training->tokens > 0)
        return wish_step_of(walk->wish, walk->problem, time, HUGE_VAL);
    return time * (double)training->global_batch * (double)training->sequence;
}

static bool meets(const struct walk *walk, const struct plan *plan) {
    enum wish_key key;
    return wish_worst_excess(walk->wish, plan, &key) <= 0;
}

/* Parts of a node first, then whole nodes. */
static int64_t count_after(const struct walk *walk, int64_t devices) {
    int64_t per_node = walk->problem->cluster.node.devices;
    if (devices >= per_node)
        return devices + per_node;
    return 2 * devices <= per_node ? 2 * devices : per_node;
}

static int64_t rung_after(const struct walk *walk, int64_t devices) {
    int64_t per_node = walk->problem->cluster.node.devices, power = 1;
    if (devices < per_node)
        return count_after(walk, devices);
    int64_t nodes = devices / per_node;
    while (2 * power <= nodes)
        power *= 2;
    return (nodes < power + power / 2 ? power + power / 2 : 2 * power) * per_node;
}

static void add_point(struct size_result *result, const struct plan *plan) {
    if (result->point_count < MOST_POINTS)
        result->points[result->point_count++] = (struct size_point){.plan = plan};
}

/* The first walk. */
static void find_frontier(struct walk *walk) {
    struct size_result *result = walk->result;
    double best = HUGE_VAL, rungs = log2((double)result->devices_to / (double)result->devices_from) + 1;
    for (int64_t devices = result->devices_from;;) {
        problem_set_devices(walk->problem, devices, devices);
        struct plan *plan = search_count(walk, step_of_time(walk, best), NULL);
        if (plan && size_time(plan) < best) {
            best = size_time(plan);
            add_point(result, plan);
        }
        show_progress(walk, (log2((double)devices / (double)result->devices_from) + 1) / rungs);
        if (devices == result->devices_to)
            return;
        int64_t next = rung_after(walk, devices);
        devices = next < result->devices_to ? next : result->devices_to;
    }
}

static double objective_value(const struct walk *walk, const struct plan *plan) {
    switch (walk->wish->objective) {
    case OBJECTIVE_TIME:
        return size_time(plan);
    case OBJECTIVE_COST:
        return plan->total.cost;
    case OBJECTIVE_DEVICES:
        break;
    }
    return (double)plan->devices;
}

static void take_if_better(struct walk *walk, const struct plan *plan) {
    const struct plan *best = walk->result->best;
    if (plan && meets(walk, plan) && (!best || objective_value(walk, plan) < objective_value(walk, best)))
        walk->result->best = plan;
}

/* The longest step with which the count that is set would be a better answer than the best so far. */
static double better_step(const struct walk *walk) {
    enum wish_key key;
    const struct plan *best = walk->result->best;
    double limit = wish_step_limit(walk->wish, walk->problem, &key);
    if (best && walk->wish->objective == OBJECTIVE_TIME)
        limit = fmin(limit, step_of_time(walk, size_time(best)));
    else if (best && walk->wish->objective == OBJECTIVE_COST)
        limit = fmin(limit, wish_step_of(walk->wish, walk->problem, HUGE_VAL, best->total.cost));
    return limit;
}

/* The second walk. */
static void find_best(struct walk *walk) {
    struct size_result *result = walk->result;
    bool fewest = walk->wish->objective == OBJECTIVE_DEVICES;
    for (size_t i = 0; i < result->point_count; i++)
        take_if_better(walk, result->points[i].plan);
    int64_t last = fewest && result->best ? result->best->devices - 1 : result->devices_to;
    int64_t first = result->devices_from, least = problem_fewest_devices(walk->problem);
    for (int64_t devices = first; devices <= last; devices = count_after(walk, devices)) {
        bool is_split = false;
        result->counts++;
        show_progress(walk, (double)(devices - first) / (double)(last - first + 1));
        if (devices < least)
            continue;
        problem_set_devices(walk->problem, devices, devices);
        const struct plan *plan = search_count(walk, better_step(walk), &is_split);
        result->split += is_split;
        take_if_better(walk, plan);
        if (fewest && plan)
            return;
    }
}

/* The point of the frontier just below a count; NULL: none. */
static const struct plan *rung_below(const struct size_result *result, int64_t devices) {
    const struct plan *below = NULL;
    for (size_t i = 0; i < result->point_count && result->points[i].plan->devices < devices; i++)
        below = result->points[i].plan;
    return below;
}

/* Looks on a count below the answer for what is faster than all so far. */
static void look_below(struct walk *walk, int64_t devices) {
    struct size_result *result = walk->result;
    problem_set_devices(walk->problem, devices, devices);
    double limit = result->fewer ? step_of_time(walk, size_time(result->fewer)) : HUGE_VAL;
    const struct plan *plan = search_count(walk, limit, NULL);
    if (plan && (!result->fewer || size_time(plan) < size_time(result->fewer)))
        result->fewer = plan;
}

/* The third walk, of the counts that split well or of the others. */
static void look_at_counts_below(struct walk *walk, int64_t lowest, bool splits_well) {
    int64_t per_node = walk->problem->cluster.node.devices, devices = walk->result->best->devices;
    for (;;) {
        devices -= devices > per_node ? per_node : devices - devices / 2;
        if (devices < lowest || devices < 1)
            return;
        if (size_splits_well(devices / per_node) == splits_well)
            look_below(walk, devices);
    }
}

/* The third walk: counts that split well first, as they tell how fast it can go and so rule out most others.
 * As far down as something fits, and as NEAR_SHARE says. */
static void find_binding(struct walk *walk) {
    struct size_result *result = walk->result;
    int64_t devices = result->best->devices, near = (int64_t)((1 - NEAR_SHARE) * (double)devices);
    int64_t lowest = larger_count(problem_fewest_devices(walk->problem), result->devices_from);
    result->binding = WISH_KEY_COUNT;
    if (devices <= result->devices_from) {
        result->binding = WISH_DEVICES;
        return;
    }
    result->fewer = rung_below(result, devices);
    lowest = result->fewer ? larger_count(lowest, near) : lowest;
    look_at_counts_below(walk, lowest, true);
    if (result->fewer && result->fewer->devices < near)
        near = result->fewer->devices;
    look_at_counts_below(walk, result->fewer ? larger_count(lowest, near) : lowest, false);
    if (result->fewer)
        wish_worst_excess(walk->wish, result->fewer, &result->binding);
}

static void find_closest(struct walk *walk) {
    struct size_result *result = walk->result;
    double least = HUGE_VAL;
    for (size_t i = 0; i < result->point_count; i++) {
        enum wish_key key;
        double excess = wish_worst_excess(walk->wish, result->points[i].plan, &key);
        if (excess < least) {
            least = excess;
            result->closest = result->points[i].plan;
        }
    }
}

/* Why nothing fits on the most devices, which is where it fits most easily. */
static bool find_nearest(struct walk *walk, struct error *error) {
    struct problem *problem = walk->problem;
    struct search_result found;
    problem_set_devices(problem, walk->result->devices_to, walk->result->devices_to);
    if (!search_run(&problem->search, problem->arena, &found, error))
        return false;
    walk->result->nearest = found.nearest;
    walk->result->never_ends = found.plan_count > 0;
    walk->result->nearest_devices = walk->result->devices_to;
    return true;
}

static int compare_points(const void *left, const void *right) {
    const struct size_point *a = left, *b = right;
    return (a->plan->devices > b->plan->devices) - (a->plan->devices < b->plan->devices);
}

/* Slope of time against devices, both as logarithms: -1 where twice the devices take half the time. */
static double slope(const struct size_point *from, const struct size_point *to) {
    return log(size_time(to->plan) / size_time(from->plan)) /
           log((double)to->plan->devices / (double)from->plan->devices);
}

/* Marks the lower hull: from a point on it, the next is the one that is reached most steeply. */
static void find_hull(struct size_result *result) {
    for (size_t i = 0; i < result->point_count;) {
        size_t next = i + 1;
        result->points[i].on_hull = true;
        for (size_t j = next + 1; j < result->point_count; j++)
            if (slope(&result->points[i], &result->points[j]) <=
                slope(&result->points[i], &result->points[next]))
                next = j;
        i = next;
    }
}

static void find_paying(struct size_result *result) {
    size_t before = 0;
    bool pays = true;
    find_hull(result);
    for (size_t i = 1; i < result->point_count; i++) {
        struct size_point *point = &result->points[i];
        const struct plan *fewer = result->points[before].plan;
        if (!point->on_hull)
            continue;
        double added = (double)point->plan->devices / (double)fewer->devices - 1;
        point->paying = (size_time(fewer) / size_time(point->plan) - 1) / added;
        if (pays) {
            pays = point->paying >= SIZE_PAYING;
            result->pays_until = pays ? i : before;
            result->stops_at = i;
        }
        before = i;
    }
}

/* Puts the answer among the points and takes out those that are no faster than fewer devices. */
static void finish_points(struct walk *walk) {
    struct size_result *result = walk->result;
    size_t kept = 0;
    if (result->best)
        add_point(result, result->best);
    qsort(result->points, result->point_count, sizeof *result->points, compare_points);
    for (size_t i = 0; i < result->point_count; i++) {
        struct size_point point = result->points[i];
        if (kept > 0 && size_time(point.plan) >= size_time(result->points[kept - 1].plan))
            continue;
        point.meets = meets(walk, point.plan);
        point.is_best = point.plan == result->best;
        result->points[kept++] = point;
    }
    result->point_count = kept;
    find_paying(result);
}

static void set_range(struct walk *walk) {
    const struct problem *problem = walk->problem;
    struct size_result *result = walk->result;
    const struct cluster *cluster = &problem->cluster;
    int64_t fixed = problem_layout_devices(&problem->search.request);
    int64_t there = cluster_devices(cluster) - walk->wish->spare_nodes * cluster->node.devices;
    result->devices_from = problem->devices_from;
    result->devices_to = problem->devices_to;
    if (result->devices_from == 0) {
        result->devices_from = fixed ? fixed : cluster->node.devices;
        result->devices_to = fixed            ? fixed
                             : cluster->nodes ? there
                                              : SIZE_MOST_DEVICES - SIZE_MOST_DEVICES % cluster->node.devices;
    }
}

static const struct wish soonest = {.objective = OBJECTIVE_TIME};

const struct plan *size_faster(struct problem *problem, int64_t devices, const struct plan *best,
                               double share, struct search_counts *sums) {
    struct size_result result = {0};
    struct walk walk = {.problem = problem, .wish = &soonest, .result = &result};
    problem_set_devices(problem, devices, devices);
    double limit = best ? step_of_time(&walk, share * size_time(best)) : HUGE_VAL;
    const struct plan *plan = search_count(&walk, limit, NULL);
    search_counts_add(&result.looked, sums);
    return plan && (!best || size_time(plan) < share * size_time(best)) ? plan : NULL;
}

bool size_splits_well(int64_t nodes) {
    static const int64_t factors[] = {2, 3, 5, 7};
    for (size_t i = 0; i < sizeof factors / sizeof *factors; i++)
        while (nodes > 0 && nodes % factors[i] == 0)
            nodes /= factors[i];
    return nodes == 1;
}

static bool memory_binds(const struct wish *wish, const struct size_result *result) {
    if (!result->best)
        return result->point_count == 0;
    return wish->objective == OBJECTIVE_DEVICES && !result->fewer && result->binding != WISH_DEVICES;
}

/* Unlike a plan, which tries it where nothing else fits. */
static void note_offload(struct problem *problem) {
    problem_note(problem,
                 "offload that %s lacks is left out (--layout offload=... tries it): with it fewer devices "
                 "may do",
                 problem->search.training.stack->name);
}

bool size_find(struct problem *problem, const struct wish *wish, const struct progress *progress,
               struct size_result *result, struct error *error) {
    struct walk walk = {problem, wish, result, progress, 0, 0, 0.2};
    double start = clock_seconds();
    memset(result, 0, sizeof *result);
    result->points = ARENA_ARRAY(problem->arena, struct size_point, MOST_POINTS);
    problem->search.top = 1;
    problem_share_costs(problem);
    bool leaves_out = search_further_offloads(&problem->search) != 0;
    search_keep_offloads(&problem->search, OFFLOAD_NONE);
    set_range(&walk);
    if ((result->devices_to - result->devices_from) / problem->cluster.node.devices > FEW_COUNTS)
        walk.least_work = search_least_work(&problem->search);
    find_frontier(&walk);
    walk.share_from = walk.share_to;
    walk.share_to = 1;
    find_best(&walk);
    if (result->best && wish->objective == OBJECTIVE_DEVICES)
        find_binding(&walk);
    else if (!result->best)
        find_closest(&walk);
    if (result->point_count == 0 && !result->best && !find_nearest(&walk, error))
        return false;
    finish_points(&walk);
    if (leaves_out && memory_binds(wish, result))
        note_offload(problem);
    const struct plan *shown = result->best ? result->best : result->closest;
    if (shown) {
        problem_set_devices(problem, shown->devices, shown->devices);
        recommend_note(problem, shown, &result->looked);
    }
    result->looked.seconds = clock_seconds() - start;
    return true;
}
