/* The memory model against what papers and measured runs say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "common/cluster.h"
#include "planner/memory.h"
#include "planner/memory_parts.h"

static const double GIB = 1024.0 * 1024 * 1024;

/* What a test asks; zero in a layout's field stands for 1 where a size is meant. */
struct question {
    const char *name;
    const char *stack;
    struct model model;
    struct layout layout;
    int64_t sequence, global_batch;
    enum precision precision;
    enum attention_kernel attention;
    bool recent_device; /* Hopper or newer */
    double measured_bytes;
};

static void at_least_one(int64_t *value) {
    if (*value == 0)
        *value = 1;
}

static void complete(struct model *model, struct layout *layout) {
    int64_t *sizes[] = {&layout->tp, &layout->pp,  &layout->vpp, &layout->cp,
                        &layout->ep, &layout->etp, &layout->dp,  &layout->micro_batch};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        at_least_one(sizes[i]);
    if (model->kv_heads == 0)
        model->kv_heads = model->heads;
    if (model->head_dim == 0)
        model->head_dim = model->hidden / model->heads;
    at_least_one(&model->experts.every);
    model->norm = model->gated ? NORM_RMSNORM : NORM_LAYERNORM;
    model->linear_bias = model->qkv_bias = model->output_bias = !model->gated;
}

static struct cluster cluster_of(bool recent_device) {
    struct cluster cluster = {.name = "test"};
    cluster.device.memory_bytes = 80e9;
    cluster.device.reserved_bytes = 2e9;
    cluster.device.peak_flops[PRECISION_BF16] = 312e12;
    cluster.device.peak_flops[PRECISION_FP8] = recent_device ? 624e12 : 0;
    return cluster;
}

static struct training training_of(const struct question *question) {
    return (struct training){.sequence = question->sequence,
                             .global_batch = question->global_batch,
                             .precision = question->precision,
                             .attention = question->attention,
                             .stack = stack_find(question->stack)};
}

static struct memory_use estimate(struct question question) {
    struct cluster cluster = cluster_of(question.recent_device);
    struct training training = training_of(&question);
    struct memory_use use;
    complete(&question.model, &question.layout);
    memory_estimate(&question.model, &cluster, &training, &question.layout, &use, NULL);
    return use;
}

static void assert_near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance * fabs(expected)))
        fail_msg("%.6g is not within %g of %.6g", value, tolerance, expected);
}

/* Activations of a layer of GPT-3, after arXiv 2205.05198 table 2. */
static void layer_of_gpt3(struct layout layout, double *kept, double *whole) {
    struct question question = {
        .stack = "megatron-2022",
        .model = {.layers = 96, .hidden = 12288, .heads = 96, .ffn_hidden = 49152, .vocab = 51200},
        .sequence = 2048,
        .global_batch = 64,
        .attention = ATTENTION_UNFUSED};
    struct training training = training_of(&question);
    struct memory_parts parts;
    complete(&question.model, &layout);
    memory_parts_init(&parts, &question.model, &training, &layout);
    *kept = parts.activations[LAYER_DENSE].kept;
    *whole = parts.activations[LAYER_DENSE].whole;
}

static void test_layer_of_paper(void **state) {
    const double sbh = 2048.0 * 12288, scores = 5 * 96.0 * 2048 / 12288, t = 8;
    double kept, whole;
    (void)state;
    layer_of_gpt3((struct layout){.tp = 1}, &kept, &whole);
    assert_near(kept, sbh * (34 + scores), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8}, &kept, &whole);
    assert_near(kept, sbh * (10 + 24 / t + scores / t), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .sequence_parallel = true}, &kept, &whole);
    assert_near(kept, sbh / t * (34 + scores), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .recompute = RECOMPUTE_SELECTIVE}, &kept, &whole);
    assert_near(kept, sbh * (10 + 24 / t), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .sequence_parallel = true, .recompute = RECOMPUTE_SELECTIVE},
                  &kept, &whole);
    assert_near(kept, sbh * 34 / t, 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .recompute = RECOMPUTE_FULL}, &kept, &whole);
    assert_near(kept, 2 * sbh, 1e-12);
    assert_near(whole, sbh * (10 + 24 / t + scores / t), 1e-12);
    layer_of_gpt3((struct layout){.tp = 8, .micro_batch = 3, .sequence_parallel = true}, &kept, &whole);
    assert_near(kept, 3 * sbh / t * (34 + scores), 1e-12);
}

#define LLAMA_70B_12                                                                                         \
    {                                                                                                        \
        .layers = 12, .hidden = 8192, .heads = 64, .kv_heads = 8, .head_dim = 128, .ffn_hidden = 28672,      \
        .gated = true, .vocab = 128256                                                                       \
    }
#define LLAMA_405B_4                                                                                         \
    {                                                                                                        \
        .layers = 4, .hidden = 16384, .heads = 128, .kv_heads = 16, .head_dim = 128, .ffn_hidden = 53248,    \
        .gated = true, .vocab = 128256                                                                       \
    }
#define DEEPSEEK_V3_4                                                                                        \
    {                                                                                                        \
        .layers = 4, .hidden = 7168, .heads = 128, .ffn_hidden = 18432, .gated = true, .vocab = 129280,      \
        .mla = {1536, 512, 128, 64, 128}, .experts = {                                                       \
            .count = 256,                                                                                    \
            .top_k = 8,                                                                                      \
            .ffn_hidden = 2048,                                                                              \
            .shared = 1,                                                                                     \
            .shared_ffn_hidden = 2048,                                                                       \
            .first_dense_layers = 1                                                                          \
        }                                                                                                    \
    }
#define MEGATRON_CORE .stack = "megatron-core", .recent_device = true
#define SP            .sequence_parallel = true, .zero = 1

/* torch.cuda.max_memory_allocated on 8 B200, Megatron-LM with Transformer Engine 2.11: SimuMax v1.2,
 * b200_release summary. */
static const struct question simumax[] = {
    {"llama3-70b pp2 dp4", MEGATRON_CORE, .model = LLAMA_70B_12, .layout = {.pp = 2, .dp = 4, .zero = 1},
     .sequence = 4096, .global_batch = 16, .measured_bytes = 66.55},
    {"deepseek-v3 ep8 dp8", MEGATRON_CORE, .model = DEEPSEEK_V3_4, .layout = {.ep = 8, .dp = 8, .zero = 1},
     .sequence = 4096, .global_batch = 32, .measured_bytes = 104.3},
    {"deepseek-v3 ep4 pp2 dp4", MEGATRON_CORE, .model = DEEPSEEK_V3_4,
     .layout = {.ep = 4, .pp = 2, .dp = 4, .zero = 1}, .sequence = 4096, .global_batch = 16,
     .measured_bytes = 114.0},
    {"llama3-405b tp4 dp2", MEGATRON_CORE, .model = LLAMA_405B_4, .layout = {.tp = 4, .dp = 2, SP},
     .sequence = 4096, .global_batch = 8, .measured_bytes = 52.89},
    {"llama3-405b tp2 cp4 32k", MEGATRON_CORE, .model = LLAMA_405B_4, .layout = {.tp = 2, .cp = 4, SP},
     .sequence = 32768, .global_batch = 4, .measured_bytes = 87.03},
    {"llama3-70b tp2 cp4 128k", MEGATRON_CORE, .model = LLAMA_70B_12, .layout = {.tp = 2, .cp = 4, SP},
     .sequence = 131072, .global_batch = 4, .measured_bytes = 112.67},
    {"llama3-70b cp8 128k", MEGATRON_CORE, .model = LLAMA_70B_12, .layout = {.cp = 8, .zero = 1},
     .sequence = 131072, .global_batch = 4, .measured_bytes = 147.99},
    {"llama3-405b tp2 cp4 128k", MEGATRON_CORE, .model = LLAMA_405B_4, .layout = {.tp = 2, .cp = 4, SP},
     .sequence = 131072, .global_batch = 4, .measured_bytes = 118.13},
};

#define GPT_6B                                                                                               \
    { .layers = 30, .hidden = 4096, .heads = 32, .ffn_hidden = 16384, .vocab = 51200 }
#define GPT_15B                                                                                              \
    { .layers = 46, .hidden = 5120, .heads = 40, .ffn_hidden = 20480, .vocab = 51200 }
#define ZERO_BUBBLE .stack = "megatron-2022", .attention = ATTENTION_UNFUSED, .sequence = 1024

/* Printed as whole GB that fit as GiB: arXiv 2401.10241 table 4. */
static const struct question zero_bubble[] = {
    {"6.2B zb-1p", ZERO_BUBBLE, .model = GPT_6B,
     .layout = {.pp = 8, .micro_batch = 3, .schedule = SCHEDULE_ZB_1P}, .global_batch = 72,
     .measured_bytes = 42},
    {"6.2B 1f1b", ZERO_BUBBLE, .model = GPT_6B, .layout = {.pp = 8, .micro_batch = 3}, .global_batch = 72,
     .measured_bytes = 39},
    {"6.2B interleaved", ZERO_BUBBLE, .model = GPT_6B,
     .layout = {.pp = 8, .vpp = 4, .micro_batch = 3, .schedule = SCHEDULE_INTERLEAVED}, .global_batch = 72,
     .measured_bytes = 48},
    {"14.6B zb-1p", ZERO_BUBBLE, .model = GPT_15B, .layout = {.pp = 16, .schedule = SCHEDULE_ZB_1P},
     .global_batch = 48, .measured_bytes = 33},
    {"14.6B 1f1b", ZERO_BUBBLE, .model = GPT_15B, .layout = {.pp = 16}, .global_batch = 48,
     .measured_bytes = 32},
    {"14.6B interleaved", ZERO_BUBBLE, .model = GPT_15B,
     .layout = {.pp = 16, .vpp = 3, .schedule = SCHEDULE_INTERLEAVED}, .global_batch = 48,
     .measured_bytes = 39},
};

#define BLOOM(L, h, a, t, p, d, m, number, gb)                                                               \
    {                                                                                                        \
        "bloom " #L "x" #h, "megatron-deepspeed",                                                            \
            .model = {.layers = L,                                                                           \
                      .hidden = h,                                                                           \
                      .heads = a,                                                                            \
                      .ffn_hidden = 4 * (h),                                                                 \
                      .vocab = 250880,                                                                       \
                      .tied_embeddings = true},                                                              \
            .layout = {.tp = t, .pp = p, .dp = d, .micro_batch = m, .zero = 1, .recompute = RECOMPUTE_FULL}, \
            .sequence = 2048, .global_batch = 2048, .precision = number, .attention = ATTENTION_UNFUSED,     \
            .measured_bytes = gb                                                                             \
    }

/* nvidia-smi, one observation each: BigScience BLOOM, chronicles-prequel topology search of February 2022. */
static const struct question bloom[] = {
    BLOOM(72, 14336, 64, 8, 6, 8, 4, PRECISION_FP16, 55),
    BLOOM(72, 14336, 64, 8, 6, 8, 6, PRECISION_FP16, 66),
    BLOOM(72, 14336, 64, 8, 12, 4, 4, PRECISION_FP16, 49),
    BLOOM(72, 14336, 64, 8, 4, 12, 4, PRECISION_FP16, 59),
    BLOOM(72, 14336, 64, 8, 2, 24, 2, PRECISION_FP16, 76),
    BLOOM(72, 14336, 64, 4, 12, 8, 4, PRECISION_FP16, 60),
    BLOOM(72, 14336, 64, 4, 12, 8, 2, PRECISION_FP16, 44),
    BLOOM(72, 14336, 64, 4, 12, 8, 2, PRECISION_FP16, 38),
    BLOOM(72, 14336, 64, 4, 6, 16, 4, PRECISION_FP16, 75),
    BLOOM(72, 14336, 64, 4, 6, 16, 2, PRECISION_FP16, 57),
    BLOOM(78, 13824, 96, 4, 12, 8, 2, PRECISION_FP16, 48),
    BLOOM(106, 12288, 64, 4, 12, 8, 2, PRECISION_BF16, 67),
    BLOOM(106, 12288, 128, 4, 12, 8, 2, PRECISION_BF16, 67),
    BLOOM(106, 12288, 96, 4, 12, 8, 4, PRECISION_BF16, 79),
    BLOOM(100, 12288, 64, 8, 6, 8, 2, PRECISION_BF16, 61),
    BLOOM(100, 12288, 64, 8, 6, 8, 4, PRECISION_BF16, 72),
    BLOOM(82, 13312, 64, 4, 12, 8, 2, PRECISION_BF16, 63),
    BLOOM(82, 13312, 104, 4, 12, 8, 2, PRECISION_BF16, 62),
    BLOOM(82, 13312, 128, 4, 12, 8, 2, PRECISION_BF16, 60),
    BLOOM(70, 14336, 64, 8, 12, 4, 2, PRECISION_BF16, 40),
    BLOOM(70, 14336, 64, 4, 12, 8, 2, PRECISION_BF16, 59),
    BLOOM(70, 14336, 128, 4, 12, 8, 2, PRECISION_BF16, 60),
};

#define LLAMA_8B                                                                                             \
    {                                                                                                        \
        .layers = 32, .hidden = 4096, .heads = 32, .kv_heads = 8, .head_dim = 128, .ffn_hidden = 14336,      \
        .gated = true, .vocab = 128256                                                                       \
    }
#define LLAMA_70B                                                                                            \
    {                                                                                                        \
        .layers = 80, .hidden = 8192, .heads = 64, .kv_heads = 8, .head_dim = 128, .ffn_hidden = 28672,      \
        .gated = true, .vocab = 128256                                                                       \
    }
#define FSDP .stack = "fsdp", .recent_device = true

/* Reserved by PyTorch's allocator: torchtitan benchmarks, llama3_h100_202412 (tables 1 to 4). */
static const struct question torchtitan[] = {
    {"8B 8 devices, eager", FSDP, .model = LLAMA_8B,
     .layout = {.dp = 8, .micro_batch = 2, .zero = 3, .recompute = RECOMPUTE_SELECTIVE}, .sequence = 8192,
     .global_batch = 16, .measured_bytes = 82.4},
    {"8B 8 devices, compiled", FSDP, .model = LLAMA_8B,
     .layout = {.dp = 8, .micro_batch = 2, .zero = 3, .recompute = RECOMPUTE_SELECTIVE}, .sequence = 8192,
     .global_batch = 16, .measured_bytes = 77.0},
    {"8B 128 devices, eager", FSDP, .model = LLAMA_8B,
     .layout = {.dp = 128, .micro_batch = 2, .zero = 3, .recompute = RECOMPUTE_SELECTIVE}, .sequence = 8192,
     .global_batch = 256, .measured_bytes = 67.0},
    {"8B 128 devices, compiled", FSDP, .model = LLAMA_8B,
     .layout = {.dp = 128, .micro_batch = 2, .zero = 3, .recompute = RECOMPUTE_SELECTIVE}, .sequence = 8192,
     .global_batch = 256, .measured_bytes = 62.0},
    {"8B 32k", FSDP, .model = LLAMA_8B, .layout = {.dp = 8, .zero = 3, .recompute = RECOMPUTE_FULL},
     .sequence = 32768, .global_batch = 8, .measured_bytes = 83.9},
    {"8B cp8 256k", FSDP, .model = LLAMA_8B, .layout = {.cp = 8, .zero = 3, .recompute = RECOMPUTE_FULL},
     .sequence = 262144, .global_batch = 1, .measured_bytes = 84.5},
    {"70B tp8", FSDP, .model = LLAMA_70B,
     .layout = {.tp = 8,
                .dp = 32,
                .micro_batch = 16,
                .sequence_parallel = true,
                .zero = 3,
                .recompute = RECOMPUTE_FULL},
     .sequence = 8192, .global_batch = 512, .measured_bytes = 71.9},
    {"70B tp8, asynchronous tp", FSDP, .model = LLAMA_70B,
     .layout = {.tp = 8,
                .dp = 32,
                .micro_batch = 16,
                .sequence_parallel = true,
                .zero = 3,
                .recompute = RECOMPUTE_FULL},
     .sequence = 8192, .global_batch = 512, .measured_bytes = 67.6},
};

/* Mean and largest absolute error, and mean error, of one of a memory_use's figures. */
struct errors {
    double mean, largest, bias;
    int below; /* runs whose checked memory is below what was measured */
};

static struct errors errors_of(const struct question *questions, size_t count, size_t figure, double unit) {
    struct errors errors = {0, 0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        struct memory_use use = estimate(questions[i]);
        double predicted, error, measured = questions[i].measured_bytes * unit;
        memcpy(&predicted, (const char *)&use + figure, sizeof predicted);
        error = predicted / measured - 1;
        errors.mean += fabs(error) / (double)count;
        errors.bias += error / (double)count;
        errors.largest = fabs(error) > errors.largest ? fabs(error) : errors.largest;
        errors.below += use.per_device_bytes < measured;
        print_message("    %-28s %7.2f GB measured, %+6.2f %%\n", questions[i].name, measured / 1e9,
                      100 * error);
    }
    print_message("    mean %.2f %%, largest %.2f %%, bias %+.2f %%\n", 100 * errors.mean,
                  100 * errors.largest, 100 * errors.bias);
    return errors;
}

#define ERRORS_OF(questions, figure, unit)                                                                   \
    errors_of(questions, sizeof(questions) / sizeof(questions)[0], offsetof(struct memory_use, figure), unit)

static void test_simumax(void **state) {
    struct errors errors = ERRORS_OF(simumax, allocated_bytes, GIB);
    (void)state;
    assert_true(errors.mean <= 0.001 && errors.largest <= 0.002);
}

static void test_zero_bubble(void **state) {
    struct errors errors = ERRORS_OF(zero_bubble, allocated_bytes, GIB);
    (void)state;
    assert_true(errors.mean <= 0.02 && errors.largest <= 0.032);
}

static void test_bloom(void **state) {
    struct errors errors = ERRORS_OF(bloom, device_bytes, 1e9);
    (void)state;
    assert_true(errors.mean <= 0.04 && fabs(errors.bias) <= 0.01);
}

static void test_torchtitan(void **state) {
    struct errors errors = ERRORS_OF(torchtitan, allocator_bytes, GIB);
    (void)state;
    assert_true(errors.mean <= 0.03 && fabs(errors.bias) <= 0.01);
}

/* What is held against the device is at or above what was measured, for all of these runs. */
static void test_never_below_measured(void **state) {
    (void)state;
    assert_int_equal(ERRORS_OF(simumax, per_device_bytes, GIB).below, 0);
    assert_int_equal(ERRORS_OF(zero_bubble, per_device_bytes, GIB).below, 0);
    assert_int_equal(ERRORS_OF(bloom, per_device_bytes, 1e9).below, 0);
    assert_int_equal(ERRORS_OF(torchtitan, per_device_bytes, GIB).below, 0);
}

static void test_in_flight(void **state) {
    struct layout layout = {.pp = 4, .vpp = 1};
    (void)state;
    assert_int_equal(memory_in_flight(&layout, 8, 0), 4);
    assert_int_equal(memory_in_flight(&layout, 8, 3), 1);
    assert_int_equal(memory_in_flight(&layout, 2, 0), 2); /* no more than there are */
    layout.schedule = SCHEDULE_GPIPE;
    assert_int_equal(memory_in_flight(&layout, 8, 3), 8);
    layout.schedule = SCHEDULE_ZB_1P; /* arXiv 2401.10241: pp on every stage */
    assert_int_equal(memory_in_flight(&layout, 8, 3), 4);
    layout.schedule = SCHEDULE_ZB_2P;
    assert_int_equal(memory_in_flight(&layout, 20, 1), 8);
    layout.schedule = SCHEDULE_DUALPIPE; /* arXiv 2412.19437 table 2: pp + 1 */
    for (int64_t stage = 0; stage < 4; stage++)
        assert_int_equal(memory_in_flight(&layout, 20, stage), 5);
    layout.schedule = SCHEDULE_INTERLEAVED;
    layout.vpp = 2; /* Megatron-LM: 2 (pp - stage - 1) + (vpp - 1) pp warm-up passes, and one */
    assert_int_equal(memory_in_flight(&layout, 8, 0), 11);
    assert_int_equal(memory_in_flight(&layout, 8, 3), 5);
    assert_int_equal(memory_in_flight(&layout, 4, 0), 8);
    assert_int_equal(memory_chunk_in_flight(&layout, 8, 0, 0), 7);
    assert_int_equal(memory_chunk_in_flight(&layout, 8, 0, 1), 4);
    layout.pp = layout.vpp = 1;
    assert_int_equal(memory_in_flight(&layout, 8, 0), 1);
}

static void test_terms_add_up(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof simumax / sizeof simumax[0]; i++) {
        struct memory_use use = estimate(simumax[i]);
        double sum = use.weights_bytes + use.gradients_bytes + use.optimizer_bytes + use.activations_bytes +
                     use.buffers_bytes + use.reserved_bytes;
        assert_near(sum, use.per_device_bytes, 1e-12);
        assert_true(use.allocated_bytes <= use.allocator_bytes && use.allocator_bytes <= use.device_bytes);
        assert_true(use.device_bytes <= use.per_device_bytes);
    }
}

/* Llama 3 8B: 18 bytes a parameter under ZeRO-0, 6 + 12/dp under ZeRO-1, 18/dp under ZeRO-3 (Megatron-LM,
 * dist_optimizer.md). */
static void test_bytes_per_parameter(void **state) {
    struct question question = {.stack = "megatron-core",
                                .model = LLAMA_8B,
                                .layout = {.dp = 8, .micro_batch = 1},
                                .sequence = 4096,
                                .global_batch = 64};
    const double parameters = 8030261248.0; /* as published; 128256 rows need no padding */
    (void)state;
    for (int64_t zero = 0; zero <= 3; zero++) {
        double weights = zero >= 3 ? 2.0 / 8 : 2, gradients = zero >= 2 ? 4.0 / 8 : 4;
        double optimizer = zero >= 1 ? 12.0 / 8 : 12;
        struct memory_use use;
        question.layout.zero = zero;
        use = estimate(question);
        assert_near(use.weights_bytes, weights * parameters, 1e-9);
        assert_near(use.gradients_bytes, gradients * parameters, 1e-9);
        assert_near(use.optimizer_bytes, optimizer * parameters, 1e-9);
    }
    question.layout.zero_group = 4;
    assert_near(estimate(question).optimizer_bytes, 12.0 / 4 * parameters, 1e-9);
    question.layout.offload = true;
    assert_near(estimate(question).optimizer_bytes, 0, 1e-9);
    assert_near(estimate(question).host_bytes_per_device, 12.0 / 4 * parameters, 1e-9);
}

static double static_bytes(const struct memory_use *use) {
    return use->weights_bytes + use->gradients_bytes + use->optimizer_bytes;
}

/* A larger tp, pp or ZeRO stage never needs more static memory on the fullest stage. */
static void test_monotone(void **state) {
    const char *names[] = {"megatron-core", "megatron-2022", "megatron-deepspeed", "fsdp", "internevo"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct question question = {
            .stack = names[i], .model = LLAMA_70B, .sequence = 4096, .global_batch = 1024};
        double before = HUGE_VAL;
        question.layout = (struct layout){.pp = 4, .dp = 4};
        for (int64_t tp = 1; tp <= 64; tp *= 2) {
            struct memory_use use;
            question.layout.tp = tp;
            use = estimate(question);
            assert_true(static_bytes(&use) <= before);
            before = static_bytes(&use);
        }
        before = HUGE_VAL;
        question.layout = (struct layout){.tp = 8, .pp = 2, .dp = 4};
        for (int64_t zero = 0; zero <= 3; zero++) {
            struct memory_use use;
            question.layout.zero = zero;
            use = estimate(question);
            assert_true(static_bytes(&use) <= before);
            before = static_bytes(&use);
        }
        before = HUGE_VAL;
        question.layout = (struct layout){.tp = 2, .dp = 4, .zero = 1};
        for (int64_t pp = 2; pp <= 80; pp *= 2) {
            struct memory_use use;
            question.layout.pp = pp;
            use = estimate(question);
            assert_true(static_bytes(&use) <= before);
            before = static_bytes(&use);
        }
    }
}

/* The few stages that are looked at hold the fullest of all. */
static void test_fullest_of_all_stages(void **state) {
    static const struct {
        enum schedule schedule;
        int64_t pp, vpp;
    } pipelines[] = {{SCHEDULE_1F1B, 8, 1},  {SCHEDULE_1F1B, 16, 1},       {SCHEDULE_INTERLEAVED, 4, 4},
                     {SCHEDULE_GPIPE, 8, 1}, {SCHEDULE_INTERLEAVED, 8, 3}, {SCHEDULE_ZB_1P, 16, 1},
                     {SCHEDULE_ZB_2P, 4, 1}, {SCHEDULE_DUALPIPE, 8, 1},    {SCHEDULE_DUALPIPE, 4, 1}};
    struct model model = DEEPSEEK_V3_4;
    struct cluster cluster = cluster_of(true);
    struct training training = {.sequence = 4096, .global_batch = 512, .stack = stack_find("megatron-core")};
    (void)state;
    for (size_t i = 0; i < sizeof pipelines / sizeof pipelines[0] * 6; i++) {
        struct layout layout = {.tp = 1, .dp = 8, .ep = 8, .zero = 1};
        struct memory_use fullest;
        double largest = 0;
        model.layers = (const int64_t[]){61, 48, 62, 94, 46, 30}[i % 6];
        model.experts.first_dense_layers = (const int64_t[]){3, 0, 9}[i % 3];
        model.experts.every = i % 5 == 4 ? 2 : 1;
        layout.schedule = pipelines[i / 6].schedule;
        layout.pp = pipelines[i / 6].pp;
        layout.vpp = pipelines[i / 6].vpp;
        layout.recompute = (enum recompute)(i % 3);
        complete(&model, &layout);
        memory_estimate(&model, &cluster, &training, &layout, &fullest, NULL);
        for (int64_t stage = 0; stage < layout.pp; stage++) {
            struct memory_use use;
            memory_estimate_stage(&model, &cluster, &training, &layout, stage, &use);
            largest = fmax(largest, use.per_device_bytes);
        }
        assert_near(fullest.per_device_bytes, largest, 1e-12);
    }
}

/* The stages of a pipeline hold the whole model together, embedding and head once each. */
static void test_parameters_of_stages(void **state) {
    struct model model = DEEPSEEK_V3_4;
    struct layout layout = {.pp = 8};
    struct layer_parameters dense, expert;
    double sum = 0, expected;
    (void)state;
    model.layers = 61;
    complete(&model, &layout);
    for (int64_t stage = 0; stage < layout.pp; stage++) {
        struct stage_parameters parameters;
        memory_stage_parameters(&model, &layout, stage, &parameters);
        sum += parameters.dense + parameters.expert;
    }
    model_layer_parameters(&model, false, &dense);
    model_layer_parameters(&model, true, &expert);
    expected = dense.attention_split + dense.attention_replicated + dense.norms + dense.mlp_split;
    expected += 60 * (expert.attention_split + expert.attention_replicated + expert.norms + expert.mlp_split +
                      expert.router + expert.experts * expert.expert);
    expected += 2.0 * 129280 * 7168 + 7168;
    assert_near(sum, expected, 1e-12);
}

/* Chunks count their MoE layers as the model does, one by one. */
static void test_expert_layers(void **state) {
    struct model model = DEEPSEEK_V3_4;
    struct training training = {.stack = stack_find("megatron-core"), .sequence = 4096, .global_batch = 8};
    (void)state;
    model.layers = 61;
    model.experts.first_dense_layers = 2;
    for (int64_t every = 1; every <= 4; every++) {
        struct layout layout = {.pp = 7};
        struct memory_parts parts;
        int64_t layer = 0;
        model.experts.every = every;
        complete(&model, &layout);
        memory_parts_init(&parts, &model, &training, &layout);
        for (int64_t chunk = 0; chunk < layout.pp; chunk++) {
            int64_t end = layer + layout_chunk_layers(&layout, &model, chunk), experts = 0;
            struct chunk_layers layers;
            for (; layer < end; layer++)
                experts += model_layer_has_experts(&model, layer);
            memory_chunk_layers(&parts, chunk, &layers);
            assert_int_equal(layers.count[LAYER_EXPERTS], experts);
        }
        assert_int_equal(layer, model.layers);
    }
}

/* Transformer Engine's fp8: 2 bytes more a weight of a layer, a byte less for each product's kept input. */
static void test_fp8(void **state) {
    struct question question = {.stack = "megatron-core",
                                .model = LLAMA_8B,
                                .layout = {.dp = 8, .zero = 1},
                                .sequence = 4096,
                                .global_batch = 64,
                                .recent_device = true};
    struct memory_use half = estimate(question), fp8;
    const double tokens = 4096, layers = 32, h = 4096, f = 14336;
    (void)state;
    question.precision = PRECISION_FP8;
    fp8 = estimate(question);
    assert_near(fp8.weights_bytes - half.weights_bytes, 2 * (8030261248.0 - 2.0 * 128256 * h - h), 1e-9);
    /* Inputs of the qkv and first MLP product and of the second lose a byte; the output product's is a copy.
     */
    assert_near(half.activations_bytes - fp8.activations_bytes, tokens * layers * (2 * h + f - h), 1e-9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_of_paper),
        cmocka_unit_test(test_simumax),
        cmocka_unit_test(test_zero_bubble),
        cmocka_unit_test(test_bloom),
        cmocka_unit_test(test_torchtitan),
        cmocka_unit_test(test_never_below_measured),
        cmocka_unit_test(test_in_flight),
        cmocka_unit_test(test_terms_add_up),
        cmocka_unit_test(test_bytes_per_parameter),
        cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_fullest_of_all_stages),
        cmocka_unit_test(test_parameters_of_stages),
        cmocka_unit_test(test_expert_layers),
        cmocka_unit_test(test_fp8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
