#include "common/standard_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool standard_output_is_open(const char *program) {
    if (fcntl(STDOUT_FILENO, F_GETFD) != -1)
        return true;
    fprintf(stderr, "%s: error: standard output is closed\n", program);
    return false;
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
