/* What routed experts take: their exchange, and the traffic beside them. */
#include "check.h"

#include <math.h>

#include "cost_question.h"
#include "h100_cluster.h"
#include "planner/cost/communication.h"
#include "planner/cost/launch.h"
#include "shapes.h"
#include "shipped_cluster.h"

/* Experts dealt to as many devices as there are. */
static struct layout dealt_to(int64_t devices) {
    return (struct layout){
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = devices, .etp = 1, .dp = devices, .micro_batch = 1};
}

static double exchange_seconds(const struct cluster *cluster, const struct model *model,
                               const struct training *training, const struct layout *layout) {
    struct communication_problem problem = {model, cluster, training, layout, NULL, false, NULL, 0};
    struct communication_time time;
    communication_routed_experts(&problem, &time, NULL);
    return time.ep_forward;
}

/* Of 8 experts dealt at random over 2 nodes of 8 devices a token needs 1.992 nodes and 6.45 devices. */
static void each_copy_is_sent_once(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of(4096, 1024);
    struct layout layout = dealt_to(16);
    double token_bytes = 2. * 2048, tokens = 4096;
    assert_near(compute_copies(&model, 2), 1.9921875, 1e-12);
    assert_near(compute_copies(&model, 16), 16 * (1 - pow(15. / 16, 8)), 1e-12);
    assert_near(compute_copies(&model, 1), 1, 1e-12);
    /* DeepSeek-V3: of 8 groups 4, each a node of 64 devices, so 4 nodes as though there were no others. */
    struct model grouped = model;
    grouped.experts.groups = 8;
    grouped.experts.group_top_k = 4;
    assert_near(compute_copies(&grouped, 8), 4 * (1 - pow(3. / 4, 8)), 1e-12);
    assert_near(compute_copies(&grouped, 64), 32 * (1 - pow(31. / 32, 8)), 1e-12);
    assert_near(compute_copies(&grouped, 1), 1, 1e-12);
    /* Two nodes of 4 groups: all 4 drawn on one in 2 of 70 draws, 3 and 1 in 32, 2 and 2 in 36. */
    double missed = 2. / 70 + 32. / 70 * (pow(1. / 4, 8) + pow(3. / 4, 8)) + 36. / 70 * 2 * pow(1. / 2, 8);
    assert_near(compute_copies(&grouped, 2), 2 - missed, 1e-9);
    training.routing = (struct routing){.dispatcher = DISPATCHER_DEEPEP, .imbalance = 1};
    double once = exchange_seconds(&cluster, &model, &training, &layout);
    /* Handing on in the node takes longest: HybridEP was measured at 0.67 ms for each of the two. */
    assert_near(once, 2 * tokens * token_bytes * compute_copies(&model, 16) / (0.35 * 450e9), 1e-6);
    assert_near(once / 2, 0.67e-3, 0.05);
    training.routing.dispatcher = DISPATCHER_ALL_TO_ALL;
    double all = exchange_seconds(&cluster, &model, &training, &layout);
    assert_true(all > 2 * tokens * token_bytes * 8 / 2 / 50e9 && all > 2 * once);
    layout.ep = layout.dp = 64; /* the ports are slower than the nodes: 5.25 copies to 8 nodes instead of 8 */
    all = exchange_seconds(&cluster, &model, &training, &layout);
    training.routing.dispatcher = DISPATCHER_DEEPEP;
    once = exchange_seconds(&cluster, &model, &training, &layout);
    assert_near(once / all, 0.88 * compute_copies(&model, 8) / 8, 0.05);
    training.routing.dispatcher = DISPATCHER_ALL_TO_ALL;
    layout.ep = 8; /* within a node: 5.25 copies instead of 8 */
    layout.dp = 16;
    all = exchange_seconds(&cluster, &model, &training, &layout);
    training.routing.dispatcher = DISPATCHER_DEEPEP;
    once = exchange_seconds(&cluster, &model, &training, &layout);
    assert_near(once / all, 1.15 * compute_copies(&model, 8) / 8, 0.08);
    training.routing.imbalance = 1.5; /* the fullest device sets the pace */
    assert_near(exchange_seconds(&cluster, &model, &training, &layout), 1.5 * once, 0.08);
}

/* HybridEP on GB200, 4,096 tokens of 7,168 to 8 experts: GB/s out and back, on 8 devices and on 32, own
 * tokens counted (README_Hybrid-EP.md of DeepEP). Each way has a copy from or to its buffer, which is counted
 * with the routing. */
static void exchange_over_nvlink_takes_what_was_measured(void **state) {
    static const struct {
        int64_t devices;
        double out, back; /* bytes a second */
    } measured[] = {{8, 550.10e9, 538.44e9}, {32, 484.22e9, 464.54e9}};
    struct arena *arena = arena_create();
    struct cluster cluster = shipped_cluster("gb200-nvl72", arena);
    struct model model = qwen3_30b;
    struct training training = training_of(4096, 1024);
    (void)state;
    model.hidden = 7168;
    training.routing = (struct routing){.dispatcher = DISPATCHER_DEEPEP, .imbalance = 1};
    for (size_t i = 0; i < sizeof measured / sizeof *measured; i++) {
        struct layout layout = dealt_to(measured[i].devices);
        double bytes = 4096 * compute_copies(&model, (double)measured[i].devices) * 2 * 7168;
        double copies = 2 * compute_traffic_seconds(&cluster.device, 2 * bytes);
        assert_near(exchange_seconds(&cluster, &model, &training, &layout),
                    bytes / measured[i].out + bytes / measured[i].back - copies, 0.06);
    }
    arena_destroy(arena);
}

/* Nobody says whose exchange it is. */
static void exchange_is_assumed_as_software_has_it(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of(4096, 1024);
    struct layout layout = dealt_to(16);
    assert_int_equal(training_dispatcher(&training, &model, &cluster, &layout), DISPATCHER_DEEPEP);
    layout.ep = 8; /* in a node */
    assert_int_equal(training_dispatcher(&training, &model, &cluster, &layout), DISPATCHER_ALL_TO_ALL);
    training.routing.dispatcher = DISPATCHER_DEEPEP; /* but it was said */
    assert_int_equal(training_dispatcher(&training, &model, &cluster, &layout), DISPATCHER_DEEPEP);
    training.routing.dispatcher = DISPATCHER_DEFAULT;
    layout.etp = 2; /* 16 devices exchange */
    assert_int_equal(training_dispatcher(&training, &model, &cluster, &layout), DISPATCHER_DEEPEP);
    model.experts.capacity_factor = 1;
    assert_int_equal(training_dispatcher(&training, &model, &cluster, &layout), DISPATCHER_ALL_TO_ALL);
    model.experts.capacity_factor = 0;
    cluster.device.peak_flops[PRECISION_FP8] = 0; /* before Hopper */
    assert_int_equal(training_dispatcher(&training, &model, &cluster, &layout), DISPATCHER_ALL_TO_ALL);
    cluster = h100_cluster();
    training.stack = stack_find("fsdp"); /* in a node too */
    layout.ep = layout.etp = 1;
    assert_int_equal(training_dispatcher(&training, &model, &cluster, &layout), DISPATCHER_DEEPEP);
    /* Its experts come with Transformer Engine's attention, norms and rotary embedding. */
    struct model dense = model;
    dense.gated = model.gated = true;
    dense.experts.count = 0;
    assert_int_equal(training_flash(&training, &model, &cluster.device), FLASH_CUDNN);
    assert_int_equal(training_flash(&training, &dense, &cluster.device), FLASH_2);
    training.recipe.compiled = TOGGLE_OFF;
    assert_false(training_gate_is_eager(&training, &model));
    assert_true(training_gate_is_eager(&training, &dense));
}

static void routing_keys_do_what_they_say(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of(16384, 1024);
    struct layout layout = dealt_to(16);
    layout.recompute = RECOMPUTE_SELECTIVE;
    struct step_cost base = cost_on(&cluster, &model, &training, &layout), cost;
    training.routing.overlap = true;
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_near(cost.ep, 0.63 * base.ep, 0.01);
    training.cuda_graphs = GRAPHS_STEP; /* no host is late: 32 of 148 multiprocessors, and 0.2 */
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_near(cost.ep, (32. / 148 + 0.2) * base.ep, 0.01);
    training.cuda_graphs = GRAPHS_NONE;
    cost = cost_on(&cluster, &model, &training, &layout);
    /* The other micro-batch fills the gaps of 64 micro-batches and 48 layers, which stragglers lengthen. */
    assert_near(base.compute - cost.compute, 64 * 48 * 2 * 0.31e-3 * 1.0075, 1e-6);
    training.routing = (struct routing){.dispatcher = DISPATCHER_ALL_TO_ALL};
    double whole = cost_on(&cluster, &model, &training, &layout).ep;
    training.routing.overlap = true; /* NCCL leaves the multiprocessors to the products */
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_true(cost.ep < 0.63 * whole && cost.ep >= 0.2 * whole);
    training.routing = (struct routing){.imbalance = 1.5};
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_true(cost.ep > 1.3 * base.ep && cost.compute > 1.05 * base.compute);
    training.routing.imbalance = 1.05; /* what is assumed where nothing is said */
    assert_near(cost_on(&cluster, &model, &training, &layout).seconds, base.seconds, 1e-12);
    /* Norms and activations are the cheapest to repeat; the experts bring their exchange again. */
    layout.recompute_modules = RECOMPUTE_BIT(LAYERNORM) | RECOMPUTE_BIT(MOE);
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_true(base.recompute > 0 && base.recompute < 0.2 * cost.recompute);
    assert_near(cost.ep, 1.5 * base.ep, 0.01);
    layout.recompute = RECOMPUTE_FULL;
    assert_true(cost.recompute < cost_on(&cluster, &model, &training, &layout).recompute);
}

static struct compute_time experts_compute(const struct cluster *cluster, const struct model *model,
                                           const struct training *training, const struct layout *layout) {
    struct compute_problem problem = {
        .model = model, .cluster = cluster, .training = training, .layout = layout};
    struct compute_time time;
    compute_routed_experts(&problem, &time, NULL);
    return time;
}

/* Fused, experts have their activation and its casts inside their products, and their biases. */
static void fused_experts_move_less(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of(16384, 1024);
    struct layout layout = dealt_to(8);
    training.precision = PRECISION_FP8;
    struct compute_time apart = experts_compute(&cluster, &model, &training, &layout);
    training.recipe.experts = EXPERTS_FUSED;
    struct compute_time fused = experts_compute(&cluster, &model, &training, &layout);
    double rows = 8. * 16384 * 1.05, units = rows * 768, rate = 0.88 * cluster.device.memory_bytes_per_second;
    assert_true(apart.activation > 0 && fused.activation == 0);
    /* Forward the activation reads and writes 6 bytes a unit, and what it makes is cast with 4 more. */
    assert_true(apart.forward - fused.forward > (6 + 4) * units / rate);
    assert_true(apart.backward_input - fused.backward_input > (1.7 * 6 + 8) * units / rate);
    assert_true(fused.forward > 0.5 * apart.forward);
    model.linear_bias = true;
    assert_near(experts_compute(&cluster, &model, &training, &layout).forward, fused.forward, 1e-12);
    training.recipe.experts = EXPERTS_APART;
    assert_true(experts_compute(&cluster, &model, &training, &layout).forward > apart.forward);
}

/* Six kernels of torchtitan's own all-to-all reckon an address for each element, others move bytes. */
static void rows_are_sorted_by_operations(void **state) {
    static const double TOKENS = 16384, TOP_K = 8, WIDTH = 2048, INDEXED = 3.4e-12;
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of((int64_t)TOKENS, 1024);
    struct layout layout = dealt_to(1);
    double tokens = TOKENS * WIDTH, rows = TOP_K * tokens;
    training.stack = stack_find("fsdp");
    struct compute_time deepep = experts_compute(&cluster, &model, &training, &layout);
    training.routing.dispatcher = DISPATCHER_ALL_TO_ALL;
    struct compute_time own = experts_compute(&cluster, &model, &training, &layout);
    double kernels = 4 * (tokens + rows); /* that deal rows out and sum them up */
    assert_near(own.forward - deepep.forward,
                3 * INDEXED * rows +
                    compute_traffic_seconds(&cluster.device, 24 * rows + 4 * tokens - kernels),
                1e-9);
    assert_near(own.backward_input - deepep.backward_input,
                3 * INDEXED * rows +
                    compute_traffic_seconds(&cluster.device, 50 * rows + 2 * tokens - kernels),
                1e-9);
    training.recipe.compiled = TOGGLE_ON; /* but not these */
    struct compute_time compiled = experts_compute(&cluster, &model, &training, &layout);
    training.routing.dispatcher = DISPATCHER_DEEPEP;
    deepep = experts_compute(&cluster, &model, &training, &layout);
    assert_true(own.forward > compiled.forward && compiled.forward > deepep.forward + 3 * INDEXED * rows);
    training.stack = stack_find("megatron-core"); /* has kernels for either */
    deepep = experts_compute(&cluster, &model, &training, &layout);
    training.routing.dispatcher = DISPATCHER_ALL_TO_ALL;
    assert_near(experts_compute(&cluster, &model, &training, &layout).forward, deepep.forward, 1e-12);
}

/* By operation FSDP repeats what grouped products are part of, half of the others, and no exchange. */
static void grouped_products_are_repeated(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of(16384, 8);
    struct layout layout = dealt_to(8);
    training.stack = stack_find("fsdp");
    struct compute_problem problem = {
        .model = &model, .cluster = &cluster, .training = &training, .layout = &layout};
    struct compute_time layer, experts = experts_compute(&cluster, &model, &training, &layout);
    compute_layer(&problem, true, &layer, NULL);
    struct step_cost none = cost_on(&cluster, &model, &training, &layout);
    layout.recompute = RECOMPUTE_SELECTIVE;
    layout.recompute_modules = RECOMPUTE_BIT(OPERATIONS);
    struct step_cost cost = cost_on(&cluster, &model, &training, &layout);
    assert_near(cost.recompute,
                (double)model.layers * (0.5 * layer.products + layer.traffic + experts.forward), 1e-6);
    assert_near(cost.ep, none.ep, 1e-6);
}

/* In fp8 rows are copied to have room for whole 16: out and back, 8 bytes an element in each pass, but where
 * they are filled up to a capacity or HybridEP leaves the room. */
static void rows_are_padded_for_fp8(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of(16384, 128);
    struct layout layout = dealt_to(8);
    double rows = 16384.0 * (double)model.experts.top_k * training_imbalance(&training);
    double copies = compute_traffic_seconds(&cluster.device, 2 * 8 * rows * (double)model.hidden);
    double padded, filled;
    training.precision = PRECISION_FP8;
    training.routing.dispatcher = DISPATCHER_DEEPEP;
    padded = cost_on(&cluster, &model, &training, &layout).compute;
    cluster.levels[0].devices = 64; /* NVLink joins nodes */
    filled = cost_on(&cluster, &model, &training, &layout).compute;
    assert_near(padded - filled, 16 * (double)model.layers * copies, 0.02);
}

/* Megatron-Core adds the experts' biases apart, by kernels some of which index each element. A gated model
 * with biases is no GPT: it doesn't drop out. */
static void biases_of_experts_are_added_apart(void **state) {
    static const double indexed = 3.4e-12;
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of(4096, 1024);
    struct layout layout = dealt_to(8);
    struct compute_problem problem = {&model, &cluster, &training, &layout, NULL, NULL, false};
    struct compute_time plain, biased;
    model.gated = model.linear_bias = true;
    assert_false(training_has_dropout(&training, &model));
    model.gated = false;
    assert_true(training_has_dropout(&training, &model));
    compute_routed_experts(&problem, &biased, NULL);
    double elements = compute_expert_rows(&model, &training, &layout) * 2048;
    model.linear_bias = false;
    compute_routed_experts(&problem, &plain, NULL);
    assert_near(biased.forward - plain.forward,
                2 * indexed * elements + compute_traffic_seconds(&cluster.device, 14 * elements), 1e-9);
    assert_near(biased.backward_input - plain.backward_input,
                3 * indexed * elements + compute_traffic_seconds(&cluster.device, 18 * elements), 1e-9);
    /* NeMo AutoModel those of the first product too. */
    training.stack = stack_find("fsdp");
    compute_routed_experts(&problem, &plain, NULL);
    model.linear_bias = true;
    compute_routed_experts(&problem, &biased, NULL);
    double first = elements / 2048 * 768;
    assert_near(biased.forward - plain.forward,
                indexed * (2 * elements + first) +
                    compute_traffic_seconds(&cluster.device, 14 * elements + 4 * first),
                1e-9);
    assert_near(biased.backward_input - plain.backward_input,
                3 * indexed * elements + compute_traffic_seconds(&cluster.device, 18 * elements + 2 * first),
                1e-9);
}

/* DeepEP with 24 and 16 multiprocessors on 8 B200, out and back (README_Hybrid-EP.md); under FSDP it has 20.
 */
static void exchange_under_fsdp_has_few_multiprocessors(void **state) {
    struct arena *arena = arena_create();
    struct cluster b200 = shipped_cluster("dgx-b200", arena), h100 = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of(4096, 1024);
    struct layout layout = dealt_to(8);
    (void)state;
    model.hidden = 7168;
    training.routing = (struct routing){.dispatcher = DISPATCHER_DEEPEP, .imbalance = 1};
    double bytes = 4096 * compute_copies(&model, 8) * 2 * 7168;
    double of_24 = bytes / 494e9 + bytes / 420e9, of_16 = bytes / 348e9 + bytes / 302e9;
    double core = exchange_seconds(&b200, &model, &training, &layout);
    double core_h100 = exchange_seconds(&h100, &model, &training, &layout);
    training.stack = stack_find("fsdp");
    double fsdp = exchange_seconds(&b200, &model, &training, &layout);
    assert_true(core < of_24 && of_24 < fsdp && fsdp < of_16);
    assert_near(exchange_seconds(&h100, &model, &training, &layout), core_h100, 1e-12);
    arena_destroy(arena);
}

/* torch._grouped_mm, three passes of 128,000 rows of 8 experts of 8192 x 5120 and 2048 x 7168 on B200: 37.7
 * and 15.0 ms (torchao, prototype/moe_training/README.md). Here there are two such products, and the routing.
 */
static void products_by_torch_take_what_was_measured(void **state) {
    static const struct {
        int64_t hidden, ffn_hidden;
        double seconds;
    } measured[] = {{5120, 8192, 37.7007e-3}, {7168, 2048, 14.9668e-3}};
    struct arena *arena = arena_create();
    struct cluster b200 = shipped_cluster("dgx-b200", arena);
    struct training training = training_of(128000, 1);
    struct layout one = dealt_to(1);
    (void)state;
    training.routing = (struct routing){.imbalance = 1};
    for (size_t i = 0; i < sizeof measured / sizeof *measured; i++) {
        struct model model = {.layers = 1,
                              .hidden = measured[i].hidden,
                              .heads = 1,
                              .kv_heads = 1,
                              .head_dim = 64,
                              .vocab = 64};
        model.experts = (struct model_experts){.count = 8, .top_k = 1, .ffn_hidden = measured[i].ffn_hidden};
        struct compute_problem problem = {
            .model = &model, .cluster = &b200, .training = &training, .layout = &one};
        struct compute_time by_torch, by_te;
        training.stack = stack_find("fsdp");
        compute_routed_experts(&problem, &by_torch, NULL);
        training.stack = stack_find("megatron-core");
        compute_routed_experts(&problem, &by_te, NULL);
        assert_near(by_torch.backward_weight, 1.3 * by_te.backward_weight, 0.05);
        assert_near(3 * by_torch.backward_weight, 2 * measured[i].seconds, 0.06);
    }
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_copy_is_sent_once),
        cmocka_unit_test(exchange_over_nvlink_takes_what_was_measured),
        cmocka_unit_test(exchange_under_fsdp_has_few_multiprocessors),
        cmocka_unit_test(products_by_torch_take_what_was_measured),
        cmocka_unit_test(exchange_is_assumed_as_software_has_it),
        cmocka_unit_test(routing_keys_do_what_they_say),
        cmocka_unit_test(fused_experts_move_less),
        cmocka_unit_test(rows_are_sorted_by_operations),
        cmocka_unit_test(grouped_products_are_repeated),
        cmocka_unit_test(rows_are_padded_for_fp8),
        cmocka_unit_test(biases_of_experts_are_added_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
