#include "probe/wait.h"

#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    TESTS_BETWEEN_CLOCKS = 64, /* reading the clock at every test would slow small messages */
    TESTS_AWAKE = 128          /* of a spinning rank that shares its core, before it sleeps in between */
};
static const long idle_nanoseconds = 100000, idle_most_nanoseconds = 1000000;
/* A rank that sleeps between tests is woken before those that only compute, one that spins has to queue. */
static const long nap_nanoseconds = 20000;

static bool ranks_share_cores = false;

void wait_set_crowded(bool crowded) {
    ranks_share_cores = crowded;
    if (crowded) {
        prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* naps as short as they are meant to be */
    }
}

static void pause_between(enum wait_manner manner, unsigned tests) {
    struct timespec pause = {0, nap_nanoseconds};
    if (manner == WAIT_IDLE) {
        bool long_since = (long)tests > idle_most_nanoseconds / idle_nanoseconds;
        pause.tv_nsec = long_since ? idle_most_nanoseconds : idle_nanoseconds * (long)tests;
        nanosleep(&pause, NULL);
    } else if (ranks_share_cores && tests > TESTS_AWAKE) {
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
        pause_between(manner, tests);
    }
}
