#include "planner/cost/stage_balance.h"

#include <math.h>

/* Middle stages may have so many layers more or fewer than the average. */
enum { REACH = 2 };

/* A split is better when its busiest stage has less than this share of the rule's. */
static const double BETTER = 0.999;

/* What was found for a number of stages. */
struct found_ends {
    bool known, better;
    struct stage_ends ends;
};

struct stage_balance {
    const struct model *model;
    double *before;           /* weight of all layers before each, and of all at the end */
    double embedding, head;   /* what stands before the first layer, and behind the last */
    struct found_ends *found; /* by pp, up to the number of layers */
};

struct stage_balance *stage_balance_create(const struct model *model, const struct stage_weights *weights,
                                           struct arena *arena) {
    struct stage_balance *balance = ARENA_NEW(arena, struct stage_balance);
    balance->model = model;
    balance->embedding = weights->embedding;
    balance->head = weights->head;
    balance->before = ARENA_ARRAY(arena, double, (size_t)model->layers + 1);
    balance->found = ARENA_ARRAY(arena, struct found_ends, (size_t)model->layers + 1);
    for (int64_t i = 0; i < model->layers; i++)
        balance->before[i + 1] =
            balance->before[i] + (model_layer_has_experts(model, i) ? weights->experts : weights->dense);
    return balance;
}

static double work_of(const struct stage_balance *balance, int64_t begin, int64_t end) {
    return balance->before[end] - balance->before[begin];
}

/* What the busiest stage has to do as the rule deals out the layers. */
static double busiest_by_rule(const struct stage_balance *balance, int64_t pp) {
    const struct layout layout = {.pp = pp, .vpp = 1};
    double most = 0;
    for (int64_t stage = 0; stage < pp; stage++) {
        int64_t begin = layout_layers_before(&layout, balance->model, stage);
        int64_t end = layout_layers_before(&layout, balance->model, stage + 1);
        most = fmax(most, work_of(balance, begin, end) + (stage == 0 ? balance->embedding : 0) +
                              (stage == pp - 1 ? balance->head : 0));
    }
    return most;
}

/* The same with the ends' own numbers and `each` layers on the stages between, or something above `limit`. */
static double busiest(const struct stage_balance *balance, const struct stage_ends *ends, int64_t each,
                      double limit) {
    int64_t layers = balance->model->layers, behind = layers - ends->last;
    double most = fmax(balance->embedding + work_of(balance, 0, ends->first),
                       work_of(balance, behind, layers) + balance->head);
    for (int64_t begin = ends->first; begin < behind && most <= limit; begin += each)
        most = fmax(most, work_of(balance, begin, begin + each));
    return most;
}

static struct found_ends find(const struct stage_balance *balance, int64_t pp) {
    struct found_ends found = {.known = true};
    int64_t layers = balance->model->layers, between = pp - 2, average = layers / pp;
    double least = BETTER * busiest_by_rule(balance, pp);
    for (int64_t each = average > REACH ? average - REACH : 1; each <= average + REACH + 1; each++) {
        int64_t rest = layers - each * between;
        struct stage_ends ends;
        for (ends.first = 1; ends.first < rest; ends.first++) {
            ends.last = rest - ends.first;
            double most = busiest(balance, &ends, each, least);
            if (most > least || (most == least && found.better && ends.first >= found.ends.first))
                continue;
            least = most;
            found.ends = ends;
            found.better = true;
        }
        if (between == 0)
            break;
    }
    return found;
}

bool stage_balance_ends(struct stage_balance *balance, int64_t pp, struct stage_ends *ends) {
    struct found_ends *found;
    if (pp < 2 || pp > balance->model->layers)
        return false;
    found = &balance->found[pp];
    if (!found->known)
        *found = find(balance, pp);
    *ends = found->ends;
    return found->better;
}
