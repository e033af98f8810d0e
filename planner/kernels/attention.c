#include "planner/kernels/attention.h"

#include <math.h>

#include "planner/causal_pairs.h"
#include "planner/kernels/reference_device.h"
#include "planner/numbers.h"

/* A tile of queries walks its row of tiles of keys on one multiprocessor. docs/kernel-model.md, "Attention".
 * Under a window FlashAttention-3's forward tiles are of 128 or 192 queries and 128 keys up to a head size of
 * 128 (hopper/tile_size.h). */
enum { QUERY_TILE = 128, KEY_TILE = 128 };
const double ATTENTION_BACKWARD_FLOPS = 2.5;
/* Share of the datasheet's memory bandwidth that the kernels reach; an assumption, the products' too. */
static const double MEMORY_SHARE = 0.85;
static const double DIAGONAL_HEAD_DIM = 128; /* that diagonal_tokens is given for */
/* Rate of heads wider than 128 (192 for keys, 128 for values), as a share, where the constants don't say:
 * SimuMax on A100-PCIe and B200 gives 0.87 and 0.90 forward, 0.80 and 0.77 backward. */
static const double WIDE_FORWARD_RATE = 0.88, WIDE_BACKWARD_RATE = 0.78;
/* Rate of the backward where it isn't known, as a share of the forward's: SimuMax, A100-PCIe 0.76, B200 0.69
 * to 0.73. */
static const double BACKWARD_RATE_SHARE = 0.74;

struct rates {
    double launch, flops_per_second, longest_row_share, diagonal_tokens, softmax_dims, throttle,
        throttle_flops, wide_share;
};

static double given_or(double given, double usual) {
    return given > 0 ? given : usual;
}

/* In 16 bits where the device has no constants of fp8. */
static bool runs_in_fp8(const struct cluster_device *device, enum precision precision) {
    return precision == PRECISION_FP8 && device->kernels.attention_fp8.known;
}

/* Constants are of the 16-bit formats and, where the device has them, of fp8; fp32 tensors are rounded to
 * tf32, at its peak. */
static struct rates rates_for(const struct cluster_device *device, enum precision precision, bool backward) {
    const struct attention_constants *own =
        runs_in_fp8(device, precision) ? &device->kernels.attention_fp8 : &device->kernels.attention;
    double fitted = fmax(device->peak_flops[PRECISION_BF16], device->peak_flops[PRECISION_FP16]);
    double peak = precision == PRECISION_TF32 ? device->peak_flops[PRECISION_TF32] : fitted;
    if (!own->known) {
        own = &reference_device.kernels.attention;
        fitted = reference_device.peak_flops[PRECISION_BF16];
    }
    double ratio = peak == fitted || fitted <= 0 ? 1 : peak / fitted;
    struct rates rates = {.launch = own->launch_seconds,
                          .flops_per_second = ratio * own->flops_per_second,
                          .longest_row_share = own->longest_row_share,
                          .diagonal_tokens =
                              backward ? given_or(own->backward_diagonal_tokens, own->diagonal_tokens)
                                       : own->diagonal_tokens,
                          .softmax_dims = own->softmax_dims,
                          .wide_share = backward ? given_or(own->wide_backward_rate, WIDE_BACKWARD_RATE)
                                                 : given_or(own->wide_rate, WIDE_FORWARD_RATE)};
    if (!backward) { /* the backward pass runs at the power limit from the start */
        rates.throttle = own->throttle;
        rates.throttle_flops = ratio * own->throttle_flops;
    }
    if (backward && own->backward_flops_per_second > 0) {
        rates.launch = own->backward_launch_seconds;
        rates.flops_per_second = ratio * own->backward_flops_per_second;
    } else if (backward) {
        rates.flops_per_second *= BACKWARD_RATE_SHARE;
    }
    return rates;
}

/* FLOPs of the products of so many pairs a sequence and head. */
static double flops_of(const struct attention *a, double pairs) {
    double forward = 2 * (double)a->batch * (double)a->heads * (pairs / (double)a->query_split) *
                     (double)(a->qk_head_dim + a->v_head_dim);
    return a->backward ? ATTENTION_BACKWARD_FLOPS * forward : forward;
}

double attention_flops(const struct attention *a) {
    return flops_of(a, causal_pairs(a->sequence, a->window, a->chunk));
}

/* A window in whole tiles of keys, but for the one at the diagonal. */
static int64_t tiled_window(const struct attention *a) {
    return KEY_TILE * quotient_up(a->window - 1, KEY_TILE);
}

/* Pairs that the tiles at a window's left edge compute besides: half a tile a query, as at the diagonal,
 * whose half is in diagonal_tokens. */
static double computed_pairs(const struct attention *a) {
    if (a->window == 0 || tiled_window(a) >= a->sequence)
        return causal_pairs(a->sequence, 0, a->chunk);
    int64_t window = tiled_window(a);
    double edge = KEY_TILE / 2.0 * (double)(a->sequence - window);
    double inside = window > 0 ? causal_pairs(a->sequence, window, 0) : 0;
    return smaller(inside + edge, causal_pairs(a->sequence, 0, 0));
}

/* Keys that the tile of queries with the longest row meets. */
static double longest_row_keys(const struct attention *a) {
    int64_t keys = a->sequence;
    if (a->window > 0)
        keys = smaller_count(keys, tiled_window(a) + KEY_TILE);
    if (a->chunk > 0)
        keys = smaller_count(keys, a->chunk);
    return (double)keys;
}

/* As the kernel computes it: in fp8 cuDNN's backward pass skips nothing that a window hides (9.22 on GB200
 * and GB300; cudnn-frontend, benchmark/sdpa_benchmark_training). */
static struct attention computed(const struct cluster_device *device, const struct attention *asked) {
    struct attention a = *asked;
    if (a.backward && runs_in_fp8(device, a.precision))
        a.window = 0;
    return a;
}

/* `least`: as attention_least_seconds. */
static double seconds_of(const struct cluster_device *device, const struct attention *asked, bool least) {
    const struct attention whole = computed(device, asked), *a = &whole;
    if (a->batch <= 0 || a->sequence <= 0 || a->heads <= 0)
        return 0;
    struct rates r = rates_for(device, a->precision, a->backward);
    if (r.flops_per_second <= 0)
        return HUGE_VAL;
    double flops = flops_of(a, computed_pairs(a)), square = flops_of(a, causal_pairs(a->sequence, 0, 0));
    double sequence = (double)a->sequence, split = (double)a->query_split;
    double rate = r.flops_per_second;
    if (a->qk_head_dim > ATTENTION_WIDE_HEAD_DIM)
        rate *= r.wide_share;
    double dims = (double)(a->qk_head_dim + a->v_head_dim);
    double softmax = r.softmax_dims / (a->backward ? ATTENTION_BACKWARD_FLOPS : 1); /* as many exponentials */
    double with_softmax = 1 + 2 * softmax / dims;
    double diagonal = 2 * DIAGONAL_HEAD_DIM / dims * r.diagonal_tokens * split / sequence;
    double throttle = r.throttle > 0 ? r.throttle * flops / (flops + r.throttle_flops) : 0;
    double products = (flops * with_softmax + square * diagonal) * (1 + throttle) / rate;
    int64_t multiprocessors = device->kernels.multiprocessors > 0 ? device->kernels.multiprocessors
                                                                  : reference_device.kernels.multiprocessors;
    double row_flops =
        2 * QUERY_TILE * longest_row_keys(a) * dims * (a->backward ? ATTENTION_BACKWARD_FLOPS : 1);
    double row = row_flops * with_softmax * (double)multiprocessors / rate;
    double elements = (double)a->batch * sequence * dims * ((double)a->heads / split + (double)a->kv_heads);
    double bytes = 2 * elements * (a->backward ? 2 : 1);
    double traffic = bytes / (device->memory_bytes_per_second * MEMORY_SHARE);
    double computed = least ? products : fmax(products + r.longest_row_share * row, row);
    /* Context parallelism takes the keys part by part, a kernel each. The backward pass has kernels of its
     * own before and after, which sum up rows and round the queries' gradients. */
    return (least ? 0 : r.launch * split) + (a->backward ? traffic + computed : fmax(traffic, computed));
}

double attention_seconds(const struct cluster_device *device, const struct attention *a) {
    return seconds_of(device, a, false);
}

double attention_least_seconds(const struct cluster_device *device, const struct attention *a) {
    return seconds_of(device, a, true);
}
