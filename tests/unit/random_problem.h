/* Random problems for the search, the same in every run. */
#ifndef CLUSTERPLAN_TESTS_RANDOM_PROBLEM_H
#define CLUSTERPLAN_TESTS_RANDOM_PROBLEM_H

#include "random_pick.h"
#include "search_setting.h"

static inline void make_model(struct model *model) {
    *model = (struct model){.name = "random", .head_dim = 128};
    model->layers = PICK_INT(2, 3, 4, 6, 7, 8, 12, 14, 16);
    model->heads = PICK_INT(4, 6, 8, 12, 16);
    model->hidden = model->heads * model->head_dim;
    model->kv_heads = PICK_INT(0, 1) ? model->heads : 2;
    model->ffn_hidden = 4 * model->hidden;
    model->gated = PICK_INT(0, 1) != 0;
    model->norm = model->gated ? NORM_RMSNORM : NORM_LAYERNORM;
    model->vocab = 32000;
    model->tied_embeddings = PICK_INT(0, 1) != 0;
    model->experts.every = 1;
    if (PICK_INT(0, 1) != 0) {
        model->experts.count = PICK_INT(4, 6, 8);
        model->experts.top_k = 2;
        model->experts.ffn_hidden = model->hidden;
        model->experts.first_dense_layers = PICK_INT(0, 1);
        model->experts.every = PICK_INT(1, 1, 2);
        model->experts.shared = PICK_INT(0, 1);
        model->experts.shared_ffn_hidden = model->hidden;
    }
    if (PICK_INT(0, 0, 0, 1) != 0)
        model->mla = (struct model_mla){.q_lora_rank = PICK_INT(0, 512),
                                        .kv_lora_rank = 256,
                                        .qk_nope_head_dim = 128,
                                        .qk_rope_head_dim = 64,
                                        .v_head_dim = 128};
    if (PICK_INT(0, 0, 1) != 0) {
        int64_t *tokens = PICK_INT(0, 0, 1) ? &model->attention_chunk : &model->window;
        *tokens = PICK_INT(1, 128, 1000, 2048);
        model->windowed_layers = model->layers / PICK_INT(1, 1, 2);
    }
}

static inline void add_store(struct cluster *cluster) {
    cluster->store = (struct cluster_store){.name = "store",
                                            .capacity_bytes = (double)PICK_INT(1, 100, 10000) * 1e9,
                                            .bytes_per_second = 5e9,
                                            .total_bytes_per_second = PICK_INT(0, 1) ? 20e9 : 0,
                                            .memory_bytes_per_second = PICK_INT(0, 1) ? 1e12 : 0,
                                            .broadcast = PICK_INT(0, 1) != 0};
}

/* Two sets of modules, of which neither needs to hold the other. */
static inline void give_modules(struct layout_request *request) {
    int64_t sets[2];
    for (int i = 0; i < 2; i++)
        sets[i] = PICK_INT(RECOMPUTE_BIT(CORE_ATTENTION), RECOMPUTE_BIT(LAYERNORM), RECOMPUTE_BIT(MLP)) |
                  PICK_INT(0, RECOMPUTE_BIT(MOE_ACTIVATION), RECOMPUTE_BIT(MOE), RECOMPUTE_BIT(OPERATIONS),
                           RECOMPUTE_BIT(MLA_UP_PROJECTION));
    give(request, LAYOUT_RECOMPUTE_MODULES, sets[0] < sets[1] ? sets[0] : sets[1]);
    if (sets[0] != sets[1])
        request->keys[LAYOUT_RECOMPUTE_MODULES].values[request->keys[LAYOUT_RECOMPUTE_MODULES].count++] =
            sets[0] > sets[1] ? sets[0] : sets[1];
}

static inline void make_random(struct setting *setting) {
    static const char *const names[] = {"megatron-core", "megatron-2022", "fsdp", "megatron-deepspeed"};
    struct search_problem *problem = &setting->problem;
    make_model(&setting->model);
    make_cluster(&setting->cluster, (double)PICK_INT(15, 20, 25, 30, 50, 80, 160, 800) * 1e8);
    *problem = (struct search_problem){.model = &setting->model, .cluster = &setting->cluster, .top = 4};
    problem->devices = PICK_INT(1, 2, 4, 6, 8, 8, 12, 16, 24);
    problem->alike = PICK_INT(0, 0, 1) != 0;
    problem->training = (struct training){.sequence = PICK_INT(512, 1024, 4096),
                                          .global_batch = PICK_INT(4, 8, 12, 24, 48),
                                          .attention = PICK_INT(0, 1) ? ATTENTION_FLASH : ATTENTION_UNFUSED,
                                          .routing = {.dispatcher = (enum dispatcher)PICK_INT(0, 1, 2),
                                                      .overlap = PICK_INT(0, 1) != 0,
                                                      .imbalance = (double)PICK_INT(0, 1, 2)},
                                          .stack = stack_find(names[PICK_INT(0, 1, 2, 3)])};
    if (PICK_INT(0, 0, 1) != 0)
        give(&problem->request, LAYOUT_RECOMPUTE, PICK_INT(0, 1, 2));
    if (PICK_INT(0, 0, 0, 0, 0, 1) != 0) {
        give(&problem->request, LAYOUT_RECOMPUTE_LAYERS, PICK_INT(1, 2));
        problem->request.keys[LAYOUT_RECOMPUTE_LAYERS].values[1] = 4;
        problem->request.keys[LAYOUT_RECOMPUTE_LAYERS].count = 2;
    }
    if (PICK_INT(0, 0, 0, 1) != 0)
        give_modules(&problem->request);
    if (PICK_INT(0, 0, 0, 0, 0, 1) != 0)
        give(&problem->request, LAYOUT_FIRST_STAGE_LAYERS, PICK_INT(1, 2, 3));
    if (PICK_INT(0, 0, 0, 1) != 0)
        give(&problem->request, LAYOUT_ZERO, PICK_INT(0, 1, 3));
    if (PICK_INT(0, 0, 0, 1) != 0)
        give(&problem->request, LAYOUT_SEQUENCE_PARALLEL, PICK_INT(0, 1));
    if (PICK_INT(0, 0, 0, 1) != 0) {
        setting->cluster.node.host_memory_bytes = 1e12;
        setting->cluster.node.host_link_bytes_per_second = 25e9;
    }
    if (PICK_INT(0, 0, 0, 1) != 0)
        add_store(&setting->cluster);
}

#endif
