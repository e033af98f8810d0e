#include "check.h"

#include <math.h>
#include <string.h>

#include "planner/calibration/calibrate.h"
#include "planner/kernels/reference_device.h"

/* Times made by the forms themselves, with known constants and a deterministic error of up to 2 %: the fit
 * must find the constants again. */
static double disturbed(double seconds, size_t row) {
    return seconds * (1 + 0.02 * sin(12.9898 * (double)row));
}

static struct cluster reference_cluster(void) {
    return (struct cluster){.name = "reference", .node = {.devices = 8}, .device = reference_device};
}

static struct timings product_times(struct arena *arena, const struct cluster_device *device) {
    struct timings timings = {.kind = TIMING_MATMUL, .rows = ARENA_ARRAY(arena, struct timing, 512)};
    for (int64_t m = 512; m <= 16384; m *= 2)
        for (int64_t n = 512; n <= 32768; n *= 2)
            for (int64_t k = 768; k <= 13000; k *= 2) {
                struct timing *row = &timings.rows[timings.count++];
                *row = (struct timing){.device = device->name, .precision = PRECISION_BF16};
                row->of.matmul = (struct matmul){.m = m, .n = n, .k = k, .batch = 1};
                row->seconds = disturbed(matmul_seconds(device, &row->of.matmul), timings.count);
            }
    return timings;
}

static struct calibration only(const struct timings *timings, const struct cluster *base,
                               struct arena *arena) {
    struct calibration calibrations[CALIBRATION_MAX];
    struct error error;
    size_t count;
    assert_true(calibration_find(timings, calibrations, &count, &error));
    assert_int_equal(count, 1);
    assert_true(calibration_fit(timings, base, arena, &calibrations[0], &error));
    return calibrations[0];
}

static void finds_smooth_products_again(void **state) {
    struct arena *arena = *state;
    struct cluster base = reference_cluster();
    struct timings timings = product_times(arena, &reference_device);
    struct calibration found = only(&timings, &base, arena);
    const struct matmul_constants *c = &found.kernels.matmul[PRECISION_BF16];
    const struct matmul_constants *expected = &reference_device.kernels.matmul[PRECISION_BF16];
    assert_int_equal(c->form, MATMUL_SMOOTH);
    assert_near(c->flops_per_second / (1 + c->throttle),
                expected->flops_per_second / (1 + expected->throttle), 0.05);
    assert_near(c->launch_seconds, expected->launch_seconds, 0.3);
    assert_int_equal(found.all.count, timings.count);
    assert_true(found.all.median < 0.02 && found.all.cross_median < 0.025);
    assert_true(found.large.count < found.all.count && found.large.count > 0);
}

static void tells_tiles_from_a_smooth_time(void **state) {
    struct arena *arena = *state;
    struct cluster base = reference_cluster();
    base.device.kernels.matmul[PRECISION_BF16] = (struct matmul_constants){.known = true,
                                                                           .form = MATMUL_TILED,
                                                                           .launch_seconds = 4e-6,
                                                                           .flops_per_second = 1200e12,
                                                                           .throttle = 0.1,
                                                                           .throttle_flops = 1e12,
                                                                           .tile_edge = 25,
                                                                           .tile_seconds = 1e-6,
                                                                           .split_traffic = 0.7};
    struct timings timings = product_times(arena, &base.device);
    struct calibration found = only(&timings, &base, arena);
    assert_int_equal(found.kernels.matmul[PRECISION_BF16].form, MATMUL_TILED);
    assert_near(found.kernels.matmul[PRECISION_BF16].flops_per_second, 1200e12, 0.1);
    assert_true(found.all.cross_median < 0.025);
}

static void finds_collectives_again(void **state) {
    struct arena *arena = *state;
    const struct collective_constants expected = {.known = true,
                                                  .latency_seconds = 8e-6,
                                                  .latency_per_member_seconds = 1e-6,
                                                  .bandwidth_bytes_per_second = 250e9,
                                                  .small_group_loss = 0.5,
                                                  .ramp_seconds = 11e-6};
    struct cluster cluster = {
        .node = {.devices = 8}, .level_count = 1, .levels = {{.name = "link", .devices = 8}}};
    cluster.levels[0].collectives[COLLECTIVE_ALL_GATHER] = expected;
    struct timings timings = {.kind = TIMING_COLLECTIVE, .rows = ARENA_ARRAY(arena, struct timing, 128)};
    for (int64_t members = 2; members <= 8; members *= 2)
        for (double bytes = 512; bytes < 1e9; bytes *= 2) {
            struct timing *row = &timings.rows[timings.count++];
            row->device = "some";
            row->of.collective = (struct collective){COLLECTIVE_ALL_GATHER, bytes, {members, 1}};
            row->seconds = disturbed(collective_seconds(&cluster, &row->of.collective), timings.count);
        }
    struct calibration found = only(&timings, &cluster, arena);
    assert_near(found.collective.latency_seconds, expected.latency_seconds, 0.1);
    assert_near(found.collective.bandwidth_bytes_per_second, expected.bandwidth_bytes_per_second, 0.1);
    assert_near(found.collective.ramp_seconds, expected.ramp_seconds, 0.2);
    assert_true(found.large.cross_median < 0.025);
}

static void finds_attention_again(void **state) {
    struct arena *arena = *state;
    struct cluster base = reference_cluster();
    struct timings timings = {.kind = TIMING_ATTENTION, .rows = ARENA_ARRAY(arena, struct timing, 256)};
    for (int64_t sequence = 1024; sequence <= 16384; sequence *= 2)
        for (int64_t heads = 4; heads <= 64; heads *= 2)
            for (int64_t size = 64; size <= 128; size *= 2)
                for (int backward = 0; backward < 2; backward++) {
                    struct timing *row = &timings.rows[timings.count++];
                    row->device = reference_device.name;
                    row->of.attention = (struct attention){.batch = 2,
                                                           .sequence = sequence,
                                                           .query_split = 1,
                                                           .heads = heads,
                                                           .kv_heads = heads / 4,
                                                           .qk_head_dim = size,
                                                           .v_head_dim = size,
                                                           .backward = backward == 1};
                    row->seconds =
                        disturbed(attention_seconds(&reference_device, &row->of.attention), timings.count);
                }
    struct calibration found = only(&timings, &base, arena);
    const struct attention_constants *c = &found.kernels.attention;
    assert_true(found.backward_measured);
    assert_near(c->flops_per_second, reference_device.kernels.attention.flops_per_second, 0.1);
    assert_near(c->backward_flops_per_second, reference_device.kernels.attention.backward_flops_per_second,
                0.1);
    assert_true(found.all.cross_median < 0.025 && found.backward.cross_median < 0.025);
}

/* Of heads as latent attention has them beside others, and of fp8 beside 16 bits. */
static void tells_wide_heads_and_fp8_apart(void **state) {
    struct arena *arena = *state;
    struct cluster base = reference_cluster();
    struct cluster_device *device = &base.device;
    struct timings timings = {.kind = TIMING_ATTENTION, .rows = ARENA_ARRAY(arena, struct timing, 256)};
    struct calibration found[CALIBRATION_MAX];
    struct error error = {0};
    size_t count;
    device->kernels.attention.wide_rate = 0.95;
    device->kernels.attention.wide_backward_rate = 0.85;
    device->kernels.attention_fp8 = device->kernels.attention;
    device->kernels.attention_fp8.flops_per_second *= 1.5;
    for (int64_t sequence = 1024; sequence <= 16384; sequence *= 2)
        for (int64_t heads = 8; heads <= 64; heads *= 2)
            for (int kind = 0; kind < 8; kind++) {
                struct timing *row = &timings.rows[timings.count++];
                enum precision precision = kind & 1 ? PRECISION_FP8 : PRECISION_BF16;
                row->device = device->name;
                row->precision = precision;
                row->of.attention = (struct attention){.batch = 2,
                                                       .sequence = sequence,
                                                       .query_split = 1,
                                                       .heads = heads,
                                                       .kv_heads = heads,
                                                       .qk_head_dim = kind & 2 ? 192 : 128,
                                                       .v_head_dim = 128,
                                                       .precision = precision,
                                                       .backward = (kind & 4) != 0};
                row->seconds = disturbed(attention_seconds(device, &row->of.attention), timings.count);
            }
    assert_true(calibration_find(&timings, found, &count, &error));
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        assert_true(calibration_fit(&timings, &base, arena, &found[i], &error));
    const struct kernel_constants *half = &found[0].kernels, *fp8 = &found[1].kernels;
    assert_near(half->attention.flops_per_second, device->kernels.attention.flops_per_second, 0.1);
    assert_near(fp8->attention_fp8.flops_per_second, device->kernels.attention_fp8.flops_per_second, 0.1);
    assert_near(half->attention.wide_rate, 0.95, 0.03);
    assert_near(fp8->attention_fp8.wide_backward_rate, 0.85, 0.03);
}

/* What a layer of experts takes besides its products is found too, and kept out of their constants. */
static void finds_experts_again(void **state) {
    static const double launch_seconds = 30e-6, row_seconds = 3e-12, token_seconds = 2e-12;
    struct arena *arena = *state;
    struct cluster base = reference_cluster();
    struct cluster_device *device = &base.device;
    struct timings timings = {.kind = TIMING_EXPERTS, .rows = ARENA_ARRAY(arena, struct timing, 512)};
    device->kernels.grouped_rate = 0.8;
    device->kernels.grouped_launch_seconds = 20e-6; /* more than the weights of an expert take to read */
    device->kernels.grouped_exposed = 0.25;
    for (int64_t tokens = 64; tokens <= 32768; tokens *= 2)
        for (int64_t ep = 1; ep <= 16; ep *= 2)
            for (int64_t top_k = 2; top_k <= 8; top_k *= 2) {
                struct timing *row = &timings.rows[timings.count++];
                const struct timing_experts experts = {tokens, 4096, 1536, top_k, 64, 1, ep};
                const int64_t rows = tokens * top_k / ep;
                const struct matmul up = {rows, 2 * 1536, 4096, 1, PRECISION_BF16, MATMUL_FORWARD};
                const struct matmul down = {rows, 4096, 1536, 1, PRECISION_BF16, MATMUL_FORWARD};
                *row = (struct timing){.device = device->name, .precision = PRECISION_BF16};
                row->of.experts = experts;
                row->seconds =
                    disturbed(launch_seconds + matmul_grouped_seconds(device, &up, 64 / ep) +
                                  matmul_grouped_seconds(device, &down, 64 / ep) +
                                  4096 * (row_seconds * (double)rows + token_seconds * (double)tokens),
                              timings.count);
            }
    struct cluster reference = reference_cluster();
    struct calibration found = only(&timings, &reference, arena);
    assert_near(found.kernels.grouped_rate, 0.8, 0.1);
    assert_near(found.kernels.grouped_launch_seconds, 20e-6, 0.1);
    assert_true(found.all.median < 0.02 && found.all.cross_median < 0.025);
    /* The products' own constants are the base's. */
    assert_same_double(found.kernels.matmul[PRECISION_BF16].flops_per_second,
                       reference_device.kernels.matmul[PRECISION_BF16].flops_per_second);
}

static void refuses_another_device_and_too_few_rows(void **state) {
    struct arena *arena = *state;
    struct cluster base = reference_cluster();
    struct timings timings = product_times(arena, &reference_device);
    struct calibration calibration = {.device = "other"};
    struct error error;
    for (size_t r = 0; r < timings.count; r++)
        timings.rows[r].device = "other";
    assert_false(calibration_fit(&timings, &base, arena, &calibration, &error));
    assert_non_null(strstr(error.what, "other"));
    base.device.name = "other";
    timings.count = 3;
    assert_false(calibration_fit(&timings, &base, arena, &calibration, &error));
    assert_non_null(strstr(error.what, "fewer than"));
}

static int make_arena(void **state) {
    *state = arena_create();
    return 0;
}

static int free_arena(void **state) {
    arena_destroy(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_smooth_products_again),
        cmocka_unit_test(tells_tiles_from_a_smooth_time),
        cmocka_unit_test(finds_collectives_again),
        cmocka_unit_test(finds_attention_again),
        cmocka_unit_test(tells_wide_heads_and_fp8_apart),
        cmocka_unit_test(finds_experts_again),
        cmocka_unit_test(refuses_another_device_and_too_few_rows),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
