#include "arena_fixture.h"
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planner/report/print_words.h"

static void shares_have_three_digits_and_one_behind_the_point(void **state) {
    (void)state;
    assert_string_equal(print_percent(arena, 0.875), "87.5 %");
    assert_string_equal(print_percent(arena, 0.0004), "<0.1 %");
    assert_string_equal(print_percent(arena, 0), "0.0 %");
    assert_string_equal(print_percent(arena, 0.9994), "99.9 %");
    assert_string_equal(print_percent(arena, 0.9996), "100 %");
}

static void counts_are_grouped(void **state) {
    (void)state;
    assert_string_equal(print_count(arena, 0), "0");
    assert_string_equal(print_count(arena, 999), "999");
    assert_string_equal(print_count(arena, 24576), "24,576");
    assert_string_equal(print_count(arena, -100), "-100");
    assert_string_equal(print_count(arena, -1234567), "-1,234,567");
    assert_string_equal(print_count(arena, INT64_MAX), "9,223,372,036,854,775,807");
    assert_string_equal(print_amount(arena, 2.5), "2.5");
    assert_string_equal(print_amount(arena, 999999), "999,999");
    assert_string_equal(print_amount(arena, 1.83e12), "1.83T");
    assert_string_equal(print_tokens(arena, 1), "1 token");
    assert_string_equal(print_tokens(arena, 13e12), "13T tokens");
}

static void times_are_days_from_one_on(void **state) {
    (void)state;
    assert_string_equal(print_days(arena, 0.25), "0.25");
    assert_string_equal(print_days(arena, 96.06), "96.1");
    assert_string_equal(print_days(arena, 2280.6), "2,281");
    assert_string_equal(print_days(arena, HUGE_VAL), "never");
    assert_string_equal(print_duration(arena, 90), "90 s");
    assert_string_equal(print_duration(arena, 12 * SECONDS_AN_HOUR), "12 h");
    assert_string_equal(print_duration(arena, 96.06 * SECONDS_A_DAY), "96.1 days");
}

static void large_factors_are_counts(void **state) {
    (void)state;
    assert_string_equal(print_factor(arena, 2.5), "2.5");
    assert_string_equal(print_factor(arena, 17450), "17,450");
    assert_string_equal(print_excess(arena, 0.12), "12.0 %");
    assert_string_equal(print_excess(arena, 4), "a factor of 5");
    assert_string_equal(print_excess(arena, 17449), "a factor of 17,450");
}

/* The middle goes, and no character of several bytes is cut. */
static void long_names_lose_their_middle(void **state) {
    (void)state;
    assert_string_equal(print_shortened(arena, "dgx-h100", 8), "dgx-h100");
    assert_string_equal(print_shortened(arena, "abcdefghij", 9), "abc...hij");
    assert_string_equal(print_shortened(arena, "abcdefghij", 8), "abc...ij");
    assert_string_equal(print_shortened(arena, "\u00e4\u00f6\u00fc\u00e4\u00f6\u00fc", 5), "\u00e4...\u00fc");
    assert_string_equal(print_shortened(arena, "\u6a21\u578b\u6a21\u578b", 8), "\u6a21\u578b\u6a21\u578b");
    assert_string_equal(print_shortened(arena, "\u6a21\u578b\u6a21\u578b", 7), "\u6a21...\u578b");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_have_three_digits_and_one_behind_the_point),
        cmocka_unit_test(counts_are_grouped),
        cmocka_unit_test(times_are_days_from_one_on),
        cmocka_unit_test(large_factors_are_counts),
        cmocka_unit_test(long_names_lose_their_middle),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
