/* Attention between its projections: scores, softmax and context of a layer. */
#include <stdio.h>

#include "common/units.h"
#include "planner/cost/compute_parts.h"
#include "planner/numbers.h"

static double attention_pass(const struct compute_work *work, const struct attention *attention) {
    return work->problem->least ? attention_least_seconds(work->device, attention)
                                : attention_seconds(work->device, attention);
}

/* How a part of the layers attends, and which share of them that is. */
struct attending {
    const char *label;
    double share;
    int64_t window, chunk;
};

/* "in 18 of 36 layers, 128 tokens back; " */
static void describe(const struct model *model, const struct attending *kind, char *text, size_t size) {
    char reach[48] = "";
    if (kind->window > 0)
        snprintf(reach, sizeof reach, ", %lld token%s back", (long long)kind->window,
                 units_plural(kind->window));
    if (kind->chunk > 0)
        snprintf(reach, sizeof reach, ", in chunks of %lld", (long long)kind->chunk);
    snprintf(text, size, "in %.0f of %lld layers%s; ", kind->share * (double)model->layers,
             (long long)model->layers, reach);
}

/* Adds what the mean layer has of it: a stage has layers of both kinds by turns. */
static void add_flash_layers(struct compute_work *work, const struct attending *kind,
                             const struct attention *common, double rate) {
    struct attention attention = *common;
    attention.window = kind->window;
    attention.chunk = kind->chunk;
    double forward = attention_pass(work, &attention) / rate, flops = attention_flops(&attention);
    attention.backward = true;
    double backward = attention_pass(work, &attention) / rate, backward_flops = attention_flops(&attention);
    work->time->forward += kind->share * forward;
    work->time->attention += kind->share * forward;
    work->time->backward_input += kind->share * backward;
    if (work->explain == NULL)
        return;
    char layers[96] = "";
    if (kind->share < 1 || kind->window + kind->chunk > 0)
        describe(work->problem->model, kind, layers, sizeof layers);
    explain_add(work->explain, kind->label, kind->share * (forward + backward), UNIT_SECONDS,
                "%sbatch %lld heads %lld of %lld: forward %.4g, backward %.4g causal TFLOP/s", layers,
                (long long)attention.batch, (long long)attention.heads, (long long)attention.qk_head_dim,
                flops / forward / 1e12, backward_flops / backward / 1e12);
}

static void add_flash_attention(struct compute_work *work, const struct attention *attention) {
    const struct training *training = work->problem->training;
    const struct model *model = work->problem->model;
    double rate = flash_kernel_rate(training_flash(training, model, work->device),
                                    cluster_device_generation(work->device));
    if (training_has_dropout(training, model))
        rate *= training->stack->attention_dropout;
    double windowed = model_windowed_share(model, attention->sequence);
    const struct attending full = {"flash attention", 1 - windowed, 0, 0};
    const struct attending near = {"windowed attention", windowed, model->window, model->attention_chunk};
    if (full.share > 0)
        add_flash_layers(work, &full, attention, rate);
    if (near.share > 0)
        add_flash_layers(work, &near, attention, rate);
}

/* Forward queries, keys and values are cast, backward the gradient of the result: 16 bits read, fp8 written
 * as it is and transposed. */
static void add_attention_casts(struct compute_work *work, const struct attention *attention) {
    static const double CAST_BYTES = 4;
    double heads = (double)attention->heads, shared = (double)attention->kv_heads;
    double dims = (double)attention->qk_head_dim, values = (double)attention->v_head_dim;
    double forward = heads * dims + shared * (dims + values);
    compute_add_traffic(work, "casts of attention", CAST_BYTES * (double)work->tokens * forward,
                        CAST_BYTES * (double)work->tokens * heads * values);
}

/* Bytes of an element of the queries that PyTorch's ring moves at each turn: it joins keys and values (8),
 * casts a piece's result to fp32 (6) and merges it operation by operation (32); of every other piece half the
 * queries, joined again (8). Backward it casts and adds up gradients in fp32 and joins those of keys and
 * values. At the ends it casts the first piece and the sum (torch/distributed/tensor/experimental,
 * _attention.py). */
static const double RING_BYTES = 40, RING_BACKWARD_BYTES = 72, RING_ENDS_BYTES = 12;

static void add_ring_merges(struct compute_work *work) {
    const struct model *model = work->problem->model;
    const struct layout *layout = work->problem->layout;
    double elements = (double)work->tokens * (double)(model->heads * model->head_dim) / (double)layout->tp;
    double turns = (double)(layout->cp - 1);
    if (layout->cp > 1 && work->problem->training->stack->fully_sharded)
        compute_add_traffic(work, "pieces of context parallelism merged",
                            elements * (turns * RING_BYTES + RING_ENDS_BYTES),
                            elements * (turns * RING_BACKWARD_BYTES + RING_ENDS_BYTES));
}

/* Scores and context as batched products over the whole square, a window being a mask like any other,
 * softmax, mask and dropout as traffic. */
static void add_unfused_attention(struct compute_work *work, const struct attention *attention) {
    /* A score of 16 bits, forward: written by the product, read and written by the softmax with its mask,
     * read and written by dropout with a byte of mask, read by the product. Backward: gradients the same way
     * back, with the kept results read once more. */
    static const double FORWARD_BYTES = 13, BACKWARD_BYTES = 17;
    int64_t rows = attention->sequence / attention->query_split, keys = attention->sequence;
    int64_t batch = attention->batch * attention->heads;
    struct matmul scores = {rows, keys, attention->qk_head_dim, batch, work->half, MATMUL_FORWARD};
    struct matmul context = {rows, attention->v_head_dim, keys, batch, work->half, MATMUL_FORWARD};
    double square = (double)batch * (double)rows * (double)keys;
    double products = matmul_seconds(work->device, &scores) + matmul_seconds(work->device, &context);
    if (work->problem->least)
        products =
            matmul_least_seconds(work->device, work->half, 2 * square * (double)attention->qk_head_dim) +
            matmul_least_seconds(work->device, work->half, 2 * square * (double)attention->v_head_dim);
    double factor = training_traffic_factor(work->problem->training, work->problem->model);
    double traffic = compute_tensor_seconds(work, factor * FORWARD_BYTES * square);
    double traffic_back = compute_tensor_seconds(work, factor * BACKWARD_BYTES * square);

    work->time->forward += products + traffic;
    work->time->attention += products + traffic;
    work->time->backward_input += 2 * products + traffic_back;
    explain_add(work->explain, "unfused attention", 3 * products + traffic + traffic_back, UNIT_SECONDS,
                "%lld products of %lld x %lld x %lld at %.4g TFLOP/s; softmax, mask, dropout %s",
                (long long)(2 * batch), (long long)rows, (long long)keys, (long long)attention->qk_head_dim,
                4 * square * (double)attention->qk_head_dim / products / 1e12,
                explain_text(work->explain, traffic + traffic_back, UNIT_SECONDS));
}

void compute_attention_core(struct compute_work *work) {
    const struct compute_problem *problem = work->problem;
    const struct model *model = problem->model;
    const struct layout *layout = problem->layout;
    bool fp8 = training_attention_is_fp8(problem->training);
    struct attention attention = {.precision = fp8 ? PRECISION_FP8 : work->half,
                                  .batch = layout->micro_batch,
                                  .sequence = problem->training->sequence,
                                  .query_split = layout->cp,
                                  .heads = larger_count(1, model->heads / layout->tp),
                                  .kv_heads = larger_count(1, model_key_value_heads(model) / layout->tp),
                                  .qk_head_dim = model_query_width(model),
                                  .v_head_dim = model_value_width(model)};
    if (problem->training->attention == ATTENTION_FLASH)
        add_flash_attention(work, &attention);
    else
        add_unfused_attention(work, &attention);
    if (fp8)
        add_attention_casts(work, &attention);
    add_ring_merges(work);
}
