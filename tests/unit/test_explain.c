#include "check.h"

#include "planner/explain.h"

static void builds_a_tree(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct explain *explain = explain_create(arena);
    assert_null(explain_root(explain)->first);
    explain_open(explain, "step");
    explain_add(explain, "forward", 1.5, UNIT_SECONDS, "m %d n %d", 2048, 4096);
    explain_add(explain, "weights", 10, UNIT_BYTES, NULL);
    explain_close(explain, 3, UNIT_SECONDS, "%d micro-batches", 7);
    explain_add(explain, "after", 4, UNIT_SECONDS, NULL);

    const struct explain_term *step = explain_root(explain)->first;
    assert_string_equal(step->label, "step");
    assert_true(step->value == 3);
    assert_string_equal(step->detail, "7 micro-batches");
    assert_string_equal(step->first->label, "forward");
    assert_string_equal(step->first->detail, "m 2048 n 4096");
    assert_true(step->first->next->unit == UNIT_BYTES);
    assert_null(step->first->next->detail);
    assert_ptr_equal(step->last, step->first->next);
    assert_string_equal(step->next->label, "after");
    assert_null(step->next->next);
    arena_destroy(arena);
}

static void does_nothing_without_a_tree(void **state) {
    (void)state;
    explain_open(NULL, "step");
    assert_string_equal(explain_text(NULL, 1, UNIT_SECONDS), "");
    explain_add(NULL, "forward", 1, UNIT_SECONDS, "%d", 1);
    explain_close(NULL, 1, UNIT_SECONDS, NULL);
}

/* Deeper nesting than is kept must not lose the terms after it. */
static void survives_depth(void **state) {
    (void)state;
    struct arena *arena = arena_create();
    struct explain *explain = explain_create(arena);
    for (int i = 0; i < 40; i++)
        explain_open(explain, "deep");
    for (int i = 0; i < 40; i++)
        explain_close(explain, i, UNIT_SECONDS, NULL);
    explain_close(explain, 1, UNIT_SECONDS, NULL); /* one too many: ignored */
    explain_add(explain, "after", 1, UNIT_SECONDS, NULL);
    assert_string_equal(explain_root(explain)->last->label, "after");
    assert_true(explain_root(explain)->first->value == 39);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_a_tree),
        cmocka_unit_test(does_nothing_without_a_tree),
        cmocka_unit_test(survives_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
