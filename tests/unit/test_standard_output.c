/* Streams that whoever started the program has closed. */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "common/standard_output.h"

/* The exit status of a program that closes these first: 0 where the next file gets none of their places. */
static int start_without(int one, int other) {
    int how;
    pid_t child = fork();
    if (child == 0) {
        close(one);
        close(other);
        if (!standard_output_is_open("test"))
            _exit(2);
        _exit(open("/dev/zero", O_RDONLY) > STDERR_FILENO ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

static void no_file_takes_a_streams_place(void **state) {
    (void)state;
    assert_int_equal(start_without(STDERR_FILENO, STDERR_FILENO), 0);
    assert_int_equal(start_without(STDIN_FILENO, STDIN_FILENO), 0);
    assert_int_equal(start_without(STDIN_FILENO, STDERR_FILENO), 0);
    assert_int_equal(start_without(STDOUT_FILENO, STDERR_FILENO), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_file_takes_a_streams_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
