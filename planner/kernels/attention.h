/* Time of fused (flash) causal attention on one device. The unfused kind is products and memory traffic:
 * planner/cost/compute.c. */
#ifndef CLUSTERPLAN_ATTENTION_H
#define CLUSTERPLAN_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cluster.h"

/* Wider heads, such as those of latent attention, run at a share of the rate. */
enum { ATTENTION_WIDE_HEAD_DIM = 128 };

struct attention {
    int64_t batch,
        sequence;        /* sequence of keys; queries are sequence / query_split of them (context parallel) */
    int64_t query_split; /* 1 without context parallelism */
    int64_t heads, kv_heads; /* on this device */
    int64_t qk_head_dim, v_head_dim;
    bool backward;
    enum precision precision; /* of its products; 16 bits where the device has no constants of fp8 */
    int64_t window, chunk;    /* as causal_pairs has them; 0: each query attends to all before it */
};

/* Seconds of the pass on one device, launches included. 0 where there is nothing to do, infinite where the
 * device has no rate for the format. */
double attention_seconds(const struct cluster_device *device, const struct attention *attention);

/* What the batch takes at least as a part of a larger one: without launch, and with enough rows to deal out
 * evenly. */
double attention_least_seconds(const struct cluster_device *device, const struct attention *attention);

/* FLOPs of the backward pass over those of the forward pass: five products instead of two. */
extern const double ATTENTION_BACKWARD_FLOPS;

/* Causal FLOPs of the pass: half the square, or what a window or chunks leave of it. */
double attention_flops(const struct attention *attention);

#endif
