/* What compute.c, compute_attention.c and compute_traffic.c share. Internal to the compute model. */
#ifndef CLUSTERPLAN_COMPUTE_PARTS_H
#define CLUSTERPLAN_COMPUTE_PARTS_H

#include "planner/cost/compute.h"
#include "planner/kernels/attention.h"
#include "planner/kernels/matmul.h"

/* Traffic of an element-wise kernel's backward pass, over that of its forward pass. */
extern const double BACKWARD_TRAFFIC;

struct compute_work {
    const struct compute_problem *problem;
    const struct cluster_device *device; /* the cluster's, but in fp8 `casting` */
    struct cluster_device casting;       /* set in fp8 alone: the copy takes long */
    int64_t tokens;                      /* of a micro-batch on one device, before sequence parallelism */
    double share;        /* devices that sequence parallelism deals the tokens to; 1 without it */
    enum precision half; /* the training's, or the 16-bit format beside fp8 */
    struct compute_time *time;
    struct explain *explain;
};

/* Where an activation is done by the kernels of a product instead of its own: at the end of the product
 * before it, whose result's gradient it makes in the backward pass, as the product after it makes the
 * activation's own. What either reads is then cast already. */
enum activation_fusion { ACTIVATION_APART, ACTIVATION_BEHIND, ACTIVATION_AHEAD };

/* A linear layer's product, forward and backward. */
struct product {
    int64_t rows, outputs, inputs;
    int64_t groups; /* of experts; 0 or 1: a plain product */
    enum activation_fusion fusion;
    bool half;  /* stays in 16 bits when the rest is fp8 */
    bool split; /* stands beside a tp collective */
};

void compute_work_init(struct compute_work *work, const struct compute_problem *problem,
                       struct compute_time *time, struct explain *explain);
void compute_add_product(struct compute_work *work, const char *label, const struct product *product);
/* Seconds to move what takes so many bytes in 16 bits. */
double compute_tensor_seconds(const struct compute_work *work, double bytes);
/* Adds memory traffic to the passes. The bytes are those in 16 bits, as of compute_tensor_seconds. */
void compute_add_traffic(struct compute_work *work, const char *label, double forward_bytes,
                         double backward_bytes);
/* Kernels of PyTorch on the same elements, one after another. Those whose operands differ in shape, strides
 * or format are indexed: they reckon an address for each element. */
struct eager_kernels {
    double forward_indexed, forward_bytes; /* indexed kernels; bytes an element that the others move */
    double backward_indexed, backward_bytes;
};

/* Adds them to the passes. */
void compute_add_eager(struct compute_work *work, const char *label, double elements,
                       const struct eager_kernels *kernels);
/* Adds seconds in which the device waits to each pass. */
void compute_add_idle(struct compute_work *work, const char *label, double seconds);

/* Attention of a layer between its projections; the mean of the layers where only some have a window. */
void compute_attention_core(struct compute_work *work);

/* Everything of a layer but products and attention; what routed experts move apart. */
void compute_layer_traffic(struct compute_work *work, bool with_experts);
void compute_routing_traffic(struct compute_work *work);

#endif
