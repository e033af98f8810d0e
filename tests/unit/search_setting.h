/* What searches are posed with: a cluster of two levels, and a model small enough to try every layout. */
#ifndef CLUSTERPLAN_TESTS_SEARCH_SETTING_H
#define CLUSTERPLAN_TESTS_SEARCH_SETTING_H

#include "planner/search/search.h"

struct setting {
    struct model model;
    struct cluster cluster;
    struct search_problem problem;
};

static inline void make_cluster(struct cluster *cluster, double memory_bytes) {
    *cluster = (struct cluster){.name = "test", .node = {.devices = 8}, .level_count = 2};
    cluster->device = (struct cluster_device){.name = "A100",
                                              .memory_bytes = memory_bytes,
                                              .reserved_bytes = 5e8,
                                              .memory_bytes_per_second = 2.039e12,
                                              .peak_flops = {312e12, 312e12, 156e12, 0}};
    cluster->levels[0] = (struct network_level){.name = "nvlink",
                                                .devices = 8,
                                                .bandwidth_bytes_per_second = 300e9,
                                                .latency_seconds = 2e-6,
                                                .oversubscription = 1};
    cluster->levels[1] = (struct network_level){
        .name = "ib", .bandwidth_bytes_per_second = 25e9, .latency_seconds = 5e-6, .oversubscription = 1};
}

static inline void give(struct layout_request *request, enum layout_key key, int64_t value) {
    request->keys[key].count = 1;
    request->keys[key].values[0] = value;
}

enum { SMALL_LAYERS = 8 };

/* A dense model small enough to try every layout of every key. */
static inline void make_small(struct setting *setting, double memory_bytes) {
    *setting = (struct setting){.model = {.name = "small",
                                          .layers = SMALL_LAYERS,
                                          .hidden = 1024,
                                          .heads = 8,
                                          .kv_heads = 8,
                                          .head_dim = 128,
                                          .ffn_hidden = 4096,
                                          .vocab = 32000}};
    setting->model.experts.every = 1;
    make_cluster(&setting->cluster, memory_bytes);
    setting->problem = (struct search_problem){.model = &setting->model,
                                               .cluster = &setting->cluster,
                                               .devices = 16,
                                               .top = 3,
                                               .training = {.sequence = 2048,
                                                            .global_batch = 32,
                                                            .attention = ATTENTION_FLASH,
                                                            .stack = stack_find("megatron-core")}};
}

#endif
