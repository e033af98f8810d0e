/* Compute time of a layer, and of what stands before the first and behind the last, for one micro-batch on
 * one device. Communication is planner/cost/communication.h's.
 *
 * Products and fused attention come from the kernel models; all else is memory traffic. */
#ifndef CLUSTERPLAN_COMPUTE_H
#define CLUSTERPLAN_COMPUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cluster.h"
#include "planner/explain.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"
#include "planner/inputs/training.h"
#include "planner/kernels/product_cache.h"

/* Seconds of one micro-batch. */
struct compute_time {
    double forward;
    double backward_input;  /* all of the backward pass but: */
    double backward_weight; /* weight gradients and their accumulation */
    double attention;       /* of forward: the attention core */
    double norms;           /* of forward: norms that are kernels of their own */
    double traffic;         /* of forward: element-wise work, but routed experts' */
    double products;        /* of forward: matrix products, but routed experts' and attention's */
    double activation;      /* of forward: the routed experts' activation */
    double latent_up;    /* of forward: queries, keys and values of latent attention out of their low ranks */
    double mlp;          /* of forward: the MLP, or the shared experts */
    double last_product; /* of products: an MLP's second */
    double experts;      /* of forward: router, routed experts and what moves their tokens */
    double split_products_forward; /* products that tp collectives can hide behind */
    double split_products_backward;
};

/* What was reckoned last, for the next layout of the same tp, cp and micro-batch: a layer's attention, and
 * its attention and products together, by whether it has experts. */
struct compute_known {
    int64_t tp, cp, micro_batch; /* 0: nothing yet */
    struct compute_time attention, products[2];
    bool has_products[2];
};

struct compute_problem {
    const struct model *model;
    const struct cluster *cluster;
    const struct training *training;
    const struct layout *layout;    /* tp, cp, ep, etp, micro_batch and sequence_parallel alone matter */
    struct product_cache *products; /* of this model, device and training; NULL: none is kept */
    struct compute_known *known;    /* of the same; NULL: nothing is kept */
    bool least; /* what one sequence takes at least in a micro-batch of any size; micro_batch has to be 1 */
};

/* A transformer layer but its routed experts, which alone depend on ep and etp. */
void compute_layer(const struct compute_problem *problem, bool with_experts, struct compute_time *time,
                   struct explain *explain);

/* The embedding of the first stage. */
void compute_embedding(const struct compute_problem *problem, struct compute_time *time,
                       struct explain *explain);

/* Final norm, logits and loss of the last stage. */
void compute_head(const struct compute_problem *problem, struct compute_time *time, struct explain *explain);

/* What a further prediction (model.mtp_layers) adds to its layer and its head: the product that joins hidden
 * state and embedding. */
void compute_mtp_join(const struct compute_problem *problem, struct compute_time *time,
                      struct explain *explain);

/* Router, routed experts, and the sorting of their tokens. */
void compute_routed_experts(const struct compute_problem *problem, struct compute_time *time,
                            struct explain *explain);

/* Seconds that the routed experts of a layer take at least, forward, whatever ep and etp: their products at
 * the best rate of any shape. A backward pass takes at least twice that. */
double compute_least_experts(const struct compute_problem *problem);

/* Rows that one device's experts work on for a micro-batch, all experts together, the fullest device's. */
double compute_expert_rows(const struct model *model, const struct training *training,
                           const struct layout *layout);

/* Copies of a token that go to `places` its experts lie on evenly, one to each that has any of them. */
double compute_copies(const struct model *model, double places);

/* Seconds that `bytes` of streaming memory traffic take. */
double compute_traffic_seconds(const struct cluster_device *device, double bytes);

#endif
