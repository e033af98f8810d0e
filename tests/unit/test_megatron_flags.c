/* Plans as flags of Megatron-LM. */
#include "posed.h"

#include <string.h>

#include "planner/report/megatron_flags.h"
#include "planner/search/search.h"

/* All flags of the best plan in one line. */
static const char *flags_trained(struct arena *arena, const char *cluster, const char *precision,
                                 const char *model, const char *stack, const char *layout,
                                 const char *training) {
    const struct problem_flags flags = {.model = model,
                                        .training = training,
                                        .cluster = cluster,
                                        .precision = precision,
                                        .devices = "64",
                                        .global_batch = "256",
                                        .stack = stack,
                                        .layout = layout};
    struct problem *problem = ARENA_NEW(arena, struct problem);
    struct search_result result;
    struct megatron_flags list;
    struct error error = {0};
    const char *line = "";
    pose(arena, &flags, problem);
    problem_set_devices(problem, 64, 64);
    problem->search.cluster = &problem->cluster;
    must(search_run(&problem->search, arena, &result, &error), &error);
    assert_true(result.plan_count > 0);
    megatron_flags(&result.plans[0], arena, &list);
    for (size_t i = 0; i < list.count; i++)
        line = arena_print(arena, "%s%s ", line, list.flags[i]);
    return line;
}

static const char *flags_in(struct arena *arena, const char *cluster, const char *precision,
                            const char *model, const char *stack, const char *layout) {
    return flags_trained(arena, cluster, precision, model, stack, layout, NULL);
}

static const char *flags_of(struct arena *arena, const char *model, const char *stack, const char *layout) {
    return flags_in(arena, "dgx-h100", NULL, model, stack, layout);
}

static void assert_has(const char *line, const char *flag) {
    if (strstr(line, flag) == NULL)
        fail_msg("no \"%s\" in: %s", flag, line);
}

static void assert_lacks(const char *line, const char *flag) {
    if (strstr(line, flag) != NULL)
        fail_msg("\"%s\" in: %s", flag, line);
}

static void test_context_parallel(void **state) {
    static const char layout[] = "tp=1 pp=1 cp=2 ep=8";
    const char *windowed = SOURCE_DIR "/tests/cli/explain-window/model.yaml";
    assert_has(flags_of(*state, windowed, NULL, layout), "--context-parallel-size 2 --cp-comm-type a2a ");
    windowed = SOURCE_DIR "/tests/cli/plan-config-vision/config.json";
    assert_has(flags_of(*state, windowed, NULL, "tp=1 pp=1 cp=2"),
               "--context-parallel-size 2 --cp-comm-type all_gather ");
    assert_lacks(flags_of(*state, windowed, NULL, "tp=2 pp=1 cp=1"), "--cp-comm-type");
    assert_lacks(flags_of(*state, "llama-3-8b", NULL, "tp=1 pp=1 cp=2"), "--cp-comm-type");
}

static void test_dense(void **state) {
    const char *line = flags_of(*state, "llama-3-70b", NULL,
                                "tp=4 pp=4 cp=1 vpp=5 zero=1 recompute=full recompute_layers=2 "
                                "order=tp-cp-pp-dp micro_batch=1 offload=none");
    assert_has(line,
               "--seq-length 8192 --micro-batch-size 1 --global-batch-size 256 "
               "--tensor-model-parallel-size 4 --sequence-parallel --tp-comm-overlap "
               "--context-parallel-size 1 --pipeline-model-parallel-size 4 "
               "--num-virtual-stages-per-pipeline-rank 5 --use-tp-pp-dp-mapping "
               "--use-distributed-optimizer --overlap-grad-reduce --overlap-param-gather "
               "--recompute-granularity full --recompute-method block --recompute-num-layers 2 --bf16 ");
    assert_has(line, "--attention-dropout 0");
    assert_lacks(line, "expert");
    assert_lacks(line, "offload");
}

/* Where the overlap of tensor parallelism has no node to happen in, and nobody shards. */
static void test_beyond_a_node(void **state) {
    const char *line = flags_of(*state, "llama-3-70b", NULL,
                                "tp=16 pp=4 cp=1 vpp=1 zero=0 recompute=selective "
                                "recompute_modules=core_attn+mlp");
    assert_has(line, "--tensor-model-parallel-size 16 --sequence-parallel --context-parallel-size 1 ");
    assert_has(line, "--recompute-granularity selective --recompute-modules core_attn mlp ");
    assert_lacks(line, "--use-distributed-optimizer");
    assert_lacks(line, "--overlap-param-gather");
    assert_lacks(line, "--num-virtual-stages");
}

/* Chunks in the order a token meets them: of the ends alone, and with embedding and loss counted as layers.
 */
static void test_unequal_stages(void **state) {
    assert_has(flags_of(*state, "llama-3-70b", NULL,
                        "tp=8 pp=4 cp=1 vpp=1 first_stage_layers=18 last_stage_layers=20 micro_batch=1"),
               "--pipeline-model-parallel-layout \"Et*18|(t*21|)*2t*20L\" ");
    assert_has(flags_of(*state, "llama-3-70b", NULL, "tp=8 pp=2 cp=1 vpp=41 micro_batch=1"),
               "--pipeline-model-parallel-layout \"E|(t|)*80L\" ");
}

static void test_experts(void **state) {
    const char *line =
        flags_of(*state, "mixtral-8x22b", NULL,
                 "tp=2 pp=4 vpp=14 ep=8 etp=1 zero=1 recompute=selective recompute_modules=layernorm+moe_act "
                 "offload=optimizer+activations");
    assert_has(line, "--expert-model-parallel-size 8 --expert-tensor-parallel-size 1 --moe-grouped-gemm "
                     "--moe-token-dispatcher-type alltoall ");
    assert_has(line, "--recompute-modules layernorm moe_act ");
    /* Beyond a node it is another dispatcher. */
    assert_has(flags_of(*state, "qwen3-30b-a3b", NULL, "tp=1 pp=1 cp=1 ep=32 etp=1"),
               "--moe-token-dispatcher-type flex --moe-flex-dispatcher-backend deepep ");
    assert_lacks(line, "force-load-balancing");
    assert_has(flags_trained(*state, "dgx-h100", NULL, "qwen3-30b-a3b", NULL, "tp=1 pp=1 cp=1 ep=32 etp=1",
                             "routing: {balance: forced}"),
               "--moe-router-force-load-balancing ");
    assert_has(line, "--optimizer-cpu-offload --use-precision-aware-optimizer ");
    assert_has(line,
               "--offload-modules attn_norm qkv_linear core_attn attn_proj mlp_norm expert_fc1 moe_act ");
}

static void test_fp8(void **state) {
    const char *layout = "tp=2 pp=1 cp=1";
    assert_has(flags_in(*state, "dgx-h100", "fp8", "llama-3-8b", NULL, layout),
               "--bf16 --fp8-format hybrid --fp8-recipe tensorwise ");
    assert_has(flags_in(*state, "dgx-b200", "fp8", "llama-3-8b", NULL, layout),
               "--bf16 --fp8-format e4m3 --fp8-recipe mxfp8 ");
    assert_has(
        flags_trained(*state, "dgx-h100", "fp8", "llama-3-8b", NULL, layout, "recipe: {fp8_scaling: block}"),
        "--bf16 --fp8-format e4m3 --fp8-recipe blockwise --fp8-param-gather ");
}

static void test_kernels(void **state) {
    const char *layout = "tp=2 pp=1 cp=1";
    assert_has(
        flags_trained(*state, "dgx-h100", "bf16", "llama-3-8b", NULL, layout, "recipe: {rotary: unfused}"),
        "--no-rope-fusion ");
    assert_lacks(flags_of(*state, "llama-3-8b", NULL, layout), "--no-rope-fusion");
    layout = "tp=1 pp=1 cp=1 ep=8 etp=1";
    assert_has(flags_in(*state, "gb200-nvl72", "bf16", "qwen3-30b-a3b", NULL, layout),
               "--cuda-graph-modules attn moe_router moe_preprocess ");
    assert_has(flags_trained(*state, "dgx-h100", "bf16", "qwen3-30b-a3b", NULL, layout, "cuda_graphs: true"),
               "--cuda-graph-modules moe_router moe_preprocess ");
    assert_lacks(
        flags_trained(*state, "gb200-nvl72", "bf16", "qwen3-30b-a3b", NULL, layout, "cuda_graphs: false"),
        "--cuda-graph-modules");
}

static void test_optimizer(void **state) {
    const char *layout = "tp=2 pp=1 cp=1";
    assert_lacks(flags_of(*state, "llama-3-8b", NULL, layout), "precision-aware");
    assert_has(
        flags_trained(*state, "dgx-h100", NULL, "llama-3-8b", NULL, layout, "optimizer: {moments: 16-bit}"),
        "--use-precision-aware-optimizer --exp-avg-dtype bf16 --exp-avg-sq-dtype bf16 ");
    assert_has(flags_trained(*state, "dgx-h100", NULL, "llama-3-8b", NULL, layout, "optimizer: {kind: muon}"),
               "--optimizer muon ");
    assert_string_equal(
        flags_trained(*state, "dgx-h100", NULL, "llama-3-8b", NULL, layout, "optimizer: {master: none}"), "");
    assert_string_equal(flags_trained(*state, "dgx-h100", NULL, "llama-3-8b", NULL, layout,
                                      "optimizer: {kind: muon, moments: 16-bit}"),
                        "");
}

static void test_what_megatron_core_does_not_run(void **state) {
    assert_string_equal(flags_of(*state, "llama-3-8b", "fsdp", "tp=1 pp=1 cp=1"), "");
    assert_string_equal(flags_of(*state, "llama-3-8b", NULL, "tp=1 pp=4 cp=1 schedule=zb-1p"), "");
    assert_string_equal(flags_of(*state, "llama-3-8b", NULL, "tp=1 pp=1 cp=1 offload=weights"), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_context_parallel),
        cmocka_unit_test(test_beyond_a_node),
        cmocka_unit_test(test_unequal_stages),
        cmocka_unit_test(test_experts),
        cmocka_unit_test(test_fp8),
        cmocka_unit_test(test_kernels),
        cmocka_unit_test(test_optimizer),
        cmocka_unit_test(test_what_megatron_core_does_not_run),
    };
    return cmocka_run_group_tests(tests, create, destroy);
}
