#include "probe/wait.h"

#include <sched.h>
#include <time.h>

enum { TESTS_BETWEEN_CLOCKS = 64 }; /* reading the clock at every test would slow small messages */
static const long idle_nanoseconds = 100000;

static bool ranks_share_cores = false;

void wait_set_crowded(bool crowded) {
    ranks_share_cores = crowded;
}

static void pause_between(enum wait_manner manner) {
    if (manner == WAIT_IDLE) {
        const struct timespec pause = {0, idle_nanoseconds};
        nanosleep(&pause, NULL);
    } else if (ranks_share_cores) {
        sched_yield();
    }
}

bool wait_request(MPI_Request *request, double seconds, enum wait_manner manner, MPI_Status *status) {
    int done = 0;
    double deadline = MPI_Wtime() + seconds;
    for (unsigned tests = 1;; tests++) {
        MPI_Test(request, &done, status);
        if (done) {
            return true;
        }
        if ((manner == WAIT_IDLE || tests % TESTS_BETWEEN_CLOCKS == 0) && MPI_Wtime() > deadline) {
            return false;
        }
        pause_between(manner);
    }
}
