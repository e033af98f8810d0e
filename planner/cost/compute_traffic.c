/* Memory-bound work: norms, residuals, dropout, activations, routing, embedding, loss. All tensors in
 * 16 bits unless said otherwise, and twice as wide in tf32; bytes are counted kernel by kernel. */
#include "planner/cost/compute_parts.h"

#include <math.h>
#include <stddef.h>

#include "planner/numbers.h"

/* A norm (reads 2, writes 2 bytes an element) and two residual additions (read two tensors, write one), with
 * dropout a mask each. */
static const double NORM_BYTES = 4, RESIDUAL_BYTES = 2 * 6, DROPOUT_BYTES = 2;
/* Activation: reads one (gated: two) and writes one. */
static const double ACTIVATION_BYTES = 4, GATED_ACTIVATION_BYTES = 6;
/* Rotary embedding or the split into heads: reads and writes query, key and value. */
static const double HEAD_BYTES = 4;
/* The same as PyTorch's operations one by one, an element: of RMSNorm in fp32 the cast (2 + 4), square (8),
 * mean (4), scaling (8), cast (6) and weight (4); backward the products with weight and input and their sums
 * (12 + 24), the casts (6 + 6), the square's gradient (16) and the sum of both paths (12). Of SwiGLU SiLU (4)
 * and product (6); backward 12 and 6. Of rotary embedding the halves swapped (6), two products (8) and their
 * sum (6). */
static const double EAGER_NORM_BYTES = 34, EAGER_NORM_BACKWARD_BYTES = 76;
static const double EAGER_GATE_BYTES = 10, EAGER_GATE_BACKWARD_BYTES = 18;
static const double EAGER_ROTARY_BYTES = 20, EAGER_ROTARY_BACKWARD_BYTES = 20;
/* A further gradient of a product's input is added to the sum: reads both and writes it. */
static const double GRADIENT_SUM_BYTES = 6;
/* Embedding: reads a row of the table, writes it, adds positions, drops out. */
static const double EMBEDDING_BYTES = 8, EMBEDDING_BACKWARD_BYTES = 8;
/* Loss on a logit. Fused: the product's write is read for maximum and sum, and read and overwritten by the
 * gradient. Unfused: cast to fp32 (2 + 4), maximum (4), subtraction (8), exponential and sum (12); backward:
 * division and one-hot (8 + 8), cast (6). Compiled (megatron/core/fusions/fused_cross_entropy.py): cast with
 * maximum (2 + 4), difference with exponential and sum (8), division (8); the gradient (4 + 2). */
static const double LOSS_BYTES = 30, LOSS_BACKWARD_BYTES = 22;
static const double FUSED_LOSS_BYTES = 4, FUSED_LOSS_BACKWARD_BYTES = 4;
static const double COMPILED_LOSS_BYTES = 22, COMPILED_LOSS_BACKWARD_BYTES = 6;
/* Biases of the experts' output, an expert at a time in fp32. Forward the product with the probability and
 * the sum, indexed; joining of the parts (8) and rounding (6). Backward the cast and the products with bias
 * and probability, indexed; both sums of these (4 + 4), rounding (6) and joining (4) (Megatron-LM experts.py,
 * _apply_bias). The first product's are added by it. */
static const struct eager_kernels EXPERT_BIAS = {2, 14, 3, 18};
/* But not under FSDP: sum, indexed, and joining (4) in 16 bits, backward the sum over the rows (2) (NeMo
 * AutoModel, moe/layers.py, _apply_bias). Of an element of the product. */
static const struct eager_kernels FIRST_BIAS = {1, 4, 0, 2};
/* Rotary embedding as PyTorch's operations, of an element of query or key. Forward half of it negated, the
 * halves joined and the products with cosine and sine, indexed; their sum (6) and joining with what is not
 * rotated (4). Backward the same but for the joining, and what is not rotated set to zero and added (8)
 * (Megatron-LM rope_utils.py, _apply_rotary_pos_emb_bshd). */
static const struct eager_kernels UNFUSED_ROTARY = {3.5, 10, 3.5, 14};
/* Latent attention's pairs of elements are first joined to halves, indexed; backward each half is put into
 * zeros (2 x 2), indexed, and both are added (6). */
static const struct eager_kernels UNFUSED_LATENT_ROTARY = {4.5, 10, 4.5, 24};
/* What torchtitan's own all-to-all does to an element of a routed row, by PyTorch's operations. Forward it is
 * taken from the tokens (4), joined with a row of zeros (4) and taken by expert (4); put back, indexed; cast
 * (2 + 4), multiplied by its score, indexed, rounded (4 + 2) and added to its token, indexed. Backward it is
 * taken from the token's gradient (4), cast (6), multiplied by the score, indexed, and by the row (12), whose
 * sum is the score's gradient (4); rounded (6), copied into zeros that have the row cut off (2 + 4) and taken
 * by expert (4); the gradients of gate and product beside it are summed (6), added by expert to zeros (2),
 * indexed, and to the token's, indexed (torchtitan at f738a03bf, models/moe.py and
 * distributed/expert_parallel.py). Rows are taken by vectors of 16 bytes (PyTorch, pull request 151490), put
 * and added element by element (IndexKernel.cu, ScatterGatherKernel.cu, Indexing.cu). */
static const struct eager_kernels OWN_ROUTING = {3, 24, 3, 50};
/* Of an element of a token: copied before rows are added to it (4); zeros for its gradient (2). */
static const struct eager_kernels OWN_ROUTING_OF_TOKENS = {0, 4, 0, 2};
/* Router: softmax or sigmoid, top-k, maps and their sums over an expert, in fp32. */
static const double ROUTER_BYTES = 24;

/* Products in fp8 take whole 16 rows (MXFP8: 32): each expert's rows are copied to where there is room for
 * them, and its results back, in each pass (Megatron-LM experts.py, Fp8Padding of Transformer Engine). */
static const double PADDING_BYTES = 2 * 4;

/* Routing is some hundred short kernels a layer, between which the device idles: 1.9 s of 24.7 s a step, of
 * 48 layers and 64 micro-batches, were without a kernel (profile of Qwen3 30B on 16 H100, Megatron-Bridge,
 * skills/nemo-mbridge-perf-moe-comm-overlap), and nothing with the exchange overlapped, where another
 * micro-batch's fill them. In each pass. Graphs of whole layers leave none. */
static const double ROUTING_GAP_SECONDS = 0.31e-3;

struct passes {
    double forward, backward; /* bytes */
};

/* So many bytes of the forward pass, as the stack's kernels take them. */
static struct passes fused(const struct compute_work *work, double bytes) {
    double factor = training_traffic_factor(work->problem->training, work->problem->model);
    return (struct passes){factor * bytes, factor * BACKWARD_TRAFFIC * bytes};
}

static struct passes norm_bytes(const struct compute_work *work) {
    if (training_norms_are_eager(work->problem->training, work->problem->model))
        return (struct passes){EAGER_NORM_BYTES, EAGER_NORM_BACKWARD_BYTES};
    return fused(work, NORM_BYTES);
}

static struct passes residual_bytes(const struct compute_work *work) {
    bool dropout = training_has_dropout(work->problem->training, work->problem->model);
    return fused(work, RESIDUAL_BYTES + (dropout ? DROPOUT_BYTES : 0));
}

static struct passes heads_bytes(const struct compute_work *work) {
    const struct training *training = work->problem->training;
    const struct model *model = work->problem->model;
    if (training_gate_is_eager(training, model) && !training_rotates_unfused(training, model))
        return (struct passes){EAGER_ROTARY_BYTES, EAGER_ROTARY_BACKWARD_BYTES};
    return fused(work, HEAD_BYTES);
}

/* Elements of a token that norms within attention read, on one device: queries and keys, or the low ranks
 * they come from. */
static double normed_in_attention(const struct compute_work *work) {
    const struct model *model = work->problem->model;
    if (model->mla.kv_lora_rank > 0)
        return (double)(model->mla.q_lora_rank + model->mla.kv_lora_rank) / work->share;
    if (!model->qk_norm && !model->qk_norm_wide)
        return 0;
    return (double)((model->heads + model->kv_heads) * model->head_dim) / (double)work->problem->layout->tp;
}

/* Norms of the hidden state in a layer. */
static double hidden_norms(const struct model *model) {
    return (model->shared_norm ? 1 : 2) + (model->post_norms ? 2 : 0);
}

/* Keys and values copied for each head of queries that shares them, a token and device; backward the sums
 * over these heads. torch.compile writes the copies where it would have written keys and values. */
static double repeated_bytes(const struct compute_work *work) {
    const struct model *model = work->problem->model;
    if (!training_projects_apart(work->problem->training, model) || model->heads == model->kv_heads ||
        model->mla.kv_lora_rank > 0)
        return 0;
    int64_t heads = training_compiled(work->problem->training, model) ? model->heads - model->kv_heads
                                                                      : model->heads + model->kv_heads;
    return 4 * (double)(heads * model->head_dim) / (double)work->problem->layout->tp;
}

/* Backward, a token's element: of the products that share attention's input, and the MLP's; routed experts
 * have theirs apart. */
static double gradient_sums_bytes(const struct compute_work *work, bool with_experts) {
    const struct training *training = work->problem->training;
    const struct model *model = work->problem->model;
    double further = model_layers_have_mlp(model, with_experts) && training_gate_is_apart(training, model);
    if (training_projects_apart(training, model))
        further += model->mla.kv_lora_rank > 0 ? 1 : 2;
    return training_compiled(training, model) ? 0 : further * GRADIENT_SUM_BYTES;
}

static struct passes activation_bytes(const struct compute_work *work) {
    if (training_gate_is_eager(work->problem->training, work->problem->model))
        return (struct passes){EAGER_GATE_BYTES, EAGER_GATE_BACKWARD_BYTES};
    return fused(work, work->problem->model->gated ? GATED_ACTIVATION_BYTES : ACTIVATION_BYTES);
}

/* Elements of a head that are read and written to make its query, key and value of latent attention, beside
 * what unfused rotation does: joined and copied one by one, or by two kernels of Megatron-Core, which rotate
 * queries in place, and read keys and values and write them with the rotated part
 * (fused_mla_yarn_rope_apply.py).
 */
static double latent_head(const struct training *training, const struct model *model) {
    double plain = (double)model->mla.qk_nope_head_dim, rotated = (double)model->mla.qk_rope_head_dim;
    double value = (double)model->mla.v_head_dim;
    if (training->stack->transformer_engine && !training_rotates_unfused(training, model))
        return rotated + (plain + value) + rotated / 2;
    return 2 * (plain + rotated) + value;
}

static double query_key_value(const struct compute_work *work) {
    const struct model *model = work->problem->model;
    double tp = (double)work->problem->layout->tp;
    if (model->mla.kv_lora_rank > 0)
        return (double)model->heads * latent_head(work->problem->training, model) / tp;
    return (double)((model->heads + 2 * model->kv_heads) * model->head_dim) / tp;
}

static double ways(double things, double drawn) {
    double product = 1;
    for (double i = 0; i < drawn; i++)
        product *= (things - i) / (i + 1);
    return product;
}

/* Of a whole number of times: the search comes here often, and pow takes four times as long for a few. */
static double power(double base, double times) {
    static const double FEW = 64;
    if (times > FEW)
        return pow(base, times);
    double product = 1;
    for (double i = 0; i < times; i++)
        product *= base;
    return product;
}

double compute_copies(const struct model *model, double places) {
    const struct model_experts *experts = &model->experts;
    double picks = (double)experts->top_k, groups = (double)experts->groups;
    double drawn = (double)experts->group_top_k, missed = 0;
    if (experts->groups <= 1 || (places < groups && experts->groups % (int64_t)places != 0))
        return places * (1 - power(1 - 1 / places, picks));
    if (places >= groups) { /* as though there were fewer places */
        double fewer = places * drawn / groups;
        return fewer * (1 - power(1 - 1 / fewer, picks));
    }
    double all = ways(groups, drawn),
           here = groups / places; /* groups of a place, of which `count` are drawn */
    for (double count = fmax(0, drawn + here - groups); count <= fmin(here, drawn); count++) {
        double chance = ways(here, count) * ways(groups - here, drawn - count) / all;
        missed += chance * power(1 - count / drawn, picks);
    }
    return places * (1 - missed);
}

/* Rows of `hidden` elements read and written to put a token's copies in the order of the experts, and back.
 * What is to be sent expert by expert is dealt out from the tokens and, where a device holds several experts,
 * sorted on arrival. What comes as one copy a device is dealt out on arrival. The way back undoes each. */
static double rows_moved(const struct compute_work *work, double rows) {
    const struct compute_problem *problem = work->problem;
    double tokens = (double)work->tokens / work->share, ep = (double)problem->layout->ep;
    if (problem->layout->ep > 1 && training_dispatcher(problem->training, problem->model, problem->cluster,
                                                       problem->layout) == DISPATCHER_DEEPEP)
        return 2 * (compute_copies(problem->model, ep) * tokens + rows);
    bool sorted = problem->layout->ep > 1 && problem->model->experts.count > problem->layout->ep;
    return 2 * (tokens + rows) + (sorted ? 4 * rows : 0);
}

/* An all-to-all under FSDP is torchtitan's. Its operations are run one by one though the layers be compiled:
 * until October 2025 a checkpointed layer with experts ran eagerly as a whole, since its pieces are
 * compiled without them (torchtitan, 2a7a14841; 36a4b6942, models/llama4/infra/parallelize.py). */
static bool routes_by_operations(const struct compute_problem *problem) {
    return problem->training->stack->fully_sharded &&
           training_dispatcher(problem->training, problem->model, problem->cluster, problem->layout) ==
               DISPATCHER_ALL_TO_ALL;
}

static void add_routing(struct compute_work *work, double rows) {
    static const double ELEMENT_BYTES = 2;
    const struct model *model = work->problem->model;
    double hidden = (double)model->hidden, tokens = (double)work->tokens / work->share;
    double routing = ROUTER_BYTES * (double)model->experts.count * tokens;
    bool own = routes_by_operations(work->problem);
    if (!own)
        routing += ELEMENT_BYTES * hidden * rows_moved(work, rows);
    compute_add_traffic(work, "routing", routing, routing);
    if (own) {
        compute_add_eager(work, "rows sorted and scored", hidden * rows, &OWN_ROUTING);
        compute_add_eager(work, "tokens that rows are added to", hidden * tokens, &OWN_ROUTING_OF_TOKENS);
    }
}

/* Experts that are filled up to a capacity have the rows they need, and HybridEP leaves room for them
 * (Megatron-LM experts.py, skip_routed_expert_padding), which stands in for DeepEP where NVLink joins nodes
 * (Megatron-Bridge, flex_dispatcher_backend.py). */
static bool pads_rows(const struct compute_problem *problem) {
    const struct training *training = problem->training;
    const struct cluster *cluster = problem->cluster;
    enum dispatcher dispatcher = training_dispatcher(training, problem->model, cluster, problem->layout);
    bool room = dispatcher == DISPATCHER_DEEPEP && cluster->levels[0].devices > cluster->node.devices;
    return training->precision == PRECISION_FP8 && training->stack->transformer_engine &&
           problem->model->experts.capacity_factor <= 0 && !room;
}

void compute_routing_traffic(struct compute_work *work) {
    const struct compute_problem *problem = work->problem;
    const struct model_experts *experts = &problem->model->experts;
    double hidden = (double)problem->model->hidden;
    double rows = compute_expert_rows(problem->model, problem->training, problem->layout);
    const struct stack *stack = problem->training->stack;
    double ffn = (double)experts->ffn_hidden / (double)problem->layout->etp;
    struct passes activation = activation_bytes(work);
    add_routing(work, rows);
    if (pads_rows(problem))
        compute_add_traffic(work, "rows padded for fp8", PADDING_BYTES * hidden * rows,
                            PADDING_BYTES * hidden * rows);
    if (!problem->training->routing.overlap && !training_graphs_experts(problem->training, problem->model))
        compute_add_idle(work, "gaps between routing's kernels", ROUTING_GAP_SECONDS);
    if (!training_fuses_experts(problem->training)) {
        compute_add_traffic(work, "experts' activation", activation.forward * ffn * rows,
                            activation.backward * ffn * rows);
        work->time->activation += compute_tensor_seconds(work, activation.forward * ffn * rows);
    }
    if (training_adds_expert_biases(problem->training, problem->model)) {
        compute_add_eager(work, "experts' biases", hidden * rows, &EXPERT_BIAS);
        if (stack->fully_sharded)
            compute_add_eager(work, "biases of the first product",
                              (problem->model->gated ? 2 : 1) * ffn * rows, &FIRST_BIAS);
    }
}

/* Of the norms before attention and MLP those that are kernels of their own. */
static double own_norms(const struct compute_work *work, bool with_experts) {
    const struct compute_problem *problem = work->problem;
    return training_attention_norm_is_own(problem->training, problem->model) +
           training_mlp_norm_is_own(problem->training, with_experts);
}

static void add_unfused_rotary(struct compute_work *work) {
    const struct model *model = work->problem->model;
    double tokens = (double)work->tokens / (double)work->problem->layout->tp;
    bool latent = model->mla.kv_lora_rank > 0; /* whose keys share what is rotated */
    int64_t elements = latent ? model->heads * model->mla.qk_rope_head_dim
                              : (model->heads + model->kv_heads) * model->head_dim;
    if (training_rotates_unfused(work->problem->training, model))
        compute_add_eager(work, "rotary embedding, unfused", tokens * (double)elements,
                          latent ? &UNFUSED_LATENT_ROTARY : &UNFUSED_ROTARY);
}

void compute_layer_traffic(struct compute_work *work, bool with_experts) {
    const struct model *model = work->problem->model;
    const struct passes norm = norm_bytes(work), residual = residual_bytes(work), heads = heads_bytes(work),
                        activation = activation_bytes(work);
    double tokens = (double)work->tokens, tp = (double)work->problem->layout->tp;
    double hidden = tokens * (double)model->hidden / work->share, qkv = tokens * query_key_value(work);
    double units = with_experts ? (double)(model->experts.shared * model->experts.shared_ffn_hidden)
                                : (double)model->ffn_hidden;
    double ffn = tokens * units / tp, repeated = tokens * repeated_bytes(work);
    double summed = tokens * (double)model->hidden * gradient_sums_bytes(work, with_experts);
    double normed = hidden * hidden_norms(model) + tokens * normed_in_attention(work);
    double forward = normed * norm.forward + hidden * residual.forward + qkv * heads.forward + repeated +
                     ffn * activation.forward;
    double backward = normed * norm.backward + hidden * residual.backward + qkv * heads.backward + repeated +
                      ffn * activation.backward + summed;
    compute_add_traffic(work, "norms, residuals, activation", forward, backward);
    work->time->traffic += compute_tensor_seconds(work, forward);
    work->time->norms += own_norms(work, with_experts) * compute_tensor_seconds(work, norm.forward * hidden);
    work->time->mlp += compute_tensor_seconds(work, ffn * activation.forward);
    add_unfused_rotary(work);
    if (model->mla.kv_lora_rank > 0)
        work->time->latent_up += compute_tensor_seconds(work, qkv * heads.forward);
}

void compute_embedding(const struct compute_problem *problem, struct compute_time *time,
                       struct explain *explain) {
    struct compute_work work;
    compute_work_init(&work, problem, time, explain);
    double elements = (double)work.tokens * (double)problem->model->hidden;
    compute_add_traffic(&work, "embedding", EMBEDDING_BYTES * elements, EMBEDDING_BACKWARD_BYTES * elements);
}

void compute_head(const struct compute_problem *problem, struct compute_time *time, struct explain *explain) {
    struct compute_work work;
    compute_work_init(&work, problem, time, explain);
    const struct model *model = problem->model;
    enum loss_kernel loss = training_loss(problem->training);
    double bytes = loss == LOSS_FUSED      ? FUSED_LOSS_BYTES
                   : loss == LOSS_COMPILED ? COMPILED_LOSS_BYTES
                                           : LOSS_BYTES;
    double backward_bytes = loss == LOSS_FUSED      ? FUSED_LOSS_BACKWARD_BYTES
                            : loss == LOSS_COMPILED ? COMPILED_LOSS_BACKWARD_BYTES
                                                    : LOSS_BACKWARD_BYTES;
    int64_t vocabulary = quotient_up(model->vocab, problem->layout->tp);
    double logits = (double)work.tokens * (double)vocabulary;
    double norm = 4 * (double)work.tokens * (double)model->hidden / work.share;
    if (loss == LOSS_GATHERED)
        logits = (double)work.tokens * (double)model->vocab;
    explain_open(explain, "head and loss");
    compute_add_product(&work, "logits",
                        &(struct product){.rows = work.tokens,
                                          .outputs = vocabulary,
                                          .inputs = model->hidden,
                                          .half = !training_logits_are_fp8(problem->training),
                                          .split = true});
    compute_add_traffic(&work, "final norm and loss", norm + bytes * logits,
                        BACKWARD_TRAFFIC * norm + backward_bytes * logits);
    explain_close(explain, time->forward + time->backward_input + time->backward_weight, UNIT_SECONDS,
                  "%lld vocabulary entries a device", (long long)vocabulary);
}
