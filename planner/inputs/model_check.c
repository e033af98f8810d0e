/* Defaults of what a model's source left out, and whether the shape can be. */
#include <stdarg.h>
#include <stdio.h>

#include "planner/inputs/model_parts.h"

enum {
    FFN_WIDENING = 4
}; /* of the hidden width: "Attention Is All You Need", arXiv 1706.03762 section 3.3 */

static bool problem_set(struct model_problem *problem, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool problem_set(struct model_problem *problem, const char *key, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    problem->key = key;
    vsnprintf(problem->why, sizeof problem->why, format, arguments);
    va_end(arguments);
    return false;
}

static void default_to(int64_t *member, int64_t value) {
    if (*member == 0)
        *member = value;
}

static void experts_complete(struct model *model) {
    struct model_experts *experts = &model->experts;
    if (experts->count == 0)
        return;
    default_to(&experts->ffn_hidden, model->ffn_hidden);
    default_to(&experts->shared_ffn_hidden, experts->ffn_hidden);
    default_to(&experts->every, 1);
}

static void windows_complete(struct model_reading *reading) {
    struct model *model = &reading->model;
    const int64_t every = reading->full_attention_every;
    if (model->window + model->attention_chunk > 0)
        default_to(&model->windowed_layers, model->layers - (every > 0 ? model->layers / every : 0));
}

static void defaults(struct model_reading *reading) {
    struct model *model = &reading->model;
    default_to(&model->kv_heads, model->heads);
    if (model->mla.kv_lora_rank > 0)
        default_to(&model->head_dim, model->mla.qk_nope_head_dim + model->mla.qk_rope_head_dim);
    default_to(&model->head_dim, model->hidden / model->heads);
    default_to(&model->ffn_hidden, FFN_WIDENING * model->hidden);
    default_to(&model->sequence, MODEL_DEFAULT_SEQUENCE);
    if (model->vocab == 0) {
        model->vocab = MODEL_DEFAULT_VOCAB;
        model->vocab_assumed = true;
    }
    /* The plain MLP is GPT's, with its LayerNorm, biases and tied embedding; the gated one Llama's, without.
     */
    if (reading->has_norm)
        model->norm = reading->norm == NORM_LAYERNORM ? NORM_LAYERNORM : NORM_RMSNORM;
    else
        model->norm = model->gated ? NORM_RMSNORM : NORM_LAYERNORM;
    if (!reading->has_linear_bias)
        model->linear_bias = !model->gated;
    if (!reading->has_qkv_bias)
        model->qkv_bias = model->linear_bias;
    if (!reading->has_output_bias)
        model->output_bias = model->linear_bias;
    if (!reading->has_tied_embeddings)
        model->tied_embeddings = !model->gated;
    experts_complete(model);
    windows_complete(reading);
}

static bool windows_check(const struct model_reading *reading, struct model_problem *problem) {
    const struct model *model = &reading->model;
    if (model->window > 0 && model->attention_chunk > 0)
        return problem_set(problem, "attention_chunk", "attention_chunk can't stand beside a window");
    if (reading->full_attention_every > 0 && model->window + model->attention_chunk == 0)
        return problem_set(problem, "full_attention_every",
                           "full_attention_every needs a window or an attention_chunk, which the other "
                           "layers have");
    return true;
}

static bool experts_check(const struct model *model, struct model_problem *problem) {
    const struct model_experts *experts = &model->experts;
    const long long count = experts->count;
    if (experts->count == 0)
        return true;
    if (experts->top_k > experts->count) {
        return problem_set(problem, "experts.top_k", "top_k %lld is more than the %lld experts there are",
                           (long long)experts->top_k, count);
    }
    if ((experts->groups > 0) != (experts->group_top_k > 0) || experts->group_top_k > experts->groups) {
        return problem_set(problem, "experts.group_top_k", "group_top_k %lld is not 1 to groups, %lld",
                           (long long)experts->group_top_k, (long long)experts->groups);
    }
    if (experts->groups > 0 && experts->count % experts->groups != 0) {
        return problem_set(problem, "experts.groups", "groups %lld does not divide the %lld experts",
                           (long long)experts->groups, count);
    }
    if (experts->groups > 0 && experts->top_k > experts->group_top_k * (experts->count / experts->groups)) {
        return problem_set(problem, "experts.top_k", "top_k %lld is more than group_top_k groups have",
                           (long long)experts->top_k);
    }
    if (experts->shared_gate && experts->shared == 0)
        return problem_set(problem, "experts.shared_gate", "shared_gate needs shared experts");
    if (model_expert_layers(model) == 0) {
        return problem_set(
            problem, "experts", "none of the %lld layers has experts (first_dense_layers %lld, every %lld)",
            (long long)model->layers, (long long)experts->first_dense_layers, (long long)experts->every);
    }
    return true;
}

static bool check(const struct model_reading *reading, struct model_problem *problem) {
    const struct model *model = &reading->model;
    if (model->heads % model->kv_heads != 0) {
        return problem_set(problem, "kv_heads", "kv_heads %lld does not divide heads %lld",
                           (long long)model->kv_heads, (long long)model->heads);
    }
    if (model->learned_positions > 0 && model->learned_positions < model->sequence) {
        return problem_set(problem, "learned_positions",
                           "learned_positions %lld are fewer than sequence %lld",
                           (long long)model->learned_positions, (long long)model->sequence);
    }
    if (model->mla.kv_lora_rank > 0 && (model->qk_norm || model->qk_norm_wide)) {
        return problem_set(problem, model->qk_norm ? "qk_norm" : "qk_norm_wide",
                           "norms on queries and keys can't stand beside mla, which has norms of its own");
    }
    return windows_check(reading, problem) && experts_check(model, problem);
}

bool model_complete(struct model_reading *reading, struct model_problem *problem) {
    const struct model *model = &reading->model;
    if (model->head_dim == 0 && model->mla.kv_lora_rank == 0 && model->hidden % model->heads != 0) {
        return problem_set(problem, "heads",
                           "heads %lld does not divide hidden %lld, and head_dim is not given",
                           (long long)model->heads, (long long)model->hidden);
    }
    defaults(reading);
    return check(reading, problem);
}
