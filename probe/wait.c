/* Linux' sched_setattr has no wrapper in glibc before 2.41; the functions named opal_progress_... are Open
 * MPI's own, exported by libopen-pal but in none of the installed headers: opal/runtime/opal_progress.h. */
#include "probe/wait.h"

#include <dlfcn.h>
#include <linux/sched/types.h>
#include <math.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "probe/connections.h"

enum { TESTS_BETWEEN_CLOCKS = 16 }; /* reading the clock at every test would slow small messages */
static const long IDLE_NANOSECONDS = 100000, IDLE_MOST_NANOSECONDS = 1000000;
/* A rank that shares its core, with another rank or a program that computes, spins as long as a message takes
 * on a good link, then naps between tests, so that what it waits for gets the core: the other rank, or the
 * kernel's part of TCP. */
static const double AWAKE_SECONDS = 50e-6;
static const double WANTED_SECONDS = 0.1; /* so long a core counts as shared that was taken once */
static const long NAP_NANOSECONDS = 20000;
static const long ASLEEP_NANOSECONDS =
    1000000; /* then it looks: a message may come another way than over TCP */
static const unsigned SLICE_NANOSECONDS = 100000; /* the least that Linux takes (from 6.12 on) */

static bool ranks_share_cores = false, sleeps_in_blocking = false;
/* As mpirun told Open MPI: its own calls give the core away while they wait. */
static bool mpi_yields = false;

/* Asks for short turns on the core, which come the sooner: with the usual ones a rank that woke up or yielded
 * waits for milliseconds where another program computes. Anyone may ask; an older kernel says no, or takes no
 * notice. */
static void ask_for_short_turns(void) {
    struct sched_attr attributes = {.size = sizeof attributes, .sched_runtime = SLICE_NANOSECONDS};
    syscall(SYS_sched_setattr, 0, &attributes, 0);
}

static void nap(long nanoseconds) {
    const struct timespec pause = {0, nanoseconds};
    nanosleep(&pause, NULL);
}

/* Whether Linux has lately taken the core from this rank for another program. */
static bool is_core_wanted(double now) {
    static double wanted_at = -1;
    static long taken;
    struct rusage usage;
    if (getrusage(RUSAGE_THREAD, &usage) == 0 && usage.ru_nivcsw > taken) {
        taken = usage.ru_nivcsw;
        wanted_at = now;
    }
    return wanted_at >= 0 && now - wanted_at < WANTED_SECONDS;
}

/* Open MPI calls this again and again while a call of its own waits, or moves what it sends. */
static int nap_now_and_then(void) {
    static double awake_since;
    if (sleeps_in_blocking) {
        connections_await_either(ASLEEP_NANOSECONDS);
        return 0;
    }
    if (clock_seconds() - awake_since > AWAKE_SECONDS) {
        nap(NAP_NANOSECONDS);
        awake_since = clock_seconds();
    }
    return 0; /* events handled */
}

typedef int progress_function(void);

/* A function of libopen-pal by its name; false under another MPI. */
static bool find(const char *name, void *function, size_t size) {
    void *symbol = dlsym(RTLD_DEFAULT, name);
    memcpy(function, &symbol, size); /* ISO C has no conversion between the two */
    return symbol != NULL;
}

/* Whether Open MPI gives the core away at each look that finds nothing; tells what it did before. A rank that
 * does so beside a program that computes loses its next turn, too (Linux 6.18): what it awaits then finds it
 * waiting for the core. */
static bool set_yield(bool yield) {
    bool (*set)(bool);
    return find("opal_progress_set_yield_when_idle", &set, sizeof set) && set(yield);
}

void wait_set_blocking(bool blocking) {
    int (*change)(progress_function *);
    sleeps_in_blocking = false;
    if (!ranks_share_cores)
        set_yield(blocking && mpi_yields);
    else if (find(blocking ? "opal_progress_register" : "opal_progress_unregister", &change, sizeof change))
        change(nap_now_and_then);
}

void wait_set_crowded(bool crowded) {
    ranks_share_cores = crowded;
    mpi_yields = set_yield(false);
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* naps as short as they are meant to be */
    ask_for_short_turns();
    wait_set_blocking(false);
}

bool wait_request(MPI_Request *request, double seconds, enum wait_manner manner, MPI_Status *status) {
    int done = 0;
    bool awake = true;
    double waited = 0, begin = 0; /* read late: a small message takes not much longer than the clock */
    for (unsigned tests = 1;; tests++) {
        MPI_Test(request, &done, status);
        if (done)
            return true;
        if (manner != WAIT_SPIN || !awake || tests % TESTS_BETWEEN_CLOCKS == 0) {
            begin = begin > 0 ? begin : clock_seconds();
            waited = clock_seconds() - begin;
            if (waited > seconds)
                return false;
            awake = waited < AWAKE_SECONDS;
        }
        if (manner == WAIT_IDLE) {
            bool long_since = (long)tests > IDLE_MOST_NANOSECONDS / IDLE_NANOSECONDS;
            nap(long_since ? IDLE_MOST_NANOSECONDS : IDLE_NANOSECONDS * (long)tests);
        } else if (manner == WAIT_ASLEEP) {
            connections_await(ASLEEP_NANOSECONDS);
        } else if (!awake && (ranks_share_cores || is_core_wanted(begin + waited))) {
            nap(NAP_NANOSECONDS);
        }
    }
}

bool wait_can_sleep(void) {
    return connections_find();
}

void wait_sleep_in_blocking(void) {
    sleeps_in_blocking = ranks_share_cores && wait_can_sleep();
}
