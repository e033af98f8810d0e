#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "planner/attention.h"
#include "planner/reference_device.h"

static const struct attention example = {.batch = 4,
                                         .sequence = 8192,
                                         .query_split = 1,
                                         .heads = 32,
                                         .kv_heads = 8,
                                         .qk_head_dim = 128,
                                         .v_head_dim = 128};

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
        cmocka_unit_test(flops_are_half_the_square),
        cmocka_unit_test(splitting_queries_splits_the_time),
        cmocka_unit_test(the_backward_takes_two_to_four_forwards),
        cmocka_unit_test(more_heads_and_longer_sequences_take_longer),
        cmocka_unit_test(a_device_without_constants_is_scaled_by_peak),
        cmocka_unit_test(nothing_to_do_takes_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
