#include "check.h"

#include <math.h>

#include "planner/kernels/attention.h"
#include "planner/kernels/matmul.h"
#include "planner/kernels/reference_device.h"

static struct cluster_device a100;

static int read_a100(void **state) {
    struct arena *arena = arena_create();
    struct cluster cluster;
    struct error error;
    *state = arena;
    if (!cluster_read(SOURCE_DIR "/topologies/dgx-a100-80g.yaml", arena, &cluster, &error))
        return -1;
    a100 = cluster.device;
    return 0;
}

static int free_a100(void **state) {
    arena_destroy(*state);
    return 0;
}

static double seconds(const struct cluster_device *device, int64_t m, int64_t n, int64_t k,
                      enum precision precision) {
    struct matmul matmul = {.m = m, .n = n, .k = k, .batch = 1, .precision = precision};
    return matmul_seconds(device, &matmul);
}

/* Measured times of the aiconfigurator database, in milliseconds. */
static void products_as_measured(void **state) {
    (void)state;
    static const struct {
        const struct cluster_device *device;
        enum precision precision;
        int64_t m, n, k;
        double milliseconds;
    } known[] = {
        {&a100, PRECISION_BF16, 8192, 65536, 4096, 16.7},
        {&a100, PRECISION_BF16, 8192, 65536, 7168, 30.11},
        {&a100, PRECISION_BF16, 4096, 4096, 4096, 0.5141},
        {&a100, PRECISION_BF16, 1024, 12288, 3072, 0.3151},
        {&a100, PRECISION_BF16, 512, 512, 512, 0.006485},
        {&reference_device, PRECISION_BF16, 8192, 8192, 8192, 1.5},
        {&reference_device, PRECISION_BF16, 2048, 12288, 4096, 0.2834},
        {&reference_device, PRECISION_BF16, 16384, 4096, 1536, 0.2946},
        {&reference_device, PRECISION_FP8, 8192, 8192, 8192, 1.016},
        {&reference_device, PRECISION_FP8, 4096, 16384, 5120, 0.5833},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_near(seconds(known[i].device, known[i].m, known[i].n, known[i].k, known[i].precision) * 1e3,
                    known[i].milliseconds, 0.07);
}

/* The file of the reference device and its copy in the program say the same. */
static void the_reference_is_the_shipped_h100(void **state) {
    struct cluster cluster;
    struct error error;
    assert_true(cluster_read(SOURCE_DIR "/topologies/dgx-h100.yaml", *state, &cluster, &error));
    const struct kernel_constants *file = &cluster.device.kernels, *copy = &reference_device.kernels;
    assert_string_equal(cluster.device.name, reference_device.name);
    assert_true(file->multiprocessors == copy->multiprocessors);
    assert_true(file->grouped_rate == copy->grouped_rate);
    assert_true(file->grouped_exposed == copy->grouped_exposed);
    for (int p = 0; p < PRECISION_COUNT; p++) {
        enum precision precision = (enum precision)p;
        assert_near(cluster.device.peak_flops[p], reference_device.peak_flops[p], 1e-9);
        assert_true(file->matmul[p].known == copy->matmul[p].known);
        assert_near(seconds(&cluster.device, 512, 3000, 5000, precision),
                    seconds(&reference_device, 512, 3000, 5000, precision), 1e-9);
    }
    struct attention attention = {.batch = 1,
                                  .sequence = 3000,
                                  .query_split = 1,
                                  .heads = 4,
                                  .kv_heads = 2,
                                  .qk_head_dim = 64,
                                  .v_head_dim = 64};
    assert_near(attention_seconds(&cluster.device, &attention),
                attention_seconds(&reference_device, &attention), 1e-9);
    attention.backward = true;
    assert_near(attention_seconds(&cluster.device, &attention),
                attention_seconds(&reference_device, &attention), 1e-9);
}

static void fp16_takes_the_constants_of_bf16(void **state) {
    (void)state;
    double bf16 = seconds(&a100, 4096, 4096, 4096, PRECISION_BF16);
    assert_true(seconds(&a100, 4096, 4096, 4096, PRECISION_FP16) == bf16);
    assert_true(matmul_is_fitted(&a100, PRECISION_FP16));
    assert_false(matmul_is_fitted(&a100, PRECISION_TF32));
}

static void tf32_goes_by_its_peak(void **state) {
    (void)state;
    double ratio =
        seconds(&a100, 8192, 8192, 8192, PRECISION_TF32) / seconds(&a100, 8192, 8192, 8192, PRECISION_BF16);
    assert_near(ratio, 2, 0.15);
}

static void a_device_without_constants_is_scaled_by_peak(void **state) {
    (void)state;
    struct cluster_device twice = {.name = "twice",
                                   .memory_bytes_per_second = 2 * reference_device.memory_bytes_per_second,
                                   .peak_flops = {[PRECISION_BF16] = 2 * 989.4e12}};
    assert_false(matmul_is_fitted(&twice, PRECISION_BF16));
    double expected = seconds(&reference_device, 8192, 8192, 8192, PRECISION_BF16) / 2;
    assert_near(seconds(&twice, 8192, 8192, 8192, PRECISION_BF16), expected, 0.06);
    assert_true(isinf(seconds(&twice, 8192, 8192, 8192, PRECISION_FP8)));
}

/* A thin product reads its weights: 2 n k bytes at what the memory gives. */
static void thin_products_are_bound_by_memory(void **state) {
    (void)state;
    double expected = 2.0 * 16384 * 16384 / (0.85 * 2039e9) + 3.52e-6;
    assert_near(seconds(&a100, 1, 16384, 16384, PRECISION_BF16), expected, 0.02);
}

static void sizes_at_both_ends_are_finite(void **state) {
    (void)state;
    const struct cluster_device *devices[] = {&a100, &reference_device};
    for (size_t d = 0; d < 2; d++) {
        assert_true(seconds(devices[d], 0, 8, 8, PRECISION_BF16) == 0);
        double least = seconds(devices[d], 1, 1, 1, PRECISION_BF16);
        assert_true(least > 1e-6 && least < 20e-6);
        int64_t m = 1 << 30, n = 1 << 20, k = 1 << 20;
        double flops = 2.0 * (double)m * (double)n * (double)k;
        double rate = flops / seconds(devices[d], m, n, k, PRECISION_BF16);
        assert_true(rate > 0.6 * devices[d]->peak_flops[PRECISION_BF16]);
        assert_true(rate < devices[d]->peak_flops[PRECISION_BF16]);
    }
}

/* A larger product never takes less time, but for the noise of tiles that fit it better. */
static void larger_products_take_longer(void **state) {
    (void)state;
    for (int64_t size = 64; size <= 16384; size *= 2) {
        assert_true(seconds(&a100, size, 4096, 4096, PRECISION_BF16) <=
                    seconds(&a100, 2 * size, 4096, 4096, PRECISION_BF16));
        assert_true(seconds(&reference_device, 4096, size, 4096, PRECISION_FP8) <=
                    seconds(&reference_device, 4096, 2 * size, 4096, PRECISION_FP8));
    }
}

static void a_batch_costs_less_than_its_products(void **state) {
    (void)state;
    struct matmul matmul = {.m = 2048, .n = 2048, .k = 128, .batch = 96, .precision = PRECISION_BF16};
    double together = matmul_seconds(&a100, &matmul);
    matmul.batch = 1;
    assert_true(together < 96 * matmul_seconds(&a100, &matmul));
    assert_true(together > 96 * 2.0 * 2048 * 2048 * 128 / 312e12);
}

/* SimuMax, A100-PCIe: weight gradients summed in fp32 take 1.05 of the forward product in the median. */
static void weight_gradients_pay_for_fp32(void **state) {
    (void)state;
    struct matmul forward = {.m = 8192, .n = 8192, .k = 8192, .batch = 1, .precision = PRECISION_BF16};
    struct matmul gradient = forward;
    gradient.m = 8192;
    gradient.k = 8192;
    gradient.pass = MATMUL_WEIGHT_GRADIENT;
    double ratio = matmul_seconds(&a100, &gradient) / matmul_seconds(&a100, &forward);
    assert_true(ratio > 1.0 && ratio < 1.25);
}

static void many_experts_read_many_weights(void **state) {
    (void)state;
    struct matmul matmul = {.m = 4096, .n = 4096, .k = 4096, .batch = 1, .precision = PRECISION_BF16};
    double one = matmul_grouped_seconds(&reference_device, &matmul, 1);
    double many = matmul_grouped_seconds(&reference_device, &matmul, 256);
    assert_true(one > seconds(&reference_device, 4096, 4096, 4096, PRECISION_BF16));
    assert_true(many > 256 * 2.0 * 4096 * 4096 / 3350e9);
    assert_true(many < 2 * 256 * 2.0 * 4096 * 4096 / 3350e9);
}

/* One kernel through all groups: no launch for each, and what is done at its end is hidden until memory is
 * what it waits for. */
static void a_fused_kernel_goes_through_all_experts(void **state) {
    (void)state;
    struct matmul matmul = {.m = 65536, .n = 4096, .k = 4096, .batch = 1, .precision = PRECISION_BF16};
    double fused = matmul_fused_grouped_seconds(&reference_device, &matmul, 16, 0);
    assert_true(fused < matmul_grouped_seconds(&reference_device, &matmul, 16));
    assert_near(fused, matmul_seconds(&reference_device, &matmul), 1e-9);
    assert_near(matmul_fused_grouped_seconds(&reference_device, &matmul, 16, 1e8), fused, 1e-12);
    double bytes = 1e11, moved = matmul_fused_grouped_seconds(&reference_device, &matmul, 16, bytes);
    assert_true(moved > bytes / 3350e9 && moved < 1.5 * bytes / 3350e9);
    struct matmul gradient = {4096, 4096, 65536, 1, PRECISION_BF16, MATMUL_WEIGHT_GRADIENT};
    assert_near(matmul_fused_grouped_seconds(&reference_device, &gradient, 1, 0),
                matmul_seconds(&reference_device, &gradient), 1e-9);
    matmul.m = 256; /* as many weights to read as there are experts */
    assert_true(matmul_fused_grouped_seconds(&reference_device, &matmul, 256, 0) >
                256 * 2.0 * 4096 * 4096 / 3350e9);
    matmul.m = 0;
    assert_true(matmul_fused_grouped_seconds(&reference_device, &matmul, 16, 0) == 0);
}

/* All products run at the share of their rate that the measured one reached; memory and launches don't. */
static void a_measured_product_holds_for_all(void **state) {
    (void)state;
    struct cluster_device slow = reference_device;
    assert_true(matmul_adopt_measured(&slow) <= 0); /* none was measured */
    double usual = 2.0 * 8192 * 8192 * 8192 / seconds(&reference_device, 8192, 8192, 8192, PRECISION_BF16);
    slow.product_edge = 8192;
    slow.product_flops_per_second = 0.8 * usual;
    assert_near(matmul_adopt_measured(&slow), 0.8, 1e-9);
    assert_near(seconds(&slow, 8192, 8192, 8192, PRECISION_BF16),
                seconds(&reference_device, 8192, 8192, 8192, PRECISION_BF16) / 0.8, 0.001);
    assert_near(seconds(&slow, 4096, 16384, 5120, PRECISION_FP16),
                seconds(&reference_device, 4096, 16384, 5120, PRECISION_FP16) / 0.8, 0.002);
    assert_near(seconds(&slow, 16, 8192, 8192, PRECISION_BF16),
                seconds(&reference_device, 16, 8192, 8192, PRECISION_BF16), 1e-9);
    assert_near(matmul_adopt_measured(&slow), 0.8, 1e-9); /* told twice, taken once */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_as_measured),
        cmocka_unit_test(the_reference_is_the_shipped_h100),
        cmocka_unit_test(fp16_takes_the_constants_of_bf16),
        cmocka_unit_test(tf32_goes_by_its_peak),
        cmocka_unit_test(a_device_without_constants_is_scaled_by_peak),
        cmocka_unit_test(thin_products_are_bound_by_memory),
        cmocka_unit_test(sizes_at_both_ends_are_finite),
        cmocka_unit_test(larger_products_take_longer),
        cmocka_unit_test(a_batch_costs_less_than_its_products),
        cmocka_unit_test(weight_gradients_pay_for_fp32),
        cmocka_unit_test(many_experts_read_many_weights),
        cmocka_unit_test(a_fused_kernel_goes_through_all_experts),
        cmocka_unit_test(a_measured_product_holds_for_all),
    };
    return cmocka_run_group_tests(tests, read_a100, free_a100);
}
