/* Files and pipes that are read as a whole. */
#include "tests/unit/check.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/text_file.h"
#include "tests/unit/arena_fixture.h"

enum { MOST_BYTES = 1 << 20 };

static struct text_file file;
static struct error error;

/* A process that sends `text`, so often, through a new pipe; its path. */
static const char *pipe_with(const char *text, size_t times, unsigned pause_seconds, pid_t *writer) {
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    *writer = fork();
    assert_true(*writer >= 0);
    if (*writer == 0) {
        close(ends[0]);
        signal(SIGPIPE, SIG_DFL);
        for (size_t i = 0; i < times; i++) {
            sleep(pause_seconds);
            if (write(ends[1], text, strlen(text)) < 0)
                _exit(1);
        }
        _exit(0);
    }
    close(ends[1]);
    return arena_print(arena, "/dev/fd/%d", ends[0]);
}

static void a_pipe_is_read_to_its_end(void **state) {
    enum { LINES = 100000 };
    pid_t writer;
    const char *path = pipe_with("a line\n", LINES, 0, &writer);

    (void)state;
    assert_true(text_file_read(path, MOST_BYTES, arena, &file, &error));
    assert_int_equal(file.size, LINES * strlen("a line\n"));
    assert_int_equal(strlen(file.text), file.size);
    assert_memory_equal(file.text + file.size - 7, "a line\n", 7);
    waitpid(writer, NULL, 0);
}

static void a_slow_writer_is_waited_for(void **state) {
    pid_t writer;
    const char *path = pipe_with("late\n", 1, 3, &writer);

    (void)state;
    assert_true(text_file_read(path, MOST_BYTES, arena, &file, &error));
    assert_string_equal(file.text, "late\n");
    waitpid(writer, NULL, 0);
}

static void a_pipe_has_the_bound_of_a_file(void **state) {
    pid_t writer;
    const char *path = pipe_with("a line of sixteen", MOST_BYTES, 0, &writer);

    (void)state;
    assert_false(text_file_read(path, MOST_BYTES, arena, &file, &error));
    assert_string_equal(error.file, path);
    assert_string_equal(error.what, "the file is larger than 1 MiB, the most that is read");
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
}

static void a_pipe_of_nothing_says_so(void **state) {
    pid_t writer;
    const char *path = pipe_with("", 0, 0, &writer);

    (void)state;
    assert_false(text_file_read(path, MOST_BYTES, arena, &file, &error));
    assert_string_equal(error.what, "nothing came through the pipe");
    waitpid(writer, NULL, 0);
}

/* The kernel says of such files that they are empty. */
static void a_file_without_a_size_is_read(void **state) {
    (void)state;
    assert_true(text_file_read("/proc/self/status", MOST_BYTES, arena, &file, &error));
    assert_true(file.size > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_is_read_to_its_end),      cmocka_unit_test(a_slow_writer_is_waited_for),
        cmocka_unit_test(a_pipe_has_the_bound_of_a_file), cmocka_unit_test(a_pipe_of_nothing_says_so),
        cmocka_unit_test(a_file_without_a_size_is_read),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
