/* The search against itself without pruning, and against every layout one by one. */
#include "check.h"

#include <math.h>
#include <string.h>

#include "planner/search/search.h"
#include "planner/search/search_pool.h"
#include "planner/search/search_space.h"

enum {
    RANDOM_PROBLEMS = 600,
    OFFLOAD_PROBLEMS = 120,
    MOVED_PROBLEMS = 40,
    UNEQUAL_PROBLEMS = 400,
    MICRO_BATCH_PROBLEMS = 200
};

static uint64_t random_state;

/* xorshift64*: the same problems in every run. */
static uint64_t random_bits(void) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static int64_t random_of(const int64_t *values, size_t count) {
    return values[random_bits() >> 33 & 0x7fffffff ? (random_bits() >> 33) % count : 0];
}

#define PICK(...)                                                                                            \
    random_of((const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

struct setting {
    struct model model;
    struct cluster cluster;
    struct search_problem problem;
};

static void make_cluster(struct cluster *cluster, double memory_bytes) {
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

static void make_model(struct model *model) {
    *model = (struct model){.name = "random", .head_dim = 128};
    model->layers = PICK(2, 3, 4, 6, 7, 8, 12, 14, 16);
    model->heads = PICK(4, 6, 8, 12, 16);
    model->hidden = model->heads * model->head_dim;
    model->kv_heads = PICK(0, 1) ? model->heads : 2;
    model->ffn_hidden = 4 * model->hidden;
    model->gated = PICK(0, 1) != 0;
    model->norm = model->gated ? NORM_RMSNORM : NORM_LAYERNORM;
    model->vocab = 32000;
    model->tied_embeddings = PICK(0, 1) != 0;
    model->experts.every = 1;
    if (PICK(0, 1) != 0) {
        model->experts.count = PICK(4, 6, 8);
        model->experts.top_k = 2;
        model->experts.ffn_hidden = model->hidden;
        model->experts.first_dense_layers = PICK(0, 1);
        model->experts.every = PICK(1, 1, 2);
        model->experts.shared = PICK(0, 1);
        model->experts.shared_ffn_hidden = model->hidden;
    }
    if (PICK(0, 0, 0, 1) != 0)
        model->mla = (struct model_mla){.q_lora_rank = PICK(0, 512),
                                        .kv_lora_rank = 256,
                                        .qk_nope_head_dim = 128,
                                        .qk_rope_head_dim = 64,
                                        .v_head_dim = 128};
}

static void give(struct layout_request *request, enum layout_key key, int64_t value) {
    request->keys[key].count = 1;
    request->keys[key].values[0] = value;
}

static void add_store(struct cluster *cluster) {
    cluster->store = (struct cluster_store){.name = "store",
                                            .capacity_bytes = (double)PICK(1, 100, 10000) * 1e9,
                                            .bytes_per_second = 5e9,
                                            .total_bytes_per_second = PICK(0, 1) ? 20e9 : 0,
                                            .memory_bytes_per_second = PICK(0, 1) ? 1e12 : 0,
                                            .broadcast = PICK(0, 1) != 0};
}

/* Two sets of modules, of which neither needs to hold the other. */
static void give_modules(struct layout_request *request) {
    int64_t sets[2];
    for (int i = 0; i < 2; i++)
        sets[i] = PICK(RECOMPUTE_BIT(CORE_ATTENTION), RECOMPUTE_BIT(LAYERNORM), RECOMPUTE_BIT(MLP)) |
                  PICK(0, RECOMPUTE_BIT(MOE_ACTIVATION), RECOMPUTE_BIT(MOE), RECOMPUTE_BIT(OPERATIONS),
                       RECOMPUTE_BIT(MLA_UP_PROJECTION));
    give(request, LAYOUT_RECOMPUTE_MODULES, sets[0] < sets[1] ? sets[0] : sets[1]);
    if (sets[0] != sets[1])
        request->keys[LAYOUT_RECOMPUTE_MODULES].values[request->keys[LAYOUT_RECOMPUTE_MODULES].count++] =
            sets[0] > sets[1] ? sets[0] : sets[1];
}

static void make_random(struct setting *setting) {
    static const char *const names[] = {"megatron-core", "megatron-2022", "fsdp", "megatron-deepspeed"};
    struct search_problem *problem = &setting->problem;
    make_model(&setting->model);
    make_cluster(&setting->cluster, (double)PICK(15, 20, 25, 30, 50, 80, 160, 800) * 1e8);
    *problem = (struct search_problem){.model = &setting->model, .cluster = &setting->cluster, .top = 4};
    problem->devices = PICK(1, 2, 4, 6, 8, 8, 12, 16, 24);
    problem->alike = PICK(0, 0, 1) != 0;
    problem->training = (struct training){.sequence = PICK(512, 1024, 4096),
                                          .global_batch = PICK(4, 8, 12, 24, 48),
                                          .attention = PICK(0, 1) ? ATTENTION_FLASH : ATTENTION_UNFUSED,
                                          .routing = {.dispatcher = (enum dispatcher)PICK(0, 1, 2),
                                                      .overlap = PICK(0, 1) != 0,
                                                      .imbalance = (double)PICK(0, 1, 2)},
                                          .stack = stack_find(names[PICK(0, 1, 2, 3)])};
    if (PICK(0, 0, 1) != 0)
        give(&problem->request, LAYOUT_RECOMPUTE, PICK(0, 1, 2));
    if (PICK(0, 0, 0, 0, 0, 1) != 0) {
        give(&problem->request, LAYOUT_RECOMPUTE_LAYERS, PICK(1, 2));
        problem->request.keys[LAYOUT_RECOMPUTE_LAYERS].values[1] = 4;
        problem->request.keys[LAYOUT_RECOMPUTE_LAYERS].count = 2;
    }
    if (PICK(0, 0, 0, 1) != 0)
        give_modules(&problem->request);
    if (PICK(0, 0, 0, 0, 0, 1) != 0)
        give(&problem->request, LAYOUT_FIRST_STAGE_LAYERS, PICK(1, 2, 3));
    if (PICK(0, 0, 0, 1) != 0)
        give(&problem->request, LAYOUT_ZERO, PICK(0, 1, 3));
    if (PICK(0, 0, 0, 1) != 0)
        give(&problem->request, LAYOUT_SEQUENCE_PARALLEL, PICK(0, 1));
    if (PICK(0, 0, 0, 1) != 0) {
        setting->cluster.node.host_memory_bytes = 1e12;
        setting->cluster.node.host_link_bytes_per_second = 25e9;
    }
    if (PICK(0, 0, 0, 1) != 0)
        add_store(&setting->cluster);
}

static void assert_same_layout(const struct layout *a, const struct layout *b) {
    for (int key = 0; key < LAYOUT_KEY_COUNT; key++)
        if (layout_get(a, (enum layout_key)key) != layout_get(b, (enum layout_key)key)) {
            char left[512], right[512];
            fail_msg("%s and not %s", layout_format(a, left, sizeof left),
                     layout_format(b, right, sizeof right));
        }
}

static void assert_same_result(const struct search_result *pruned, const struct search_result *whole) {
    assert_int_equal(pruned->looked.layouts, whole->looked.layouts);
    assert_int_equal(whole->looked.pruned, 0);
    assert_int_equal(whole->looked.evaluated, whole->looked.feasible);
    assert_true(pruned->looked.evaluated <= whole->looked.evaluated);
    assert_true(pruned->looked.evaluated + pruned->looked.pruned <= pruned->looked.layouts);
    assert_int_equal(pruned->plan_count, whole->plan_count);
    for (size_t i = 0; i < whole->plan_count; i++) {
        assert_same_layout(&pruned->plans[i].layout, &whole->plans[i].layout);
        assert_same_double(pruned->plans[i].step.seconds, whole->plans[i].step.seconds);
        if (i > 0)
            assert_true(whole->plans[i - 1].step.seconds <= whole->plans[i].step.seconds);
    }
    assert_int_equal(pruned->nearest.found, whole->nearest.found);
    if (whole->nearest.found) {
        assert_int_equal(whole->plan_count, 0);
        assert_same_layout(&pruned->nearest.layout, &whole->nearest.layout);
        assert_string_equal(pruned->nearest.why, whole->nearest.why);
    }
}

/* What came of some problems, each searched with and without pruning. */
struct tally {
    int infeasible, impossible, offloaded;
    int won;     /* by offload, where something fits without */
    int partial; /* whose best plan recomputes some layers of a chunk */
    int64_t evaluated, costed;
};

/* Whether moving things out is faster than what fits without. */
static bool wins(const struct setting *setting, const struct search_result *result, struct arena *arena) {
    struct search_problem problem = setting->problem;
    struct search_result without;
    struct error error = {0};
    if (result->plan_count == 0 || result->plans[0].layout.offload == OFFLOAD_NONE)
        return false;
    problem.request.keys[LAYOUT_OFFLOAD].count = 0;
    layout_request_fix(&problem.request, LAYOUT_OFFLOAD, OFFLOAD_NONE);
    problem.exhaustive = false;
    if (!search_run(&problem, arena, &without, &error) || without.plan_count == 0)
        return false;
    assert_true(result->plans[0].step.seconds <= without.plans[0].step.seconds);
    return result->plans[0].step.seconds < without.plans[0].step.seconds;
}

static void search_both(struct setting *setting, struct tally *tally) {
    struct arena *arena = arena_create();
    struct search_result pruned, whole;
    struct error error = {0};
    bool posed = search_run(&setting->problem, arena, &pruned, &error);
    setting->problem.exhaustive = setting->problem.simulates_all = true;
    assert_int_equal(search_run(&setting->problem, arena, &whole, &error), posed);
    if (posed) {
        assert_same_result(&pruned, &whole);
        tally->infeasible += pruned.plan_count == 0;
        tally->offloaded += pruned.plan_count > 0 && pruned.plans[0].layout.offload;
        tally->partial += pruned.plan_count > 0 && pruned.plans[0].layout.recompute_layers > 0 &&
                          setting->problem.request.keys[LAYOUT_RECOMPUTE_LAYERS].count == 0;
        tally->won +=
            setting->problem.request.keys[LAYOUT_OFFLOAD].count == 0 && wins(setting, &whole, arena);
        tally->evaluated += pruned.looked.evaluated;
        tally->costed += whole.looked.evaluated;
    }
    tally->impossible += !posed;
    arena_destroy(arena);
}

static void print_tally(const struct tally *tally, int problems) {
    print_message("    %d problems: %d that nothing fits, %d without a layout, %d with offload, faster than "
                  "without in %d; "
                  "%d that recompute some layers; %lld of %lld layouts costed\n",
                  problems, tally->infeasible, tally->impossible, tally->offloaded, tally->won,
                  tally->partial, (long long)tally->evaluated, (long long)tally->costed);
}

static void test_pruned_is_exact(void **state) {
    struct tally tally = {0};
    (void)state;
    random_state = 1;
    for (int i = 0; i < RANDOM_PROBLEMS; i++) {
        struct setting setting;
        make_random(&setting);
        search_both(&setting, &tally);
    }
    print_tally(&tally, RANDOM_PROBLEMS);
    assert_true(tally.infeasible >= 10 && tally.impossible >= 1 && tally.won >= 4);
    assert_true(tally.evaluated < tally.costed);
}

/* Few layers, so that stages are unlike, with heads of any size; few micro-batches; links from fast to so
 * slow that transfers take longer than passes; in half of the problems schedules that the stack lacks. */
static void test_unequal_stages_are_exact(void **state) {
    struct tally tally = {0};
    (void)state;
    random_state = 4;
    for (int i = 0; i < UNEQUAL_PROBLEMS; i++) {
        struct setting setting;
        struct search_problem *problem = &setting.problem;
        make_random(&setting);
        setting.model.layers = PICK(1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16);
        setting.model.experts.first_dense_layers = setting.model.experts.count > 0 ? PICK(0, 0, 1) : 0;
        setting.model.vocab = PICK(8000, 32000, 128000, 256000);
        setting.cluster.device.memory_bytes = 80e9;
        setting.cluster.levels[0].bandwidth_bytes_per_second = (double)PICK(1, 10, 300) * 1e9;
        setting.cluster.levels[1].bandwidth_bytes_per_second = (double)PICK(1, 5, 25) * 1e9;
        problem->devices = PICK(2, 3, 4, 6, 8, 12, 16);
        problem->training.global_batch = PICK(1, 2, 3, 4, 6, 8, 12, 16);
        problem->request = (struct layout_request){0};
        give(&problem->request, LAYOUT_OFFLOAD, OFFLOAD_NONE);
        if (PICK(0, 1) != 0)
            for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++)
                problem->request.keys[LAYOUT_SCHEDULE]
                    .values[problem->request.keys[LAYOUT_SCHEDULE].count++] = schedule;
        search_both(&setting, &tally);
    }
    print_tally(&tally, UNEQUAL_PROBLEMS);
    assert_true(tally.infeasible == 0 && tally.impossible < UNEQUAL_PROBLEMS / 3);
    assert_true(tally.evaluated < tally.costed);
}

/* Devices with little memory, and hosts and stores to help them out; in some problems what goes out is given.
 */
static void test_offload_is_exact(void **state) {
    struct tally tally = {0};
    (void)state;
    random_state = 2;
    for (int i = 0; i < OFFLOAD_PROBLEMS; i++) {
        struct setting setting;
        make_random(&setting);
        setting.cluster.device.memory_bytes = (double)PICK(12, 15, 18, 22, 26) * 1e8;
        setting.cluster.node.host_memory_bytes = (double)PICK(0, 10, 1000) * 1e9;
        setting.cluster.node.host_link_bytes_per_second = (double)PICK(25, 200) * 1e9;
        if (PICK(0, 1))
            add_store(&setting.cluster);
        if (PICK(0, 0, 1) != 0) {
            give(&setting.problem.request, LAYOUT_OFFLOAD, PICK(0, 1, 2));
            setting.problem.request.keys[LAYOUT_OFFLOAD].values[1] = PICK(3, 4, 5, 6, 7);
            setting.problem.request.keys[LAYOUT_OFFLOAD].count = 2;
        }
        search_both(&setting, &tally);
    }
    print_tally(&tally, OFFLOAD_PROBLEMS);
    assert_true(tally.infeasible >= 5 && tally.offloaded >= 40 && tally.won >= 6);
    assert_true(tally.evaluated < tally.costed);
}

static double seconds_of(struct cost_context *context, const struct layout *layout, enum offload offload,
                         enum pipeline_method method) {
    struct layout moved = *layout;
    struct step_cost cost;
    moved.offload = offload;
    cost_evaluate(context, &moved, method, &cost, NULL);
    return cost.seconds;
}

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
            if (more < less * (1 - 1e-12)) {
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
            if (seconds < before * (1 - 1e-12)) {
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
        setting.cluster.node.host_memory_bytes = (double)PICK(10, 1000) * 1e9;
        setting.cluster.node.host_link_bytes_per_second = (double)PICK(5, 25, 100) * 1e9;
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
        struct cluster cluster;
        struct training training = {.sequence = 4096,
                                    .global_batch = 64,
                                    .precision = (enum precision)PICK(PRECISION_BF16, PRECISION_FP8),
                                    .attention =
                                        (enum attention_kernel)PICK(ATTENTION_FLASH, ATTENTION_UNFUSED),
                                    .stack = stack_find(stack_names[PICK(0, 1, 2)])};
        const char *model_name = models[PICK(0, 1, 2, 3)], *cluster_name = clusters[PICK(0, 1, 2, 3)];
        assert_true(model_read(arena_print(arena, SOURCE_DIR "/examples/models/%s.yaml", model_name), arena,
                               &model, &error));
        assert_true(cluster_read(arena_print(arena, SOURCE_DIR "/topologies/%s.yaml", cluster_name), arena,
                                 &cluster, &error));
        struct cost_context *context = cost_context_create(arena, &model, &cluster, &training);
        struct layout layout = {.tp = PICK(1, 2, 4, 8, 16),
                                .pp = 2,
                                .vpp = 1,
                                .cp = PICK(1, 2, 8, 64),
                                .ep = 1,
                                .etp = 1,
                                .dp = 1,
                                .recompute = (enum recompute)PICK(0, 1, 2),
                                .recompute_modules = PICK(0, RECOMPUTE_BIT(MOE), RECOMPUTE_BIT(LAYERNORM)),
                                .overlap = {PICK(0, 1) != 0, true, true}};
        layout.sequence_parallel = layout.tp > 1 && PICK(0, 1) != 0;
        nearest = fmax(nearest, assert_sequences_take_least(context, layout));
        arena_destroy(arena);
    }
    print_message("    nearest %.3f\n", nearest);
    assert_true(nearest > 0.9); /* and it is of use */
}

enum { SMALL_LAYERS = 8 };

/* A dense model small enough to try every layout of every key. */
static void make_small(struct setting *setting, double memory_bytes) {
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

static bool is_equal(const struct search_problem *problem, int64_t chunks) {
    return problem->model->layers % chunks == 0 || (problem->model->layers + 2) % chunks == 0;
}

/* Equal chunks, or as many as there can be where none are equal. */
static bool may_interleave(const struct search_problem *problem, int64_t pp, int64_t vpp) {
    bool any = false;
    for (int64_t chunks = 2 * pp; chunks <= problem->model->layers + 2; chunks += pp)
        any = any || is_equal(problem, chunks);
    return is_equal(problem, pp * vpp) ||
           (!any && problem->training.stack->own_chunks && vpp == problem->model->layers / pp);
}

/* Calls `try` for all layouts of tp, pp, cp and dp, and of the ends' layers, moving nothing out or what the
 * stack moves; full recompute of all layers, or, where activations stay, of some. */
static void for_every_variant(const struct search_problem *problem, const struct layout *split,
                              void (*try)(const struct search_problem *, const struct layout *, void *),
                              void *data) {
    struct layout layout = *split;
    for (int64_t rest = 0; rest < 64 * 8 * SCHEDULE_COUNT * 3 * 2 * 4 * 2; rest++) {
        layout.micro_batch = rest % 64 + 1;
        layout.vpp = rest / 64 % 8 + 1;
        layout.schedule = (enum schedule)(rest / (64 * 8) % SCHEDULE_COUNT);
        layout.recompute = (enum recompute)(rest / (64 * 8 * SCHEDULE_COUNT) % 3);
        layout.recompute_modules = layout.recompute == RECOMPUTE_SELECTIVE ? RECOMPUTE_BIT(MLP) : 0;
        layout.sequence_parallel = rest / (64 * 8 * SCHEDULE_COUNT * 3) % 2 != 0;
        layout.zero = rest / (64 * 8 * SCHEDULE_COUNT * 3 * 2) % 4;
        layout.order = (enum rank_order)(rest / (64 * 8 * SCHEDULE_COUNT * 3 * 2 * 4));
        if (!layout_valid(&layout, problem->model, problem->training.sequence, problem->training.global_batch,
                          NULL, 0))
            continue;
        if (problem->request.keys[LAYOUT_SCHEDULE].count == 0 &&
            !(problem->training.stack->schedules & 1U << layout.schedule))
            continue;
        if ((layout.vpp > 1 && !layout_has_own_ends(&layout) &&
             !may_interleave(problem, layout.pp, layout.vpp)) ||
            (layout.order > 0 && (layout.pp == 1 || layout.dp == 1)) || (layout.zero > 1 && layout.pp > 1) ||
            (layout.zero > 0 && layout.dp * layout.cp == 1 && layout_expert_dp(&layout) == 1))
            continue; /* the same layout as another one, or one that no framework runs */
        for (int64_t place = 0; place < OFFLOAD_COUNT * SMALL_LAYERS; place++) {
            enum offload offload = (enum offload)(place % OFFLOAD_COUNT);
            int64_t layers = place / OFFLOAD_COUNT;
            bool moves = problem->cluster->node.host_memory_bytes > 0 &&
                         (problem->training.stack->offloads & 1U << offload) != 0;
            layout.offload = offload;
            layout.recompute_layers = layers;
            if ((offload != OFFLOAD_NONE && !moves) ||
                (layers > 0 && (layout.recompute != RECOMPUTE_FULL || offload_activations(offload) ||
                                layers >= layout_most_chunk_layers(&layout, problem->model))))
                continue;
            try(problem, &layout, data);
        }
        layout.offload = OFFLOAD_NONE;
        layout.recompute_layers = 0;
    }
}

/* Calls `try` for all layouts of the space, from all numbers there are. */
static void for_every_layout(const struct search_problem *problem,
                             void (*try)(const struct search_problem *, const struct layout *, void *),
                             void *data) {
    int64_t most = problem->devices;
    struct layout layout = {.ep = 1, .etp = 1};
    struct arena *arena = arena_create();
    struct cost_context *context =
        cost_context_create(arena, problem->model, problem->cluster, &problem->training);
    const struct stage_ends *ends;
    layout.overlap =
        (struct layout_overlap){problem->training.stack->overlap_tp, problem->training.stack->overlap_dp,
                                problem->training.stack->overlap_pp};
    for (layout.tp = 1; layout.tp <= most; layout.tp++)
        for (layout.pp = 1; layout.pp <= most; layout.pp++)
            for (layout.cp = 1; layout.cp <= most; layout.cp++) {
                if (most % (layout.tp * layout.pp * layout.cp) != 0)
                    continue;
                layout.dp = most / (layout.tp * layout.pp * layout.cp);
                layout.first_stage_layers = layout.last_stage_layers = 0;
                for_every_variant(problem, &layout, try, data);
                size_t count = search_balanced_ends(problem, context, layout.tp, layout.pp, &ends);
                for (size_t i = 0; i < count; i++) {
                    layout.first_stage_layers = ends[i].first;
                    layout.last_stage_layers = ends[i].last;
                    for_every_variant(problem, &layout, try, data);
                }
            }
    arena_destroy(arena);
}

struct best {
    int64_t layouts, feasible;
    double seconds;
    struct arena *arena;
    struct cost_context *context;
};

static void try_layout(const struct search_problem *problem, const struct layout *layout, void *data) {
    struct best *best = data;
    struct memory_use use;
    struct step_cost cost;
    best->layouts++;
    memory_estimate(problem->model, problem->cluster, &problem->training, layout, &use, NULL);
    if (!memory_fits(&use))
        return;
    best->feasible++;
    cost_evaluate(best->context, layout, PIPELINE_SIMULATED, &cost, NULL);
    best->seconds = fmin(best->seconds, cost.seconds);
}

/* The space is what one gets by trying all numbers, and no layout of it is faster than the best plan, each
 * simulated. */
static void test_best_of_every_layout(void **state) {
    static const double memories[] = {1.2e9, 2e9, 80e9, 1e9, 2e9}, hosts[] = {0, 1e12, 0, 2e11, 0};
    static const int64_t layers[] = {SMALL_LAYERS, SMALL_LAYERS, SMALL_LAYERS, SMALL_LAYERS, 7};
    (void)state;
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        struct arena *arena = arena_create();
        struct setting setting;
        struct search_result result;
        struct error error = {0};
        struct best best = {.seconds = HUGE_VAL, .arena = arena};
        make_small(&setting, memories[i]);
        setting.model.layers = layers[i];
        setting.cluster.node.host_memory_bytes = hosts[i];
        setting.cluster.node.host_link_bytes_per_second = 200e9;
        if (i > 0 && i < 3) /* also those that the stack lacks */
            for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++)
                setting.problem.request.keys[LAYOUT_SCHEDULE]
                    .values[setting.problem.request.keys[LAYOUT_SCHEDULE].count++] = schedule;
        best.context =
            cost_context_create(arena, &setting.model, &setting.cluster, &setting.problem.training);
        for_every_layout(&setting.problem, try_layout, &best);
        setting.problem.exhaustive = setting.problem.simulates_all = true;
        assert_true(search_run(&setting.problem, arena, &result, &error));
        print_message("    %lld layouts, %lld fit, best %.4g s, offload %s\n", (long long)best.layouts,
                      (long long)best.feasible, best.seconds, offload_names[result.plans[0].layout.offload]);
        assert_true(result.plan_count > 0);
        assert_int_equal(result.looked.layouts, best.layouts);
        assert_int_equal(result.looked.feasible, best.feasible);
        assert_true(result.plans[0].step.seconds <= best.seconds);
        arena_destroy(arena);
    }
}

/* 13 layers, on 4 stages: no chunks are equal, with the ends' two layers or without. */
static void test_unequal_chunks_are_interleaved(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result unequal, whole;
    struct error error = {0};
    (void)state;
    make_small(&setting, 80e9);
    setting.model.layers = 13;
    setting.problem.training.global_batch = 16;
    layout_request_fix(&setting.problem.request, LAYOUT_PP, 4);
    layout_request_fix(&setting.problem.request, LAYOUT_TP, 4);
    assert_true(search_run(&setting.problem, arena, &unequal, &error));
    layout_request_fix(&setting.problem.request, LAYOUT_VPP, 1);
    assert_true(search_run(&setting.problem, arena, &whole, &error));
    assert_true(unequal.plans[0].layout.vpp > 1);
    assert_false(search_has_equal_chunks(&setting.model, 4, unequal.plans[0].layout.vpp));
    assert_true(unequal.plans[0].step.seconds < whole.plans[0].step.seconds);
    print_message("    %.4g s instead of %.4g\n", unequal.plans[0].step.seconds, whole.plans[0].step.seconds);
    setting.problem.request.keys[LAYOUT_VPP].count = 0;
    setting.problem.training.stack = stack_find("megatron-2022"); /* deals equal ones alone */
    assert_true(search_run(&setting.problem, arena, &whole, &error));
    assert_int_equal(whole.plans[0].layout.vpp, 1);
    arena_destroy(arena);
}

static void test_request_is_kept(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result result;
    struct error error = {0};
    (void)state;
    make_small(&setting, 80e9);
    assert_true(layout_request_parse("tp=2,4 recompute=full zero=1 micro_batch=2 sequence_parallel=false",
                                     &setting.problem.request, &error));
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_true(result.plan_count > 1);
    for (size_t i = 0; i < result.plan_count; i++) {
        const struct layout *layout = &result.plans[i].layout;
        assert_true(layout->tp == 2 || layout->tp == 4);
        assert_int_equal(layout->recompute, RECOMPUTE_FULL);
        assert_int_equal(layout->zero, 1);
        assert_int_equal(layout->micro_batch, 2);
        assert_false(layout->sequence_parallel);
        assert_int_equal(result.plans[i].devices, 16);
        assert_int_equal(result.plans[i].nodes, 2);
    }
    arena_destroy(arena);
}

static bool same_split(const struct layout *a, const struct layout *b) {
    return a->tp == b->tp && a->pp == b->pp && a->cp == b->cp && a->dp == b->dp && a->ep == b->ep &&
           a->etp == b->etp && a->offload == b->offload;
}

/* Runners-up are of another split, unless there is one only or alike ones are asked for. */
static void test_runners_up_differ(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result result;
    struct error error = {0};
    (void)state;
    make_small(&setting, 80e9);
    setting.problem.top = 12;
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_int_equal(result.plan_count, 12);
    for (size_t i = 0; i < result.plan_count; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(same_split(&result.plans[i].layout, &result.plans[j].layout));
    layout_request_fix(&setting.problem.request, LAYOUT_TP, 2);
    layout_request_fix(&setting.problem.request, LAYOUT_PP, 2);
    layout_request_fix(&setting.problem.request, LAYOUT_CP, 1);
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_true(result.plan_count > 3);
    for (size_t i = 0; i < result.plan_count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct layout *a = &result.plans[i].layout, *b = &result.plans[j].layout;
            assert_true(same_split(a, b));
            assert_true(a->vpp != b->vpp || a->recompute != b->recompute || a->schedule != b->schedule ||
                        a->last_stage_layers != b->last_stage_layers);
        }
    setting.problem.request = (struct layout_request){0};
    assert_true(layout_request_parse("tp=2 pp=2 cp=1 schedule=1f1b recompute=none zero=1 order=tp-cp-dp-pp "
                                     "sequence_parallel=true first_stage_layers=0",
                                     &setting.problem.request, &error));
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_int_equal(result.plan_count, 1);
    setting.problem.alike = true; /* 32 sequences on dp 4: micro-batches of 1, 2, 4, 8 */
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_int_equal(result.plan_count, 4);
    arena_destroy(arena);
}

static void test_nothing_fits(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result result;
    struct error error = {0};
    (void)state;
    make_small(&setting, 7e8);
    assert_true(search_run(&setting.problem, arena, &result, &error));
    assert_int_equal(result.plan_count, 0);
    assert_int_equal(result.looked.feasible, 0);
    assert_int_equal(result.looked.evaluated, 0);
    assert_true(result.nearest.found);
    assert_string_equal(result.nearest.bound, "memory");
    assert_true(result.nearest.memory.per_device_bytes > 7e8);
    assert_non_null(strstr(result.nearest.why, "over the device's 700"));
    arena_destroy(arena);
}

/* What finds no place, on a device and in its share of the host. */
static double excess_of(const struct setting *setting, const struct near_miss *nearest) {
    const struct cluster_node *node = &setting->cluster.node;
    return fmax(0, nearest->memory.per_device_bytes - nearest->memory.capacity_bytes) +
           fmax(0, nearest->memory.host_bytes_per_device - node->host_memory_bytes / (double)node->devices);
}

/* With offload both memories count: a host too small must not hide what the device lacks, nor one
 * recomputation from another. */
static void test_nearest_counts_both_memories(void **state) {
    static const char *const layouts[] = {"recompute=none offload=true", "recompute=full offload=true",
                                          "recompute=none offload=false", "recompute=full offload=false"};
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result free_choice, fixed;
    struct error error = {0};
    (void)state;
    make_small(&setting, 6e8);
    setting.cluster.node.host_memory_bytes = 16e6;
    setting.cluster.node.host_link_bytes_per_second = 25e9;
    assert_true(search_run(&setting.problem, arena, &free_choice, &error));
    assert_true(free_choice.nearest.found);
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        setting.problem.request = (struct layout_request){0};
        assert_true(layout_request_parse(layouts[i], &setting.problem.request, &error));
        assert_true(search_run(&setting.problem, arena, &fixed, &error));
        assert_true(fixed.nearest.found);
        assert_true(excess_of(&setting, &free_choice.nearest) <= excess_of(&setting, &fixed.nearest));
        if (fixed.nearest.layout.offload) {
            assert_non_null(strstr(fixed.nearest.why, "over the device's 600"));
            assert_non_null(strstr(fixed.nearest.why, "over the node's 16"));
        }
    }
    assert_int_equal(free_choice.nearest.layout.recompute, RECOMPUTE_FULL);
    arena_destroy(arena);
}

static void test_no_layout_at_all(void **state) {
    static const struct {
        const char *layout;
        const char *why;
    } cases[] = {{"tp=16", "heads 8 not divisible by tp 16"},
                 {"tp=3", "tp x pp x cp = 3 does not divide them"},
                 {"dp=32", "tp x pp x cp x dp = 32 does not divide them"},
                 {"ep=2", "ep 2 in a model without experts"},
                 {"micro_batch=5", "global_batch 32 not divisible by dp x micro_batch 80"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct arena *arena = arena_create();
        struct setting setting;
        struct search_result result;
        struct error error = {0};
        make_small(&setting, 80e9);
        assert_true(layout_request_parse(cases[i].layout, &setting.problem.request, &error));
        assert_false(search_run(&setting.problem, arena, &result, &error));
        if (strstr(error.what, cases[i].why) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.what, cases[i].why);
        arena_destroy(arena);
    }
}

/* More memory or bandwidth never hurts the best plan. */
static void test_better_clusters(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct error error = {0};
    double before = HUGE_VAL;
    (void)state;
    for (int i = 0; i < 5; i++) {
        struct search_result result;
        make_small(&setting, 1e9 * (1 << i));
        assert_true(search_run(&setting.problem, arena, &result, &error));
        assert_true(result.plan_count > 0 && result.plans[0].step.seconds <= before);
        before = result.plans[0].step.seconds;
    }
    before = HUGE_VAL;
    for (int i = 0; i < 5; i++) {
        struct search_result result;
        make_small(&setting, 2e9);
        setting.cluster.levels[1].bandwidth_bytes_per_second *= 1 << i;
        assert_true(search_run(&setting.problem, arena, &result, &error));
        assert_true(result.plans[0].step.seconds <= before);
        before = result.plans[0].step.seconds;
    }
    arena_destroy(arena);
}

/* A limit leaves the best plan where it is, and nothing where all are slower. */
static void test_limit(void **state) {
    (void)state;
    random_state = 4711;
    for (int i = 0; i < RANDOM_PROBLEMS / 4; i++) {
        struct arena *arena = arena_create();
        struct setting setting;
        struct search_result free_of_limit, limited;
        struct error error = {0};
        make_random(&setting);
        if (search_run(&setting.problem, arena, &free_of_limit, &error) && free_of_limit.plan_count > 0) {
            double best = free_of_limit.plans[0].step.seconds;
            /* Where all are too slow it would be tried what offload gives. */
            layout_request_fix(&setting.problem.request, LAYOUT_OFFLOAD,
                               free_of_limit.plans[0].layout.offload);
            setting.problem.limit_seconds = best;
            assert_true(search_run(&setting.problem, arena, &limited, &error));
            assert_true(limited.plan_count > 0);
            assert_same_double(limited.plans[0].step.seconds, best);
            assert_true(layout_alike(&limited.plans[0].layout, &free_of_limit.plans[0].layout));
            setting.problem.limit_seconds = best / 2;
            assert_true(search_run(&setting.problem, arena, &limited, &error));
            assert_int_equal(limited.plan_count, 0);
            assert_false(limited.nearest.found);
        }
        arena_destroy(arena);
    }
}

static void test_evaluate_is_what_plan_says(void **state) {
    struct arena *arena = arena_create();
    struct setting setting;
    struct search_result result;
    struct plan plan;
    struct error error = {0};
    (void)state;
    make_small(&setting, 80e9);
    setting.problem.training.tokens = 1e9;
    assert_true(search_run(&setting.problem, arena, &result, &error));
    search_evaluate(&setting.problem, &result.plans[0].layout, arena, &plan, NULL);
    assert_same_double(plan.step.seconds, result.plans[0].step.seconds);
    assert_same_double(plan.memory.per_device_bytes, result.plans[0].memory.per_device_bytes);
    assert_true(plan.mfu > 0 && plan.mfu < 1 && plan.total.days > 0);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pruned_is_exact),
        cmocka_unit_test(test_unequal_stages_are_exact),
        cmocka_unit_test(test_offload_is_exact),
        cmocka_unit_test(test_less_memory_only_adds),
        cmocka_unit_test(test_micro_batches_take_least),
        cmocka_unit_test(test_moving_out_may_pay),
        cmocka_unit_test(test_best_of_every_layout),
        cmocka_unit_test(test_unequal_chunks_are_interleaved),
        cmocka_unit_test(test_request_is_kept),
        cmocka_unit_test(test_runners_up_differ),
        cmocka_unit_test(test_nothing_fits),
        cmocka_unit_test(test_nearest_counts_both_memories),
        cmocka_unit_test(test_no_layout_at_all),
        cmocka_unit_test(test_better_clusters),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_evaluate_is_what_plan_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
