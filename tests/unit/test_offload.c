/* Memory outside the device: what goes where, what stays, and what it costs, by hand. */
#include "memory_question.h"

#include "planner/cost/cost.h"
#include "planner/kernels/reference_device.h"

/* A layer has 12 h^2 = 12 x 4096^2 = 201326592 parameters in its products, two norms of 2 h, and biases of
 * none; the table 32768 h = 134217728, the last norm 2 h. */
#define HIDDEN           4096.0
#define LAYER_PARAMETERS (12 * HIDDEN * HIDDEN + 4 * HIDDEN)
#define TABLE            (32768 * HIDDEN)
#define LAYERS           4

static const struct model plain_model = {.name = "plain",
                                         .layers = LAYERS,
                                         .hidden = 4096,
                                         .heads = 32,
                                         .kv_heads = 32,
                                         .head_dim = 128,
                                         .ffn_hidden = 16384,
                                         .vocab = 32768,
                                         .sequence = 2048,
                                         .norm = NORM_LAYERNORM,
                                         .experts = {.every = 1}};

static struct cluster plain_cluster(void) {
    struct cluster cluster = {
        .name = "test",
        .node = {.devices = 4, .host_memory_bytes = 4e12, .host_link_bytes_per_second = 1e9},
        .device = reference_device,
        .level_count = 1};
    cluster.levels[0] = (struct network_level){
        .name = "all", .bandwidth_bytes_per_second = 100e9, .latency_seconds = 1e-6, .oversubscription = 1};
    cluster.node.host_memory_bytes_per_second = 1e15;
    return cluster;
}

static struct training plain_training(void) {
    return (struct training){.sequence = 2048,
                             .global_batch = 8,
                             .precision = PRECISION_BF16,
                             .attention = ATTENTION_FLASH,
                             .stack = stack_default()};
}

static struct layout plain_layout(enum offload offload) {
    return (struct layout){.tp = 1,
                           .pp = 1,
                           .vpp = 1,
                           .cp = 1,
                           .ep = 1,
                           .etp = 1,
                           .dp = 4,
                           .micro_batch = 1,
                           .zero = 3,
                           .recompute = RECOMPUTE_FULL,
                           .overlap = {true, true, true},
                           .offload = offload};
}

static struct memory_use memory_on(const struct cluster *cluster, const struct layout *layout) {
    struct training training = plain_training();
    struct memory_use use;
    memory_estimate(&plain_model, cluster, &training, layout, &use, NULL);
    return use;
}

static struct step_cost cost_of(const struct cluster *cluster, const struct training *training,
                                const struct layout *layout) {
    struct arena *arena = arena_create();
    struct step_cost cost;
    cost_evaluate(cost_context_create(arena, &plain_model, cluster, training), layout, PIPELINE_CLOSED_FORM,
                  &cost, NULL);
    arena_destroy(arena);
    return cost;
}

static struct step_cost cost_on(const struct cluster *cluster, const struct layout *layout) {
    struct training training = plain_training();
    return cost_of(cluster, &training, layout);
}

/* Weights and optimizer of the whole model in four shards, in bytes a parameter: 2 and 4, 12. */
static void what_moves_out_is_gone_from_the_device(void **state) {
    const double parameters = LAYERS * LAYER_PARAMETERS + 2 * TABLE + 2 * HIDDEN;
    const double activations = 1.0 * LAYERS * 2 * HIDDEN * 2048 + HIDDEN * 2048; /* and a mask of a byte */
    struct cluster cluster = plain_cluster();
    (void)state;
    for (int i = 0; i < OFFLOAD_COUNT; i++) {
        enum offload offload = (enum offload)i;
        struct layout layout = plain_layout(offload);
        struct memory_use use = memory_on(&cluster, &layout);
        double outside = 0;
        assert_near(use.weights_bytes, offload_weights(offload) ? 0 : 2 * parameters / 4, 1e-9);
        assert_near(use.gradients_bytes, offload_gradients(offload) ? 0 : 4 * parameters / 4, 1e-9);
        assert_near(use.optimizer_bytes, offload_optimizer(offload) ? 0 : 12 * parameters / 4, 1e-9);
        /* Two layers come and go. */
        assert_near(use.activations_bytes, offload_activations(offload) ? 2 * 2 * HIDDEN * 2048 : activations,
                    1e-9);
        outside += offload_activations(offload) ? activations : 0;
        outside += offload_weights(offload) ? 2 * parameters / 4 : 0;
        outside += offload_gradients(offload) ? 4 * parameters / 4 : 0;
        outside += offload_optimizer(offload) ? 12 * parameters / 4 : 0;
        assert_near(use.host_bytes_per_device, outside, 1e-9);
        assert_true(use.store_bytes_per_device == 0 && memory_fits(&use));
    }
}

/* Streamed weights are on the device two layers at a time with one layer's gradient, of small ones. */
static void streamed_layers_are_bounded(void **state) {
    struct cluster cluster = plain_cluster();
    struct layout layout = plain_layout(OFFLOAD_WEIGHTS);
    struct training training = plain_training();
    struct memory_parts parts;
    struct chunk_layers one = {{1, 0}, {0}};
    struct model large = plain_model;
    (void)state;
    memory_parts_init(&parts, &plain_model, &training, &layout);
    assert_near(memory_gather_bytes(&parts, &one), 2 * (2 + 1) * LAYER_PARAMETERS, 1e-9);
    large.hidden = 40960;
    large.ffn_hidden = 4 * 40960;
    large.heads = large.kv_heads = 320;
    memory_parts_init(&parts, &large, &training, &layout);
    assert_near(memory_gather_bytes(&parts, &one), 2 * (1e9 + 1e9), 1e-9);
    layout.dp = 1;
    layout.zero = 0; /* alone: streamed all the same */
    assert_true(memory_on(&cluster, &layout).weights_bytes == 0);
}

/* The host takes what it has room for, whole, activations first; the rest goes to the store. */
static void the_host_is_filled_before_the_store(void **state) {
    const double parameters = LAYERS * LAYER_PARAMETERS + 2 * TABLE + 2 * HIDDEN;
    struct cluster cluster = plain_cluster();
    struct layout layout = plain_layout(OFFLOAD_WEIGHTS_ACTIVATIONS);
    struct memory_use use;
    (void)state;
    cluster.store = (struct cluster_store){
        .name = "drives", .capacity_bytes = 12 * parameters, .devices = 4, .bytes_per_second = 1e9};
    cluster.node.host_memory_bytes =
        7 * parameters; /* weights and gradients take 6, activations less than 1 */
    use = memory_on(&cluster, &layout);
    assert_false(use.outside[OUTSIDE_ACTIVATIONS].in_store);
    assert_false(use.outside[OUTSIDE_WEIGHTS].in_store || use.outside[OUTSIDE_GRADIENTS].in_store);
    assert_true(use.outside[OUTSIDE_OPTIMIZER].in_store);
    assert_near(use.store_bytes_per_device, 12 * parameters / 4, 1e-9);
    assert_true(memory_fits(&use));
    cluster.store.capacity_bytes *= 0.99;
    use = memory_on(&cluster, &layout);
    assert_false(memory_fits(&use));
    cluster.store.capacity_bytes *= 2;
    cluster.node.host_memory_bytes = 0; /* unknown */
    use = memory_on(&cluster, &layout);
    assert_true(use.outside[OUTSIDE_ACTIVATIONS].in_store && use.host_bytes_per_device == 0);
    cluster.store = (struct cluster_store){.name = NULL};
    use = memory_on(&cluster, &layout);
    assert_false(memory_fits(&use));
    cluster.node.host_memory_bytes =
        4 * use.host_bytes_per_device; /* all of it, which the system needs too */
    use = memory_on(&cluster, &layout);
    assert_false(memory_fits(&use));
    cluster.node.host_memory_bytes /= 0.899;
    use = memory_on(&cluster, &layout);
    assert_true(memory_fits(&use));
}

/* Over a link so slow that it alone counts: 2 micro-batches, each weight read twice and its gradient sent
 * once beside the second read, a quarter by each device. */
/* The search asks before it reckons with activations: a place for 18 bytes a parameter, in host and store
 * together. */
static void states_need_a_place(void **state) {
    const double parameters = LAYERS * LAYER_PARAMETERS + 2 * TABLE + 2 * HIDDEN;
    struct training training = plain_training();
    struct cluster cluster = plain_cluster();
    struct layout layout = plain_layout(OFFLOAD_WEIGHTS_ACTIVATIONS);
    struct memory_parts parts;
    (void)state;
    memory_parts_init(&parts, &plain_model, &training, &layout);
    cluster.node.host_memory_bytes = 18.01 * parameters / 0.9; /* of which a job may fill so much */
    assert_true(memory_parts_have_place(&parts, &cluster));
    cluster.node.host_memory_bytes = 17.99 * parameters / 0.9;
    assert_false(memory_parts_have_place(&parts, &cluster));
    cluster.store = (struct cluster_store){
        .name = "drives", .capacity_bytes = 0.02 * parameters, .devices = 4, .bytes_per_second = 1e9};
    assert_true(memory_parts_have_place(&parts, &cluster));
    layout.offload = OFFLOAD_ACTIVATIONS; /* which may be few */
    cluster.node.host_memory_bytes = 1;
    assert_true(memory_parts_have_place(&parts, &cluster));
}

static void a_slow_link_sets_the_pace(void **state) {
    const double streamed = LAYERS * LAYER_PARAMETERS + 2 * TABLE;
    const double link = 1e6, micro_batches = 2;
    struct cluster cluster = plain_cluster();
    struct layout layout = plain_layout(OFFLOAD_WEIGHTS);
    struct step_cost cost;
    (void)state;
    cluster.node.host_link_bytes_per_second = link;
    cost = cost_on(&cluster, &layout);
    double expected = micro_batches * 2 * 2 * streamed / 4 / link;
    assert_near(cost.seconds - cost.optimizer, expected, 1e-3);
    assert_true(cost.offload > 0.99 * expected && cost.offload < expected);
    /* Through a host's memory both directions count: forward one, backward two. */
    cluster.node.host_link_bytes_per_second = 1e12;
    cluster.node.host_memory_bytes_per_second = 4 * link;
    cost = cost_on(&cluster, &layout);
    assert_near(cost.seconds - cost.optimizer, micro_batches * (1 + 2) * 2 * streamed / 4 / link, 1e-3);
    /* A quick link hides all but the embedding's table, of which the device only looks up. */
    cluster.node.host_memory_bytes_per_second = 1e15;
    assert_true(cost_on(&cluster, &layout).offload < micro_batches * 2 * 2 * TABLE / 4 / 1e12);
}

/* Activations: out forward, back backward; full recompute keeps 2 h T a layer. */
static void activations_go_and_come(void **state) {
    struct cluster cluster = plain_cluster();
    struct layout layout = plain_layout(OFFLOAD_ACTIVATIONS);
    const double link = 1e6, bytes = 2 * HIDDEN * 2048 * LAYERS;
    (void)state;
    cluster.node.host_link_bytes_per_second = link;
    struct step_cost with = cost_on(&cluster, &layout);
    layout.offload = OFFLOAD_NONE;
    struct step_cost without = cost_on(&cluster, &layout);
    assert_near(without.offload, 0, 0);
    assert_near(with.offload, 2 * 2 * bytes / link, 0.01);
    assert_near(with.optimizer, without.optimizer, 1e-12);
}

/* A store that sends weights to all at once and sums gradients: each device takes whole layers, and dp costs
 * nothing. */
static void a_broadcast_replaces_the_network(void **state) {
    const double streamed = LAYERS * LAYER_PARAMETERS + 2 * TABLE, link = 1e6;
    struct cluster cluster = plain_cluster();
    struct layout layout = plain_layout(OFFLOAD_WEIGHTS);
    (void)state;
    cluster.node.host_memory_bytes = 0;
    cluster.store = (struct cluster_store){.name = "service",
                                           .capacity_bytes = 1e15,
                                           .bytes_per_second = link,
                                           .total_bytes_per_second = link,
                                           .memory_bytes_per_second = 1e9};
    struct step_cost apart = cost_on(&cluster, &layout);
    cluster.store.broadcast = true;
    struct step_cost shared = cost_on(&cluster, &layout);
    assert_near(shared.seconds - shared.optimizer, 2 * 2 * 2 * streamed / link, 1e-3);
    assert_near(shared.dp, 0, 0);
    assert_true(apart.dp > 0);
    /* Apart, a device takes a quarter of each layer over a quarter of the store's link. */
    assert_near(apart.offload, 2 * 2 * 2 * streamed / link, 1e-3);
    /* The store updates all parameters once, 40 bytes each. */
    const double parameters = LAYERS * LAYER_PARAMETERS + 2 * TABLE + 2 * HIDDEN;
    assert_near(shared.optimizer, 40 * parameters / 1e9, 1e-3);
}

/* Where the states lie says who updates them: the host's processors, which pass 40 bytes
 * through its memory, over the link 6 bytes a parameter; a
 * store that only keeps them sends 12 bytes each way. */
static void the_update_is_made_where_the_states_are(void **state) {
    const double parameters = (LAYERS * LAYER_PARAMETERS + 2 * TABLE + 2 * HIDDEN) / 4;
    struct cluster cluster = plain_cluster();
    struct layout layout = plain_layout(OFFLOAD_OPTIMIZER);
    const double step = stack_default()->step_seconds;
    (void)state;
    cluster.node.host_memory_bytes_per_second = 4e9;
    double clear = cost_on(&cluster, &layout).optimizer - step - parameters * (6 / 1e9 + 40 / 1e9);
    double cleared = 4 * 4 * parameters / reference_device.memory_bytes_per_second; /* whole gradients */
    assert_true(clear > cleared && clear < 2 * cleared);
    cluster.node.host_memory_bytes_per_second = 4e15;
    cluster.node.host_memory_bytes = 1e9;
    cluster.store = (struct cluster_store){
        .name = "drives", .capacity_bytes = 1e15, .devices = 4, .bytes_per_second = 1e9};
    /* Without a host's link of its own the gradients take the default of 25 GB/s. */
    cluster.node.host_link_bytes_per_second = 0;
    assert_near(cost_on(&cluster, &layout).optimizer, step + clear + parameters * (6 / 25e9 + 12 / 1e9),
                1e-3);
    cluster.node.host_memory_bytes = 0; /* the device updates what passes it */
    assert_near(cost_on(&cluster, &layout).optimizer, step + clear + parameters * 12 / 1e9, 1e-3);
}

/* A process has a thread for its update, however much of the host's memory is its own; PyTorch's unfused Adam
 * (FSDP) passes the states six times, and DeepSpeed's takes all that there is. */
static void a_process_updates_at_the_pace_of_a_thread(void **state) {
    static const struct {
        const char *stack;
        double passes, most;
    } cases[] = {{"megatron-core", 1, 28e9}, {"fsdp", 6, 28e9}, {"megatron-deepspeed", 1, 1e15}};
    const double parameters = (LAYERS * LAYER_PARAMETERS + 2 * TABLE + 2 * HIDDEN) / 4, share = 1e9;
    struct cluster slow = plain_cluster(), quick = plain_cluster();
    struct layout layout = plain_layout(OFFLOAD_WEIGHTS);
    struct training training = plain_training();
    (void)state;
    slow.node.host_memory_bytes_per_second = 4 * share;
    quick.node.host_memory_bytes_per_second = 4e15;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        training.stack = stack_find(cases[i].stack);
        assert_near(cost_of(&slow, &training, &layout).optimizer -
                        cost_of(&quick, &training, &layout).optimizer,
                    parameters * 40 * cases[i].passes * (1 / share - 1 / cases[i].most), 1e-3);
    }
}

static void unions_move_out_all(void **state) {
    (void)state;
    for (int i = 0; i < OFFLOAD_COUNT; i++)
        for (int j = 0; j < OFFLOAD_COUNT; j++) {
            enum offload a = (enum offload)i, b = (enum offload)j, both = offload_union(a, b);
            assert_int_equal(offload_activations(both), offload_activations(a) || offload_activations(b));
            assert_int_equal(offload_optimizer(both), offload_optimizer(a) || offload_optimizer(b));
            assert_int_equal(offload_gradients(both), offload_gradients(a) || offload_gradients(b));
            assert_int_equal(offload_weights(both), offload_weights(a) || offload_weights(b));
        }
}

/* GPT shapes of arXiv 2101.06840 and 2104.07857, on as many V100 of a DGX-2: what was said to fit does. */
static bool fits_on_dgx2(int64_t layers, int64_t hidden, int64_t devices, int64_t micro_batch,
                         enum offload offload) {
    struct model model = plain_model;
    struct cluster cluster;
    struct arena *arena = arena_create();
    struct error error = {0};
    struct training training = {.sequence = 1024,
                                .global_batch = micro_batch * devices,
                                .precision = PRECISION_FP16,
                                .attention = ATTENTION_UNFUSED,
                                .stack = stack_find("megatron-deepspeed")};
    struct layout layout = plain_layout(offload);
    struct memory_use use;
    assert_true(cluster_read(SOURCE_DIR "/topologies/dgx-2.yaml", arena, &cluster, &error));
    model.layers = layers;
    model.hidden = hidden;
    model.heads = model.kv_heads = hidden / 128;
    model.ffn_hidden = 4 * hidden;
    model.vocab = 50304;
    model.tied_embeddings = true;
    layout.dp = devices;
    layout.micro_batch = micro_batch;
    memory_estimate(&model, &cluster, &training, &layout, &use, NULL);
    arena_destroy(arena);
    return memory_fits(&use);
}

static void published_sizes_fit(void **state) {
    (void)state;
    assert_true(fits_on_dgx2(65, 4096, 1, 1, OFFLOAD_GRADIENTS)); /* 13B on one, and hardly more */
    assert_false(fits_on_dgx2(75, 4096, 1, 1, OFFLOAD_GRADIENTS));
    assert_false(fits_on_dgx2(65, 4096, 1, 1, OFFLOAD_OPTIMIZER));
    assert_true(fits_on_dgx2(125, 8192, 16, 24, OFFLOAD_WEIGHTS_ACTIVATIONS));  /* 100B on sixteen */
    assert_true(fits_on_dgx2(128, 25600, 16, 7, OFFLOAD_WEIGHTS_ACTIVATIONS));  /* 1T, with the drives */
    assert_false(fits_on_dgx2(512, 25600, 16, 1, OFFLOAD_WEIGHTS_ACTIVATIONS)); /* 4T: the drives are full */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_sizes_fit),
        cmocka_unit_test(unions_move_out_all),
        cmocka_unit_test(what_moves_out_is_gone_from_the_device),
        cmocka_unit_test(streamed_layers_are_bounded),
        cmocka_unit_test(the_host_is_filled_before_the_store),
        cmocka_unit_test(states_need_a_place),
        cmocka_unit_test(a_slow_link_sets_the_pace),
        cmocka_unit_test(activations_go_and_come),
        cmocka_unit_test(a_broadcast_replaces_the_network),
        cmocka_unit_test(the_update_is_made_where_the_states_are),
        cmocka_unit_test(a_process_updates_at_the_pace_of_a_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
