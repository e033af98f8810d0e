/* What a training's recipe and gradients change, and what stacks do by themselves. */
#include "check.h"

#include <math.h>

#include "cost_question.h"
#include "h100_cluster.h"
#include "planner/cost/communication.h"
#include "planner/cost/launch.h"
#include "shapes.h"

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

static double reduce_seconds(const struct training *training, int64_t zero) {
    struct cluster cluster = h100_cluster();
    struct layout layout = dense_layout();
    struct communication_problem problem = {&gpt_3, &cluster, training, &layout, NULL, false, NULL, 0};
    struct communication_state state;
    layout.zero = zero;
    communication_state_of(&problem, &state, NULL);
    return state.reduce;
}

/* ZeRO-3 sends gradients as wide as parameters, unless told; PyTorch's sums in fp32. */
static void zero_3_sends_gradients_in_16_bits(void **state) {
    (void)state;
    struct training training = training_of(2048, 1536), half = training, single = training;
    half.gradients = GRADIENTS_HALF;
    single.gradients = GRADIENTS_SINGLE;
    assert_near(reduce_seconds(&training, 2), reduce_seconds(&single, 2), 1e-12);
    assert_near(reduce_seconds(&training, 3), reduce_seconds(&half, 3), 1e-12);
    assert_within(reduce_seconds(&training, 3) / reduce_seconds(&single, 3), 0.5, 0.1);
    training.stack = single.stack = stack_find("fsdp");
    assert_near(reduce_seconds(&training, 3), reduce_seconds(&single, 3), 1e-12);
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
    struct model model = gpt_3;
    model.linear_bias = true; /* trained with dropout, where nothing else is said */
    struct training training = training_of(2048, 256);
    struct layout layout = dense_layout();
    double base = seconds_with(&(struct recipe){0}, &training, &model, &layout);
    assert_true(seconds_with(&(struct recipe){.dropout = TOGGLE_OFF}, &training, &model, &layout) < base);
    assert_near(seconds_with(&(struct recipe){.dropout = TOGGLE_ON}, &training, &model, &layout), base,
                1e-12);
    assert_true(seconds_with(&(struct recipe){.flash = FLASH_1}, &training, &model, &layout) > base);
    assert_true(seconds_with(&(struct recipe){.compiled = TOGGLE_ON}, &training, &model, &layout) < base);
    double compiled = seconds_with(&(struct recipe){.loss = LOSS_COMPILED}, &training, &model, &layout);
    assert_near(compiled, base, 1e-12);
    assert_true(seconds_with(&(struct recipe){.loss = LOSS_FUSED}, &training, &model, &layout) < compiled);
    double unfused = seconds_with(&(struct recipe){.loss = LOSS_UNFUSED}, &training, &model, &layout);
    assert_true(compiled < unfused);
    assert_true(unfused < seconds_with(&(struct recipe){.loss = LOSS_GATHERED}, &training, &model, &layout));
    assert_true(base < seconds_with(&(struct recipe){.norms = NORMS_EAGER}, &training, &model, &layout));
}

/* In half the bytes, but only where the rest is fp8, and there by default. */
static void parameters_are_gathered_in_fp8(void **state) {
    (void)state;
    struct model model = gpt_3;
    struct training training = training_of(2048, 256);
    struct layout layout = dense_layout();
    struct recipe usual = {0}, fp8 = {.parameters = PARAMETERS_FP8}, half = {.parameters = PARAMETERS_HALF};
    double base = seconds_with(&usual, &training, &model, &layout);
    assert_near(seconds_with(&fp8, &training, &model, &layout), base, 1e-12);
    training.precision = PRECISION_FP8;
    layout.dp = 64;
    base = seconds_with(&usual, &training, &model, &layout);
    assert_near(seconds_with(&fp8, &training, &model, &layout), base, 1e-12);
    assert_true(base < seconds_with(&half, &training, &model, &layout));
}

static struct model llama_like(void) {
    struct model model = mixtral_8x22b;
    model.experts = (struct model_experts){.every = 1};
    return model;
}

/* What a stack fuses for GPT it doesn't for Llama. Under FSDP Llama-like models are compiled unless the
 * recipe says no, GPT-like ones if it says so. */
static void stacks_fuse_what_their_users_train(void **state) {
    (void)state;
    struct model gpt = gpt_3, llama = llama_like();
    struct training training = training_of(2048, 256);
    gpt.linear_bias = true;
    training.stack = stack_find("megatron-2022");
    assert_true(training_gate_is_eager(&training, &llama) && !training_norms_are_eager(&training, &llama));
    assert_false(training_gate_is_eager(&training, &gpt) || training_norms_are_eager(&training, &gpt));
    training.recipe.norms = NORMS_EAGER;
    assert_true(training_norms_are_eager(&training, &llama) && training_norms_are_eager(&training, &gpt));
    training.recipe.norms = NORMS_DEFAULT;
    training.stack = stack_find("fsdp");
    struct cluster_device device = h100_cluster().device;
    assert_int_equal(training_flash(&training, &llama, &device), FLASH_2);
    assert_int_equal(training_flash(&training, &gpt, &device), FLASH_1);
    device.fp8_scaling = FP8_SCALING_BLOCK; /* Blackwell */
    assert_int_equal(training_flash(&training, &llama, &device), FLASH_CUDNN);
    assert_same_double(training_traffic_factor(&training, &llama), 1);
    assert_true(training_traffic_factor(&training, &gpt) > 1);
    assert_false(training_gate_is_eager(&training, &llama));
    training.recipe.compiled = TOGGLE_OFF;
    assert_true(training_gate_is_eager(&training, &llama) && training_norms_are_eager(&training, &llama));
    training.recipe.compiled = TOGGLE_ON;
    assert_same_double(training_traffic_factor(&training, &gpt), 1);
}

/* By operation, half of the products run again, and attention doesn't. */
static void fsdp_recomputes_by_operation(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = llama_like();
    struct training training = training_of(2048, 256);
    struct layout layout = {.tp = 1,
                            .pp = 1,
                            .vpp = 1,
                            .cp = 1,
                            .ep = 1,
                            .etp = 1,
                            .dp = 64,
                            .micro_batch = 1,
                            .zero = 3,
                            .recompute = RECOMPUTE_FULL};
    training.stack = stack_find("fsdp");
    double full = cost_on(&cluster, &model, &training, &layout).recompute;
    /* One of a gated layer's four products, a fifth of their FLOPs, isn't repeated unless it is asked for. */
    training.recipe.early_stop = TOGGLE_OFF;
    double all = cost_on(&cluster, &model, &training, &layout).recompute;
    assert_true(full > 0.7 * all && full < 0.9 * all);
    training.recipe.early_stop = TOGGLE_DEFAULT;
    layout.recompute = RECOMPUTE_SELECTIVE;
    double selective = cost_on(&cluster, &model, &training, &layout).recompute;
    assert_true(selective > 0.4 * full && selective < 0.75 * full);
    /* What tp gathered is gathered again, what it scattered is kept: half of a pass's exchange more. */
    layout.tp = 8;
    layout.dp = 8;
    layout.sequence_parallel = true;
    double again = cost_on(&cluster, &model, &training, &layout).tp;
    layout.recompute = RECOMPUTE_FULL;
    double both = cost_on(&cluster, &model, &training, &layout).tp;
    layout.recompute = RECOMPUTE_NONE;
    double none = cost_on(&cluster, &model, &training, &layout).tp;
    assert_near(again - none, (both - none) / 2, 1e-9 * none);
}

/* Where the host waits for each kernel, what it needs to launch a layer adds to what the kernels take. */
static void blocking_launches_add_the_hosts_time(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = llama_like();
    struct training training = training_of(2048, 256);
    struct layout layout = {
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = 64, .micro_batch = 1, .zero = 1};
    training.stack = stack_find("megatron-deepspeed");
    const struct launch_time launch = launch_dense_layer(&training);
    double ahead = cost_on(&cluster, &model, &training, &layout).compute;
    training.recipe.blocking_launches = TOGGLE_ON;
    double blocking = cost_on(&cluster, &model, &training, &layout).compute;
    assert_near(blocking - ahead, 256.0 / 64 * (double)model.layers * (launch.forward + launch.backward),
                0.05);
    layout.recompute = RECOMPUTE_FULL; /* launches the forward pass again */
    blocking = cost_on(&cluster, &model, &training, &layout).recompute;
    training.recipe.blocking_launches = TOGGLE_OFF;
    ahead = cost_on(&cluster, &model, &training, &layout).recompute;
    assert_near(blocking - ahead, 256.0 / 64 * (double)model.layers * launch.forward, 0.05);
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
    struct communication_problem communication = {&model, &cluster, &training, &layout, NULL, false, NULL, 0};
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
    struct communication_problem communication = {&model, &cluster, &training, &layout, NULL, false, NULL, 0};
    struct stack ring = *stack_find("fsdp"), fused = ring;
    struct compute_time by_ring, by_fused;
    struct communication_time ring_sends, fused_sends;
    fused.fully_sharded = false;
    model.gated = true; /* GPT-like models have another flash attention under FSDP */
    training.recipe = (struct recipe){.compiled = TOGGLE_OFF, .norms = NORMS_FUSED};
    model.kv_heads = 8; /* repeated under FSDP, and the inputs' gradients of products apart are summed */
    layout.cp = 4;
    training.stack = &fused;
    compute_layer(&problem, false, &by_fused, NULL);
    communication_layer(&communication, false, &by_fused, &fused_sends, NULL);
    training.stack = &ring;
    compute_layer(&problem, false, &by_ring, NULL);
    communication_layer(&communication, false, &by_fused, &ring_sends, NULL);
    double elements = 32768.0 / 4 * (double)(model.heads * model.head_dim) / (double)layout.tp;
    double repeated = 4 * (1 + (double)model.kv_heads / (double)model.heads);
    double summed =
        12 * (double)layout.tp; /* of the whole hidden state on each device; the gate is in both */
    /* And Megatron-LM's rotary embedding is another: of queries and keys alone, by kernels that index. */
    double rotated = elements * (1 + (double)model.kv_heads / (double)model.heads);
    double split = elements * (1 + 2 * (double)model.kv_heads / (double)model.heads);
    assert_near(by_ring.forward - by_fused.forward,
                compute_traffic_seconds(&cluster.device, (3 * 40 + 12 + repeated) * elements +
                                                             (20 - 4) * split - 10 * rotated) -
                    3.5 * 3.4e-12 * rotated,
                1e-9);
    assert_near(by_ring.backward_input - by_fused.backward_input,
                compute_traffic_seconds(&cluster.device, (3 * 72 + 12 + repeated + summed) * elements +
                                                             (20 - 1.7 * 4) * split - 14 * rotated) -
                    3.5 * 3.4e-12 * rotated,
                1e-9);
    assert_true(ring_sends.cp_forward > fused_sends.cp_forward);
    assert_true(ring_sends.cp_backward > fused_sends.cp_backward);
}

/* Where tp isn't overlapped PyTorch copies what it gathers and scatters, and keeps what it gathered. */
static void tensor_parallelism_of_pytorch_copies(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = gpt_3;
    struct training training = training_of(2048, 256);
    struct layout layout = dense_layout();
    struct compute_problem problem = {&model, &cluster, &training, &layout, NULL, NULL, false};
    struct communication_problem communication = {&model, &cluster, &training, &layout, NULL, false, NULL, 0};
    struct compute_time compute;
    struct communication_time core, fsdp, fsdp_fp8;
    layout.sequence_parallel = true;
    layout.overlap.tp = false;
    training.stack = stack_find("megatron-core");
    compute_layer(&problem, false, &compute, NULL);
    communication_layer(&communication, false, &compute, &core, NULL);
    training.stack = stack_find("fsdp");
    communication_layer(&communication, false, &compute, &fsdp, NULL);
    training.precision = PRECISION_FP8;
    communication_layer(&communication, false, &compute, &fsdp_fp8, NULL);
    double tensor = 2 * (double)layout.micro_batch * 2048 * (double)model.hidden;
    double copies = compute_traffic_seconds(&cluster.device, 2 * 4 * tensor);
    assert_near(fsdp.tp_forward - core.tp_forward, copies, 1e-9);
    assert_near(fsdp.tp_backward, fsdp.tp_forward, 1e-9);
    assert_true(core.tp_backward > core.tp_forward);
    assert_true(fsdp_fp8.tp_forward < fsdp.tp_forward && fsdp_fp8.tp_forward > 0.5 * fsdp.tp_forward);
}

static double layer_bytes(const struct compute_problem *problem, double *backward) {
    struct compute_time time;
    compute_layer(problem, false, &time, NULL);
    double second = compute_traffic_seconds(&problem->cluster->device, 1);
    *backward = time.backward_input / second;
    return time.forward / second;
}

/* Norms within attention and behind it take what the two of each layer take, of their elements. */
static void each_norm_is_counted(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = llama_like();
    struct training training = training_of(2048, 256);
    struct layout layout = dense_layout();
    struct compute_problem problem = {&model, &cluster, &training, &layout, NULL, NULL, false};
    double tokens = 2048 * (double)layout.micro_batch, hidden = tokens * (double)model.hidden;
    double heads = tokens * (double)((model.heads + model.kv_heads) * model.head_dim) / (double)layout.tp;
    double backward, plain_backward, bytes = 4 * training_traffic_factor(&training, &model);
    layout.sequence_parallel = false;
    double plain = layer_bytes(&problem, &plain_backward);
    model.qk_norm = true;
    assert_near(layer_bytes(&problem, &backward) - plain, bytes * heads, 1e-6);
    assert_near(backward - plain_backward, 1.7 * bytes * heads, 1e-6);
    model.qk_norm = false;
    model.qk_norm_wide = true;
    assert_near(layer_bytes(&problem, &backward) - plain, bytes * heads, 1e-6);
    model.qk_norm_wide = false;
    model.post_norms = true;
    assert_near(layer_bytes(&problem, &backward) - plain, 2 * bytes * hidden, 1e-6);
    model.post_norms = false;
    model.shared_norm = true;
    assert_near(plain - layer_bytes(&problem, &backward), bytes * hidden, 1e-6);
    model.shared_norm = false;
    training.recipe.norms = NORMS_EAGER; /* 34 and 76 bytes an element, whatever the factor */
    plain = layer_bytes(&problem, &plain_backward);
    model.qk_norm = true;
    assert_near(layer_bytes(&problem, &backward) - plain, 34 * heads, 1e-6);
    assert_near(backward - plain_backward, 76 * heads, 1e-6);
}

/* What a gate apart adds to the backward pass of a layer with experts, of which so many are shared. */
static double expert_layer_gate_bytes(const struct compute_problem *problem, int64_t shared) {
    struct training training = *problem->training;
    struct model model = *problem->model;
    struct compute_problem of_experts = *problem;
    struct compute_time fused, apart;
    model.experts = (struct model_experts){
        .count = 8, .top_k = 2, .ffn_hidden = 1024, .shared = shared, .shared_ffn_hidden = 1024, .every = 1};
    of_experts.model = &model;
    of_experts.training = &training;
    training.recipe.gate = GATE_FUSED;
    compute_layer(&of_experts, true, &fused, NULL);
    training.recipe.gate = GATE_APART;
    compute_layer(&of_experts, true, &apart, NULL);
    return (apart.backward_input - fused.backward_input) /
           compute_traffic_seconds(&problem->cluster->device, 1);
}

/* A gate apart has an input's gradient of its own, which tp sums unless sequence parallelism or FSDP does. */
/* The products of logits and of attention run in fp8 where the recipe says so, in a training in fp8. */
static void logits_and_attention_run_in_fp8(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct cluster cluster;
    struct error error;
    struct model model = gpt_3;
    struct layout layout = dense_layout();
    struct training training = training_of(4096, 64);
    struct compute_problem problem = {
        .model = &model, .cluster = &cluster, .training = &training, .layout = &layout};
    struct compute_time half, fp8;
    assert_true(cluster_read(SOURCE_DIR "/topologies/gb200-nvl72.yaml", arena, &cluster, &error));
    layout.dp = 1;
    training.precision = PRECISION_FP8;
    compute_head(&problem, &half, NULL);
    training.recipe.logits = LOGITS_FP8;
    compute_head(&problem, &fp8, NULL);
    assert_true(fp8.forward < 0.75 * half.forward && fp8.forward > 0.4 * half.forward);
    compute_layer(&problem, false, &half, NULL);
    training.recipe.flash = FLASH_CUDNN_FP8;
    compute_layer(&problem, false, &fp8, NULL);
    assert_true(fp8.attention < 0.95 * half.attention);
    assert_true(fp8.forward - fp8.attention > half.forward - half.attention); /* the casts */
    training.precision = PRECISION_BF16;
    compute_layer(&problem, false, &fp8, NULL);
    training.recipe = (struct recipe){0};
    compute_layer(&problem, false, &half, NULL);
    assert_same_double(fp8.forward, half.forward);
    arena_destroy(arena);
}

static void a_gate_apart_sums_its_gradient(void **state) {
    (void)state;
    struct cluster cluster = h100_cluster();
    struct model model = llama_like(), gpt = gpt_3;
    struct training training = training_of(2048, 256);
    struct layout layout = dense_layout();
    struct compute_problem problem = {&model, &cluster, &training, &layout, NULL, NULL, false};
    struct communication_problem communication = {&model, &cluster, &training, &layout, NULL, false, NULL, 0};
    struct communication_time sent, sent_apart;
    struct compute_time compute;
    double backward, fused_backward, hidden = 2048 * (double)layout.micro_batch * (double)model.hidden;
    layout.sequence_parallel = layout.overlap.tp = false;
    training.stack = stack_find("megatron-2022");
    double forward = layer_bytes(&problem, &fused_backward);
    compute_layer(&problem, false, &compute, NULL);
    communication_layer(&communication, false, &compute, &sent, NULL);
    training.recipe.gate = GATE_APART;
    assert_true(training_gate_is_apart(&training, &model) && !training_gate_is_apart(&training, &gpt));
    assert_near(layer_bytes(&problem, &backward), forward, 1e-9);
    assert_near(backward - fused_backward, 6 * hidden, 1e-6);
    communication_layer(&communication, false, &compute, &sent_apart, NULL);
    assert_near(sent_apart.tp_forward, sent.tp_forward, 1e-9);
    assert_near(sent_apart.tp_backward, 1.5 * sent.tp_backward, 1e-9);
    assert_near(expert_layer_gate_bytes(&problem, 0), 0, 1e-9);
    assert_near(expert_layer_gate_bytes(&problem, 1), 6 * hidden, 1e-6);
    layout.sequence_parallel = true;
    communication_layer(&communication, false, &compute, &sent_apart, NULL);
    training.recipe.gate = GATE_FUSED;
    communication_layer(&communication, false, &compute, &sent, NULL);
    assert_near(sent_apart.tp_backward, sent.tp_backward, 1e-9);
    training.recipe.gate = GATE_DEFAULT;
    training.stack = stack_find("internevo");
    assert_true(training_gate_is_apart(&training, &model));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_take_the_bytes_they_are_said_to),
        cmocka_unit_test(zero_3_sends_gradients_in_16_bits),
        cmocka_unit_test(recipes_do_what_they_say),
        cmocka_unit_test(parameters_are_gathered_in_fp8),
        cmocka_unit_test(stacks_fuse_what_their_users_train),
        cmocka_unit_test(fsdp_recomputes_by_operation),
        cmocka_unit_test(blocking_launches_add_the_hosts_time),
        cmocka_unit_test(fully_sharded_stacks_cast_and_overlap_their_way),
        cmocka_unit_test(context_parallelism_of_pytorch_merges_its_pieces),
        cmocka_unit_test(tensor_parallelism_of_pytorch_copies),
        cmocka_unit_test(each_norm_is_counted),
        cmocka_unit_test(logits_and_attention_run_in_fp8),
        cmocka_unit_test(a_gate_apart_sums_its_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
