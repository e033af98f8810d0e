/* Activations: what a layer keeps from its forward to its backward pass, what it needs besides at its worst
 * moment, and how many micro-batches of it a stage holds.
 *
 * Sources: arXiv 2205.05198 section 4 (a layer of GPT: s b h (34 + 5 a s / h)); Megatron-LM core (moe_layer,
 * cross_entropy, schedules) and TransformerEngine for what their kernels keep; arXiv 2401.10241 (zero bubble)
 * and arXiv 2412.19437 (DualPipe) for what is in flight. Elements take 2 bytes, those of tf32 take 4.
 */
#include "planner/cost/compute.h"
#include "planner/cost/memory_parts.h"
#include "planner/numbers.h"

#include <math.h>

static const double SINGLE_BYTES = 4, MASK_BYTES = 1, FP8_BYTES = 1;
/* RMSNorm of single operations keeps its input in fp32 for the square and the scaling, and the scaled one in
 * 16 bits for the product with the weight. */
static const double EAGER_NORM_BYTES = 4 + 2;
/* Of a MoE layer a token and expert: the router's logits, probabilities, maps and their sorted forms. */
static const double ROUTER_BYTES_PER_EXPERT = 21;
/* In a CUDA graph of the whole step the experts' rows wait in pages, of which there are so many more than
 * even loads need (Megatron-LM, docs/user-guide/features/paged_stash.md; its default). */
static const double STASH_FACTOR = 1.1;
/* Of a token sent to an expert: its probability and its place. */
static const double ROUTED_TOKEN_BYTES = 8;
/* Latent attention keeps two fp32 statistics of its inner norms and an index of a token. */
static const double MLA_STATISTICS_BYTES = 12;

static bool has_dropout(const struct memory_parts *parts) {
    return training_has_dropout(parts->training, parts->model);
}

/* An input that a matrix product keeps for its weight gradient: in fp8 where Transformer Engine made it so,
 * or torchao under FSDP, which keeps 16 bits of experts' and of what is scaled by blocks (torchao a6f867607,
 * float8/float8_linear.py, prototype/mx_formats/mx_linear.py). */
static double product_input_bytes(const struct memory_parts *parts) {
    const struct training *training = parts->training;
    bool sharded = training->stack->fully_sharded && parts->model->experts.count == 0 &&
                   training->recipe.fp8_scaling != SCALING_BLOCK;
    bool fp8 = training->precision == PRECISION_FP8 && (training->stack->transformer_engine || sharded);
    return fp8 ? FP8_BYTES : parts->element_bytes;
}

/* What a norm of so many elements keeps besides its input and output, if of single operations. */
static double eager_norm_bytes(const struct memory_parts *parts, double elements) {
    return training_norms_are_eager(parts->training, parts->model) ? EAGER_NORM_BYTES * elements : 0;
}

/* Of the norm's output, what the product behind it keeps for the MLP: nothing of what attention keeps
 * already, but each product's own copy in fp8. */
static double mlp_input_bytes(const struct memory_parts *parts) {
    double input = product_input_bytes(parts);
    bool stands_already = parts->model->shared_norm && input >= parts->element_bytes;
    return stands_already ? 0 : input * (double)parts->model->hidden / parts->sequence_share;
}

/* What the norms before and behind attention or MLP keep: their inputs. */
static double norms_bytes(const struct memory_parts *parts, int64_t norms) {
    double hidden = (double)parts->model->hidden / parts->sequence_share;
    return (double)norms * (parts->element_bytes * hidden + eager_norm_bytes(parts, hidden));
}

/* What norms of queries and keys keep: their input, and a figure a head; one norm of all heads has one figure
 * alone, which is too little to count. */
static double head_norms_bytes(const struct memory_parts *parts, double query_heads, double key_heads) {
    const struct model *model = parts->model;
    double heads = query_heads + key_heads, elements = heads * (double)model->head_dim;
    if (!model->qk_norm && !model->qk_norm_wide)
        return 0;
    return parts->element_bytes * elements + eager_norm_bytes(parts, elements) +
           (model->qk_norm_wide ? 0 : SINGLE_BYTES * heads);
}

/* Bytes of one token in the attention part of a layer. `scores`: what is kept of the attention matrix. */
struct attention_bytes {
    double norms, heads, scores, scores_backward;
    double operations; /* query, value and outputs kept by selective recompute of single operations (FSDP) */
    double latent_up;  /* queries, keys and values out of their low ranks, and what those products take in */
};

static void attention_of_token(const struct memory_parts *parts, struct attention_bytes *bytes) {
    const struct model *model = parts->model;
    const struct model_mla *mla = &model->mla;
    const struct layout *layout = parts->layout;
    double tp = (double)layout->tp, share = parts->sequence_share, hidden = (double)model->hidden;
    double heads = (double)model->heads / tp, input = product_input_bytes(parts);
    double out;

    bytes->norms = norms_bytes(parts, model->post_norms ? 2 : 1) + input * hidden / share;
    if (mla->kv_lora_rank == 0) {
        double kv_heads = model->kv_heads > layout->tp ? (double)model->kv_heads / tp : 1;
        double query = heads * (double)model->head_dim, key = kv_heads * (double)model->head_dim;
        out = query;
        bytes->heads = parts->element_bytes * (query + 2 * key) + parts->element_bytes * out +
                       head_norms_bytes(parts, heads, kv_heads);
        bytes->operations = parts->element_bytes * (query + key + out);
        bytes->latent_up = 0;
    } else {
        double qk = (double)model_query_width(model);
        out = heads * (double)mla->v_head_dim;
        bytes->heads = parts->element_bytes * (heads * 2 * qk + out) + parts->element_bytes * out +
                       2 * parts->element_bytes * (double)mla->q_lora_rank / share +
                       parts->element_bytes * (double)(mla->kv_lora_rank + mla->qk_rope_head_dim) / share +
                       parts->element_bytes * (double)mla->kv_lora_rank / share + MLA_STATISTICS_BYTES +
                       eager_norm_bytes(parts, (double)(mla->q_lora_rank + mla->kv_lora_rank) / share);
        bytes->operations = parts->element_bytes * (heads * qk + 2 * out);
        bytes->latent_up = parts->element_bytes * (heads * 2 * qk + out) +
                           parts->element_bytes * (double)(mla->q_lora_rank + mla->kv_lora_rank) / share;
    }
    if (input < parts->element_bytes)
        bytes->heads += input * out; /* the fp8 copy that the output product keeps */
    if (layout->cp > 1)
        bytes->heads += parts->element_bytes * out; /* kept before and after the exchange between cp ranks */
    if (has_dropout(parts))
        bytes->norms += MASK_BYTES * hidden / share;
    if (parts->training->attention == ATTENTION_FLASH) {
        bytes->scores = SINGLE_BYTES * heads; /* logarithm of the softmax's sum */
        bytes->scores_backward = 0;
    } else {
        /* Softmax out; with dropout its mask and its result too. Backward: gradients of both. */
        double square = heads * (double)parts->training->sequence;
        bytes->scores =
            square * (parts->element_bytes + (has_dropout(parts) ? MASK_BYTES + parts->element_bytes : 0));
        bytes->scores_backward = square * 2 * parts->element_bytes;
    }
}

/* Bytes of one token in an MLP's hidden layer of `ffn` units. */
static double mlp_hidden_bytes(const struct memory_parts *parts, double ffn) {
    bool eager = training_gate_is_eager(parts->training, parts->model); /* the gate's activation, then */
    double before = (parts->model->gated ? 2 + eager : 1) * parts->element_bytes * ffn;
    return before + product_input_bytes(parts) * ffn;
}

static void dense_mlp(const struct memory_parts *parts, struct layer_activations *layer) {
    const struct model *model = parts->model;
    double hidden = (double)model->hidden, ffn = (double)model->ffn_hidden / (double)parts->layout->tp;
    layer->mlp += mlp_hidden_bytes(parts, ffn);
    layer->mlp_backward = (model->gated ? 2 : 1) * parts->element_bytes * ffn + parts->element_bytes * hidden;
    if (!parts->training->stack->fused_gradient_accumulation)
        /* The weight gradient stands apart before it is added; divided by tokens as the rest is per token. */
        layer->mlp_backward += parts->element_bytes * ffn * hidden / parts->tokens;
}

/* Rows that the experts of the fullest device get for each token of a sequence. */
static double rows_received(const struct memory_parts *parts) {
    return compute_expert_rows(parts->model, parts->training, parts->layout) / parts->tokens;
}

static void expert_mlp(const struct memory_parts *parts, struct layer_activations *layer) {
    const struct model *model = parts->model;
    const struct model_experts *experts = &model->experts;
    double hidden = (double)model->hidden, share = parts->sequence_share;
    double etp = (double)parts->layout->etp, tp = (double)parts->layout->tp;
    double capacity = experts->capacity_factor > 0 ? experts->capacity_factor : 1;
    double copies = (double)experts->top_k * capacity / share; /* of a token, sent out from here */
    double received = rows_received(parts);
    double ffn = (double)experts->ffn_hidden / etp;
    double shared = (double)(experts->shared * experts->shared_ffn_hidden) / tp;
    bool in_pages = parts->training->cuda_graphs == GRAPHS_STEP && experts->capacity_factor <= 0;
    double stashed = in_pages ? STASH_FACTOR : 1;

    layer->mlp += ROUTER_BYTES_PER_EXPERT * (double)experts->count / share;
    layer->mlp += stashed * received * (product_input_bytes(parts) * hidden + mlp_hidden_bytes(parts, ffn));
    layer->mlp += received * ROUTED_TOKEN_BYTES;
    if (shared > 0)
        layer->mlp += mlp_hidden_bytes(parts, shared);
    layer->mlp_backward =
        received * ((model->gated ? 2 : 1) * parts->element_bytes * ffn + parts->element_bytes * hidden) +
        parts->element_bytes * hidden;
    /* Permuted and dispatched tokens, the experts' outputs before and after they are sent back; the sum, the
     * shared experts' output, and the stage's input where a pipeline holds on to it. */
    layer->combine =
        parts->element_bytes * hidden * (2 * copies + 2 * received) + parts->element_bytes * hidden / share;
    if (shared > 0)
        layer->combine += parts->element_bytes * hidden / share;
    if (parts->layout->pp > 1)
        layer->combine += parts->element_bytes * hidden / share;
}

/* What FSDP's selective recompute keeps of a token: the results of every second matrix product in the order
 * they run (query, value, MLP in, MLP out), attention's result, and the layer's input (torchtitan,
 * activation checkpointing by operation). Grouped products aren't among what it keeps. No backward pass needs
 * the last product's result; torch.compile, which sees the whole layer, lets it go. */
static double selective_operations(const struct memory_parts *parts, const struct attention_bytes *attention,
                                   enum layer_kind kind) {
    const struct model *model = parts->model;
    double hidden = (double)model->hidden, share = parts->sequence_share;
    double ffn = (double)model->ffn_hidden / (double)parts->layout->tp;
    if (kind == LAYER_EXPERTS)
        ffn = (double)(model->experts.shared * model->experts.shared_ffn_hidden) / (double)parts->layout->tp;
    return (training_compiled(parts->training, model) ? 1 : 2) * parts->element_bytes * hidden / share +
           parts->element_bytes * ffn + attention->operations + attention->scores;
}

/* What Megatron's selective recompute drops of a token, by module (Megatron-LM core, recompute_modules).
 * `hidden_layers`: of layer->mlp what lies between the norm's result and the sum with the residual. */
static void find_dropped(const struct memory_parts *parts, const struct attention_bytes *attention,
                         double hidden_layers, enum layer_kind kind, struct layer_activations *layer) {
    const struct model *model = parts->model;
    const struct model_experts *experts = &model->experts;
    const double norm = product_input_bytes(parts) * (double)model->hidden / parts->sequence_share;
    const bool with_experts = kind == LAYER_EXPERTS;
    const bool own = training_mlp_norm_is_own(parts->training, with_experts);
    double *dropped = layer->dropped;
    layer->dropped_input_norm = training_attention_norm_is_own(parts->training, model) ? norm : 0;
    dropped[RECOMPUTE_CORE_ATTENTION] = attention->scores;
    dropped[RECOMPUTE_MLA_UP_PROJECTION] = attention->latent_up;
    dropped[RECOMPUTE_LAYERNORM] = layer->dropped_input_norm + (own ? mlp_input_bytes(parts) : 0);
    if (!with_experts) {
        dropped[RECOMPUTE_MLP] = hidden_layers + (own ? 0 : mlp_input_bytes(parts));
        return;
    }
    const double shared = (double)(experts->shared * experts->shared_ffn_hidden) / (double)parts->layout->tp;
    dropped[RECOMPUTE_MOE] = hidden_layers;
    dropped[RECOMPUTE_SHARED_EXPERTS] = mlp_hidden_bytes(parts, shared);
    dropped[RECOMPUTE_MOE_ACTIVATION] = product_input_bytes(parts) * rows_received(parts) *
                                        (double)experts->ffn_hidden / (double)parts->layout->etp;
}

/* What selective recompute of a set of modules leaves of a layer. */
static void drop_modules(int64_t modules, struct layer_activations *layer) {
    const int64_t in_attention = RECOMPUTE_BIT(CORE_ATTENTION) | RECOMPUTE_BIT(MLA_UP_PROJECTION);
    if (recompute_has(modules, RECOMPUTE_MOE))
        modules &= ~RECOMPUTE_WITHIN_MOE;
    for (int module = 0; module < RECOMPUTE_MODULE_COUNT; module++) {
        const double dropped =
            recompute_has(modules, (enum recompute_module)module) ? layer->dropped[module] : 0;
        layer->kept -= dropped;
        layer->again_in_mlp += recompute_has(in_attention, (enum recompute_module)module) ? 0 : dropped;
    }
    if (recompute_has(modules, RECOMPUTE_LAYERNORM))
        layer->again_in_mlp -= layer->dropped_input_norm;
}

static void find_kept(const struct memory_parts *parts, struct layer_activations *layer) {
    const struct layout *layout = parts->layout;
    const bool selective = layout->recompute == RECOMPUTE_SELECTIVE;
    const int64_t modules = selective ? training_recompute_modules(parts->training, parts->model, layout) : 0;
    layer->kept = layer->whole;
    layer->again_in_mlp = 0;
    if (selective && !recompute_has(modules, RECOMPUTE_OPERATIONS)) {
        drop_modules(modules, layer);
        return;
    }
    if (layout->recompute == RECOMPUTE_FULL && layout->recompute_layers == 0)
        layer->kept = layer->checkpoint;
    else if (selective)
        layer->kept = layer->operations;
    layer->again_in_mlp = layer->whole - layer->kept;
}

static void layer_init(struct memory_parts *parts, enum layer_kind kind) {
    struct layer_activations *layer = &parts->activations[kind];
    struct attention_bytes attention;
    double tokens = parts->tokens, hidden = (double)parts->model->hidden, share = parts->sequence_share;
    int64_t norms = (parts->model->shared_norm ? 0 : 1) + (parts->model->post_norms ? 1 : 0);

    *layer = (struct layer_activations){0};
    attention_of_token(parts, &attention);
    layer->mlp = norms_bytes(parts, norms) + mlp_input_bytes(parts);
    if (parts->model->side_by_side && !parts->model->shared_norm) /* attention's norm keeps that input too */
        layer->mlp -= parts->element_bytes * hidden / share;
    if (has_dropout(parts))
        layer->mlp += MASK_BYTES * hidden / share;
    const double norm = layer->mlp;
    if (kind == LAYER_DENSE)
        dense_mlp(parts, layer);
    else
        expert_mlp(parts, layer);
    find_dropped(parts, &attention, layer->mlp - norm, kind, layer);
    layer->whole = attention.norms + attention.heads + attention.scores + layer->mlp;
    layer->scores_backward = attention.scores_backward;
    layer->checkpoint = parts->element_bytes * hidden / share;
    layer->operations = tokens * selective_operations(parts, &attention, kind);
    for (int module = 0; module < RECOMPUTE_MODULE_COUNT; module++)
        layer->dropped[module] *= tokens;
    layer->dropped_input_norm *= tokens;
    layer->checkpoint *= tokens;
    layer->whole *= tokens;
    layer->mlp *= tokens;
    layer->mlp_backward *= tokens;
    layer->scores_backward *= tokens;
    layer->combine *= tokens;
    find_kept(parts, layer);
}

static void activations_init(struct memory_parts *parts) {
    const int64_t experts = model_expert_layers(parts->model);
    if (experts < parts->model->layers)
        layer_init(parts, LAYER_DENSE);
    if (experts > 0)
        layer_init(parts, LAYER_EXPERTS);
}

/* Bytes that a vocabulary entry of a token takes at the worst moment of the loss, all copies together. */
static double logits_bytes_per_entry(const struct memory_parts *parts) {
    const struct stack *stack = parts->training->stack;
    enum loss_kernel loss = parts->training->recipe.loss;
    if (loss == LOSS_DEFAULT && stack->fully_sharded && !parts->model->gated)
        loss = LOSS_FUSED; /* the GPT-like models trained with FSDP are llm-foundry's: loss_fn of its MPT */
    if (loss == LOSS_GATHERED)
        /* Of all tp ranks: logits; fp32 copy, logarithm of the softmax, gradients of both. */
        return (double)parts->layout->tp * (parts->element_bytes + 4 * SINGLE_BYTES);
    if (!stack->fully_sharded) {
        /* Transformer Engine's gradient takes the logits' place; else fp32 copy and softmax (Megatron-LM
         * cross_entropy). */
        bool in_place = loss == LOSS_FUSED || (loss == LOSS_DEFAULT && stack->transformer_engine);
        return parts->element_bytes + (in_place ? 0 : 2 * SINGLE_BYTES);
    }
    if (parts->layout->tp > 1)
        /* Loss over sharded logits (PyTorch loss_parallel): logits, and in fp32 the logarithm of the softmax,
         * the loss's gradient, the exponential and the product of the two. */
        return parts->element_bytes + 4 * SINGLE_BYTES;
    if (loss == LOSS_FUSED || loss == LOSS_COMPILED)
        /* Logits and gradient: neither torch.compile nor flash attention's loss, whose inplace_backward is
         * off, keeps fp32 of either. */
        return 2 * parts->element_bytes;
    return parts->element_bytes +
           3 * SINGLE_BYTES; /* logits; fp32 copy, logarithm of the softmax, gradient */
}

double memory_logits_bytes(const struct memory_parts *parts) {
    double hidden = (double)parts->model->hidden, share = parts->sequence_share;
    double pieces = fmax(1, (double)parts->training->recipe.loss_pieces);
    double token = parts->vocabulary * logits_bytes_per_entry(parts) / pieces;
    /* Input and output of the last norm, and the gradient of the head's input, whole and dealt out. Piece by
     * piece it is put together in fp32 (torchtitan, GradAccumulator of components/loss.py). */
    token += 2 * parts->element_bytes * hidden / share +
             (pieces > 1 ? SINGLE_BYTES : parts->element_bytes) * hidden;
    if (share > 1)
        token += parts->element_bytes * hidden / share;
    /* Each further prediction keeps its logits until its own backward pass. */
    token += (double)parts->model->mtp_layers * parts->element_bytes * parts->vocabulary;
    return token * parts->tokens;
}

/* Of an interleaved stage before its first backward pass: groups of micro-batches run through the chunks in
 * turn (Megatron-LM, schedules.py). */
static int64_t interleaved_of_chunk(const struct layout *layout, int64_t micro_batches, int64_t group,
                                    int64_t stage, int64_t chunk) {
    int64_t warm_up = 2 * (layout->pp - stage - 1) + (layout->vpp - 1) * group + 1;
    int64_t passes = smaller_count(warm_up, micro_batches * layout->vpp);
    int64_t round = group * layout->vpp; /* one group through all chunks */
    int64_t rest = passes % round - chunk * group;
    rest = rest < 0 ? 0 : smaller_count(rest, group);
    return passes / round * group + rest;
}

int64_t memory_chunk_in_flight(const struct layout *layout, int64_t micro_batches, int64_t group,
                               int64_t stage, int64_t chunk) {
    if (layout->pp == 1)
        return 1;
    if (layout->vpp > 1)
        return interleaved_of_chunk(layout, micro_batches, group, stage, chunk);
    switch (layout->schedule) {
    case SCHEDULE_GPIPE:
        return micro_batches;
    case SCHEDULE_ZB_1P: /* weight gradients wait so that every stage is as full as the first of 1F1B */
        return smaller_count(micro_batches, layout->pp);
    case SCHEDULE_ZB_2P:
        return smaller_count(micro_batches, 2 * layout->pp);
    case SCHEDULE_DUALPIPE: /* half of the micro-batches run each way; pp + 1 in all when there are enough */
        return smaller_count((micro_batches + 1) / 2, chunk == 0 ? layout->pp - stage : stage + 1);
    case SCHEDULE_1F1B:
    case SCHEDULE_INTERLEAVED:
    case SCHEDULE_COUNT:
        break;
    }
    return smaller_count(micro_batches, layout->pp - stage);
}

int64_t memory_in_flight(const struct layout *layout, int64_t micro_batches, int64_t stage) {
    int64_t count = 0, chunks = memory_stage_chunks(layout);
    int64_t group = layout_micro_batch_group(layout->pp, micro_batches);
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        count += memory_chunk_in_flight(layout, micro_batches, group, stage, chunk);
    return count;
}

void memory_parts_follow(const struct memory_parts *like, const struct layout *layout,
                         struct memory_parts *parts) {
    double share = layout->sequence_parallel ? (double)layout->tp : 1;
    bool same = share <= like->sequence_share && share >= like->sequence_share;
    if (parts != like)
        *parts = *like;
    parts->layout = layout;
    parts->sequence_share = share;
    if (!same)
        activations_init(parts);
    else /* recompute alone says what is kept of the same */
        for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
            find_kept(parts, &parts->activations[kind]);
}

void memory_parts_init(struct memory_parts *parts, const struct model *model, const struct training *training,
                       const struct layout *layout) {
    *parts = (struct memory_parts){.model = model, .training = training, .layout = layout};
    parts->micro_batches = layout_micro_batches(layout, training->global_batch);
    parts->tokens = (double)layout->micro_batch * (double)training->sequence / (double)layout->cp;
    parts->sequence_share = layout->sequence_parallel ? (double)layout->tp : 1;
    memory_static_init(parts);
    memory_sharding_init(parts);
    activations_init(parts);
}
