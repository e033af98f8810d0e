/* Routed experts: what they compute depends on ep, etp and the tokens that a rank sends out, what they
 * exchange on how far apart the ranks are besides. Both are kept in tables by those, with a place for each ep
 * and etp of the model. */
#include <math.h>

#include "planner/cost/cost_bound.h"
#include "planner/cost/cost_parts.h"
#include "planner/numbers.h"

struct routed_compute {
    bool known;
    double forward, backward_input, backward_weight, activation, experts;
};

struct routed_exchange {
    bool known;
    double forward, backward, shown;
};

/* Of some tokens a rank; of groups that reach over dp near, or spread by pp. */
struct expert_row {
    struct routed_compute *compute;
    struct routed_exchange *near, *spread;
    struct routed_cost least; /* of each part, over the splits it was asked for */
};

/* All divisors of a number, rising. */
static size_t divisors_of(int64_t number, struct arena *arena, int64_t **divisors) {
    size_t count = 0;
    for (int64_t i = 1; i <= number; i++)
        count += number % i == 0;
    *divisors = ARENA_ARRAY(arena, int64_t, count);
    count = 0;
    for (int64_t i = 1; i <= number; i++)
        if (number % i == 0)
            (*divisors)[count++] = i;
    return count;
}

void cost_places_init(struct cost_context *context) {
    const struct model_experts *experts = &context->model->experts;
    struct expert_places *places = &context->places;
    if (experts->count == 0)
        return;
    places->ep_count = divisors_of(experts->count, context->arena, &places->eps);
    places->etp_count = divisors_of(experts->ffn_hidden, context->arena, &places->etps);
}

static size_t place_among(const int64_t *divisors, size_t count, int64_t divisor) {
    size_t place = 0;
    while (place + 1 < count && divisors[place] != divisor)
        place++;
    return place;
}

size_t cost_expert_place(const struct cost_context *context, int64_t ep, int64_t etp) {
    const struct expert_places *places = &context->places;
    if (places->ep_count == 0)
        return 0;
    return place_among(places->eps, places->ep_count, ep) * places->etp_count +
           place_among(places->etps, places->etp_count, etp);
}

static size_t place_count(const struct cost_context *context) {
    return context->places.ep_count * context->places.etp_count;
}

/* Of tp, cp, micro-batch and sequence parallelism only the tokens matter to routed experts that a rank sends
 * out. */
static int64_t routed_tokens(const struct cost_context *context, const struct layout *layout) {
    int64_t ranks = layout->cp * (layout->sequence_parallel ? layout->tp : 1);
    return layout->micro_batch * context->training.sequence / ranks;
}

/* `spread`: devices that lie between neighbours of a group that reaches over dp; 0: the table of what they
 * compute. */
static void *table_of(struct cost_context *context, int64_t tokens, int64_t spread, size_t size) {
    struct cache_key key = {{(uint64_t)tokens, (uint64_t)spread, 0}};
    bool found;
    void **table = cost_cache_find(context->routed, &key, &found);
    if (!found)
        *table = arena_allocate(context->arena, place_count(context), size);
    return *table;
}

static struct routed_compute *computes_of(struct cost_context *context, int64_t tokens) {
    return table_of(context, tokens, 0, sizeof(struct routed_compute));
}

static struct routed_exchange *exchanges_of(struct cost_context *context, int64_t tokens, int64_t spread) {
    return table_of(context, tokens, spread, sizeof(struct routed_exchange));
}

static struct routed_compute reckon_compute(const struct cost_context *context, const struct layout *layout,
                                            struct explain *explain) {
    struct compute_problem problem = cost_compute_problem(context, layout);
    struct compute_time time;
    compute_routed_experts(&problem, &time, explain);
    return (struct routed_compute){
        true, time.forward, time.backward_input, time.backward_weight, time.activation, time.experts};
}

static struct routed_exchange reckon_exchange(const struct cost_context *context, const struct layout *layout,
                                              struct explain *explain) {
    struct communication_problem problem = cost_communication_problem(context, layout);
    struct communication_time time;
    communication_routed_experts(&problem, &time, explain);
    return (struct routed_exchange){true, time.ep_forward, time.ep_backward, time.ep_shown};
}

static struct routed_cost together(const struct routed_compute *compute,
                                   const struct routed_exchange *exchange) {
    return (struct routed_cost){compute->forward,    compute->backward_input, compute->backward_weight,
                                compute->activation, compute->experts,        exchange->forward,
                                exchange->backward,  exchange->shown};
}

struct routed_cost cost_routed_reckon(const struct cost_context *context, const struct layout *layout,
                                      struct explain *explain) {
    struct routed_compute compute = reckon_compute(context, layout, explain);
    struct routed_exchange exchange = reckon_exchange(context, layout, explain);
    return together(&compute, &exchange);
}

static const struct routed_compute *known_compute(const struct cost_context *context,
                                                  const struct layout *layout,
                                                  struct routed_compute *compute) {
    if (!compute->known)
        *compute = reckon_compute(context, layout, NULL);
    return compute;
}

static const struct routed_exchange *known_exchange(const struct cost_context *context,
                                                    const struct layout *layout,
                                                    struct routed_exchange *exchange) {
    if (!exchange->known)
        *exchange = reckon_exchange(context, layout, NULL);
    return exchange;
}

/* Groups that reach over dp are spread by pp in the other rank order. */
static bool is_spread(const struct layout *layout) {
    return layout->order == ORDER_TP_CP_PP_DP && layout->ep * layout->etp > layout->tp * layout->cp;
}

struct routed_cost cost_routed_experts(struct cost_context *context, const struct layout *layout,
                                       struct base_part *base) {
    struct routed_tables *tables = &base->routed;
    size_t place = cost_expert_place(context, layout->ep, layout->etp);
    bool spread = is_spread(layout);
    if (tables->compute == NULL) {
        int64_t tokens = routed_tokens(context, layout);
        tables->compute = computes_of(context, tokens);
        tables->near = exchanges_of(context, tokens, 1);
    }
    if (spread && tables->spread_by != layout->pp) {
        tables->spread = exchanges_of(context, routed_tokens(context, layout), layout->pp);
        tables->spread_by = layout->pp;
    }
    struct routed_exchange *exchanges = spread ? tables->spread : tables->near;
    return together(known_compute(context, layout, &tables->compute[place]),
                    known_exchange(context, layout, &exchanges[place]));
}

struct routed_cost cost_routed_in_row(const struct expert_row *row, const struct expert_split *split,
                                      bool any_order) {
    struct routed_cost routed = together(&row->compute[split->place], &row->near[split->place]);
    if (any_order) {
        const struct routed_exchange *spread = &row->spread[split->place];
        routed.ep_forward = smaller(routed.ep_forward, spread->forward);
        routed.ep_backward = smaller(routed.ep_backward, spread->backward);
        routed.ep_shown = smaller(routed.ep_shown, spread->shown);
    }
    return routed;
}

static double exchange_seconds(const struct routed_exchange *exchange, double forward_passes) {
    return forward_passes * exchange->forward + exchange->backward;
}

double cost_routed_seconds(const struct expert_row *row, const struct expert_split *split, bool any_order,
                           double forward_passes, double exchange_share) {
    const struct routed_compute *compute = &row->compute[split->place];
    double exchange = exchange_seconds(&row->near[split->place], forward_passes);
    if (any_order)
        exchange = smaller(exchange, exchange_seconds(&row->spread[split->place], forward_passes));
    return forward_passes * compute->forward + compute->backward_input + compute->backward_weight +
           exchange_share * exchange;
}

const struct routed_cost *cost_routed_least(const struct expert_row *row) {
    return &row->least;
}

size_t cost_expert_row_size(void) {
    return sizeof(struct expert_row);
}

static void keep_compute(struct routed_cost *least, const struct routed_compute *compute) {
    least->forward = smaller(least->forward, compute->forward);
    least->backward_input = smaller(least->backward_input, compute->backward_input);
    least->backward_weight = smaller(least->backward_weight, compute->backward_weight);
    least->activation = smaller(least->activation, compute->activation);
    least->experts = smaller(least->experts, compute->experts);
}

static void keep_exchange(struct routed_cost *least, const struct routed_exchange *exchange) {
    least->ep_forward = smaller(least->ep_forward, exchange->forward);
    least->ep_backward = smaller(least->ep_backward, exchange->backward);
    least->ep_shown = smaller(least->ep_shown, exchange->shown);
}

static void reckon_row(struct cost_context *context, const struct layout *layout,
                       const struct expert_split *splits, size_t count, struct expert_row *row) {
    int64_t tokens = routed_tokens(context, layout);
    struct layout split = *layout;
    *row = (struct expert_row){.compute = computes_of(context, tokens),
                               .near = exchanges_of(context, tokens, 1),
                               .spread = exchanges_of(context, tokens, layout->pp)};
    row->least =
        (struct routed_cost){HUGE_VAL, HUGE_VAL, HUGE_VAL, HUGE_VAL, HUGE_VAL, HUGE_VAL, HUGE_VAL, HUGE_VAL};
    for (size_t i = 0; i < count; i++) {
        split.ep = splits[i].ep;
        split.etp = splits[i].etp;
        split.order = ORDER_TP_CP_DP_PP;
        keep_compute(&row->least, known_compute(context, &split, &row->compute[splits[i].place]));
        keep_exchange(&row->least, known_exchange(context, &split, &row->near[splits[i].place]));
        split.order = ORDER_TP_CP_PP_DP;
        if (is_spread(&split))
            keep_exchange(&row->least, known_exchange(context, &split, &row->spread[splits[i].place]));
    }
}

const struct expert_row *cost_expert_row(struct cost_context *context, const struct layout *layout,
                                         const struct expert_split *splits, size_t count) {
    /* Whether a group reaches over dp depends on tp x cp, how far it then goes on pp. */
    struct cache_key key = {{(uint64_t)(layout->tp * layout->cp) | (uint64_t)layout->pp << 32,
                             (uint64_t)(layout->tp * layout->cp * layout->dp) | (uint64_t)count << 32,
                             (uint64_t)routed_tokens(context, layout)}};
    bool found;
    struct expert_row *row;
    if (context->model->experts.count == 0)
        return NULL;
    row = cost_cache_find(context->rows, &key, &found);
    if (!found)
        reckon_row(context, layout, splits, count, row);
    return row;
}
