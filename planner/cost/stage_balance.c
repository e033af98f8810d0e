#include "planner/cost/stage_balance.h"

#include <math.h>

#include "planner/numbers.h"

/* A split is better when its busiest stage has less than this share of the rule's. */
static const double BETTER = 0.999;
/* For several chunks, where there are more ways to interleave to look at, less than this. */
static const double BETTER_IN_CHUNKS = 0.99;

/* Interleaving saves a part of the bubble, which is seldom as much as this share of a step. */
static const double WORTH_CHUNKS = 0.1;

/* What was found for a number of stages. */
struct found_ends {
    bool known;
    size_t count;
    struct stage_ends ends[STAGE_BALANCE_MOST];
};

struct stage_balance {
    const struct model *model;
    double *before;           /* weight of all layers before each, and of all at the end */
    double embedding, head;   /* what stands before the first layer, and behind the last */
    double lightest;          /* of the kinds of layers that the model has */
    struct found_ends *found; /* by pp, up to the number of layers */
};

struct stage_balance *stage_balance_create(const struct model *model, const struct stage_weights *weights,
                                           struct arena *arena) {
    struct stage_balance *balance = ARENA_NEW(arena, struct stage_balance);
    balance->model = model;
    balance->embedding = weights->embedding;
    balance->head = weights->head;
    balance->lightest = HUGE_VAL;
    balance->before = ARENA_ARRAY(arena, double, (size_t)model->layers + 1);
    balance->found = ARENA_ARRAY(arena, struct found_ends, (size_t)model->layers + 1);
    for (int64_t i = 0; i < model->layers; i++) {
        const double weight = model_layer_has_experts(model, i) ? weights->experts : weights->dense;
        balance->lightest = smaller(balance->lightest, weight);
        balance->before[i + 1] = balance->before[i] + weight;
    }
    return balance;
}

/* What the busiest stage has to do as a layout deals out the layers, or something above `limit`. */
static double busiest(const struct stage_balance *balance, const struct layout *layout, double limit) {
    struct layout_dealing dealing;
    double most = 0;
    layout_deal(layout, balance->model, &dealing);
    for (int64_t stage = 0; stage < layout->pp && most <= limit; stage++) {
        double work = (stage == 0 ? balance->embedding : 0) + (stage == layout->pp - 1 ? balance->head : 0);
        for (int64_t chunk = stage; chunk < dealing.chunks; chunk += layout->pp)
            work += balance->before[layout_dealt_before(&dealing, chunk + 1)] -
                    balance->before[layout_dealt_before(&dealing, chunk)];
        most = larger(most, work);
    }
    return most;
}

/* Looks at ends that vpp divides. False where none has less to do than `least`; else that, and the ends. */
static bool find_for(const struct stage_balance *balance, int64_t pp, int64_t vpp, double *least,
                     struct stage_ends *ends) {
    const int64_t layers = balance->model->layers, between = pp - 2;
    const double chunk = (double)vpp * balance->lightest; /* a layer in each chunk */
    struct layout layout = {.pp = pp, .vpp = vpp};
    bool found = false;
    for (int64_t first = vpp; first < layers; first += vpp) {
        /* So many may lie between; the last stage has the others at least. */
        const int64_t room = (int64_t)(*least / chunk) * vpp * between, others = layers - first - room;
        if (balance->embedding + (double)first * balance->lightest > *least)
            break;
        for (int64_t last = others > vpp ? others : vpp; first + last + between * vpp <= layers;
             last += vpp) {
            layout.first_stage_layers = first;
            layout.last_stage_layers = last;
            if (balance->head + (double)last * balance->lightest > *least)
                break;
            const double most =
                between > 0 || first + last == layers ? busiest(balance, &layout, *least) : *least;
            if (most >= *least)
                continue;
            *least = most;
            *ends = (struct stage_ends){first, last};
            found = true;
        }
    }
    return found;
}

static bool chunks_are_equal(const struct model *model, int64_t chunks) {
    return model->layers % chunks == 0 || layout_divides_with_ends(model, chunks);
}

static bool any_chunks_are_equal(const struct model *model, int64_t pp) {
    for (int64_t vpp = model->layers / pp; vpp > 1; vpp--)
        if (chunks_are_equal(model, pp * vpp))
            return true;
    return false;
}

/* From many chunks to few: of those with as little to do, more chunks are better, and can be taken as fewer.
 */
static void find(const struct stage_balance *balance, int64_t pp, struct found_ends *found) {
    const int64_t layers = balance->model->layers;
    const struct layout rule = {.pp = pp, .vpp = 1};
    double by_rule = busiest(balance, &rule, HUGE_VAL), whole = BETTER * by_rule;
    double leasts[STAGE_BALANCE_MOST], quickest = HUGE_VAL;
    struct stage_ends best;
    const bool better = find_for(balance, pp, 1, &whole, &best);
    const bool equal = any_chunks_are_equal(balance->model, pp);
    double limit = (1 + WORTH_CHUNKS) * (better ? whole : by_rule);
    *found = (struct found_ends){.known = true};
    for (int64_t vpp = layers / pp; vpp > 1 && found->count + 1 < STAGE_BALANCE_MOST; vpp--) {
        const struct layout chunked = {.pp = pp, .vpp = vpp};
        struct stage_ends ends;
        double least;
        if (chunks_are_equal(balance->model, pp * vpp) || (!equal && vpp == layers / pp))
            limit = smaller(limit, BETTER_IN_CHUNKS * busiest(balance, &chunked, HUGE_VAL));
        if (layers % vpp != 0)
            continue;
        least = limit;
        for (size_t i = 0; i < found->count; i++)
            if (found->ends[i].first % vpp == 0 && found->ends[i].last % vpp == 0 &&
                (layers - found->ends[i].first - found->ends[i].last) % vpp == 0)
                least = smaller(least, BETTER_IN_CHUNKS * leasts[i]);
        if (!find_for(balance, pp, vpp, &least, &ends))
            continue;
        quickest = smaller(quickest, least);
        leasts[found->count] = least;
        found->ends[found->count++] = ends;
    }
    if (better && BETTER * quickest > whole)
        found->ends[found->count++] = best;
}

size_t stage_balance_ends(struct stage_balance *balance, int64_t pp, const struct stage_ends **ends) {
    struct found_ends *found;
    if (pp < 2 || pp > balance->model->layers)
        return 0;
    found = &balance->found[pp];
    if (!found->known)
        find(balance, pp, found);
    *ends = found->ends;
    return found->count;
}
