#include "planner/search_bound.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "planner/compute.h"

/* Seconds of one micro-batch through the whole model, for the keys that compute depends on. */
struct work {
    int64_t tp, cp, ep, etp, micro_batch, sequence_parallel; /* tp 0: empty */
    double products;                                         /* forward and backward of everything */
    double forward, attention; /* of the layers: what full and selective recompute repeat */
};

/* A new key takes the place of another that hashes to the same: it would only be reckoned again. */
enum { CACHE_BITS = 13, CACHE_SIZE = 1 << CACHE_BITS };

struct search_bounds {
    const struct search_problem *problem;
    struct work cache[CACHE_SIZE];
};

struct search_bounds *search_bounds_create(const struct search_problem *problem, struct arena *arena) {
    struct search_bounds *bounds = ARENA_NEW(arena, struct search_bounds);
    bounds->problem = problem;
    return bounds;
}

static double sum(const struct compute_time *time) {
    return time->forward + time->backward_input + time->backward_weight;
}

static void reckon(const struct search_problem *problem, const struct layout *layout, struct work *work) {
    const struct compute_problem compute = {problem->model, &problem->cluster->device, &problem->training,
                                            layout};
    double experts = (double)model_expert_layers(problem->model);
    double dense = (double)problem->model->layers - experts;
    struct compute_time time;
    compute_embedding(&compute, &time, NULL);
    work->products = sum(&time);
    compute_head(&compute, &time, NULL);
    work->products += sum(&time);
    work->forward = work->attention = 0;
    for (int kind = 0; kind < 2; kind++) {
        double layers = kind == 0 ? dense : experts;
        if (layers <= 0)
            continue;
        compute_layer(&compute, kind != 0, &time, NULL);
        work->products += layers * sum(&time);
        work->forward += layers * time.forward;
        work->attention += layers * time.attention;
    }
}

static const struct work *find_work(struct search_bounds *bounds, const struct layout *layout) {
    struct work key = {
        layout->tp, layout->cp, layout->ep, layout->etp, layout->micro_batch, layout->sequence_parallel,
        0,          0,          0};
    const uint64_t multiplier = 0x9e3779b97f4a7c15; /* 2^64 / golden ratio: Fibonacci hashing */
    uint64_t hash = 0;
    struct work *work;
    const int64_t parts[] = {key.tp, key.cp, key.ep, key.etp, key.micro_batch, key.sequence_parallel};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hash = (hash ^ (uint64_t)parts[i]) * multiplier;
    work = &bounds->cache[hash >> (64 - CACHE_BITS)];
    if (memcmp(work, &key, offsetof(struct work, products)) != 0) {
        reckon(bounds->problem, layout, &key);
        *work = key;
    }
    return work;
}

double search_bound(struct search_bounds *bounds, const struct layout *layout) {
    const struct work *work = find_work(bounds, layout);
    double micro_batches = (double)layout_micro_batches(layout, bounds->problem->training.global_batch);
    double again = layout->recompute == RECOMPUTE_FULL        ? work->forward
                   : layout->recompute == RECOMPUTE_SELECTIVE ? work->attention
                                                              : 0;
    return micro_batches * (work->products + again) / (double)layout->pp;
}

double search_bound_split(struct search_bounds *bounds, const struct split *split) {
    const struct search_problem *problem = bounds->problem;
    const struct layout_request *request = &problem->request;
    struct layout layout = split_layout(split);
    double least = HUGE_VAL;
    while (!layout_request_allows(request, LAYOUT_RECOMPUTE, (int64_t)layout.recompute))
        layout.recompute++; /* the first that is allowed repeats least */
    for (int value = 0; value <= (split->tp > 1); value++) {
        if (!layout_request_allows(request, LAYOUT_SEQUENCE_PARALLEL, value))
            continue;
        layout.sequence_parallel = value != 0;
        least = fmin(least, search_bound(bounds, &layout));
    }
    return least;
}
