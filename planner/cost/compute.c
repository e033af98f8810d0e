/* Products of a layer. Scores and context are in compute_attention.c, memory traffic in compute_traffic.c. */
#include "planner/cost/compute_parts.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "planner/numbers.h"

/* A backward pass reads and writes so much more than the forward pass of an element-wise kernel: a norm reads
 * two tensors and writes one where forward reads one, a gate reads three and writes two. Counted over the
 * kernels of a layer. */
const double BACKWARD_TRAFFIC = 1.7;

void compute_work_init(struct compute_work *work, const struct compute_problem *problem,
                       struct compute_time *time, struct explain *explain) {
    const struct layout *layout = problem->layout;
    *time = (struct compute_time){0};
    work->problem = problem;
    work->time = time;
    work->explain = explain;
    work->tokens = larger_count(1, layout->micro_batch * problem->training->sequence / layout->cp);
    work->share = layout->sequence_parallel ? (double)layout->tp : 1;
    work->device = &problem->cluster->device;
    work->half = problem->training->precision;
    if (work->half != PRECISION_FP8)
        return;
    work->half = problem->cluster->device.peak_flops[PRECISION_BF16] > 0 ? PRECISION_BF16 : PRECISION_FP16;
    /* The kernel data of fp8 quantise their left operand in kernels of their own; a training stack casts
     * where the operand is made, which add_product counts as traffic. */
    work->casting = problem->cluster->device;
    work->casting.kernels.matmul[PRECISION_FP8] = matmul_constants_of(work->device, PRECISION_FP8);
    work->casting.kernels.matmul[PRECISION_FP8].operand_seconds = 0;
    work->device = &work->casting;
}

double compute_traffic_seconds(const struct cluster_device *device, double bytes) {
    /* Reached by streaming kernels where the device's own share isn't known: BabelStream on A100 and H100
     * gives 0.87 to 0.93. */
    static const double STREAMING_SHARE = 0.88;
    double share =
        device->kernels.memory_efficiency > 0 ? device->kernels.memory_efficiency : STREAMING_SHARE;
    return bytes / (device->memory_bytes_per_second * share);
}

/* Bytes that the accumulation of a weight's gradient moves besides the product. A kernel of its own reads the
 * product's 16-bit result and the sum, and writes the sum. Fused into the product, the sum is read and
 * written: in a step it comes from memory and all of that shows, while the kernel model is fitted to
 * benchmarks that add to the same buffer again and again, and has a part of it. Fully sharded stacks reduce
 * each gradient at once. */
static double accumulation_bytes(const struct training *training) {
    const struct stack *stack = training->stack;
    double gradient = training_gradient_bytes(training);
    if (stack->fused_gradient_accumulation)
        return fmax(0, 2 * gradient - MATMUL_ACCUMULATE_SHOWN * MATMUL_ACCUMULATE_BYTES);
    if (stack->fully_sharded)
        return 0;
    return 2 + 2 * gradient;
}

/* Bytes an element of an activation that fused kernels move besides the products' own: forward the result,
 * in two layouts where it is fp8; backward what went in is read (gated: twice an element), and its gradient
 * written where the product alone would write the activation's. */
static const double FUSED_ACTIVATION_BYTES = 2, FUSED_ACTIVATION_BACKWARD_BYTES = 2,
                    FUSED_GATE_BACKWARD_BYTES = 6;

static double fused_bytes(const struct compute_work *work, const struct product *product,
                          enum matmul_pass pass) {
    bool gated = work->problem->model->gated;
    double in = (double)product->rows * (double)product->inputs;
    double out = (double)product->rows * (double)product->outputs;
    if (product->fusion == ACTIVATION_BEHIND && pass == MATMUL_FORWARD)
        return FUSED_ACTIVATION_BYTES * out / (gated ? 2 : 1);
    if (product->fusion == ACTIVATION_AHEAD && pass == MATMUL_DATA_GRADIENT)
        return (gated ? FUSED_GATE_BACKWARD_BYTES : FUSED_ACTIVATION_BACKWARD_BYTES) * in;
    return 0;
}

/* What trains under FSDP calls torch._grouped_mm, a kernel of CUTLASS, where Transformer Engine calls cuBLAS.
 * On B200 three passes of 128,000 rows take it 37.7 to 43.1 and 13.1 to 15.8 ms (torchao,
 * prototype/moe_training/README.md), here 29.4 and 10.4; up to 0.04 of it are the benchmark's loss. On Hopper
 * it is as quick as a loop over cuBLAS (PyTorch issue 163425). */
static const double GROUPED_BY_TORCH = 1.3;

static double grouped_factor(const struct compute_work *work) {
    bool torch = work->problem->training->stack->fully_sharded &&
                 cluster_device_generation(&work->problem->cluster->device) == GENERATION_BLACKWELL;
    return torch ? GROUPED_BY_TORCH : 1;
}

static double product_seconds(const struct compute_work *work, const struct product *product,
                              const struct matmul *matmul) {
    if (product->fusion != ACTIVATION_APART)
        return matmul_fused_grouped_seconds(work->device, matmul, product->groups,
                                            fused_bytes(work, product, matmul->pass));
    if (product->groups > 1)
        return matmul_grouped_seconds(work->device, matmul, product->groups) * grouped_factor(work);
    return matmul_seconds(work->device, matmul);
}

/* Bytes that casting to fp8 moves an element of a product's input in the forward pass, of its result's
 * gradient, and of both before the weight's gradient. Transformer Engine scales by the maxima of earlier
 * steps: 16 bits are read once, and fp8 is written as it is and transposed. torchao, which FSDP's users take,
 * scales by the tensor's own maximum: a pass to find it (2), one to cast (2 + 1); for the weight's gradient
 * the gradient is transposed (2), and the input, kept in 16 bits, cast again (5) and transposed (2)
 * (torchao/float8/float8_linear.py). */
struct cast_bytes {
    double input, gradient, gradient_again, input_again;
};
static const struct cast_bytes CAST_BY_EARLIER_STEPS = {4, 4, 0, 0}, CAST_BY_ITSELF = {5, 5, 2, 7};

/* GPT-like models under FSDP are llm-foundry's, which takes Transformer Engine's. */
static struct cast_bytes cast_bytes_of(const struct compute_work *work, const struct product *product) {
    const struct compute_problem *problem = work->problem;
    if (product->half || problem->training->precision != PRECISION_FP8 ||
        problem->cluster->device.peak_flops[PRECISION_FP8] <= 0)
        return (struct cast_bytes){0};
    struct cast_bytes cast = problem->training->stack->fully_sharded && problem->model->gated
                                 ? CAST_BY_ITSELF
                                 : CAST_BY_EARLIER_STEPS;
    if (product->fusion == ACTIVATION_AHEAD)
        cast.input = 0;
    if (product->fusion == ACTIVATION_BEHIND)
        cast.gradient = 0;
    return cast;
}

static struct product_seconds reckon_product(const struct compute_work *work, const struct product *product) {
    int64_t m = product->rows, n = product->outputs, k = product->inputs,
            groups = larger_count(1, product->groups);
    enum precision precision = product->half ? work->half : work->problem->training->precision;
    struct matmul forward = {m, n, k, 1, precision, MATMUL_FORWARD};
    struct matmul input = {m, k, n, 1, precision, MATMUL_DATA_GRADIENT};
    struct matmul weight = {k, n, m, 1, precision, MATMUL_WEIGHT_GRADIENT};
    double weights = (double)(n * k * groups);
    const struct training *training = work->problem->training;
    struct cast_bytes cast = cast_bytes_of(work, product);
    double in = (double)m * (double)k, out = (double)m * (double)n;
    double weight_bytes =
        weights * accumulation_bytes(training) + cast.input_again * in + cast.gradient_again * out;
    return (struct product_seconds){.forward = product_seconds(work, product, &forward) +
                                               compute_traffic_seconds(work->device, cast.input * in),
                                    .input = product_seconds(work, product, &input) +
                                             compute_traffic_seconds(work->device, cast.gradient * out),
                                    .weight = product_seconds(work, product, &weight) +
                                              compute_traffic_seconds(work->device, weight_bytes)};
}

/* Of so many rows among more: at the best rate of any shape, and what is cast of them. */
static struct product_seconds least_product(const struct compute_work *work, const struct product *product) {
    enum precision precision = product->half ? work->half : work->problem->training->precision;
    double in = (double)product->rows * (double)product->inputs;
    double out = (double)product->rows * (double)product->outputs;
    double flops = 2 * in * (double)product->outputs;
    double seconds = matmul_least_seconds(work->device, precision, flops);
    struct cast_bytes cast = cast_bytes_of(work, product);
    double again = cast.input_again * in + cast.gradient_again * out;
    return (struct product_seconds){
        .forward = seconds + compute_traffic_seconds(work->device, cast.input * in),
        .input = seconds + compute_traffic_seconds(work->device, cast.gradient * out),
        .weight = seconds + compute_traffic_seconds(work->device, again)};
}

static struct product_seconds find_product(const struct compute_work *work, const struct product *product) {
    const struct product_shape shape = {product->rows,   product->outputs, product->inputs,
                                        product->groups, product->half,    product->fusion};
    struct product_cache *cache = work->problem->products;
    struct product_seconds *seconds;
    bool known;
    if (work->problem->least)
        return least_product(work, product);
    if (cache == NULL)
        return reckon_product(work, product);
    seconds = product_cache_find(cache, &shape, &known);
    if (!known)
        *seconds = reckon_product(work, product);
    return *seconds;
}

void compute_add_product(struct compute_work *work, const char *label, const struct product *product) {
    struct product_seconds seconds = find_product(work, product);
    work->time->forward += seconds.forward;
    work->time->products += seconds.forward;
    work->time->backward_input += seconds.input;
    work->time->backward_weight += seconds.weight;
    if (product->split) {
        work->time->split_products_forward += seconds.forward;
        work->time->split_products_backward += seconds.input;
    }
    if (work->explain == NULL)
        return;
    int64_t m = product->rows, n = product->outputs, k = product->inputs;
    enum precision precision = product->half ? work->half : work->problem->training->precision;
    double flops = 2 * (double)m * (double)n * (double)k, share = work->device->kernels.measured_share;
    char measured[48] = "";
    if (share > 0)
        snprintf(measured, sizeof measured, " (%.3g of the usual, measured)", share);
    explain_add(work->explain, label, seconds.forward + seconds.input + seconds.weight, UNIT_SECONDS,
                "m %lld n %lld k %lld%s %s: forward %.4g, data gradient %.4g, weight gradient %.4g TFLOP/s%s",
                (long long)m, (long long)n, (long long)k, product->groups > 1 ? ", grouped," : "",
                precision_names[precision], flops / seconds.forward / 1e12, flops / seconds.input / 1e12,
                flops / seconds.weight / 1e12, measured);
}

static double wider(const struct compute_work *work) {
    return training_element_bytes(work->problem->training) / 2;
}

double compute_tensor_seconds(const struct compute_work *work, double bytes) {
    return compute_traffic_seconds(work->device, wider(work) * bytes);
}

void compute_add_traffic(struct compute_work *work, const char *label, double forward_bytes,
                         double backward_bytes) {
    double forward = compute_tensor_seconds(work, forward_bytes);
    double backward = compute_tensor_seconds(work, backward_bytes);
    work->time->forward += forward;
    work->time->backward_input += backward;
    explain_add(work->explain, label, forward + backward, UNIT_SECONDS,
                "%s forward, %s backward through memory of %s",
                explain_text(work->explain, wider(work) * forward_bytes, UNIT_BYTES),
                explain_text(work->explain, wider(work) * backward_bytes, UNIT_BYTES),
                explain_text(work->explain, work->device->memory_bytes_per_second, UNIT_BYTES_PER_SECOND));
}

/* An element in an indexed kernel, in forty instructions or so on any of the devices' cores, whatever the
 * memory. B200: rotary embedding of 67 million elements in bf16 as PyTorch's operations, 0.868 ms with 3.5
 * such kernels and a sum (github.com/pytorch/pytorch, pull request 176223): 3.4 ps. H200: the same of 300
 * million, 4.1 ms with three and two sums (github.com/kohya-ss/musubi-tuner, issue 1122): 4.1 ps; a product
 * with a broadcast row, 1.18 TB/s of 4 bytes (github.com/tile-ai/TileOPs, pull request 500): 3.4 ps. */
static const double INDEXED_ELEMENT_SECONDS = 3.4e-12;

void compute_add_eager(struct compute_work *work, const char *label, double elements,
                       const struct eager_kernels *kernels) {
    double indexed = INDEXED_ELEMENT_SECONDS * elements;
    double forward =
        indexed * kernels->forward_indexed + compute_tensor_seconds(work, kernels->forward_bytes * elements);
    double backward = indexed * kernels->backward_indexed +
                      compute_tensor_seconds(work, kernels->backward_bytes * elements);
    work->time->forward += forward;
    work->time->backward_input += backward;
    explain_add(work->explain, label, forward + backward, UNIT_SECONDS,
                "%s elements through PyTorch's kernels, %.3g forward and %.3g backward that index each",
                explain_text(work->explain, elements, UNIT_COUNT), kernels->forward_indexed,
                kernels->backward_indexed);
}

void compute_add_idle(struct compute_work *work, const char *label, double seconds) {
    work->time->forward += seconds;
    work->time->backward_input += seconds;
    explain_add(work->explain, label, 2 * seconds, UNIT_SECONDS, "%s in each pass",
                explain_text(work->explain, seconds, UNIT_SECONDS));
}

/* Multi-head latent attention: queries, keys and values through low ranks (arXiv 2405.04434). The products
 * into the low ranks aren't split by tp. */
static void add_latent_projections(struct compute_work *work) {
    const struct model *model = work->problem->model;
    const struct model_mla *mla = &model->mla;
    int64_t heads = larger_count(1, model->heads / work->problem->layout->tp);
    int64_t query = heads * model_query_width(model);
    int64_t rows = work->tokens;
    bool low_rank = mla->q_lora_rank > 0;
    if (low_rank)
        compute_add_product(
            work, "query down",
            &(struct product){.rows = rows, .outputs = mla->q_lora_rank, .inputs = model->hidden});
    compute_add_product(work, "key-value down",
                        &(struct product){.rows = rows,
                                          .outputs = mla->kv_lora_rank + mla->qk_rope_head_dim,
                                          .inputs = model->hidden});
    double before = work->time->forward;
    compute_add_product(work, low_rank ? "query up" : "query",
                        &(struct product){.rows = rows,
                                          .outputs = query,
                                          .inputs = low_rank ? mla->q_lora_rank : model->hidden});
    compute_add_product(work, "key-value up",
                        &(struct product){.rows = rows,
                                          .outputs = heads * (mla->qk_nope_head_dim + mla->v_head_dim),
                                          .inputs = mla->kv_lora_rank});
    work->time->latent_up = work->time->forward - before;
    compute_add_product(
        work, "attention output",
        &(struct product){
            .rows = rows, .outputs = model->hidden, .inputs = heads * mla->v_head_dim, .split = true});
}

static void add_attention(struct compute_work *work) {
    const struct model *model = work->problem->model;
    int64_t tp = work->problem->layout->tp;
    if (model->mla.kv_lora_rank > 0) {
        add_latent_projections(work);
    } else {
        int64_t query = larger_count(1, model->heads / tp) * model->head_dim;
        int64_t kv = larger_count(1, model->kv_heads / tp) * model->head_dim;
        compute_add_product(
            work, "query, key, value",
            &(struct product){
                .rows = work->tokens, .outputs = query + 2 * kv, .inputs = model->hidden, .split = true});
        compute_add_product(
            work, "attention output",
            &(struct product){
                .rows = work->tokens, .outputs = model->hidden, .inputs = query, .split = true});
    }
    compute_attention_core(work);
}

static void add_mlp(struct compute_work *work, const char *in, const char *out, int64_t ffn) {
    const struct model *model = work->problem->model;
    int64_t split = larger_count(1, ffn / work->problem->layout->tp);
    compute_add_product(work, in,
                        &(struct product){.rows = work->tokens,
                                          .outputs = model->gated ? 2 * split : split,
                                          .inputs = model->hidden,
                                          .split = true});
    double before = work->time->forward;
    compute_add_product(
        work, out,
        &(struct product){.rows = work->tokens, .outputs = model->hidden, .inputs = split, .split = true});
    work->time->last_product = work->time->forward - before;
}

double compute_expert_rows(const struct model *model, const struct training *training,
                           const struct layout *layout) {
    const struct model_experts *experts = &model->experts;
    double tokens = (double)(layout->micro_batch * training->sequence) / (double)layout->cp /
                    (layout->sequence_parallel ? (double)layout->tp : 1);
    return tokens * (double)experts->top_k * (double)layout->etp *
           training_fullest_experts(training, model, layout->ep);
}

static void add_experts(struct compute_work *work) {
    const struct compute_problem *problem = work->problem;
    const struct model_experts *experts = &problem->model->experts;
    int64_t hidden = problem->model->hidden;
    int64_t rows =
        larger_count(1, (int64_t)compute_expert_rows(problem->model, problem->training, problem->layout));
    int64_t groups = larger_count(1, experts->count / problem->layout->ep);
    int64_t ffn = larger_count(1, experts->ffn_hidden / problem->layout->etp);
    bool fused = training_fuses_experts(problem->training);
    compute_add_product(
        work, "router",
        &(struct product){.rows = larger_count(1, (int64_t)((double)work->tokens / work->share)),
                          .outputs = experts->count,
                          .inputs = hidden,
                          .half = true});
    compute_add_product(work, "experts in",
                        &(struct product){.rows = rows,
                                          .outputs = problem->model->gated ? 2 * ffn : ffn,
                                          .inputs = hidden,
                                          .groups = groups,
                                          .fusion = fused ? ACTIVATION_BEHIND : ACTIVATION_APART});
    compute_add_product(work, "experts out",
                        &(struct product){.rows = rows,
                                          .outputs = hidden,
                                          .inputs = ffn,
                                          .groups = groups,
                                          .fusion = fused ? ACTIVATION_AHEAD : ACTIVATION_APART});
}

double compute_least_experts(const struct compute_problem *problem) {
    const struct model *model = problem->model;
    enum precision precision = problem->training->precision;
    struct layout whole = *problem->layout;
    whole.ep = whole.etp = 1; /* etp shares each row's work, ep only adds imbalance */
    double rows = floor(compute_expert_rows(model, problem->training, &whole));
    double out = 2 * rows * (double)model->hidden * (double)model->experts.ffn_hidden;
    double in = model->gated ? 2 * out : out;
    return matmul_least_seconds(&problem->cluster->device, precision, in) +
           matmul_least_seconds(&problem->cluster->device, precision, out);
}

static void add_mlps(struct compute_work *work, bool with_experts) {
    const struct model *model = work->problem->model;
    double before = work->time->forward;
    if (!with_experts)
        add_mlp(work, "MLP in", "MLP out", model->ffn_hidden);
    else if (model->experts.shared > 0)
        add_mlp(work, "shared experts in", "shared experts out",
                model->experts.shared * model->experts.shared_ffn_hidden);
    work->time->mlp = work->time->forward - before;
}

/* Attention is the same in all kinds of layers, and products are with and without sequence parallelism. */
static void add_known(struct compute_work *work, bool with_experts) {
    struct compute_known *known = work->problem->known;
    const struct layout *layout = work->problem->layout;
    if (known->tp != layout->tp || known->cp != layout->cp || known->micro_batch != layout->micro_batch) {
        add_attention(work);
        *known = (struct compute_known){
            .tp = layout->tp, .cp = layout->cp, .micro_batch = layout->micro_batch, .attention = *work->time};
    }
    if (!known->has_products[with_experts]) {
        *work->time = known->attention;
        add_mlps(work, with_experts);
        known->products[with_experts] = *work->time;
        known->has_products[with_experts] = true;
    }
    *work->time = known->products[with_experts];
}

void compute_layer(const struct compute_problem *problem, bool with_experts, struct compute_time *time,
                   struct explain *explain) {
    struct compute_work work;
    compute_work_init(&work, problem, time, explain);
    explain_open(explain, with_experts ? "compute of an expert layer" : "compute of a dense layer");
    if (problem->known != NULL && !problem->least && explain == NULL) {
        add_known(&work, with_experts);
    } else {
        add_attention(&work);
        add_mlps(&work, with_experts);
    }
    compute_layer_traffic(&work, with_experts);
    explain_close(explain, time->forward + time->backward_input + time->backward_weight, UNIT_SECONDS,
                  "a micro-batch: forward %s, backward %s",
                  explain_text(explain, time->forward, UNIT_SECONDS),
                  explain_text(explain, time->backward_input + time->backward_weight, UNIT_SECONDS));
}

void compute_routed_experts(const struct compute_problem *problem, struct compute_time *time,
                            struct explain *explain) {
    struct compute_work work;
    compute_work_init(&work, problem, time, explain);
    explain_open(explain, "compute of the routed experts");
    add_experts(&work);
    compute_routing_traffic(&work);
    time->experts = time->forward;
    explain_close(explain, time->forward + time->backward_input + time->backward_weight, UNIT_SECONDS,
                  "a micro-batch: forward %s, backward %s",
                  explain_text(explain, time->forward, UNIT_SECONDS),
                  explain_text(explain, time->backward_input + time->backward_weight, UNIT_SECONDS));
}

void compute_mtp_join(const struct compute_problem *problem, struct compute_time *time,
                      struct explain *explain) {
    struct compute_work work;
    compute_work_init(&work, problem, time, explain);
    int64_t hidden = problem->model->hidden;
    compute_add_product(&work, "join of embedding and state",
                        &(struct product){.rows = work.tokens,
                                          .outputs = larger_count(1, hidden / problem->layout->tp),
                                          .inputs = 2 * hidden,
                                          .half = true});
}
