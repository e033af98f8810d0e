/* What the host takes to launch a layer with routed experts. */
#include "check.h"

#include "cost_question.h"
#include "h100_cluster.h"
#include "planner/cost/launch.h"
#include "shapes.h"

/* Experts dealt to as many devices as there are. */
static struct layout dealt_to(int64_t devices) {
    return (struct layout){
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = devices, .etp = 1, .dp = devices, .micro_batch = 1};
}

/* A step of so little work that its time is the host's, of 128 micro-batches of 48 layers. */
static double launch_bound_seconds(const struct model *model, const struct training *training,
                                   const struct layout *layout) {
    struct cluster cluster = h100_cluster();
    return cost_on(&cluster, model, training, layout).seconds / (128 * 48);
}

/* What a layer of 16 experts a device takes the host in both passes: 2.6 ms, and four calls of an all-to-all
 * within a node. */
static const double EAGER_SECONDS = 2.6 * (2.6e-3 + 4 * 0.25e-3);

/* Router and dispatch replayed from graphs leave the host 0.8 of what it takes for a layer of experts
 * whatever their number. */
static void graphs_spare_the_host(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b;
    struct training training = training_of(512, 1024);
    struct layout layout = dealt_to(8);
    double eager = launch_bound_seconds(&model, &training, &layout);
    training.cuda_graphs = GRAPHS_LAYERS;
    double spared = eager - launch_bound_seconds(&model, &training, &layout);
    assert_near(spared, 0.2 * EAGER_SECONDS, 0.01);
    training.cuda_graphs = GRAPHS_ATTENTION;
    assert_near(eager - launch_bound_seconds(&model, &training, &layout), 3 * spared, 0.01);
    training.sequence = 16384; /* kernels take longer than their launch */
    training.cuda_graphs = GRAPHS_NONE;
    eager = cost_on(&cluster, &model, &training, &layout).seconds;
    training.cuda_graphs = GRAPHS_LAYERS;
    assert_near(cost_on(&cluster, &model, &training, &layout).seconds, eager, 1e-12);
    model.experts.capacity_factor = 1; /* whole layers are replayed, without gaps between kernels */
    double replayed = cost_on(&cluster, &model, &training, &layout).seconds;
    training.cuda_graphs = GRAPHS_NONE;
    double gaps = cost_on(&cluster, &model, &training, &layout).seconds - replayed;
    int64_t micro_batches = layout_micro_batches(&layout, training.global_batch);
    assert_near(gaps / (double)(micro_batches * model.layers), 2 * 0.31e-3, 0.01);
    training.sequence = 512; /* nor does the host set the pace */
    assert_true(launch_bound_seconds(&model, &training, &layout) > 0.5 * EAGER_SECONDS);
    training.cuda_graphs = GRAPHS_LAYERS;
    assert_true(launch_bound_seconds(&model, &training, &layout) < 0.5 * EAGER_SECONDS);
}

/* NVIDIA's recipes replay attention, routers and dispatch where a Grace, which launches at length, is the
 * host. */
static void a_grace_launches_slowly_and_has_graphs(void **state) {
    struct cluster h100 = h100_cluster(), gb200 = h100;
    struct model model = qwen3_30b, padded = model;
    struct training training = training_of(4096, 1024);
    struct layout layout = dealt_to(8);
    (void)state;
    gb200.device.name = "GB200-186GB";
    padded.experts.capacity_factor = 1;
    assert_int_equal(training_graphs(&training, &model, &h100.device), GRAPHS_NONE);
    assert_int_equal(training_graphs(&training, &padded, &gb200.device), GRAPHS_NONE);
    assert_int_equal(training_graphs(&training, &model, &gb200.device), GRAPHS_ATTENTION);
    double assumed = launch_expert_layer(&model, &gb200, &training, &layout).forward;
    training.cuda_graphs = GRAPHS_ATTENTION;
    assert_near(launch_expert_layer(&model, &gb200, &training, &layout).forward, assumed, 1e-12);
    assert_near(launch_expert_layer(&model, &h100, &training, &layout).forward, assumed / 1.3, 1e-12);
    training.cuda_graphs = GRAPHS_NONE;
    assert_int_equal(training_graphs(&training, &model, &gb200.device), GRAPHS_NONE);
    assert_near(launch_expert_layer(&model, &gb200, &training, &layout).backward,
                1.3 * launch_expert_layer(&model, &h100, &training, &layout).backward, 1e-12);
    training.cuda_graphs = GRAPHS_DEFAULT;
    training.stack = stack_find("fsdp");
    assert_int_equal(training_graphs(&training, &model, &gb200.device), GRAPHS_NONE);
}

/* A step in one graph leaves the host nothing to launch, and no gaps. */
static void a_step_in_one_graph_is_not_the_hosts(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b, dense = model;
    struct training training = training_of(16384, 1024);
    struct layout layout = dealt_to(8);
    training.cuda_graphs = GRAPHS_LAYERS;
    double layers = cost_on(&cluster, &model, &training, &layout).seconds;
    training.cuda_graphs = GRAPHS_STEP;
    double step = cost_on(&cluster, &model, &training, &layout).seconds;
    int64_t micro_batches = layout_micro_batches(&layout, training.global_batch);
    assert_near((layers - step) / (double)(micro_batches * model.layers), 2 * 0.31e-3, 0.01);
    struct launch_time launch = launch_expert_layer(&model, &cluster, &training, &layout);
    assert_true(launch.forward == 0 && launch.backward == 0);
    dense.experts.count = 0;
    training.sequence = 128;
    layout.ep = 1;
    step = cost_on(&cluster, &dense, &training, &layout).seconds;
    training.cuda_graphs = GRAPHS_LAYERS; /* of experts alone */
    layers = cost_on(&cluster, &dense, &training, &layout).seconds;
    launch = launch_dense_layer(&training);
    assert_true(launch.forward > 0 && layers > 1.2 * step);
}

/* The host launches products of all experts at once, but casts to fp8 and what biases take one by one; a
 * stage's pass costs it something besides. */
static void experts_of_a_device_take_launches(void **state) {
    (void)state;
    struct model model = qwen3_30b;
    struct training training = training_of(512, 1024);
    struct layout layout = dealt_to(8);
    double launch = 25e-6, sixteen = launch_bound_seconds(&model, &training, &layout);
    layout.ep = 4;
    assert_near(launch_bound_seconds(&model, &training, &layout), sixteen, 0.01);
    layout.ep = 8;
    training.precision = PRECISION_FP8;
    double casts = launch_bound_seconds(&model, &training, &layout) - sixteen;
    assert_near(casts, 16 * 12 * launch, 0.01);
    training.precision = PRECISION_BF16;
    model.experts.capacity_factor = 1; /* padded, whatever their number */
    double padded = launch_bound_seconds(&model, &training, &layout);
    assert_near(sixteen - padded, 0.5 * EAGER_SECONDS, 0.01);
    model.experts.capacity_factor = 0;
    model.linear_bias = true;
    double biases = launch_bound_seconds(&model, &training, &layout) - sixteen;
    assert_near(biases, 16 * 11 * launch, 0.02);
    /* 8 chunks of 6 layers instead of 2 of 24, each 0.55 ms forward and 1.6 times that backward. */
    layout.pp = 2;
    struct cluster cluster = h100_cluster();
    struct launch_time one = launch_expert_layer(&model, &cluster, &training, &layout);
    layout.vpp = 4;
    struct launch_time four = launch_expert_layer(&model, &cluster, &training, &layout);
    assert_near(48 * (four.forward - one.forward), (8 - 2) * 0.55e-3, 1e-9);
    assert_near(48 * (four.backward - one.backward), (8 - 2) * 1.6 * 0.55e-3, 1e-9);
    /* MXFP8 needs no largest element and no scale. */
    training.precision = PRECISION_FP8;
    struct launch_time tensors = launch_expert_layer(&model, &cluster, &training, &layout);
    cluster.device.fp8_scaling = FP8_SCALING_BLOCK;
    struct launch_time blocks = launch_expert_layer(&model, &cluster, &training, &layout);
    assert_near(tensors.forward - blocks.forward, 16 * 4 * launch, 1e-9);
    assert_near(tensors.backward - blocks.backward, 16 * 4 * launch, 1e-9);
    /* A recipe says otherwise than the device. */
    training.recipe.fp8_scaling = SCALING_TENSOR;
    assert_near(launch_expert_layer(&model, &cluster, &training, &layout).forward, tensors.forward, 1e-12);
    cluster.device.fp8_scaling = FP8_SCALING_TENSOR;
    training.recipe.fp8_scaling = SCALING_BLOCK;
    assert_near(launch_expert_layer(&model, &cluster, &training, &layout).forward, blocks.forward, 1e-12);
    /* Beside another micro-batch each pass is four nodes, each as long as four launches, which capacities
     * don't spare. */
    training.routing.overlap = true;
    struct launch_time nodes = launch_expert_layer(&model, &cluster, &training, &layout);
    assert_near(nodes.forward - blocks.forward, 4 * 4 * launch, 1e-9);
    assert_near(nodes.backward - blocks.backward, 4 * 4 * launch, 1e-9);
    model.experts.capacity_factor = 1;
    struct launch_time filled = launch_expert_layer(&model, &cluster, &training, &layout);
    training.routing.overlap = false;
    assert_near(filled.forward - launch_expert_layer(&model, &cluster, &training, &layout).forward,
                4 * 4 * launch, 1e-9);
}

/* Under FSDP the experts of a device are slices of one weight, which one grouped product goes through
 * (torchtitan, models/gpt_oss/moe.py at 58b034444). */
static void the_host_launches_experts_at_once_under_fsdp(void **state) {
    struct arena *arena = arena_create();
    struct cluster h100 = h100_cluster();
    struct model few = qwen3_30b, many = qwen3_30b;
    struct training training = training_of(4096, 1024);
    struct layout one = dealt_to(1);
    (void)state;
    few.linear_bias = many.linear_bias = true; /* added one by one */
    few.experts.count = 8;
    many.experts.count = 128;
    struct launch_time core = launch_expert_layer(&few, &h100, &training, &one);
    assert_true(launch_expert_layer(&many, &h100, &training, &one).backward > 2 * core.backward);
    training.stack = stack_find("fsdp");
    struct launch_time fsdp = launch_expert_layer(&few, &h100, &training, &one);
    assert_near(launch_expert_layer(&many, &h100, &training, &one).forward, fsdp.forward, 1e-12);
    assert_near(launch_expert_layer(&many, &h100, &training, &one).backward, fsdp.backward, 1e-12);
    arena_destroy(arena);
}

/* Collectives and modules of Transformer Engine beside those that every such layer calls, 0.25 ms each. */
static void further_calls_take_the_host(void **state) {
    struct cluster cluster = h100_cluster();
    struct model model = qwen3_30b, latent = model;
    struct training training = training_of(4096, 1024);
    struct layout layout = dealt_to(8);
    const double call = 0.25e-3;
    (void)state;
    training.routing.dispatcher = DISPATCHER_DEEPEP;
    double fused = launch_expert_layer(&model, &cluster, &training, &layout).forward;
    assert_near(fused, 2.6e-3, 1e-9);
    /* An all-to-all: counts, probabilities, and two sorts unless a device has one expert. */
    training.routing.dispatcher = DISPATCHER_ALL_TO_ALL;
    struct launch_time all = launch_expert_layer(&model, &cluster, &training, &layout);
    assert_near(all.forward - fused, 4 * call, 1e-9);
    assert_int_equal(all.calls, 4);
    assert_near(all.backward, 1.6 * all.forward, 1e-9);
    layout.ep = 128;
    assert_near(launch_expert_layer(&model, &cluster, &training, &layout).forward - fused, 2 * call, 1e-9);
    layout.ep = 1; /* nothing to exchange */
    assert_near(launch_expert_layer(&model, &cluster, &training, &layout).forward, fused, 1e-9);
    /* tp: two; one more where its ranks share a key's head. */
    layout.tp = 4;
    assert_near(launch_expert_layer(&model, &cluster, &training, &layout).forward - fused, 2 * call, 1e-9);
    layout.tp = 8;
    assert_near(launch_expert_layer(&model, &cluster, &training, &layout).forward - fused, 3 * call, 1e-9);
    layout.etp = 8;
    assert_near(launch_expert_layer(&model, &cluster, &training, &layout).forward - fused, 6 * call, 1e-9);
    /* Latent attention, whose query may be of a low rank too; tp gathers what goes into each product. */
    layout = dealt_to(1);
    latent.mla.kv_lora_rank = 512;
    assert_near(launch_expert_layer(&latent, &cluster, &training, &layout).forward - fused, 2 * call, 1e-9);
    latent.mla.q_lora_rank = 1536;
    assert_near(launch_expert_layer(&latent, &cluster, &training, &layout).forward - fused, 3 * call, 1e-9);
    layout.tp = 8;
    assert_near(launch_expert_layer(&latent, &cluster, &training, &layout).forward - fused, 7 * call, 1e-9);
    latent.experts.shared = 1;
    assert_near(launch_expert_layer(&latent, &cluster, &training, &layout).forward - fused, 11 * call, 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(further_calls_take_the_host),
        cmocka_unit_test(graphs_spare_the_host),
        cmocka_unit_test(a_grace_launches_slowly_and_has_graphs),
        cmocka_unit_test(a_step_in_one_graph_is_not_the_hosts),
        cmocka_unit_test(experts_of_a_device_take_launches),
        cmocka_unit_test(the_host_launches_experts_at_once_under_fsdp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
