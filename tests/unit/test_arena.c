#include "tests/unit/check.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"

static void gives_zeroed_aligned_memory(void **state) {
    struct arena *arena = arena_create();

    (void)state;
    for (size_t size = 1; size < 200000; size = size * 3 + 1) {
        unsigned char *memory = arena_allocate(arena, 1, size);

        assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xff, size);
    }
    arena_destroy(arena);
}

static void pieces_never_overlap(void **state) {
    enum { PIECES = 3000 };
    struct arena *arena = arena_create();
    unsigned char *pieces[PIECES];

    (void)state;
    for (size_t i = 0; i < PIECES; i++) {
        size_t size = i % 100 == 99 ? 70000 : i % 37;

        pieces[i] = arena_allocate(arena, size, 1);
        memset(pieces[i], (int)(i % 251), size);
    }
    for (size_t i = 0; i < PIECES; i++)
        for (size_t j = 0; j < (i % 100 == 99 ? 70000 : i % 37); j++)
            assert_int_equal(pieces[i][j], i % 251);
    arena_destroy(arena);
}

static void nothing_is_a_valid_address(void **state) {
    struct arena *arena = arena_create();

    (void)state;
    assert_non_null(arena_allocate(arena, 0, 8));
    assert_non_null(arena_allocate(arena, 8, 0));
    assert_ptr_not_equal(arena_allocate(arena, 0, 0), arena_allocate(arena, 0, 0));
    arena_destroy(arena);
    arena_destroy(NULL);
}

static void copies_and_prints(void **state) {
    struct arena *arena = arena_create();
    char original[] = "tp=8";
    char *copy = arena_copy_string(arena, original);
    char *printed;

    (void)state;
    original[0] = 'x';
    assert_string_equal(copy, "tp=8");
    assert_string_equal(arena_copy_string(arena, ""), "");
    printed = arena_print(arena, "%0*d %s", 100000, 7, "end");
    assert_int_equal(strlen(printed), 100004);
    assert_string_equal(printed + 99999, "7 end");
    arena_destroy(arena);
}

static void ends_the_program_when(size_t count, size_t size) {
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        if (freopen("/dev/null", "w", stderr) == NULL)
            _exit(1);
        arena_allocate(arena_create(), count, size);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
}

static void an_impossible_size_ends_the_program(void **state) {
    (void)state;
    ends_the_program_when(SIZE_MAX / 2, 4); /* the product wraps */
    ends_the_program_when(SIZE_MAX, 1);
    ends_the_program_when(SIZE_MAX - 40, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_zeroed_aligned_memory),         cmocka_unit_test(pieces_never_overlap),
        cmocka_unit_test(nothing_is_a_valid_address),          cmocka_unit_test(copies_and_prints),
        cmocka_unit_test(an_impossible_size_ends_the_program),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
