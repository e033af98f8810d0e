/* What the search takes for granted when it leaves layouts out. */
#include "check.h"

#include <math.h>

#include "planner/search/search_space.h"
#include "random_problem.h"
#include "shipped_cluster.h"

enum { MOVED_PROBLEMS = 40, MICRO_BATCH_PROBLEMS = 200 };

static double seconds_of(struct cost_context *context, const struct layout *layout, enum offload offload,
                         enum pipeline_method method) {
    struct layout moved = *layout;
    struct step_cost cost;
    moved.offload = offload;
    cost_evaluate(context, &moved, method, &cost, NULL);
    return cost.seconds;
}

/* Where another stage becomes the busiest by it, that one's longer backward pass may hide more of the
 * gradients than the pipeline takes longer. From 30 seeds this test saw up to 0.3 % by simulation and 0.9 %
 * by the closed form, which the search doesn't rank by. */
static const double HIDDEN_MORE = 0.01;

/* Each pair: what is moved out, and more. */
static void assert_only_adds(struct cost_context *context, const struct layout *layout) {
    static const enum offload pairs[][2] = {{OFFLOAD_NONE, OFFLOAD_ACTIVATIONS},
                                            {OFFLOAD_NONE, OFFLOAD_OPTIMIZER},
                                            {OFFLOAD_ACTIVATIONS, OFFLOAD_OPTIMIZER_ACTIVATIONS},
                                            {OFFLOAD_OPTIMIZER, OFFLOAD_OPTIMIZER_ACTIVATIONS},
                                            {OFFLOAD_GRADIENTS, OFFLOAD_GRADIENTS_ACTIVATIONS},
                                            {OFFLOAD_WEIGHTS, OFFLOAD_WEIGHTS_ACTIVATIONS}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        for (int method = PIPELINE_CLOSED_FORM; method <= PIPELINE_SIMULATED; method++) {
            double less = seconds_of(context, layout, pairs[i][0], (enum pipeline_method)method);
            double more = seconds_of(context, layout, pairs[i][1], (enum pipeline_method)method);
            if (more < less * (1 - HIDDEN_MORE)) {
                char text[512];
                fail_msg("%s takes %.9g s, with offload %s %.9g", layout_format(layout, text, sizeof text),
                         less, offload_names[pairs[i][1]], more);
            }
        }
}

/* None recomputed, some, and all. */
static void assert_recompute_only_adds(const struct setting *setting, struct cost_context *context,
                                       const struct layout *plan) {
    struct layout layout = *plan;
    int64_t most = layout_most_chunk_layers(&layout, &setting->model);
    for (int method = PIPELINE_CLOSED_FORM; method <= PIPELINE_SIMULATED; method++) {
        double before;
        layout.recompute = RECOMPUTE_NONE;
        layout.recompute_layers = layout.recompute_modules = 0;
        before = seconds_of(context, &layout, OFFLOAD_NONE, (enum pipeline_method)method);
        layout.recompute = RECOMPUTE_FULL;
        for (int64_t layers = 1; layers <= most; layers++) {
            double seconds;
            layout.recompute_layers = layers < most ? layers : 0;
            seconds = seconds_of(context, &layout, OFFLOAD_NONE, (enum pipeline_method)method);
            if (seconds < before * (1 - HIDDEN_MORE)) {
                char text[512];
                fail_msg("%s takes %.9g s, less than %.9g", layout_format(&layout, text, sizeof text),
                         seconds, before);
            }
            before = seconds;
        }
    }
}

/* What the search takes for granted of layouts that differ in what they move out or recompute alone. */
static void test_less_memory_only_adds(void **state) {
    int64_t layouts = 0;
    (void)state;
    random_state = 3;
    for (int i = 0; i < MOVED_PROBLEMS; i++) {
        struct arena *arena = arena_create();
        struct setting setting;
        struct search_result result;
        struct error error = {0};
        make_random(&setting);
        setting.cluster.node.host_memory_bytes = (double)PICK_INT(10, 1000) * 1e9;
        setting.cluster.node.host_link_bytes_per_second = (double)PICK_INT(5, 25, 100) * 1e9;
        setting.cluster.store = (struct cluster_store){0};
        setting.cluster.device.memory_bytes = 1e12;
        setting.problem.exhaustive = setting.problem.alike = true;
        setting.problem.top = 400;
        give(&setting.problem.request, LAYOUT_OFFLOAD, OFFLOAD_NONE);
        assert_true(cost_offload_only_adds(&setting.cluster));
        if (search_run(&setting.problem, arena, &result, &error)) {
            struct cost_context *context =
                cost_context_create(arena, &setting.model, &setting.cluster, &setting.problem.training);
            for (size_t j = 0; j < result.plan_count; j++)
                assert_only_adds(context, &result.plans[j].layout);
            for (size_t j = 0; j < result.plan_count; j++)
                assert_recompute_only_adds(&setting, context, &result.plans[j].layout);
            layouts += (int64_t)result.plan_count;
        }
        arena_destroy(arena);
    }
    print_message("    %lld layouts\n", (long long)layouts);
    assert_true(layouts >= 2000);
}

/* Of one layout in all its micro-batches; returns how near the bound came, as a share. */
static double assert_sequences_take_least(struct cost_context *context, struct layout layout) {
    double nearest = 0;
    for (layout.micro_batch = 1; layout.micro_batch <= SEARCH_MAX_MICRO_BATCH; layout.micro_batch++) {
        struct pipeline_work least, work;
        char text[512];
        cost_least_work_any_micro_batch(context, &layout, &least);
        cost_least_work_any_experts(context, &layout, &work);
        double share = pipeline_work_seconds(&least) / pipeline_work_seconds(&work);
        if (least.forward > work.forward || share > 1 || least.layer_seconds > work.layer_seconds ||
            least.last_seconds > work.last_seconds)
            fail_msg("%s: forward %.9g s of %.9g, share %.9g, a layer %.9g s of %.9g, the head %.9g of %.9g",
                     layout_format(&layout, text, sizeof text), least.forward, work.forward, share,
                     least.layer_seconds, work.layer_seconds, least.last_seconds, work.last_seconds);
        nearest = fmax(nearest, share);
    }
    return nearest;
}

/* What sequences take at least in micro-batches of any size, by which frames wait: shipped models on clusters
 * with both forms of kernels, with and without constants of their own. */
static void test_micro_batches_take_least(void **state) {
    static const char *const models[] = {"deepseek-v3", "gpt-4", "llama-3-8b", "gpt-3"};
    static const char *const clusters[] = {"dgx-a100-80g", "dgx-h100", "dgx-h800", "mi300x"};
    static const char *const stack_names[] = {"megatron-core", "megatron-2022", "fsdp"};
    double nearest = 0;
    (void)state;
    random_state = 7;
    for (int i = 0; i < MICRO_BATCH_PROBLEMS; i++) {
        struct arena *arena = arena_create();
        struct error error = {0};
        struct model model;
        struct training training = {.sequence = 4096,
                                    .global_batch = 64,
                                    .precision = (enum precision)PICK_INT(PRECISION_BF16, PRECISION_FP8),
                                    .attention =
                                        (enum attention_kernel)PICK_INT(ATTENTION_FLASH, ATTENTION_UNFUSED),
                                    .stack = stack_find(stack_names[PICK_INT(0, 1, 2)])};
        const char *model_name = models[PICK_INT(0, 1, 2, 3)], *cluster_name = clusters[PICK_INT(0, 1, 2, 3)];
        const struct cluster cluster = shipped_cluster(cluster_name, arena);
        assert_true(model_read(arena_print(arena, SOURCE_DIR "/examples/models/%s.yaml", model_name), arena,
                               &model, &error));
        struct cost_context *context = cost_context_create(arena, &model, &cluster, &training);
        struct layout layout = {.tp = PICK_INT(1, 2, 4, 8, 16),
                                .pp = 2,
                                .vpp = 1,
                                .cp = PICK_INT(1, 2, 8, 64),
                                .ep = 1,
                                .etp = 1,
                                .dp = 1,
                                .recompute = (enum recompute)PICK_INT(0, 1, 2),
                                .recompute_modules =
                                    PICK_INT(0, RECOMPUTE_BIT(MOE), RECOMPUTE_BIT(LAYERNORM)),
                                .overlap = {PICK_INT(0, 1) != 0, true, true}};
        layout.sequence_parallel = layout.tp > 1 && PICK_INT(0, 1) != 0;
        nearest = fmax(nearest, assert_sequences_take_least(context, layout));
        arena_destroy(arena);
    }
    print_message("    nearest %.3f\n", nearest);
    assert_true(nearest > 0.9); /* and it is of use */
}

/* A host or store that is faster than the device. */
static void test_moving_out_may_pay(void **state) {
    struct setting setting;
    (void)state;
    make_small(&setting, 80e9);
    assert_true(cost_offload_only_adds(&setting.cluster));
    setting.cluster.node.host_memory_bytes_per_second = 1e15;
    assert_false(cost_offload_only_adds(&setting.cluster));
    setting.cluster.node.host_memory_bytes_per_second = 0;
    setting.cluster.store = (struct cluster_store){
        .name = "store", .capacity_bytes = 1e13, .bytes_per_second = 1e9, .memory_bytes_per_second = 1e15};
    assert_false(cost_offload_only_adds(&setting.cluster));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_less_memory_only_adds),
        cmocka_unit_test(test_micro_batches_take_least),
        cmocka_unit_test(test_moving_out_may_pay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
