#include "planner/stage_balance.h"

#include <math.h>

/* Middle stages may have so many layers more or fewer than the average. */
enum { REACH = 2 };

/* A split is better when its busiest stage has less than this share of the rule's. */
static const double BETTER = 0.999;

struct balance {
    const struct model *model;
    int64_t pp;
    double *before; /* multiplications of all layers before each, and of all at the end */
    double head;    /* of what stands behind the last layer */
};

/* Of a token: products, and attention's with half the sequence on average. */
static double layer_work(const struct model *model, int64_t sequence, bool experts) {
    struct layer_parameters layer;
    double qk = (double)model->head_dim, v = qk;
    model_layer_parameters(model, experts, &layer);
    if (model->mla.kv_lora_rank > 0) {
        qk = (double)(model->mla.qk_nope_head_dim + model->mla.qk_rope_head_dim);
        v = (double)model->mla.v_head_dim;
    }
    return layer.attention_split + layer.attention_replicated + layer.mlp_split + layer.router +
           (layer.experts > 0 ? layer.expert * (double)model->experts.top_k : 0) +
           (double)model->heads * (qk + v) * (double)sequence / 2;
}

static void weigh(struct balance *balance, int64_t sequence, struct arena *scratch) {
    const struct model *model = balance->model;
    double hidden = (double)model->hidden, head = hidden * (double)model->vocab;
    double further = layer_work(model, sequence, model->experts.count > 0) + 2 * hidden * hidden + head;
    balance->before = ARENA_ARRAY(scratch, double, (size_t)model->layers + 1);
    for (int64_t i = 0; i < model->layers; i++)
        balance->before[i + 1] =
            balance->before[i] + layer_work(model, sequence, model_layer_has_experts(model, i));
    balance->head = head + (double)model->mtp_layers * further;
}

/* What the busiest stage of a layout has to do. */
static double busiest(const struct balance *balance, const struct layout *layout) {
    double most = 0;
    for (int64_t stage = 0; stage < balance->pp; stage++) {
        int64_t begin = layout_layers_before(layout, balance->model, stage);
        int64_t end = layout_layers_before(layout, balance->model, stage + 1);
        double work = balance->before[end] - balance->before[begin];
        most = fmax(most, work + (stage == balance->pp - 1 ? balance->head : 0));
    }
    return most;
}

bool stage_balance(const struct model *model, int64_t sequence, int64_t pp, struct arena *scratch,
                   struct stage_ends *ends) {
    struct balance balance = {.model = model, .pp = pp};
    struct layout layout = {.pp = pp, .vpp = 1};
    int64_t layers = model->layers, between = pp - 2, average = layers / pp;
    if (pp < 2 || pp > layers)
        return false;
    weigh(&balance, sequence, scratch);
    double least = BETTER * busiest(&balance, &layout);
    bool found = false;
    for (int64_t each = average > REACH ? average - REACH : 1; each <= average + REACH + 1; each++) {
        int64_t rest = layers - each * between;
        for (layout.first_stage_layers = 1; layout.first_stage_layers < rest; layout.first_stage_layers++) {
            layout.last_stage_layers = rest - layout.first_stage_layers;
            double most = busiest(&balance, &layout);
            if (most > least || (most == least && layout.first_stage_layers >= ends->first && found))
                continue;
            least = most;
            *ends = (struct stage_ends){layout.first_stage_layers, layout.last_stage_layers};
            found = true;
        }
        if (between == 0)
            break;
    }
    return found;
}
