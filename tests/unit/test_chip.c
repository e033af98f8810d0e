/* Kernels of a device whose cluster file gives none. */
#include "arena_fixture.h"
#include "check.h"

#include "planner/kernels/attention.h"
#include "planner/kernels/chip.h"
#include "planner/kernels/matmul.h"
#include "shipped_cluster.h"

static struct cluster_device shipped(const char *topology) {
    return shipped_cluster(topology, arena).device;
}

/* As someone writes it down who knows no kernels. */
static struct cluster_device bare(const char *name, const struct cluster_device *like, double peak_ratio) {
    struct cluster_device device = {.name = name,
                                    .memory_bytes = like->memory_bytes,
                                    .memory_bytes_per_second = like->memory_bytes_per_second};

    for (int i = 0; i < PRECISION_COUNT; i++)
        device.peak_flops[i] = peak_ratio * like->peak_flops[i];
    return device;
}

static double product(const struct cluster_device *device, enum precision precision) {
    const struct matmul matmul = {16384, 8192, 8192, 1, precision, MATMUL_FORWARD};

    return matmul_seconds(device, &matmul);
}

static double experts(const struct cluster_device *device) {
    const struct matmul matmul = {16384, 2048, 2048, 1, PRECISION_BF16, MATMUL_FORWARD};

    return matmul_grouped_seconds(device, &matmul, 16);
}

static double scores(const struct cluster_device *device, bool backward) {
    const struct attention attention = {.batch = 1,
                                        .heads = 32,
                                        .sequence = 8192,
                                        .qk_head_dim = 128,
                                        .v_head_dim = 128,
                                        .query_split = 1,
                                        .precision = PRECISION_BF16,
                                        .backward = backward};

    return attention_seconds(device, &attention);
}

static void a_name_says_the_chip(void **state) {
    static const struct {
        const char *device, *chip;
    } cases[] = {{"A100", "A100"},
                 {"NVIDIA A100-SXM4-80GB", "A100"},
                 {"NVIDIA H100 80GB HBM3", "H100"},
                 {"GH200", "H200"},
                 {"NVIDIA GB200", "GB200"},
                 {"B200-SXM-192GB", "B200"},
                 {"NVIDIA B300 SXM6", "B300"},
                 {"GB300", "GB300"},
                 {"RTX A1000", NULL},
                 {"V100-SXM3-32GB", NULL},
                 {"", NULL}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct chip *chip = chip_of(cases[i].device);

        if (cases[i].chip == NULL)
            assert_null(chip);
        else
            assert_string_equal(chip->name, cases[i].chip);
    }
}

static void kernels_are_the_chips(void **state) {
    static const char *const topologies[] = {"dgx-a100-80g", "dgx-h100",    "dgx-b200",
                                             "dgx-b300",     "gb200-nvl72", "gb300-nvl72",
                                             "mi300x",       "mi325x",      "mi355x"};

    (void)state;
    for (size_t i = 0; i < sizeof topologies / sizeof *topologies; i++) {
        const struct cluster_device known = shipped(topologies[i]);
        struct cluster_device device = bare(known.name, &known, 1);

        chip_complete_kernels(&device, arena);
        assert_string_equal(device.kernels.chip_device, known.name);
        assert_same_double(product(&device, PRECISION_BF16), product(&known, PRECISION_BF16));
        assert_same_double(experts(&device), experts(&known));
        assert_same_double(scores(&device, false), scores(&known, false));
        assert_same_double(scores(&device, true), scores(&known, true));
        if (known.peak_flops[PRECISION_FP8] > 0)
            assert_same_double(product(&device, PRECISION_FP8), product(&known, PRECISION_FP8));
    }
}

/* Attention in fp8 too, of the chips that have it. */
static void attention_in_fp8_is_the_chips(void **state) {
    const struct cluster_device known = shipped("gb200-nvl72"), without = shipped("dgx-h100");
    struct cluster_device device = bare("GB200", &known, 1), half = bare("GB200", &known, 0.5);
    struct cluster_device other = bare("H100", &without, 1);

    (void)state;
    chip_complete_kernels(&device, arena);
    chip_complete_kernels(&half, arena);
    chip_complete_kernels(&other, arena);
    assert_true(device.kernels.attention_fp8.known);
    assert_same_double(device.kernels.attention_fp8.flops_per_second,
                       known.kernels.attention_fp8.flops_per_second);
    assert_same_double(half.kernels.attention_fp8.backward_flops_per_second,
                       known.kernels.attention_fp8.backward_flops_per_second / 2);
    assert_false(other.kernels.attention_fp8.known);
}

/* Of half the peak large products and attention take nearly twice the time; casting operands to fp8 goes with
 * the memory, which is the same. */
static void rates_go_with_the_peak(void **state) {
    const struct cluster_device known = shipped("dgx-h100");
    struct cluster_device device = bare("H100 PCIe", &known, 0.5);

    (void)state;
    chip_complete_kernels(&device, arena);
    assert_near(product(&device, PRECISION_BF16) / product(&known, PRECISION_BF16), 2, 0.06);
    assert_near(product(&device, PRECISION_FP8) / product(&known, PRECISION_FP8), 1.8, 0.1);
    assert_near(scores(&device, false) / scores(&known, false), 2, 0.06);
    assert_near(scores(&device, true) / scores(&known, true), 2, 0.06);
}

/* A100-PCIe of 300 W: 61 products 1.14 times as slow as on the SXM of 400 W (SimuMax). A name may say it, or
 * the file; who has power to spare isn't quicker. */
static void rates_go_with_the_power_limit(void **state) {
    static const struct {
        const char *name;
        double watts, slower;
    } cases[] = {{"NVIDIA A100 80GB PCIe", 0, 1.14}, {"A100", 300, 1.14},
                 {"A100-SXM4-80GB", 500, 1},         {"NVIDIA A100-PCIE-40GB", 0, 1.239},
                 {"A100-PCIE-40GB", 300, 1.14},      {"A100-SXM4-80GB", 0, 1}};
    const struct cluster_device known = shipped("dgx-a100-80g");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cluster_device device = bare(cases[i].name, &known, 1);

        device.power_watts = cases[i].watts;
        chip_complete_kernels(&device, arena);
        assert_near(product(&device, PRECISION_BF16) / product(&known, PRECISION_BF16), cases[i].slower,
                    0.01);
        assert_near(scores(&device, true) / scores(&known, true), cases[i].slower, 0.01);
        assert_true((device.kernels.chip_watts > 0) == (cases[i].slower > 1));
    }
}

/* A peak that is lower than what the power leaves is what counts: of two limits the narrower. */
static void a_lower_peak_needs_less_power(void **state) {
    const struct cluster_device known = shipped("dgx-h100");
    struct cluster_device narrow = bare("H100", &known, 0.5), card = bare("H100 PCIe", &known, 756.0 / 989.4),
                          wide = bare("H100", &known, 2);

    (void)state;
    narrow.power_watts = 350;
    chip_complete_kernels(&narrow, arena);
    assert_near(product(&narrow, PRECISION_BF16) / product(&known, PRECISION_BF16), 2, 0.06);
    chip_complete_kernels(&card, arena);
    assert_near(product(&card, PRECISION_BF16) / product(&known, PRECISION_BF16), 1 / 0.729, 0.03);
    wide.power_watts = known.power_watts; /* as much power binds nothing */
    chip_complete_kernels(&wide, arena);
    assert_near(product(&wide, PRECISION_BF16) / product(&known, PRECISION_BF16), 0.5, 0.06);
}

/* As large products were measured (stas00/ml-engineering): 668 TFLOP/s, of what H100's long ones do about
 * 710. */
static void a_chip_with_a_high_peak_may_be_slow(void **state) {
    const struct cluster_device amd = shipped("mi300x"), nvidia = shipped("dgx-h100");

    (void)state;
    assert_true(amd.peak_flops[PRECISION_BF16] > 1.3 * nvidia.peak_flops[PRECISION_BF16]);
    assert_near(product(&amd, PRECISION_BF16) / product(&nvidia, PRECISION_BF16), 1.06, 0.03);
}

static void what_a_file_gives_stays(void **state) {
    const struct cluster_device known = shipped("dgx-a100-80g");
    struct cluster_device device = known, unknown = bare("MI250X", &known, 1);

    (void)state;
    device.kernels.matmul[PRECISION_BF16].flops_per_second /= 2;
    device.kernels.attention.known = false;
    chip_complete_kernels(&device, arena);
    assert_near(product(&device, PRECISION_BF16) / product(&known, PRECISION_BF16), 2, 0.06);
    assert_same_double(scores(&device, true), scores(&known, true));
    chip_complete_kernels(&unknown, arena);
    assert_null(unknown.kernels.chip_device);
    assert_false(matmul_is_fitted(&unknown, PRECISION_BF16));
}

/* Blackwell's trainings in fp8 are in MXFP8, unless the file says otherwise. */
static void scales_of_fp8_are_the_chips(void **state) {
    static const struct {
        const char *device;
        enum fp8_scaling said, taken;
    } cases[] = {{"H100-SXM5-80GB", FP8_SCALING_DEFAULT, FP8_SCALING_TENSOR},
                 {"B200", FP8_SCALING_DEFAULT, FP8_SCALING_BLOCK},
                 {"NVIDIA GB300", FP8_SCALING_DEFAULT, FP8_SCALING_BLOCK},
                 {"B200", FP8_SCALING_TENSOR, FP8_SCALING_TENSOR},
                 {"MI300X", FP8_SCALING_DEFAULT, FP8_SCALING_TENSOR},
                 {"unknown", FP8_SCALING_DEFAULT, FP8_SCALING_TENSOR},
                 {"unknown", FP8_SCALING_BLOCK, FP8_SCALING_BLOCK}};
    struct cluster_device b200 = shipped("dgx-b200");

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cluster_device device = bare(cases[i].device, &b200, 1);

        device.fp8_scaling = cases[i].said;
        chip_complete_kernels(&device, arena);
        assert_int_equal(device.fp8_scaling, cases[i].taken);
    }
    b200.fp8_scaling = FP8_SCALING_DEFAULT; /* whose kernels are all there */
    chip_complete_kernels(&b200, arena);
    assert_int_equal(b200.fp8_scaling, FP8_SCALING_BLOCK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_says_the_chip),
        cmocka_unit_test(kernels_are_the_chips),
        cmocka_unit_test(attention_in_fp8_is_the_chips),
        cmocka_unit_test(rates_go_with_the_peak),
        cmocka_unit_test(a_chip_with_a_high_peak_may_be_slow),
        cmocka_unit_test(what_a_file_gives_stays),
        cmocka_unit_test(scales_of_fp8_are_the_chips),
        cmocka_unit_test(rates_go_with_the_power_limit),
        cmocka_unit_test(a_lower_peak_needs_less_power),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
