/* Connections of this process that somebody else opened: found, and slept for. */
#include "check.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "probe/connections.h"

/* Both ends of a TCP connection over the loopback interface. */
static void connect_pair(int ends[2]) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(ends[0], (struct sockaddr *)&address, size), 0);
    ends[1] = accept(listener, NULL, NULL);
    assert_true(ends[1] >= 0);
    close(listener);
}

static double seconds_of_await(long nanoseconds) {
    double begin = clock_seconds();
    connections_await(nanoseconds);
    return clock_seconds() - begin;
}

/* A pipe and a connection inside the machine carry no messages between hosts. */
static void test_none(void **state) {
    (void)state;
    int pipe_ends[2], local[2];
    assert_int_equal(pipe(pipe_ends), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, local), 0);
    assert_false(connections_find());
    assert_true(seconds_of_await(2000000) >= 2e-3);
    for (int i = 0; i < 2; i++) {
        close(pipe_ends[i]);
        close(local[i]);
    }
}

static void test_arrival(void **state) {
    (void)state;
    const long minute = 60000000000, brief = 2000000;
    int ends[2];
    char byte = 1;
    connect_pair(ends);
    assert_true(connections_find());
    assert_true(seconds_of_await(brief) >= 2e-3);
    assert_int_equal(write(ends[0], &byte, 1), 1);
    assert_true(seconds_of_await(minute) < 30);
    assert_int_equal(read(ends[1], &byte, 1), 1);
    assert_true(seconds_of_await(brief) >= 2e-3);
    close(ends[0]);
    close(ends[1]);
    assert_false(connections_find());
}

/* A connection that is full: its other end, in a process of its own, reads after a while, and writes nothing.
 */
static void test_room(void **state) {
    (void)state;
    const long seconds = 10000000000;
    static char bytes[1 << 16];
    int ends[2];
    connect_pair(ends);
    while (send(ends[0], bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
    pid_t reader = fork();
    assert_true(reader >= 0);
    if (reader == 0) {
        close(ends[0]);
        usleep(50000);
        while (read(ends[1], bytes, sizeof bytes) > 0) {
        }
        _exit(0);
    }
    close(ends[1]);
    assert_true(connections_find());
    double begin = clock_seconds();
    connections_await_either(seconds);
    assert_true(clock_seconds() - begin < 5);
    begin = clock_seconds();
    connections_await_either(20000000); /* there is room: nothing comes to read */
    assert_true(clock_seconds() - begin >= 20e-3);
    close(ends[0]);
    waitpid(reader, NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_arrival),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
