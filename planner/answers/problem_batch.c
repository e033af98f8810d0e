#include "planner/answers/problem_batch.h"

#include <math.h>

#include "planner/numbers.h"

/* What a step trains on when nobody says: as large language models of some hundred billion parameters did
 * (GPT-3 3.2M tokens, arXiv 2005.14165 Table 2.1; Llama 3 405B 4M at first, arXiv 2407.21783 section 3.4.1),
 * and on many devices as much for each as the largest runs have had (Llama 3 405B: 16M tokens on 16,384 GPUs;
 * the GPT-4 leak: 60M on 25,000). */
#define DEFAULT_BATCH_TOKENS            4194304.0
#define DEFAULT_BATCH_TOKENS_PER_DEVICE 2048.0

/* A batch given in tokens may be rounded this far to one that splits well: "60M" is said of 58 to 62. */
#define BATCH_ROUNDING 0.03

/* The default batch: the largest step there is between numbers like 2^k and 3 x 2^k. */
#define DEFAULT_BATCH_ROUNDING 0.25

/* The multiple of `unit` nearest to `sequences`, at least one. */
static double nearest_multiple(double sequences, double unit) {
    return fmax(round(sequences / unit), 1) * unit;
}

/* The data-parallel split that a layout fixes, by itself or by all else of one number of devices; 0: none. */
static int64_t fixed_data_parallel(const struct problem *problem) {
    static const enum layout_key others[] = {LAYOUT_TP, LAYOUT_CP, LAYOUT_PP};
    const struct layout_request *request = &problem->search.request;
    int64_t devices = problem->devices_to;
    if (request->keys[LAYOUT_DP].count == 1)
        return request->keys[LAYOUT_DP].values[0];
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (request->keys[others[i]].count != 1 || devices % request->keys[others[i]].values[0] != 0)
            return 0;
        devices /= request->keys[others[i]].values[0];
    }
    return problem->devices_from == problem->devices_to ? devices : 0;
}

/* The data-parallel split that a layout fixes, times its largest micro-batch; 0: none is fixed. */
static int64_t fixed_unit(const struct problem *problem) {
    const struct layout_request *request = &problem->search.request;
    size_t choices = request->keys[LAYOUT_MICRO_BATCH].count;
    return fixed_data_parallel(problem) *
           (choices ? request->keys[LAYOUT_MICRO_BATCH].values[choices - 1] : 1);
}

/* What data-parallel splits and pipelines are made from: the devices; of a range their least common multiple,
 * unless that is absurd. */
static int64_t devices_unit(const struct problem *problem) {
    int64_t from = problem->devices_from, to = problem->devices_to;
    if (from == 0 || to == 0)
        return 1;
    int64_t multiple = from / greatest_common_divisor(from, to) * to;
    return multiple <= PROBLEM_MAX_DEVICES ? multiple : to;
}

/* The multiple of `unit` times as large a power of two as leaves one within `rounding` of `wanted`; 0 where
 * even `unit` leaves none. */
static double multiple_near(double unit, double wanted, double rounding) {
    double best = 0;
    for (; unit <= 2 * wanted; unit *= 2) {
        double candidate = nearest_multiple(wanted, unit);
        if (fabs(candidate - wanted) <= rounding * wanted)
            best = candidate;
    }
    return best;
}

static int64_t divisor_count(int64_t number) {
    int64_t count = 1;
    for (int64_t prime = 2; prime <= number / prime; prime++) {
        int64_t power = 1;
        for (; number % prime == 0; number /= prime)
            power++;
        count *= power;
    }
    return number > 1 ? 2 * count : count;
}

struct batch_choice {
    double sequences, wanted, rounding;
    int64_t unit, common; /* what splits are made from; how many of its divisors divide `sequences` too */
};

/* Takes a multiple of `divisor` where more splits divide it than what was taken. */
static void try_divisor(int64_t divisor, struct batch_choice *choice) {
    double batch = multiple_near((double)divisor, choice->wanted, choice->rounding);
    int64_t common = batch > 0 ? divisor_count(greatest_common_divisor((int64_t)batch, choice->unit)) : 0;
    if (common > choice->common) {
        choice->sequences = batch;
        choice->common = common;
    }
}

/* Sequences near to `wanted` that as many splits of `unit` as possible divide. Of those that as many do, the
 * multiple of the largest divisor of the unit. */
static int64_t batch_near(int64_t unit, double wanted, double rounding) {
    struct batch_choice choice = {round(wanted), wanted, rounding, unit, 0};
    for (int64_t part = 1; part <= choice.unit / part; part++) /* the largest divisors first */
        if (choice.unit % part == 0)
            try_divisor(choice.unit / part, &choice);
    for (int64_t divisor = (int64_t)sqrt((double)choice.unit); divisor > 0; divisor--)
        if (choice.unit % divisor == 0)
            try_divisor(divisor, &choice);
    return (int64_t)fmax(choice.sequences, 1);
}

/* As many as without a layout, so that a plan's layout given again has its batch; others where it doesn't
 * divide those. */
static int64_t batch_that_splits(const struct problem *problem, double tokens, double rounding) {
    double wanted = tokens / (double)problem->search.training.sequence;
    int64_t batch = batch_near(devices_unit(problem), wanted, rounding), unit = fixed_unit(problem);
    return unit == 0 || batch % unit == 0 ? batch : batch_near(unit, wanted, rounding);
}

int64_t problem_batch(const struct problem *problem) {
    if (problem->asked_batch)
        return problem->asked_batch;
    if (problem->asked_batch_tokens > 0)
        return batch_that_splits(problem, problem->asked_batch_tokens, BATCH_ROUNDING);
    double tokens = fmax(DEFAULT_BATCH_TOKENS, DEFAULT_BATCH_TOKENS_PER_DEVICE * (double)problem->devices_to);
    return batch_that_splits(problem, tokens, DEFAULT_BATCH_ROUNDING);
}
