/* Questions to the memory model, as its tests ask them. */
#ifndef CLUSTERPLAN_TESTS_MEMORY_QUESTION_H
#define CLUSTERPLAN_TESTS_MEMORY_QUESTION_H

#include "check.h"

#include <math.h>

#include "common/cluster.h"
#include "planner/cost/memory.h"
#include "planner/cost/memory_parts.h"

/* What a test asks; zero in a layout's field stands for 1 where a size is meant. */
struct question {
    const char *name;
    const char *stack;
    struct model model;
    struct layout layout;
    int64_t sequence, global_batch;
    enum precision precision;
    enum attention_kernel attention;
    bool recent_device; /* Hopper or newer */
    enum loss_kernel loss;
    enum parameter_format parameters;
    bool eager; /* not compiled */
    enum tables_gathered tables;
    int64_t loss_pieces;
    enum gradient_format gradients;
    struct optimizer optimizer;
    double measured_bytes;
};

static inline void at_least_one(int64_t *value) {
    if (*value == 0)
        *value = 1;
}

static inline void complete(struct model *model, struct layout *layout) {
    int64_t *sizes[] = {&layout->tp, &layout->pp,  &layout->vpp, &layout->cp,
                        &layout->ep, &layout->etp, &layout->dp,  &layout->micro_batch};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        at_least_one(sizes[i]);
    if (model->kv_heads == 0)
        model->kv_heads = model->heads;
    if (model->head_dim == 0)
        model->head_dim = model->hidden / model->heads;
    at_least_one(&model->experts.every);
    model->norm = model->gated ? NORM_RMSNORM : NORM_LAYERNORM;
    model->linear_bias = model->qkv_bias = model->output_bias = !model->gated;
}

static inline struct cluster cluster_of(bool recent_device) {
    struct cluster cluster = {.name = "test"};
    cluster.device.memory_bytes = 80e9;
    cluster.device.reserved_bytes = 2e9;
    cluster.device.peak_flops[PRECISION_BF16] = 312e12;
    cluster.device.peak_flops[PRECISION_FP8] = recent_device ? 624e12 : 0;
    return cluster;
}

static inline struct training training_of(const struct question *question) {
    return (struct training){.sequence = question->sequence,
                             .global_batch = question->global_batch,
                             .precision = question->precision,
                             .attention = question->attention,
                             .recipe = {.loss = question->loss,
                                        .parameters = question->parameters,
                                        .compiled = question->eager ? TOGGLE_OFF : TOGGLE_DEFAULT,
                                        .tables = question->tables,
                                        .loss_pieces = question->loss_pieces},
                             .gradients = question->gradients,
                             .optimizer = question->optimizer,
                             .stack = stack_find(question->stack)};
}

static inline struct memory_use estimate(struct question question) {
    struct cluster cluster = cluster_of(question.recent_device);
    struct training training = training_of(&question);
    struct memory_use use;
    complete(&question.model, &question.layout);
    memory_estimate(&question.model, &cluster, &training, &question.layout, &use, NULL);
    return use;
}

#define DEEPSEEK_V3_4                                                                                        \
    {                                                                                                        \
        .layers = 4, .hidden = 7168, .heads = 128, .ffn_hidden = 18432, .gated = true, .vocab = 129280,      \
        .mla = {1536, 512, 128, 64, 128}, .experts = {                                                       \
            .count = 256,                                                                                    \
            .top_k = 8,                                                                                      \
            .ffn_hidden = 2048,                                                                              \
            .shared = 1,                                                                                     \
            .shared_ffn_hidden = 2048,                                                                       \
            .first_dense_layers = 1                                                                          \
        }                                                                                                    \
    }

#define LLAMA_8B                                                                                             \
    {                                                                                                        \
        .layers = 32, .hidden = 4096, .heads = 32, .kv_heads = 8, .head_dim = 128, .ffn_hidden = 14336,      \
        .gated = true, .vocab = 128256                                                                       \
    }

#define LLAMA_70B                                                                                            \
    {                                                                                                        \
        .layers = 80, .hidden = 8192, .heads = 64, .kv_heads = 8, .head_dim = 128, .ffn_hidden = 28672,      \
        .gated = true, .vocab = 128256                                                                       \
    }

#endif
