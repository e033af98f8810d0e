#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "h100_cluster.h"
#include "planner/cost/communication.h"
#include "planner/cost/cost.h"
#include "planner/cost/launch.h"
#include "planner/cost/training_cost.h"
#include "shapes.h"

static struct training training_of(int64_t sequence, int64_t global_batch) {
    return (struct training){.sequence = sequence,
                             .global_batch = global_batch,
                             .precision = PRECISION_BF16,
                             .attention = ATTENTION_FLASH,
                             .stack = stack_default()};
}

static struct layout dense_layout(void) {
    return (struct layout){.tp = 8,
                           .pp = 8,
                           .vpp = 1,
                           .cp = 1,
                           .ep = 1,
                           .etp = 1,
                           .dp = 4,
                           .micro_batch = 1,
                           .sequence_parallel = true,
                           .zero = 1,
                           .overlap = {true, true, true}};
}

static double sum_of(const struct step_cost *cost) {
    return cost->compute + cost->recompute + cost->tp + cost->ep + cost->cp + cost->pp + cost->dp +
           cost->bubble + cost->optimizer + cost->offload;
}

static bool random_layout(const struct model *model, const struct training *training, struct layout *layout) {
    static const int64_t powers[] = {1, 2, 4, 8, 16};
    char why[256];
    *layout =
        (struct layout){.tp = powers[rand() % 4],
                        .pp = powers[rand() % 4],
                        .vpp = 1,
                        .cp = powers[rand() % 3],
                        .ep = model->experts.count > 0 ? powers[rand() % 4] : 1,
                        .etp = model->experts.count > 0 ? powers[rand() % 2] : 1,
                        .dp = powers[rand() % 5],
                        .micro_batch = powers[rand() % 3],
                        .zero = rand() % 4,
                        .recompute = (enum recompute)(rand() % 3),
                        .schedule = (enum schedule)(rand() % SCHEDULE_COUNT),
                        .order = (enum rank_order)(rand() % ORDER_COUNT),
                        .overlap = {rand() % 2, rand() % 2, rand() % 2},
                        .offload = rand() % 4 == 0 ? (enum offload)(rand() % OFFLOAD_COUNT) : OFFLOAD_NONE};
    layout->sequence_parallel = layout->tp > 1 && rand() % 2;
    if (layout->schedule == SCHEDULE_INTERLEAVED)
        layout->vpp = 2;
    return layout_valid(layout, model, training->sequence, training->global_batch, why, sizeof why);
}

static void terms_add_up(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct cluster cluster = h100_cluster();
    struct model models[] = {gpt_3, mixtral_8x22b};
    struct training training = training_of(4096, 256);
    int tried = 0;
    srand(1);
    for (int i = 0; i < 4000; i++) {
        struct cost_context *context = cost_context_create(arena, &models[i % 2], &cluster, &training);
        struct layout layout;
        if (!random_layout(&models[i % 2], &training, &layout))
            continue;
        struct step_cost closed, again, played, explained;
        cost_evaluate(context, &layout, PIPELINE_CLOSED_FORM, &closed, NULL);
        cost_evaluate(context, &layout, PIPELINE_CLOSED_FORM, &again, NULL);
        cost_evaluate(context, &layout, PIPELINE_SIMULATED, &played, NULL);
        cost_evaluate(context, &layout, PIPELINE_SIMULATED, &explained, explain_create(arena));
        assert_near(closed.seconds, sum_of(&closed), 1e-12);
        assert_near(played.seconds, sum_of(&played), 1e-12);
        assert_true(isfinite(closed.seconds) && closed.seconds > 0);
        assert_true(closed.bubble >= 0 && closed.ep >= 0 && closed.tp >= 0 && closed.dp >= 0);
        assert_memory_equal(&closed, &again, sizeof closed);
        assert_memory_equal(&played, &explained, sizeof played);
        tried++;
    }
    assert_true(tried > 200);
    arena_destroy(arena);
}

/* A cached part must never be taken for another's. */
static void cache_does_not_mix(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct cluster cluster = h100_cluster();
    struct model model = mixtral_8x22b;
    struct training training = training_of(4096, 256);
    struct cost_context *shared = cost_context_create(arena, &model, &cluster, &training);
    srand(2);
    for (int i = 0; i < 3000; i++) {
        struct layout layout;
        if (!random_layout(&model, &training, &layout))
            continue;
        struct cost_context *fresh = cost_context_create(arena, &model, &cluster, &training);
        struct step_cost one, other;
        cost_evaluate(shared, &layout, PIPELINE_CLOSED_FORM, &one, NULL);
        cost_evaluate(fresh, &layout, PIPELINE_CLOSED_FORM, &other, NULL);
        assert_memory_equal(&one, &other, sizeof one);
    }
    arena_destroy(arena);
}

static struct step_cost cost_on(const struct cluster *cluster, const struct model *model,
                                const struct training *training, const struct layout *layout) {
    struct arena *arena = arena_create();
    struct step_cost cost;
    cost_evaluate(cost_context_create(arena, model, cluster, training), layout, PIPELINE_CLOSED_FORM, &cost,
                  NULL);
    arena_destroy(arena);
    return cost;
}

static void more_never_hurts(void **state) {
    (void)state;
    struct model models[] = {gpt_3, mixtral_8x22b};
    struct training training = training_of(4096, 256);
    srand(3);
    for (int i = 0; i < 2000; i++) {
        struct layout layout;
        if (!random_layout(&models[i % 2], &training, &layout))
            continue;
        struct cluster cluster = h100_cluster(), better = cluster;
        double factor = 1 + (double)(rand() % 100) / 50;
        int what = rand() % 6;
        cluster.node.host_memory_bytes = better.node.host_memory_bytes = 16e12;
        cluster.node.host_link_bytes_per_second = better.node.host_link_bytes_per_second = 5e9;
        cluster.node.host_memory_bytes_per_second = better.node.host_memory_bytes_per_second = 100e9;
        switch (what) {
        case 4:
            better.node.host_link_bytes_per_second *= factor;
            break;
        case 5:
            better.node.host_memory_bytes_per_second *= factor;
            break;
        case 0:
            better.levels[rand() % 2].bandwidth_bytes_per_second *= factor;
            break;
        case 1:
            better.device.memory_bytes_per_second *= factor;
            break;
        case 2:
            better.levels[rand() % 2].latency_seconds /= factor;
            break;
        default:
            better.device.kernels.matmul[PRECISION_BF16].flops_per_second *= factor;
            better.device.kernels.attention.flops_per_second *= factor;
        }
        double before = cost_on(&cluster, &models[i % 2], &training, &layout).seconds;
        double after = cost_on(&better, &models[i % 2], &training, &layout).seconds;
        char text[256];
        if (after > before * (1 + 1e-9))
            print_message("better %d by %g: %.9g to %.9g, %s\n", what, factor, before, after,
                          layout_format(&layout, text, sizeof text));
        assert_true(after <= before * (1 + 1e-9));
    }
}

/* Each device sends an activation and a gradient a chunk and micro-batch: no overlap makes a step quicker
 * than the network carries them, and where it carries them at leisure only filling the pipeline shows. */
static void interleaving_hides_no_more_than_it_computes(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 128);
    struct layout layout = dense_layout();
    layout.vpp = 12;
    layout.schedule = SCHEDULE_INTERLEAVED;
    double micro_batches = 128 / 4, bytes = 2. * 2048 * 12288 / 8;
    double transfers = 2 * micro_batches * 12;
    struct step_cost quick = cost_on(&cluster, &model, &training, &layout);
    /* A fifth of each shows for what it takes from the products beside it, and whole ones while it fills. */
    assert_true(quick.pp > 0.2 * transfers * bytes / cluster.levels[1].bandwidth_bytes_per_second);
    assert_true(quick.pp < 0.03 * quick.seconds);
    cluster.levels[1].bandwidth_bytes_per_second = 1e8;
    struct step_cost slow = cost_on(&cluster, &model, &training, &layout);
    assert_true(slow.seconds - slow.dp > transfers * bytes / 1e8);
    layout.overlap.pp = false;
    struct step_cost unhidden = cost_on(&cluster, &model, &training, &layout);
    assert_true(unhidden.pp > slow.pp);
    double host = transfers * training.stack->hop_seconds * 1.1; /* and its share of stragglers */
    assert_true(slow.pp > unhidden.pp - host - quick.compute - quick.tp);
}

/* What each key of a layout is there for. */
static void keys_do_what_they_say(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 256);
    struct layout layout = dense_layout();
    struct step_cost base = cost_on(&cluster, &model, &training, &layout), cost;
    assert_true(base.recompute == 0 && base.cp == 0 && base.ep == 0);
    assert_true(base.tp > 0 && base.pp > 0 && base.dp > 0 && base.bubble > 0);
    /* 64 micro-batches over 8 stages: (p - 1) / m of the work; the head makes one stage longer. */
    assert_near(base.bubble / (base.compute + base.tp), 7.0 / 64, 0.1);

    layout.recompute = RECOMPUTE_FULL; /* a third of what forward and backward take, less in truth: weight
                                           gradients and flash attention's backward pass are slower */
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_near(cost.recompute / cost.compute, 0.29, 0.1);
    layout.recompute = RECOMPUTE_SELECTIVE;
    assert_true(cost_on(&cluster, &model, &training, &layout).recompute < cost.recompute / 3);

    layout = dense_layout();
    layout.overlap = (struct layout_overlap){false, false, false};
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_true(cost.tp > base.tp && cost.dp > base.dp);
    layout.tp = 16; /* beyond the node nothing overlaps with products */
    layout.dp = 2;
    cost = cost_on(&cluster, &model, &training, &layout);
    layout.overlap.tp = true;
    assert_true(cost_on(&cluster, &model, &training, &layout).tp == cost.tp);
    cluster.levels[0].devices = 16; /* unless the innermost level goes there */
    double hidden = cost_on(&cluster, &model, &training, &layout).tp;
    layout.overlap.tp = false;
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_true(hidden < 0.85 * cost.tp);
    cluster.levels[0].devices = 8;
    layout = dense_layout();
    layout.schedule = SCHEDULE_INTERLEAVED;
    layout.vpp = 4;
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_near(cost.bubble, base.bubble / 4, 0.05);
    layout = dense_layout();
    layout.offload = OFFLOAD_OPTIMIZER;
    assert_true(cost_on(&cluster, &model, &training, &layout).optimizer > base.optimizer);
    layout = dense_layout();
    layout.order = ORDER_TP_CP_PP_DP; /* neighbouring stages and gradients both cross nodes at tp 8 */
    assert_true(cost_on(&cluster, &model, &training, &layout).seconds > 0);
}

/* Qwen3 30B's shape. */
static struct model fine_grained_model(void) {
    struct model model = mixtral_8x22b;
    model.layers = 48;
    model.hidden = 2048;
    model.heads = 32;
    model.kv_heads = 4;
    model.experts = (struct model_experts){.count = 128, .top_k = 8, .ffn_hidden = 768, .every = 1};
    return model;
}

static double exchange_seconds(const struct cluster *cluster, const struct model *model,
                               const struct training *training, const struct layout *layout) {
    struct communication_problem problem = {model, cluster, training, layout, NULL, false};
    struct communication_time time;
    communication_routed_experts(&problem, &time, NULL);
    return time.ep_forward;
}

/* Of 8 experts dealt at random over 2 nodes of 8 devices a token needs 1.992 nodes and 6.45 devices. */
static void each_copy_is_sent_once(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = fine_grained_model();
    struct training training = training_of(4096, 1024);
    struct layout layout = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 16, .etp = 1, .dp = 16, .micro_batch = 1};
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
    assert_near(once / all, compute_copies(&model, 8) / 8, 0.08);
    training.routing.imbalance = 1.5; /* the fullest device sets the pace */
    assert_near(exchange_seconds(&cluster, &model, &training, &layout), 1.5 * once, 0.08);
}

/* Nobody says whose exchange it is. */
static void exchange_is_assumed_as_software_has_it(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = fine_grained_model();
    struct training training = training_of(4096, 1024);
    struct layout layout = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 16, .etp = 1, .dp = 16, .micro_batch = 1};
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
    assert_int_equal(training_flash(&training, &model), FLASH_CUDNN);
    assert_int_equal(training_flash(&training, &dense), FLASH_2);
    training.recipe.compiled = TOGGLE_OFF;
    assert_true(training_traffic_factor(&training, &model) < training_traffic_factor(&training, &dense));
}

static void routing_keys_do_what_they_say(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = fine_grained_model();
    struct training training = training_of(16384, 1024);
    struct layout layout = {.tp = 1,
                            .pp = 1,
                            .vpp = 1,
                            .cp = 1,
                            .ep = 16,
                            .etp = 1,
                            .dp = 16,
                            .micro_batch = 1,
                            .recompute = RECOMPUTE_SELECTIVE};
    struct step_cost base = cost_on(&cluster, &model, &training, &layout), cost;
    training.routing.overlap = true;
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_near(cost.ep, 0.63 * base.ep, 0.01);
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
    training.selective = SELECTIVE_EXPERTS;
    cost = cost_on(&cluster, &model, &training, &layout);
    assert_true(base.recompute > 0 && base.recompute < 0.2 * cost.recompute);
    assert_near(cost.ep, 1.5 * base.ep, 0.01);
    layout.recompute = RECOMPUTE_FULL;
    assert_true(cost.recompute < cost_on(&cluster, &model, &training, &layout).recompute);
}

/* A step of so little work that its time is the host's, of 128 micro-batches of 48 layers. */
static double launch_bound_seconds(const struct model *model, const struct training *training,
                                   const struct layout *layout) {
    struct cluster cluster = h100_cluster();
    return cost_on(&cluster, model, training, layout).seconds / (128 * 48);
}

/* Router and dispatch replayed from graphs leave the host 0.7 of what it takes for a layer of experts
 * whatever their number. */
static void graphs_spare_the_host(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = fine_grained_model();
    struct training training = training_of(512, 1024);
    struct layout layout = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 8, .etp = 1, .dp = 8, .micro_batch = 1};
    double eager = launch_bound_seconds(&model, &training, &layout);
    training.cuda_graphs = true;
    double spared = eager - launch_bound_seconds(&model, &training, &layout);
    assert_near(spared, 0.3 * 2.0e-3 * 2.6, 0.01);
    training.sequence = 16384; /* kernels take longer than their launch */
    training.cuda_graphs = false;
    eager = cost_on(&cluster, &model, &training, &layout).seconds;
    training.cuda_graphs = true;
    assert_near(cost_on(&cluster, &model, &training, &layout).seconds, eager, 1e-12);
}

/* The host launches products expert by expert, in fp8 the casts too, and what each bias takes; a stage's pass
 * costs it something besides. */
static void experts_of_a_device_take_launches(void **state) {
    (void)state;
    struct model model = fine_grained_model();
    struct training training = training_of(512, 1024);
    struct layout layout = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 8, .etp = 1, .dp = 8, .micro_batch = 1};
    double launch = 25e-6, sixteen = launch_bound_seconds(&model, &training, &layout);
    layout.ep = 4;
    double more = launch_bound_seconds(&model, &training, &layout) - sixteen;
    assert_near(more, 16 * 8 * launch, 0.01);
    layout.ep = 8;
    training.precision = PRECISION_FP8;
    double casts = launch_bound_seconds(&model, &training, &layout) - sixteen;
    assert_near(casts, 16 * 12 * launch, 0.01);
    training.precision = PRECISION_BF16;
    model.experts.capacity_factor = 1; /* padded, whatever their number */
    double padded = launch_bound_seconds(&model, &training, &layout);
    assert_near(sixteen - padded, 0.5 * 2.6 * 2.0e-3 + 16 * 8 * launch, 0.01);
    model.experts.capacity_factor = 0;
    model.linear_bias = true;
    double biases = launch_bound_seconds(&model, &training, &layout) - sixteen;
    assert_near(biases, 16 * 11 * launch, 0.02);
    /* 8 chunks of 6 layers instead of 2 of 24, each 0.55 ms forward and 1.6 times that backward. */
    layout.pp = 2;
    struct cluster_device device = {.name = "H100"};
    struct launch_time one = launch_expert_layer(&model, &device, &training, &layout);
    layout.vpp = 4;
    struct launch_time four = launch_expert_layer(&model, &device, &training, &layout);
    assert_near(48 * (four.forward - one.forward), (8 - 2) * 0.55e-3, 1e-9);
    assert_near(48 * (four.backward - one.backward), (8 - 2) * 1.6 * 0.55e-3, 1e-9);
    /* MXFP8 needs no largest element and no scale. */
    training.precision = PRECISION_FP8;
    struct launch_time tensors = launch_expert_layer(&model, &device, &training, &layout);
    device.fp8_scaling = FP8_SCALING_BLOCK;
    struct launch_time blocks = launch_expert_layer(&model, &device, &training, &layout);
    assert_near(tensors.forward - blocks.forward, 16 * 4 * launch, 1e-9);
    assert_near(tensors.backward - blocks.backward, 16 * 4 * launch, 1e-9);
    /* A recipe says otherwise than the device. */
    training.recipe.fp8_scaling = SCALING_TENSOR;
    assert_near(launch_expert_layer(&model, &device, &training, &layout).forward, tensors.forward, 1e-12);
    device.fp8_scaling = FP8_SCALING_TENSOR;
    training.recipe.fp8_scaling = SCALING_BLOCK;
    assert_near(launch_expert_layer(&model, &device, &training, &layout).forward, blocks.forward, 1e-12);
}

/* In fp8 rows are copied to have room for whole 16: out and back, 8 bytes an element in each pass, but where
 * they are filled up to a capacity or HybridEP leaves the room. */
static void rows_are_padded_for_fp8(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = fine_grained_model();
    struct training training = training_of(16384, 128);
    struct layout layout = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 8, .etp = 1, .dp = 8, .micro_batch = 1};
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

/* Of a weight's gradient in 16 bits half as much is read, written and sent; the memory says so too. */
static void gradients_take_the_bytes_they_are_said_to(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 1536);
    struct layout layout = dense_layout();
    assert_near(training_gradient_bytes(&training), 4, 1e-12);
    struct step_cost single = cost_on(&cluster, &model, &training, &layout);
    training.gradients = GRADIENTS_SINGLE;
    assert_near(cost_on(&cluster, &model, &training, &layout).seconds, single.seconds, 1e-12);
    training.gradients = GRADIENTS_HALF;
    assert_near(training_gradient_bytes(&training), 2, 1e-12);
    struct step_cost half = cost_on(&cluster, &model, &training, &layout);
    assert_true(half.compute < single.compute && half.dp <= single.dp);
    training.precision = PRECISION_FP8; /* whose recipes sum in 16 bits */
    half = cost_on(&cluster, &model, &training, &layout);
    training.gradients = GRADIENTS_DEFAULT;
    assert_near(cost_on(&cluster, &model, &training, &layout).seconds, half.seconds, 1e-12);
}

static double scatter_seconds(const struct training *training, int64_t zero) {
    struct cluster cluster = h100_cluster();
    struct layout layout = dense_layout();
    struct communication_problem problem = {&gpt_3, &cluster, training, &layout, NULL, false};
    struct communication_state state;
    layout.zero = zero;
    communication_state_of(&problem, &state, NULL);
    return state.layer_scatter[0];
}

/* ZeRO-3 sends gradients as wide as parameters, unless told; PyTorch's sums in fp32. */
static void zero_3_sends_gradients_in_16_bits(void **state) {
    (void)state;
    struct training training = training_of(2048, 1536), half = training, single = training;
    half.gradients = GRADIENTS_HALF;
    single.gradients = GRADIENTS_SINGLE;
    assert_near(scatter_seconds(&training, 2), scatter_seconds(&single, 2), 1e-12);
    assert_near(scatter_seconds(&training, 3), scatter_seconds(&half, 3), 1e-12);
    assert_within(scatter_seconds(&training, 3) / scatter_seconds(&single, 3), 0.5, 0.1);
    training.stack = single.stack = stack_find("fsdp");
    assert_near(scatter_seconds(&training, 3), scatter_seconds(&single, 3), 1e-12);
}

static double seconds_with(const struct recipe *recipe, const struct training *usual,
                           const struct model *model, const struct layout *layout) {
    struct cluster cluster = h100_cluster();
    struct training training = *usual;
    training.recipe = *recipe;
    return cost_on(&cluster, model, &training, layout).seconds;
}

static void recipes_do_what_they_say(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    model.linear_bias = true; /* trained with dropout, where nothing else is said */
    struct training training = training_of(2048, 256);
    struct layout layout = dense_layout();
    struct recipe usual = {0};
    double base = seconds_with(&usual, &training, &model, &layout);
    assert_true(seconds_with(&(struct recipe){.dropout = TOGGLE_OFF}, &training, &model, &layout) < base);
    assert_near(seconds_with(&(struct recipe){.dropout = TOGGLE_ON}, &training, &model, &layout), base,
                1e-12);
    assert_true(seconds_with(&(struct recipe){.flash = FLASH_1}, &training, &model, &layout) > base);
    assert_true(seconds_with(&(struct recipe){.compiled = TOGGLE_ON}, &training, &model, &layout) < base);
    double compiled = seconds_with(&(struct recipe){.loss = LOSS_COMPILED}, &training, &model, &layout);
    assert_near(compiled, base, 1e-12);
    assert_true(seconds_with(&(struct recipe){.loss = LOSS_FUSED}, &training, &model, &layout) < compiled);
    assert_true(compiled < seconds_with(&(struct recipe){.loss = LOSS_UNFUSED}, &training, &model, &layout));
    /* Parameters in fp8 are gathered in half the bytes, but only where the rest is fp8. */
    struct recipe fp8 = {.parameters = PARAMETERS_FP8}, half = {.parameters = PARAMETERS_HALF};
    assert_near(seconds_with(&fp8, &training, &model, &layout), base, 1e-12);
    training.precision = PRECISION_FP8;
    layout.dp = 64;
    base = seconds_with(&usual, &training, &model, &layout);
    assert_near(seconds_with(&fp8, &training, &model, &layout), base, 1e-12);
    assert_true(base < seconds_with(&half, &training, &model, &layout));
    /* What a stack fuses for GPT it doesn't for Llama. */
    struct model gated = mixtral_8x22b;
    gated.experts = (struct model_experts){.every = 1};
    training = training_of(2048, 256);
    training.stack = stack_find("megatron-2022");
    assert_true(training_traffic_factor(&training, &gated) > training_traffic_factor(&training, &model));
    training.stack = stack_find("fsdp");
    assert_int_equal(training_flash(&training, &gated), FLASH_2);
    assert_int_equal(training_flash(&training, &model), FLASH_1);
    /* Under FSDP Llama-like models are compiled unless the recipe says no, GPT-like ones if it says so. */
    training.recipe.compiled = TOGGLE_OFF;
    assert_true(training_traffic_factor(&training, &gated) > 1);
    training.recipe.compiled = TOGGLE_DEFAULT;
    assert_true(training_traffic_factor(&training, &gated) == 1);
    assert_true(training_traffic_factor(&training, &model) > 1);
    /* By operation, half of the products run again, and attention doesn't. */
    layout = (struct layout){.tp = 1,
                             .pp = 1,
                             .vpp = 1,
                             .cp = 1,
                             .ep = 1,
                             .etp = 1,
                             .dp = 64,
                             .micro_batch = 1,
                             .zero = 3,
                             .recompute = RECOMPUTE_FULL};
    double full = cost_on(&cluster, &gated, &training, &layout).recompute;
    /* One of a gated layer's four products, a fifth of their FLOPs, isn't repeated unless it is asked for. */
    training.recipe.early_stop = TOGGLE_OFF;
    double all = cost_on(&cluster, &gated, &training, &layout).recompute;
    assert_true(full > 0.7 * all && full < 0.9 * all);
    training.recipe.early_stop = TOGGLE_DEFAULT;
    layout.recompute = RECOMPUTE_SELECTIVE;
    double selective = cost_on(&cluster, &gated, &training, &layout).recompute;
    assert_true(selective > 0.4 * full && selective < 0.75 * full);
    /* What tp gathered is gathered again, what it scattered is kept: half of a pass's exchange more. */
    layout.tp = 8;
    layout.dp = 8;
    layout.sequence_parallel = true;
    double again = cost_on(&cluster, &gated, &training, &layout).tp;
    layout.recompute = RECOMPUTE_FULL;
    double both = cost_on(&cluster, &gated, &training, &layout).tp;
    layout.recompute = RECOMPUTE_NONE;
    double none = cost_on(&cluster, &gated, &training, &layout).tp;
    assert_near(again - none, (both - none) / 2, 1e-9 * none);
}

/* What Llama-like models pay under FSDP: torchao's casts, five bytes of an input where Transformer Engine
 * moves four, and the larger share of tp that PyTorch leaves to be seen. GPT-like ones are cast by
 * Transformer Engine. */
static void fully_sharded_stacks_cast_and_overlap_their_way(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 256);
    struct layout layout = dense_layout();
    struct compute_problem problem = {&model, &cluster, &training, &layout, NULL, NULL, false};
    struct communication_problem communication = {&model, &cluster, &training, &layout, NULL, false};
    const struct stack *core = stack_find("megatron-core"), *fsdp = stack_find("fsdp");
    struct compute_time by_core, by_fsdp;
    struct communication_time core_sends, fsdp_sends;
    training.precision = PRECISION_FP8;
    for (int gated = 0; gated < 2; gated++) {
        model.gated = gated == 1;
        training.stack = core;
        compute_layer(&problem, false, &by_core, NULL);
        training.stack = fsdp;
        compute_layer(&problem, false, &by_fsdp, NULL);
        double inputs =
            2048 * (double)(2 * model.hidden + (model.heads * model.head_dim + model.ffn_hidden) / 8);
        double more = gated == 1 ? compute_traffic_seconds(&cluster.device, inputs) : 0;
        assert_near(by_fsdp.products - by_core.products, more, 1e-9);
    }
    communication_layer(&communication, false, &by_core, &fsdp_sends, NULL);
    training.stack = core;
    communication_layer(&communication, false, &by_core, &core_sends, NULL);
    assert_true(core_sends.tp_forward > 0 && fsdp_sends.tp_forward > 1.5 * core_sends.tp_forward);
}

/* PyTorch's ring merges three more pieces by operations of its own, and sends keys and values of all heads.
 */
static void context_parallelism_of_pytorch_merges_its_pieces(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(32768, 64);
    struct layout layout = dense_layout();
    struct compute_problem problem = {&model, &cluster, &training, &layout, NULL, NULL, false};
    struct communication_problem communication = {&model, &cluster, &training, &layout, NULL, false};
    struct stack ring = *stack_find("fsdp"), fused = ring;
    struct compute_time by_ring, by_fused;
    struct communication_time ring_sends, fused_sends;
    fused.fully_sharded = false;
    model.gated = true; /* GPT-like models have another flash attention under FSDP */
    training.recipe.compiled = TOGGLE_OFF;
    model.kv_heads = 8;
    layout.cp = 4;
    training.stack = &fused;
    compute_layer(&problem, false, &by_fused, NULL);
    communication_layer(&communication, false, &by_fused, &fused_sends, NULL);
    training.stack = &ring;
    compute_layer(&problem, false, &by_ring, NULL);
    communication_layer(&communication, false, &by_fused, &ring_sends, NULL);
    double elements = 32768.0 / 4 * (double)(model.heads * model.head_dim) / (double)layout.tp;
    assert_near(by_ring.forward - by_fused.forward,
                compute_traffic_seconds(&cluster.device, (3 * 40 + 12) * elements), 1e-9);
    assert_near(by_ring.backward_input - by_fused.backward_input,
                compute_traffic_seconds(&cluster.device, (3 * 72 + 12) * elements), 1e-9);
    assert_true(ring_sends.cp_forward > fused_sends.cp_forward);
    assert_true(ring_sends.cp_backward > fused_sends.cp_backward);
}

/* Megatron-Core adds the experts' biases apart. A gated model with biases is no GPT: it doesn't drop out. */
static void biases_of_experts_are_added_apart(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = fine_grained_model();
    struct training training = training_of(4096, 1024);
    struct layout layout = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 8, .etp = 1, .dp = 8, .micro_batch = 1};
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
    assert_near(biased.forward - plain.forward, compute_traffic_seconds(&cluster.device, 28 * elements),
                1e-9);
    assert_near(biased.backward_input - plain.backward_input,
                compute_traffic_seconds(&cluster.device, 36 * elements), 1e-9);
    /* NeMo AutoModel those of the first product too. */
    training.stack = stack_find("fsdp");
    compute_routed_experts(&problem, &plain, NULL);
    model.linear_bias = true;
    compute_routed_experts(&problem, &biased, NULL);
    double first = elements / 2048 * 768;
    assert_near(biased.forward - plain.forward,
                compute_traffic_seconds(&cluster.device, 28 * elements + 8 * first), 1e-9);
    assert_near(biased.backward_input - plain.backward_input,
                compute_traffic_seconds(&cluster.device, 36 * elements + 2 * first), 1e-9);
}

static void zero_three_pays_by_micro_batch(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 256);
    training.stack = stack_find("fsdp");
    struct layout layout = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = 64, .micro_batch = 4, .zero = 3};
    double coarse = cost_on(&cluster, &model, &training, &layout).dp;
    layout.micro_batch = 1;
    assert_near(cost_on(&cluster, &model, &training, &layout).dp, 4 * coarse, 0.01);
}

/* Of one layer's product the FLOPs are known: the time can't beat the peak. */
static void no_faster_than_the_peak(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model models[] = {gpt_3, mixtral_8x22b};
    struct training training = training_of(4096, 256);
    srand(4);
    for (int i = 0; i < 2000; i++) {
        struct layout layout;
        if (!random_layout(&models[i % 2], &training, &layout))
            continue;
        double seconds = cost_on(&cluster, &models[i % 2], &training, &layout).seconds;
        double mfu = cost_mfu(&models[i % 2], &cluster, &training, &layout, seconds);
        assert_true(mfu > 0 && mfu < 1);
    }
}

static void mfu_by_hand(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 1536);
    struct layout layout = dense_layout();
    /* arXiv 2104.04473, equation 3, without recompute: 72 B s l h^2 (1 + s/6h + V/12lh). */
    double h = 12288, l = 96, s = 2048, v = 51200;
    double flops = 72 * 1536 * s * l * h * h * (1 + s / (6 * h) + v / (12 * l * h));
    double mfu = cost_mfu(&model, &cluster, &training, &layout, 100);
    assert_near(mfu, flops / (100 * 256 * 989.4e12), 0.001);
}

static void a_whole_training(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 1536);
    struct layout layout = dense_layout();
    struct training_cost cost;
    training.tokens = 300e9;
    cluster.device.price_per_second = 2.0 / 3600;
    cluster.device.power_watts = 700;
    cost_training(&model, &cluster, &training, &layout, 10, &cost);
    assert_near(cost.steps, ceil(300e9 / (2048.0 * 1536)), 1e-12);
    assert_near(cost.days, cost.steps * 10 / 86400, 1e-12);
    assert_true(cost.goodput == 1);
    assert_near(cost.cost, 256 * 2 * cost.steps * 10 / 3600, 1e-12);
    assert_near(cost.energy_joules, 256 * 700 * cost.steps * 10, 1e-12);
    assert_true(cost.energy_cost == 0);
    cluster.energy_price_per_joule = 0.1 / 3.6e6;
    cost_training(&model, &cluster, &training, &layout, 10, &cost);
    assert_near(cost.energy_cost, 256 * 0.7 * cost.steps * 10 / 3600 * 0.1, 1e-12);
    assert_near(cost.cost, 256 * (2 + 0.07) * cost.steps * 10 / 3600, 1e-12);

    /* 50,000 h a device: 256 devices fail every 195 h. 2.45 TB in checkpoints at 32 x 1 GB/s take 76.6 s, so
     * every 2.9 h one (Daly): two times 0.73 % of the time, and half an interval with restart each 195 h. */
    cluster.device.mtbf_seconds = 50000.0 * 3600;
    cluster.node.storage_bytes_per_second = 1e9;
    cost_training(&model, &cluster, &training, &layout, 10, &cost);
    double write = 14 * 175e9 / 32e9, mtbf = 50000.0 * 3600 / 256, interval = sqrt(2 * write * mtbf);
    double lost = write / interval + interval / 2 / mtbf + (600 + write) / mtbf;
    assert_near(1 - cost.goodput, lost, 0.05);
    assert_near(cost.days, cost.steps * 10 / 86400 / cost.goodput, 1e-12);
    /* More failures, less progress. */
    double before = cost.goodput;
    for (double hours = 40000; hours > 30; hours /= 3) {
        cluster.device.mtbf_seconds = hours * 3600;
        cost_training(&model, &cluster, &training, &layout, 10, &cost);
        assert_true(cost.goodput < before && cost.goodput >= 0);
        before = cost.goodput;
    }
}

/* Share of the time that makes progress with a checkpoint every `interval`: Daly's equation 20. */
static double progress(double interval, double write, double restart, double mtbf) {
    return interval / (mtbf * exp(restart / mtbf) * (exp((interval + write) / mtbf) - 1));
}

/* The interval of equation 37 is as good as the best there is, found by trying them all. */
static void the_interval_is_the_best(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model_counts counts = {.parameters = 175e9};
    cluster.node.storage_bytes_per_second = 1e9;
    for (double hours = 50000; hours > 300; hours /= 3) {
        double mtbf = hours * 3600 / 1024, write = 14 * 175e9 / 128e9, best = 0;
        for (double interval = 1; interval < 20 * mtbf; interval *= 1.001) {
            best = fmax(best, progress(interval, write, 600 + write, mtbf));
        }
        cluster.device.mtbf_seconds = hours * 3600;
        double goodput = cost_goodput(&counts, &cluster, 1024);
        assert_true(goodput <= best * (1 + 1e-5));
        assert_near(goodput, best, 1e-3);
    }
}

/* Llama 3 405B: 16,384 H100, 419 unexpected interruptions in 54 days, over 90 % of the time effective (arXiv
 * 2407.21783, section 3.3.4); storage of 2 TB/s (3.3.1). */
static void llama_3_made_progress(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model_counts counts = {.parameters = 405e9};
    cluster.device.mtbf_seconds = 16384 * 54 * 86400.0 / 419;
    cluster.node.storage_bytes_per_second = 2e12 / 2048;
    double goodput = cost_goodput(&counts, &cluster, 16384);
    assert_true(goodput > 0.90 && goodput < 0.97);
    /* A host link slower than the storage is what a checkpoint waits for. */
    cluster.node.host_link_bytes_per_second = 25e9;
    assert_near(cost_goodput(&counts, &cluster, 16384), goodput, 1e-12);
    cluster.node.host_link_bytes_per_second = 1e6;
    assert_true(cost_goodput(&counts, &cluster, 16384) < goodput);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(terms_add_up),
        cmocka_unit_test(cache_does_not_mix),
        cmocka_unit_test(more_never_hurts),
        cmocka_unit_test(interleaving_hides_no_more_than_it_computes),
        cmocka_unit_test(keys_do_what_they_say),
        cmocka_unit_test(each_copy_is_sent_once),
        cmocka_unit_test(exchange_is_assumed_as_software_has_it),
        cmocka_unit_test(routing_keys_do_what_they_say),
        cmocka_unit_test(context_parallelism_of_pytorch_merges_its_pieces),
        cmocka_unit_test(biases_of_experts_are_added_apart),
        cmocka_unit_test(graphs_spare_the_host),
        cmocka_unit_test(experts_of_a_device_take_launches),
        cmocka_unit_test(rows_are_padded_for_fp8),
        cmocka_unit_test(gradients_take_the_bytes_they_are_said_to),
        cmocka_unit_test(zero_3_sends_gradients_in_16_bits),
        cmocka_unit_test(recipes_do_what_they_say),
        cmocka_unit_test(fully_sharded_stacks_cast_and_overlap_their_way),
        cmocka_unit_test(zero_three_pays_by_micro_batch),
        cmocka_unit_test(no_faster_than_the_peak),
        cmocka_unit_test(mfu_by_hand),
        cmocka_unit_test(a_whole_training),
        cmocka_unit_test(the_interval_is_the_best),
        cmocka_unit_test(llama_3_made_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
