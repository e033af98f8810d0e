#include "common/standard_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_open(int descriptor) {
    return fcntl(descriptor, F_GETFD) != -1;
}

bool standard_output_is_open(const char *program) {
    if (!is_open(STDOUT_FILENO)) {
        fprintf(stderr, "%s: error: standard output is closed\n", program);
        return false;
    }
    for (int other = STDIN_FILENO; other <= STDERR_FILENO; other++)
        if (!is_open(other) && open("/dev/null", O_RDWR) != other) /* the lowest that is free */
            return false;
    return true;
}

bool standard_output_arrived(const char *program) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    if (errno != EPIPE) {
        fprintf(stderr, "%s: error: can't write to standard output: %s\n", program,
                errno ? strerror(errno) : "write error");
    }
    return false;
}
