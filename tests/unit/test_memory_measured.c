/* The memory model against measured runs. */
#include "memory_question.h"

#include <string.h>

static const double GIB = 1024.0 * 1024 * 1024;

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

#define FSDP .stack = "fsdp", .recent_device = true

/* Reserved by PyTorch's allocator: torchtitan benchmarks, llama3_h100_202412 (tables 1 to 4; the loss was not
 * compiled then: train.py at 9dec370) and llama3-8b_h200_202506 (it was: torchtitan/components/loss.py). */
static const struct question torchtitan[] = {
    {"8B 8 devices, eager", FSDP, .eager = true, .model = LLAMA_8B,
     .layout = {.dp = 8, .micro_batch = 2, .zero = 3, .recompute = RECOMPUTE_SELECTIVE}, .sequence = 8192,
     .global_batch = 16, .measured_bytes = 82.4},
    {"8B 8 devices, compiled", FSDP, .model = LLAMA_8B,
     .layout = {.dp = 8, .micro_batch = 2, .zero = 3, .recompute = RECOMPUTE_SELECTIVE}, .sequence = 8192,
     .global_batch = 16, .measured_bytes = 77.0},
    {"8B 128 devices, eager", FSDP, .eager = true, .model = LLAMA_8B,
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
    {"8B 32 devices, loss compiled", FSDP, .model = LLAMA_8B, .loss = LOSS_COMPILED,
     .layout = {.dp = 32, .micro_batch = 2, .zero = 3, .recompute = RECOMPUTE_SELECTIVE}, .sequence = 8192,
     .global_batch = 64, .precision = PRECISION_FP8, .measured_bytes = 47.96},
    {"8B 64 devices, loss compiled", FSDP, .model = LLAMA_8B, .loss = LOSS_COMPILED,
     .layout = {.dp = 64, .micro_batch = 2, .zero = 3, .recompute = RECOMPUTE_SELECTIVE}, .sequence = 8192,
     .global_batch = 128, .precision = PRECISION_FP8, .measured_bytes = 46.97},
};

#define QWEN_32B                                                                                             \
    {                                                                                                        \
        .layers = 64, .hidden = 5120, .heads = 64, .kv_heads = 8, .head_dim = 128, .qk_norm = true,          \
        .ffn_hidden = 25600, .gated = true, .vocab = 151936                                                  \
    }
#define SHARDED .zero = 3, .recompute = RECOMPUTE_FULL

/* The same since torchtitan gathers table and head apart (83e694105, July 2025): torchao's
 * prototype/mx_formats at 09f1325, torchtitan's pull request 1690. */
static const struct question torchtitan_apart[] = {
    {"8B 8 devices, loss compiled", FSDP, .model = LLAMA_8B, .loss = LOSS_COMPILED, .tables = TABLES_APART,
     .layout = {.dp = 8, .zero = 3, .recompute = RECOMPUTE_SELECTIVE}, .sequence = 8192, .global_batch = 8,
     .measured_bytes = 33.71},
    {"32B 8 devices, loss compiled", FSDP, .model = QWEN_32B, .loss = LOSS_COMPILED, .tables = TABLES_APART,
     .layout = {.dp = 8, .micro_batch = 2, SHARDED}, .sequence = 4096, .global_batch = 16,
     .measured_bytes = 81.85},
    {"32B 8 devices", FSDP, .eager = true, .model = QWEN_32B, .tables = TABLES_APART,
     .layout = {.dp = 8, SHARDED}, .sequence = 4096, .global_batch = 8, .measured_bytes = 81.47},
    {"32B 8 devices, two sequences", FSDP, .eager = true, .model = QWEN_32B, .tables = TABLES_APART,
     .layout = {.dp = 8, .micro_batch = 2, SHARDED}, .sequence = 4096, .global_batch = 16,
     .measured_bytes = 89.33},
    {"32B 16 devices, four sequences", FSDP, .eager = true, .model = QWEN_32B, .tables = TABLES_APART,
     .layout = {.dp = 16, .micro_batch = 4, SHARDED}, .sequence = 4096, .global_batch = 64,
     .measured_bytes = 78.48},
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

/* What recomputing one module frees. Moonlight on 8 H100 (Megatron-Bridge 067f987df, skills/
 * nemo-mbridge-perf-activation-recompute): 36.618 GB without, most that was allocated. */
static void test_modules(void **state) {
    static const struct {
        const char *name;
        int64_t modules;
        double measured; /* GB freed */
    } rows[] = {{"core_attn", RECOMPUTE_BIT(CORE_ATTENTION), 0.004},
                {"mla_up_proj", RECOMPUTE_BIT(MLA_UP_PROJECTION), 0.716},
                {"moe_act", RECOMPUTE_BIT(MOE_ACTIVATION), 0.677}};
    struct question question = {.stack = "megatron-core",
                                .recent_device = true,
                                .sequence = 4096,
                                .global_batch = 4,
                                .loss = LOSS_FUSED,
                                .layout = {.tp = 2, .ep = 8, .dp = 4, .sequence_parallel = true, .zero = 1},
                                .model = {.layers = 27,
                                          .hidden = 2048,
                                          .heads = 16,
                                          .ffn_hidden = 11264,
                                          .gated = true,
                                          .vocab = 163840,
                                          .mla = {0, 512, 128, 64, 128},
                                          .experts = {.count = 64,
                                                      .top_k = 6,
                                                      .ffn_hidden = 1408,
                                                      .shared = 2,
                                                      .shared_ffn_hidden = 1408,
                                                      .first_dense_layers = 1}}};
    const double whole = estimate(question).allocated_bytes;
    (void)state;
    question.layout.recompute = RECOMPUTE_SELECTIVE;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        question.layout.recompute_modules = rows[i].modules;
        const double freed = (whole - estimate(question).allocated_bytes) / 1e9;
        print_message("    %-12s frees %.3f GB, measured %.3f\n", rows[i].name, freed, rows[i].measured);
        assert_true(fabs(freed - rows[i].measured) < 0.3);
        assert_true(rows[i].measured < 0.1 || freed > 0.5);
    }
}

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

static void test_tables_apart(void **state) {
    struct errors errors = ERRORS_OF(torchtitan_apart, allocator_bytes, GIB);
    (void)state;
    assert_true(errors.mean <= 0.045 && fabs(errors.bias) <= 0.02);
}

/* What a second sequence allocates: Llama 2 7B of Lit-GPT in fp8 under FSDP2 and torch.compile, nothing
 * recomputed, on 8 H100 (lightning-thunder, pull request 997). In 16 bits it would be 17.3 GB. */
static void test_fp8_inputs(void **state) {
    struct question question = {
        FSDP,
        .precision = PRECISION_FP8,
        .loss = LOSS_COMPILED,
        .gradients = GRADIENTS_HALF,
        .optimizer = {.master = MASTER_NONE},
        .model =
            {.layers = 32, .hidden = 4096, .heads = 32, .ffn_hidden = 11008, .gated = true, .vocab = 32000},
        .layout = {.dp = 8, .zero = 2},
        .sequence = 4096,
        .global_batch = 8};
    const double one = estimate(question).allocated_bytes;
    (void)state;
    question.layout.micro_batch = 2;
    question.global_batch = 16;
    const double added = (estimate(question).allocated_bytes - one) / 1e9;
    print_message("    a further sequence allocates %.2f GB, measured 15.43\n", added);
    assert_true(fabs(added / 15.43 - 1) < 0.03);
}

/* What is held against the device is at or above what was measured, for all of these runs. */
static void test_never_below_measured(void **state) {
    (void)state;
    assert_int_equal(ERRORS_OF(simumax, per_device_bytes, GIB).below, 0);
    assert_int_equal(ERRORS_OF(zero_bubble, per_device_bytes, GIB).below, 0);
    assert_int_equal(ERRORS_OF(bloom, per_device_bytes, 1e9).below, 0);
    assert_int_equal(ERRORS_OF(torchtitan, per_device_bytes, GIB).below, 0);
    assert_int_equal(ERRORS_OF(torchtitan_apart, per_device_bytes, GIB).below, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modules),     cmocka_unit_test(test_simumax),
        cmocka_unit_test(test_zero_bubble), cmocka_unit_test(test_bloom),
        cmocka_unit_test(test_torchtitan),  cmocka_unit_test(test_tables_apart),
        cmocka_unit_test(test_fp8_inputs),  cmocka_unit_test(test_never_below_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
