#include "planner/answers/answer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "planner/answers/recommend.h"
#include "planner/answers/size.h"
#include "planner/numbers.h"
#include "planner/search/search_choices.h"

/* So many of the devices that were asked may stand idle. Where that takes this share of the time of planning
 * all, it is said; where this less, the number asked splits badly, and the fewer are planned. */
static const double IDLE_MOST = 0.0625, WORTH_SAYING = 0.97, WORTH_IDLING = 0.8;

enum { MOST_BETWEEN = 64, MAX_COUNTS = 32, MAX_FEWEST_TRIES = 256, FEWEST_RESOLUTION = 32 };

static bool search_count(struct problem *problem, int64_t devices, struct answer *answer,
                         struct search_result *result, struct error *error) {
    problem_set_count(problem, devices);
    if (!recommend_run(&problem->search, problem->arena, result, error))
        return false;
    search_counts_add(&result->looked, &answer->looked);
    answer->nearest = result->nearest;
    answer->nearest_devices = devices;
    return true;
}

static void take_plans(struct answer *answer, const struct search_result *result, size_t most) {
    for (size_t i = 0; i < result->plan_count && i < most; i++)
        answer->plans[answer->plan_count++] = &result->plans[i];
}

int64_t answer_next_count(const struct problem *problem, int64_t devices) {
    int64_t per_node = problem->cluster.node.devices, to = problem->devices_to;
    int64_t next = devices < per_node && devices * 2 > per_node ? per_node : devices * 2;
    return next < to ? next : to;
}

static int compare_by_time(const void *left, const void *right) {
    const struct plan *const *a = left, *const *b = right;
    return (size_time(*a) > size_time(*b)) - (size_time(*a) < size_time(*b));
}

/* Whether a range from `from` on looks at a count anyway. */
static bool is_doubled(const struct problem *problem, int64_t from, int64_t devices) {
    while (from < devices)
        from = answer_next_count(problem, from);
    return from == devices;
}

/* Among the counts that a range passes by one may be faster than those it looks at: of few all are tried, of
 * many those of the last doubling that split well, from the most devices on. */
static void add_fastest(struct problem *problem, int64_t from, int64_t to, struct answer *answer) {
    int64_t step = problem->cluster.node.devices, fewest = problem_fewest_devices(problem);
    const struct plan *best = answer->plans[0];
    const struct layout_request asked = problem->search.request;
    double share = WORTH_SAYING;
    search_keep_offloads(&problem->search, best->layout.offload);
    bool are_few = to - from <= MOST_BETWEEN * step;
    int64_t least = are_few ? from : to / 2;
    least = least > fewest ? least : fewest;
    for (int64_t devices = to / step * step; devices >= least; devices -= step) {
        if (is_doubled(problem, from, devices) || !(are_few || size_splits_well(devices / step)))
            continue;
        problem->devices_to = to;
        const struct plan *plan = size_faster(problem, devices, best, share, &answer->looked);
        if (plan) {
            best = plan;
            share = 1;
        }
    }
    problem->search.request = asked;
    if (best != answer->plans[0]) {
        memmove(answer->plans + 1, answer->plans, answer->plan_count * sizeof *answer->plans);
        answer->plans[0] = best;
        answer->plan_count++;
    }
}

/* Whether the question is about a certain split, rather than about the best. */
static bool fixes_split(const struct layout_request *request) {
    static const enum layout_key keys[] = {LAYOUT_TP, LAYOUT_PP, LAYOUT_CP, LAYOUT_DP, LAYOUT_EP, LAYOUT_ETP};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (request->keys[keys[i]].count == 1)
            return true;
    return false;
}

/* Of the counts below one that is asked, down to IDLE_MOST less, those that split well: the best plan of the
 * fastest, if it is worth leaving devices idle for; else NULL. A certain split is for as many devices as it
 * can be: of the largest count, and only where all can't be split. `best`, that of the count itself, may be
 * NULL; what it moves out is held against what is tried with it. */
static const struct plan *search_below(struct problem *problem, int64_t devices, const struct plan *best,
                                       struct answer *answer) {
    int64_t per_node = problem->cluster.node.devices, nodes = devices / per_node;
    const struct layout_request asked = problem->search.request;
    bool is_certain = fixes_split(&asked);
    const struct plan *found = NULL;
    if (best)
        search_keep_offloads(&problem->search, best->layout.offload);
    for (int64_t fewer = nodes - 1; (double)fewer >= (1 - IDLE_MOST) * (double)nodes; fewer--) {
        if (is_certain ? best || found : !size_splits_well(fewer))
            continue;
        const struct plan *plan = size_faster(problem, fewer * per_node, found ? found : best,
                                              found ? 1 : WORTH_SAYING, &answer->looked);
        found = plan ? plan : found;
    }
    problem->search.request = asked;
    return found;
}

/* A batch in tokens is taken to what each count splits well; any other is that of the range. Counts that no
 * layout splits are passed by: the error is that of the last. */
static bool search_range(struct problem *problem, struct answer *answer, struct error *error) {
    int64_t from = problem->devices_from, to = problem->devices_to, asked_batch = problem->asked_batch;
    bool posed = false;
    problem_set_devices(problem, from, to);
    if (problem->asked_batch_tokens <= 0)
        problem->asked_batch = problem->search.training.global_batch;
    problem->search.top = 1; /* the best of each */
    problem_share_costs(problem);
    for (int64_t devices = from;; devices = answer_next_count(problem, devices)) {
        struct search_result result;
        problem->search.plans_only = devices < to || answer->plan_count > 0;
        problem_set_devices(problem, devices, devices);
        problem->devices_to = to;
        if (search_count(problem, devices, answer, &result, error)) {
            posed = true;
            take_plans(answer, &result, 1);
        }
        if (devices == to)
            break;
    }
    if (answer->plan_count > 0) {
        qsort(answer->plans, answer->plan_count, sizeof *answer->plans, compare_by_time);
        add_fastest(problem, from, to, answer);
        problem->search.training = answer->plans[0]->training;
    }
    problem->asked_batch = asked_batch;
    problem->devices_from = from;
    problem->devices_to = to;
    return posed;
}

/* Says what larger groups of micro-batches would gain: stacks have them when asked, no measured run does. */
static void note_groups(struct problem *problem, const struct plan *best, struct answer *answer) {
    const struct layout_request asked = problem->search.request;
    if (!problem->search.training.stack->any_groups || asked.keys[LAYOUT_SCHEDULE].count > 0 ||
        asked.keys[LAYOUT_VPP].count > 0)
        return;
    layout_request_fix(&problem->search.request, LAYOUT_SCHEDULE, SCHEDULE_INTERLEAVED);
    search_keep_offloads(&problem->search, best->layout.offload);
    const struct plan *faster = size_faster(problem, best->devices, best, WORTH_SAYING, &answer->looked);
    problem->search.request = asked;
    if (faster) {
        problem_note(problem,
                     "interleaving micro-batches that pp doesn't divide, in groups, takes %.3g %% less time "
                     "(%s); no measured run does it",
                     100 * (1 - size_time(faster) / size_time(best)),
                     layout_request_flag(&asked, LAYOUT_SCHEDULE, SCHEDULE_INTERLEAVED, problem->arena));
    }
}

static bool search_one(struct problem *problem, struct answer *answer, struct error *error) {
    struct search_result result;
    int64_t asked = problem->devices_from;
    problem_share_costs(problem);
    problem_set_devices(problem, asked, asked);
    bool posed = search_count(problem, asked, answer, &result, error);
    const struct plan *best = posed && result.plan_count > 0 ? result.plans : NULL;
    const struct plan *below = best || !posed ? search_below(problem, asked, best, answer) : NULL;
    double share = below && best ? size_time(below) / size_time(best) : 0;
    int64_t planned = below && share < WORTH_IDLING ? below->devices : asked;
    problem_set_devices(problem, planned, planned);
    if (planned < asked) {
        problem_note(problem,
                     "%" PRId64 " of the %" PRId64 " devices: %s, and the rest stands idle, at no cost here",
                     planned, asked, best ? "all split badly" : "no layout splits all");
        posed = search_count(problem, planned, answer, &result, error);
    } else if (below) {
        problem_note(problem,
                     "%" PRId64 " of the %" PRId64
                     " devices, which split better, take %.3g %% less time (--devices %" PRId64 ")",
                     below->devices, asked, 100 * (1 - share), below->devices);
    }
    if (posed)
        take_plans(answer, &result, problem->search.top);
    const struct plan *planned_best = posed && result.plan_count > 0 ? result.plans : NULL;
    if (planned_best) {
        recommend_note(problem, planned_best, &answer->looked);
        note_groups(problem, planned_best, answer);
    }
    return posed;
}

/* Between more_nodes and the next. */
static int64_t more_nodes_step(int64_t nodes, int64_t resolution) {
    int64_t step = 1;
    while (step * 2 * resolution <= nodes)
        step *= 2;
    return step;
}

int64_t answer_more_nodes(int64_t nodes, int64_t resolution) {
    int64_t step = more_nodes_step(nodes, resolution);
    return (nodes / step + 1) * step;
}

/* Takes the plans of the fewest devices: of all that was asked, where the search was narrowed. */
static void take_fewest(struct problem *problem, const struct layout_request *asked, bool narrowed,
                        bool passed_by_some, struct search_result *result, struct answer *answer) {
    int64_t devices = problem->search.devices;
    struct error ignored; /* what a narrower request splits, a wider one does */
    problem->search.request = *asked;
    if (narrowed)
        search_count(problem, devices, answer, result, &ignored);
    take_plans(answer, result, problem->search.top);
    recommend_note(problem, result->plans, &answer->looked);
    problem_note(problem, "%" PRId64 " devices: the fewest whole nodes it fits on%s (--devices)", devices,
                 passed_by_some ? ", to a few percent" : "");
}

/* With states on the host a model fits on ever fewer devices, ever more slowly: the fewest are those it fits
 * on by itself, unless it is asked for, or the cluster has no other way to hold a large model. */
static bool search_fewest(struct problem *problem, struct answer *answer, struct error *error) {
    const struct layout_request asked = problem->search.request;
    bool narrowed = !search_only_streams(&problem->cluster) && asked.keys[LAYOUT_OFFLOAD].count == 0;
    if (narrowed)
        layout_request_fix(&problem->search.request, LAYOUT_OFFLOAD, OFFLOAD_NONE);
    int64_t each = problem_devices_step(problem), most = PROBLEM_MAX_DEVICES / each;
    int64_t first = smaller_count(quotient_up(problem_fewest_devices(problem), each), most);
    bool posed = false;
    for (int64_t tries = 0, steps = first; tries < MAX_FEWEST_TRIES && steps <= most; tries++) {
        struct search_result result;
        struct error passed_by; /* a count that no layout splits; where all are, the first is to blame */
        int64_t devices = steps * each;
        problem_set_devices(problem, devices, devices);
        if (search_count(problem, devices, answer, &result, tries == 0 ? error : &passed_by)) {
            posed = true;
            if (result.plan_count > 0) {
                take_fewest(problem, &asked, narrowed, more_nodes_step(steps, FEWEST_RESOLUTION) > 1, &result,
                            answer);
                return true;
            }
        }
        steps = answer_more_nodes(steps, FEWEST_RESOLUTION);
    }
    problem->search.request = asked;
    problem_note(problem, "tried %" PRId64 " to %" PRId64 " devices (--devices tries others)", first * each,
                 answer->nearest_devices);
    return posed;
}

const struct plan *answer_best(const struct answer *answer) {
    return answer->plan_count > 0 ? answer->plans[0] : NULL;
}

bool answer_find(struct problem *problem, struct answer *answer, struct error *error) {
    memset(answer, 0, sizeof *answer);
    size_t room = problem->search.top > MAX_COUNTS ? problem->search.top : MAX_COUNTS;
    answer->plans = ARENA_ARRAY(problem->arena, const struct plan *, room + 1);
    answer->range = problem->devices_from != problem->devices_to;
    answer->fewest = problem->devices_from == 0;
    if (answer->fewest)
        return search_fewest(problem, answer, error);
    return answer->range ? search_range(problem, answer, error) : search_one(problem, answer, error);
}
