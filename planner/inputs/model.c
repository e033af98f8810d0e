/* Parameters and FLOPs of a model, to the last parameter.
 *
 * Counts are doubles: whole numbers up to 2^53, and no overflow whatever a file says. The formulas stand in
 * docs/cost-model.md, "Models: parameters and FLOPs". */
#include "planner/inputs/model.h"

#include <stddef.h>

#include "planner/causal_pairs.h"

enum {
    NORMS_A_LAYER = 2,
    POST_NORMS_A_LAYER = 2,
    /* Of the embedding, of the hidden state, before the logits; DeepSeek-V3's enorm, hnorm, norm. */
    MTP_NORMS = 3,
    GATED_PRODUCTS = 3,
    PLAIN_PRODUCTS = 2
};

/* A multiplication and an addition a weight forward, twice that backward; arXiv 2001.08361 section 2.1. */
static const double FLOPS_PER_WEIGHT = 6;

static double norm_parameters(const struct model *model, int64_t width) {
    return (double)width * (model->norm == NORM_LAYERNORM ? 2 : 1);
}

int64_t model_query_width(const struct model *model) {
    const struct model_mla *mla = &model->mla;
    return mla->kv_lora_rank > 0 ? mla->qk_nope_head_dim + mla->qk_rope_head_dim : model->head_dim;
}

int64_t model_value_width(const struct model *model) {
    return model->mla.kv_lora_rank > 0 ? model->mla.v_head_dim : model->head_dim;
}

int64_t model_key_value_heads(const struct model *model) {
    return model->mla.kv_lora_rank > 0 ? model->heads : model->kv_heads;
}

/* Elements of the weights alone, by how tensor parallelism treats them. */
struct attention_weights {
    double split, replicated;
};

static struct attention_weights attention_weights(const struct model *model) {
    const double hidden = (double)model->hidden, heads = (double)model->heads;
    const double output = heads * (double)model_value_width(model) * hidden;
    struct attention_weights weights = {0, 0};
    if (model->mla.kv_lora_rank == 0) {
        const double key_value_heads = (double)model->kv_heads;
        weights.split = hidden * (heads + 2 * key_value_heads) * (double)model->head_dim + output;
        return weights;
    }
    const struct model_mla *mla = &model->mla;
    const double queries = heads * (double)model_query_width(model);
    const double keys_values = heads * (double)(mla->qk_nope_head_dim + mla->v_head_dim);
    weights.split = (double)mla->kv_lora_rank * keys_values + output;
    weights.replicated = hidden * (double)(mla->kv_lora_rank + mla->qk_rope_head_dim);
    if (mla->q_lora_rank > 0) {
        weights.split += (double)mla->q_lora_rank * queries;
        weights.replicated += hidden * (double)mla->q_lora_rank;
    } else {
        weights.split += hidden * queries;
    }
    return weights;
}

static double mlp_weights(const struct model *model, int64_t ffn_hidden) {
    return (double)(model->gated ? GATED_PRODUCTS : PLAIN_PRODUCTS) * (double)model->hidden *
           (double)ffn_hidden;
}

/* The biases of the first products of an MLP, which lie along ffn_hidden. */
static double mlp_split_bias(const struct model *model, int64_t ffn_hidden) {
    return model->linear_bias ? (double)(model->gated ? 2 : 1) * (double)ffn_hidden : 0;
}

/* The bias of its last product, which lies along hidden. */
static double mlp_output_bias(const struct model *model) {
    return model->linear_bias ? (double)model->hidden : 0;
}

static void attention_parameters(const struct model *model, struct layer_parameters *parameters) {
    const struct model_mla *mla = &model->mla;
    const struct attention_weights weights = attention_weights(model);
    parameters->attention_split = weights.split;
    parameters->attention_replicated = weights.replicated;
    if (mla->kv_lora_rank > 0) {
        parameters->attention_replicated += norm_parameters(model, mla->kv_lora_rank);
        parameters->attention_replicated += norm_parameters(model, mla->q_lora_rank);
        if (model->qkv_bias) { /* on the down projections, as in Hugging Face's DeepseekV3Attention */
            parameters->attention_replicated +=
                (double)(mla->q_lora_rank + mla->kv_lora_rank + mla->qk_rope_head_dim);
        }
    } else if (model->qkv_bias) {
        parameters->attention_split += (double)(model->heads + 2 * model->kv_heads) * (double)model->head_dim;
    }
    if (model->attention_sinks)
        parameters->attention_split += (double)model->heads;
    if (model->output_bias)
        parameters->attention_replicated += (double)model->hidden;
    if (model->qk_norm_wide)
        parameters->attention_replicated +=
            (double)(model->heads + model->kv_heads) * (double)model->head_dim;
    else if (model->qk_norm)
        parameters->attention_replicated += 2 * norm_parameters(model, model->head_dim);
}

static void expert_parameters(const struct model *model, struct layer_parameters *parameters) {
    const struct model_experts *experts = &model->experts;
    const double shared = (double)experts->shared;
    parameters->mlp_split = shared * (mlp_weights(model, experts->shared_ffn_hidden) +
                                      mlp_split_bias(model, experts->shared_ffn_hidden));
    parameters->norms += shared * mlp_output_bias(model);
    parameters->router = (double)model->hidden * (double)experts->count;
    if (experts->router_bias)
        parameters->router += (double)experts->count;
    if (experts->shared_gate)
        parameters->router += (double)model->hidden;
    parameters->experts = (double)experts->count;
    parameters->expert = mlp_weights(model, experts->ffn_hidden) +
                         mlp_split_bias(model, experts->ffn_hidden) + mlp_output_bias(model);
}

void model_layer_parameters(const struct model *model, bool with_experts,
                            struct layer_parameters *parameters) {
    *parameters = (struct layer_parameters){0};
    attention_parameters(model, parameters);
    const int norms = (model->shared_norm ? 1 : NORMS_A_LAYER) + (model->post_norms ? POST_NORMS_A_LAYER : 0);
    parameters->norms = norms * norm_parameters(model, model->hidden);
    if (with_experts) {
        expert_parameters(model, parameters);
        return;
    }
    parameters->mlp_split = mlp_weights(model, model->ffn_hidden) + mlp_split_bias(model, model->ffn_hidden);
    parameters->norms += mlp_output_bias(model);
}

bool model_layers_have_mlp(const struct model *model, bool with_experts) {
    return !with_experts || model->experts.shared > 0;
}

bool model_layer_has_experts(const struct model *model, int64_t index) {
    const struct model_experts *experts = &model->experts;
    if (experts->count == 0 || index < experts->first_dense_layers)
        return false;
    return (index - experts->first_dense_layers + 1) % experts->every == 0;
}

int64_t model_expert_layers_of_first(const struct model *model, int64_t layers) {
    const struct model_experts *experts = &model->experts;
    if (experts->count == 0 || layers <= experts->first_dense_layers)
        return 0;
    return (layers - experts->first_dense_layers) / experts->every;
}

int64_t model_expert_layers(const struct model *model) {
    return model_expert_layers_of_first(model, model->layers);
}

/* Weights that multiply a token in one layer. */
static double active_weights(const struct model *model, bool with_experts) {
    const struct attention_weights attention = attention_weights(model);
    double weights = attention.split + attention.replicated;
    if (!with_experts)
        return weights + mlp_weights(model, model->ffn_hidden);
    const struct model_experts *experts = &model->experts;
    weights += (double)experts->top_k * mlp_weights(model, experts->ffn_hidden);
    weights += (double)experts->shared * mlp_weights(model, experts->shared_ffn_hidden);
    weights += (double)model->hidden * (double)experts->count;
    if (experts->shared_gate)
        weights += (double)model->hidden;
    return weights;
}

static double layer_total(const struct layer_parameters *layer, double experts) {
    return layer->attention_split + layer->attention_replicated + layer->norms + layer->mlp_split +
           layer->router + experts * layer->expert;
}

double model_windowed_share(const struct model *model, int64_t sequence) {
    const int64_t reach = model->window + model->attention_chunk; /* one of them is 0 */
    return reach > 0 && reach < sequence ? (double)model->windowed_layers / (double)model->layers : 0;
}

/* Keys that a query attends to, mean over the layers, as if there were no causal mask: twice those that there
 * are. */
static double attended_keys(const struct model *model, int64_t sequence) {
    const double windowed = model_windowed_share(model, sequence), keys = (double)sequence;
    const double pairs = causal_pairs(sequence, model->window, model->attention_chunk);
    return windowed > 0 ? (1 - windowed) * keys + windowed * 2 * pairs / keys : keys;
}

static void count_flops(const struct model *model, int64_t sequence, struct model_counts *counts) {
    const double expert_layers = (double)model_expert_layers(model);
    const double dense_layers = (double)model->layers - expert_layers;
    const double mtp_layers = (double)model->mtp_layers;
    const double hidden = (double)model->hidden;
    const double logits = hidden * (double)model->vocab;
    const double mtp = active_weights(model, model->experts.count > 0) + 2 * hidden * hidden + logits;
    const double weights = dense_layers * active_weights(model, false) +
                           expert_layers * active_weights(model, true) + logits + mtp_layers * mtp;
    /* Queries times keys and scores times values: width x sequence weights each, as it were. */
    const double square = (double)model->heads *
                          (double)(model_query_width(model) + model_value_width(model)) *
                          attended_keys(model, sequence);
    counts->attention_flops_per_token = FLOPS_PER_WEIGHT * ((double)model->layers + mtp_layers) * square;
    counts->flops_per_token = FLOPS_PER_WEIGHT * weights + counts->attention_flops_per_token;
}

void model_count(const struct model *model, int64_t sequence, struct model_counts *counts) {
    struct layer_parameters dense, expert = {0};
    model_layer_parameters(model, false, &dense);
    if (model->experts.count > 0)
        model_layer_parameters(model, true, &expert);
    const double expert_layers = (double)model_expert_layers(model);
    const double dense_layers = (double)model->layers - expert_layers;
    const double hidden = (double)model->hidden;
    *counts = (struct model_counts){0};
    counts->embedding_parameters = (double)model->vocab * hidden * (model->tied_embeddings ? 1 : 2);
    counts->attention_parameters =
        (double)model->layers * (dense.attention_split + dense.attention_replicated);
    const double common = counts->embedding_parameters + (double)model->learned_positions * hidden +
                          norm_parameters(model, model->hidden) + dense_layers * layer_total(&dense, 0);
    counts->parameters = common + expert_layers * layer_total(&expert, expert.experts);
    counts->active_parameters = common + expert_layers * layer_total(&expert, (double)model->experts.top_k);
    const double mtp_layer =
        model->experts.count > 0 ? layer_total(&expert, expert.experts) : layer_total(&dense, 0);
    counts->mtp_parameters = (double)model->mtp_layers * (mtp_layer + 2 * hidden * hidden +
                                                          MTP_NORMS * norm_parameters(model, model->hidden));
    count_flops(model, sequence, counts);
}
