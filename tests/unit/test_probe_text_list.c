/* Lists of words: separators, and what doesn't fit. */
#include "check.h"

#include <string.h>

#include "probe/text_list.h"

static void test_list(void **state) {
    (void)state;
    char text[32] = "";
    text_list_add(text, sizeof text, ", ", "%s", "h0");
    assert_string_equal(text, "h0");
    text_list_add(text, sizeof text, ", ", "%s:%d", "h1", 7);
    assert_string_equal(text, "h0, h1:7");
}

static void test_full(void **state) {
    (void)state;
    /* Hosts of a cluster, each named as a whole or not at all. */
    char text[32] = "";
    for (int i = 0; i < 100; i++) {
        text_list_add(text, sizeof text, ", ", "node%d", i);
        assert_true(strlen(text) < sizeof text);
    }
    assert_string_equal(text, "node0, node1, node2, node3, ...");
    char first[12] = "";
    text_list_add(first, sizeof first, ", ", "a-long-name");
    assert_string_equal(first, "...");
    text_list_add(first, sizeof first, ", ", "b");
    assert_string_equal(first, "...");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_list), cmocka_unit_test(test_full)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
