#include "check.h"

#include <math.h>

#include "planner/kernels/attention.h"
#include "planner/kernels/reference_device.h"
#include "shipped_cluster.h"

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
        struct attention a = {.batch = known[i].batch,
                              .sequence = known[i].sequence,
                              .query_split = 1,
                              .heads = known[i].heads,
                              .kv_heads = known[i].heads,
                              .qk_head_dim = known[i].head_dim,
                              .v_head_dim = known[i].head_dim,
                              .precision = PRECISION_BF16};
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
    const struct cluster cluster = shipped_cluster("dgx-a100-80g", arena);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct attention a = {.batch = 1,
                              .sequence = 4096,
                              .query_split = 1,
                              .heads = known[i].heads,
                              .kv_heads = known[i].kv_heads,
                              .qk_head_dim = known[i].qk_head_dim,
                              .v_head_dim = 128,
                              .backward = known[i].backward,
                              .precision = PRECISION_BF16};
        assert_near(attention_seconds(&cluster.device, &a) * 1e3 * 1.14 / known[i].milliseconds, 1, 0.1);
    }
    arena_destroy(arena);
}

/* cuDNN 9.22 on GB200, batch 2, milliseconds (cudnn-frontend, benchmark/sdpa_benchmark_training/results):
 * heads that share keys, and latent attention's. */
static void both_passes_as_measured_on_gb200(void **state) {
    (void)state;
    static const struct {
        int64_t sequence, heads, kv_heads, qk_head_dim;
        enum precision precision;
        double forward, backward;
    } known[] = {
        {4096, 64, 8, 128, PRECISION_BF16, 0.391, 1.198},
        {8192, 64, 8, 128, PRECISION_BF16, 1.397, 4.127},
        {4096, 128, 128, 192, PRECISION_BF16, 0.977, 3.383},
        {8192, 128, 128, 192, PRECISION_BF16, 3.470, 11.984},
        {4096, 64, 8, 128, PRECISION_FP8, 0.326, 1.305},
        {8192, 128, 128, 192, PRECISION_FP8, 2.478, 9.567},
    };
    struct arena *arena = arena_create();
    const struct cluster cluster = shipped_cluster("gb200-nvl72", arena);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct attention a = {.batch = 2,
                              .sequence = known[i].sequence,
                              .query_split = 1,
                              .heads = known[i].heads,
                              .kv_heads = known[i].kv_heads,
                              .qk_head_dim = known[i].qk_head_dim,
                              .v_head_dim = 128,
                              .precision = known[i].precision};
        assert_near(attention_seconds(&cluster.device, &a) * 1e3 / known[i].forward, 1, 0.08);
        a.backward = true;
        assert_near(attention_seconds(&cluster.device, &a) * 1e3 / known[i].backward, 1, 0.1);
    }
    arena_destroy(arena);
}

/* cuDNN's backward pass in fp8 computes all that a causal mask leaves: GB200, 128 heads of 64, batch 2,
 * MXFP8, a window of 128 tokens, milliseconds (the same benchmark). */
static void fp8_skips_no_window_backward(void **state) {
    (void)state;
    static const struct {
        int64_t sequence;
        double forward, backward;
    } known[] = {{2048, 0.109, 0.642}, {4096, 0.210, 2.080}, {8192, 0.417, 7.427}};
    struct arena *arena = arena_create();
    const struct cluster cluster = shipped_cluster("gb200-nvl72", arena);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct attention a = {.batch = 2,
                              .sequence = known[i].sequence,
                              .query_split = 1,
                              .heads = 128,
                              .kv_heads = 128,
                              .qk_head_dim = 64,
                              .v_head_dim = 64,
                              .window = 128,
                              .precision = PRECISION_FP8};
        assert_near(attention_seconds(&cluster.device, &a) * 1e3 / known[i].forward, 1, 0.1);
        a.backward = true;
        assert_near(attention_seconds(&cluster.device, &a) * 1e3 / known[i].backward, 0.78, 0.12);
        struct attention half = a, whole = a;
        half.precision = PRECISION_BF16;
        whole.window = 0;
        assert_true(attention_seconds(&cluster.device, &half) < 0.5 * attention_seconds(&cluster.device, &a));
        assert_same_double(attention_seconds(&cluster.device, &a),
                           attention_seconds(&cluster.device, &whole));
        assert_same_double(attention_least_seconds(&cluster.device, &a),
                           attention_least_seconds(&cluster.device, &whole));
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

/* H200, cuDNN 9.19, batch 2, 64 heads of 64, 8 of keys, a window of 1,024, milliseconds: cudnn-frontend,
 * benchmark/sdpa_benchmark_training/results/h200_919_only_cudnn. */
static void windowed_as_measured_on_h200(void **state) {
    (void)state;
    static const struct {
        int64_t sequence;
        double forward, backward;
    } known[] = {{32768, 3.021, 9.045}, {16384, 1.499, 4.392}, {8192, 0.738, 2.149}, {4096, 0.358, 1.042}};
    struct arena *arena = arena_create();
    const struct cluster cluster = shipped_cluster("dgx-h200", arena);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct attention a = {.batch = 2,
                              .sequence = known[i].sequence,
                              .query_split = 1,
                              .heads = 64,
                              .kv_heads = 8,
                              .qk_head_dim = 64,
                              .v_head_dim = 64,
                              .precision = PRECISION_BF16,
                              .window = 1024};
        assert_near(attention_seconds(&cluster.device, &a) * 1e3 / known[i].forward, 1, 0.1);
        a.backward = true;
        assert_near(attention_seconds(&cluster.device, &a) * 1e3 / known[i].backward, 1, 0.1);
    }
    arena_destroy(arena);
}

static double seconds_of_window(const struct attention *attention, int64_t window) {
    struct attention a = *attention;
    a.window = window;
    return attention_seconds(&reference_device, &a);
}

/* A band of the window's width, without the triangle above its first tokens. */
static void a_window_leaves_a_band_of_the_square(void **state) {
    (void)state;
    struct attention a = example;
    const double pair = 2.0 * 4 * 32 * (128 + 128);
    a.window = 1024;
    assert_true(attention_flops(&a) == pair * (8192.0 * 1024 - 1024.0 * 1024 / 2));
    a.window = 8192;
    assert_true(attention_flops(&a) == attention_flops(&example));
    a.window = 100000;
    assert_true(attention_flops(&a) == attention_flops(&example));
    assert_true(attention_seconds(&reference_device, &a) == attention_seconds(&reference_device, &example));
}

/* Two tiles a row where the window has as many tokens as a tile, or two; three where it has one more. */
static void a_window_takes_whole_tiles(void **state) {
    (void)state;
    struct attention a = example;
    a.sequence = 1 << 16;
    assert_true(seconds_of_window(&a, 2) == seconds_of_window(&a, 128));
    assert_true(seconds_of_window(&a, 128) == seconds_of_window(&a, 129));
    const double tile = seconds_of_window(&a, 258) - seconds_of_window(&a, 129);
    assert_true(tile > 0);
    assert_near((seconds_of_window(&a, 514) - seconds_of_window(&a, 385)) / tile, 1, 0.01);
}

static void longer_windows_take_longer_and_none_longer_than_all(void **state) {
    (void)state;
    struct attention a = example;
    for (int backward = 0; backward < 2; backward++) {
        a.backward = backward != 0;
        for (a.sequence = 100; a.sequence < 20000; a.sequence = a.sequence * 3 / 2) {
            double before = 0;
            for (int64_t window = 1; window < a.sequence; window = window * 5 / 4 + 1) {
                double seconds = seconds_of_window(&a, window);
                assert_true(seconds >= before && seconds <= seconds_of_window(&a, 0));
                before = seconds;
            }
        }
    }
}

/* A chunk is a sequence of its own. */
static void chunks_are_shorter_sequences(void **state) {
    (void)state;
    struct attention chunked = example, apart = example;
    chunked.chunk = 1024;
    apart.batch *= 8;
    apart.sequence = 1024;
    assert_true(attention_flops(&chunked) == attention_flops(&apart));
    assert_near(attention_seconds(&reference_device, &chunked) / attention_seconds(&reference_device, &apart),
                1, 1e-9);
    chunked.sequence = 8192 + 512; /* the last is shorter */
    assert_true(attention_flops(&chunked) == attention_flops(&apart) * (1 + 0.25 / 8));
    chunked.chunk = 1 << 20;
    chunked.sequence = 8192;
    assert_true(attention_seconds(&reference_device, &chunked) ==
                attention_seconds(&reference_device, &example));
}

static void a_window_takes_at_least_its_products(void **state) {
    (void)state;
    struct attention a = example;
    a.window = 128;
    struct attention one = a;
    one.batch = 1;
    for (int backward = 0; backward < 2; backward++) {
        a.backward = one.backward = backward != 0;
        const double least = (double)a.batch * attention_least_seconds(&reference_device, &one);
        assert_true(least > 0 && least < attention_seconds(&reference_device, &a));
    }
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
        cmocka_unit_test(both_passes_as_measured_on_gb200),
        cmocka_unit_test(fp8_skips_no_window_backward),
        cmocka_unit_test(flops_are_half_the_square),
        cmocka_unit_test(windowed_as_measured_on_h200),
        cmocka_unit_test(a_window_leaves_a_band_of_the_square),
        cmocka_unit_test(a_window_takes_whole_tiles),
        cmocka_unit_test(longer_windows_take_longer_and_none_longer_than_all),
        cmocka_unit_test(chunks_are_shorter_sequences),
        cmocka_unit_test(a_window_takes_at_least_its_products),
        cmocka_unit_test(splitting_queries_splits_the_time),
        cmocka_unit_test(the_backward_takes_two_to_four_forwards),
        cmocka_unit_test(more_heads_and_longer_sequences_take_longer),
        cmocka_unit_test(without_a_backward_rate_it_follows_the_forward),
        cmocka_unit_test(a_device_without_constants_is_scaled_by_peak),
        cmocka_unit_test(nothing_to_do_takes_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
