#include "check.h"

#include <math.h>

#include "planner/kernels/attention.h"
#include "planner/kernels/reference_device.h"

static const struct attention example = {.batch = 4,
                                         .sequence = 8192,
                                         .query_split = 1,
                                         .heads = 32,
                                         .kv_heads = 8,
                                         .qk_head_dim = 128,
                                         .v_head_dim = 128};

/* H100-SXM, cuDNN, 16,384 tokens, milliseconds: the rates of arXiv 2407.08608, figure 5. */
static void forward_as_measured_on_h100(void **state) {
    (void)state;
    static const struct {
        int64_t batch, sequence, heads, head_dim;
        double milliseconds;
    } known[] = {
        {16, 1024, 16, 128, 0.1676}, {4, 4096, 16, 128, 0.5306}, {1, 16384, 16, 128, 2.0398},
        {16, 1024, 32, 64, 0.2386},  {4, 4096, 32, 64, 0.7572},  {1, 16384, 32, 64, 2.8338},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct attention a = {known[i].batch,    known[i].sequence, 1,     known[i].heads, known[i].heads,
                              known[i].head_dim, known[i].head_dim, false, PRECISION_BF16};
        assert_near(attention_seconds(&reference_device, &a) * 1e3 / known[i].milliseconds, 1, 0.03);
    }
}

/* Transformer Engine on A100-PCIe, batch 1, sequence 4096, milliseconds: SimuMax; SXM is 1.14 times as fast.
 */
static void both_passes_as_measured_on_a100(void **state) {
    (void)state;
    static const struct {
        int64_t heads, kv_heads, qk_head_dim;
        bool backward;
        double milliseconds;
    } known[] = {
        {16, 4, 128, false, 0.4445}, {64, 8, 128, false, 1.484},  {16, 4, 128, true, 1.249},
        {64, 8, 128, true, 4.383},   {64, 64, 192, false, 2.089}, {64, 64, 192, true, 6.933},
    };
    struct arena *arena = arena_create();
    struct cluster cluster;
    struct error error;
    assert_true(cluster_read(SOURCE_DIR "/topologies/dgx-a100-80g.yaml", arena, &cluster, &error));
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct attention a = {1,
                              4096,
                              1,
                              known[i].heads,
                              known[i].kv_heads,
                              known[i].qk_head_dim,
                              128,
                              known[i].backward,
                              PRECISION_BF16};
        assert_near(attention_seconds(&cluster.device, &a) * 1e3 * 1.14 / known[i].milliseconds, 1, 0.1);
    }
    arena_destroy(arena);
}

static void flops_are_half_the_square(void **state) {
    (void)state;
    struct attention a = example;
    assert_true(attention_flops(&a) == 2.0 * 4 * 32 * 8192 * 8192 * 128);
    a.backward = true;
    assert_true(attention_flops(&a) == 5.0 * 4 * 32 * 8192 * 8192 * 128);
    a.query_split = 4;
    assert_true(attention_flops(&a) == 1.25 * 4 * 32 * 8192 * 8192 * 128);
}

static void splitting_queries_splits_the_time(void **state) {
    (void)state;
    struct attention a = example;
    a.sequence = 65536;
    double whole = attention_seconds(&reference_device, &a);
    a.query_split = 4;
    double part = attention_seconds(&reference_device, &a);
    assert_true(part > whole / 4 && part < whole / 3);
}

static void the_backward_takes_two_to_four_forwards(void **state) {
    (void)state;
    struct attention a = example;
    double forward = attention_seconds(&reference_device, &a);
    a.backward = true;
    double ratio = attention_seconds(&reference_device, &a) / forward;
    assert_true(ratio > 2 && ratio < 4);
}

static void more_heads_and_longer_sequences_take_longer(void **state) {
    (void)state;
    struct attention a = example;
    for (a.sequence = 128; a.sequence <= 1 << 20; a.sequence *= 2) {
        double before = attention_seconds(&reference_device, &a);
        struct attention more = a;
        more.sequence *= 2;
        assert_true(attention_seconds(&reference_device, &more) > before);
        more = a;
        more.heads *= 2;
        assert_true(attention_seconds(&reference_device, &more) >= before);
        assert_true(isfinite(before) && before > 0);
    }
}

static void without_a_backward_rate_it_follows_the_forward(void **state) {
    (void)state;
    struct cluster_device device = reference_device, given = reference_device;
    struct attention a = example;
    a.backward = true;
    device.kernels.attention.backward_flops_per_second = 0;
    given.kernels.attention.backward_flops_per_second = 0.74 * device.kernels.attention.flops_per_second;
    given.kernels.attention.backward_launch_seconds = device.kernels.attention.launch_seconds;
    assert_near(attention_seconds(&device, &a), attention_seconds(&given, &a), 1e-12);
}

static void a_device_without_constants_is_scaled_by_peak(void **state) {
    (void)state;
    struct cluster_device twice = {.memory_bytes_per_second = 2 * reference_device.memory_bytes_per_second,
                                   .peak_flops = {[PRECISION_BF16] = 2 * 989.4e12}};
    double ratio = attention_seconds(&reference_device, &example) / attention_seconds(&twice, &example);
    assert_true(ratio > 1.9 && ratio <= 2);
}

static void nothing_to_do_takes_no_time(void **state) {
    (void)state;
    struct attention a = example;
    a.batch = 0;
    assert_true(attention_seconds(&reference_device, &a) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_as_measured_on_h100),
        cmocka_unit_test(both_passes_as_measured_on_a100),
        cmocka_unit_test(flops_are_half_the_square),
        cmocka_unit_test(splitting_queries_splits_the_time),
        cmocka_unit_test(the_backward_takes_two_to_four_forwards),
        cmocka_unit_test(more_heads_and_longer_sequences_take_longer),
        cmocka_unit_test(without_a_backward_rate_it_follows_the_forward),
        cmocka_unit_test(a_device_without_constants_is_scaled_by_peak),
        cmocka_unit_test(nothing_to_do_takes_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
