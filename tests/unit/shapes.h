/* Shapes of published models that several tests use. */
#ifndef CLUSTERPLAN_TESTS_SHAPES_H
#define CLUSTERPLAN_TESTS_SHAPES_H

#include "planner/inputs/model.h"

/* GPT-3 175B. */
static const struct model gpt_3 = {.name = "GPT-3",
                                   .layers = 96,
                                   .hidden = 12288,
                                   .heads = 96,
                                   .kv_heads = 96,
                                   .head_dim = 128,
                                   .ffn_hidden = 49152,
                                   .vocab = 51200,
                                   .sequence = 2048,
                                   .experts = {.every = 1}};

static const struct model mixtral_8x22b = {
    .name = "Mixtral 8x22B",
    .layers = 56,
    .hidden = 6144,
    .heads = 48,
    .kv_heads = 8,
    .head_dim = 128,
    .ffn_hidden = 16384,
    .gated = true,
    .vocab = 32768,
    .sequence = 4096,
    .norm = NORM_RMSNORM,
    .experts = {.count = 8, .top_k = 2, .ffn_hidden = 16384, .every = 1}};

/* Many small experts: Qwen3 30B. */
static const struct model qwen3_30b = {.name = "Qwen3 30B",
                                       .layers = 48,
                                       .hidden = 2048,
                                       .heads = 32,
                                       .kv_heads = 4,
                                       .head_dim = 128,
                                       .ffn_hidden = 6144,
                                       .gated = true,
                                       .vocab = 151936,
                                       .sequence = 4096,
                                       .norm = NORM_RMSNORM,
                                       .experts = {.count = 128, .top_k = 8, .ffn_hidden = 768, .every = 1}};

#endif
