#include "planner/attention.h"

#include <math.h>

#include "planner/reference_device.h"

/* A tile of queries: one multiprocessor walks its row of keys. docs/cost-model.md, "Attention". */
static const double query_tile = 128;
static const double backward_flops = 2.5; /* of the forward's: five products instead of two */
static const double default_memory_efficiency =
    0.64; /* of the datasheet's bandwidth that the kernels reach */

struct rates {
    double launch, flops_per_second, longest_row_share, diagonal_tokens;
};

static struct rates rates_for(const struct cluster_device *device, bool backward) {
    const struct attention_constants *own = &device->kernels.attention;
    double ratio = 1;
    if (!own->known) {
        own = &reference_device.kernels.attention;
        double peak = fmax(device->peak_flops[PRECISION_BF16], device->peak_flops[PRECISION_FP16]);
        ratio = peak / reference_device.peak_flops[PRECISION_BF16];
    }
    return (struct rates){
        .launch = backward ? own->backward_launch_seconds : own->launch_seconds,
        .flops_per_second = ratio * (backward ? own->backward_flops_per_second : own->flops_per_second),
        .longest_row_share = own->longest_row_share,
        .diagonal_tokens = own->diagonal_tokens,
    };
}

double attention_flops(const struct attention *a) {
    double pairs = (double)a->sequence * (double)a->sequence / 2 / (double)a->query_split;
    double forward =
        2 * (double)a->batch * (double)a->heads * pairs * (double)(a->qk_head_dim + a->v_head_dim);
    return a->backward ? backward_flops * forward : forward;
}

double attention_seconds(const struct cluster_device *device, const struct attention *a) {
    if (a->batch <= 0 || a->sequence <= 0 || a->heads <= 0)
        return 0;
    struct rates r = rates_for(device, a->backward);
    if (r.flops_per_second <= 0)
        return HUGE_VAL;
    double sequence = (double)a->sequence, batch = (double)a->batch, split = (double)a->query_split;
    double dims = (double)(a->qk_head_dim + a->v_head_dim);
    double products = attention_flops(a) * (1 + r.diagonal_tokens * split / sequence) / r.flops_per_second;
    int64_t multiprocessors = device->kernels.multiprocessors ? device->kernels.multiprocessors
                                                              : reference_device.kernels.multiprocessors;
    double row = 2 * query_tile * sequence * dims * (a->backward ? backward_flops : 1) /
                 (r.flops_per_second / (double)multiprocessors);
    double elements = batch * sequence * dims * ((double)a->heads / split + (double)a->kv_heads);
    double traffic =
        2 * elements * (a->backward ? 2 : 1) / (device->memory_bytes_per_second * default_memory_efficiency);
    return r.launch + traffic + fmax(products, r.longest_row_share * row);
}
