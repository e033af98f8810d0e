/* What a simulated host lacks, in place of the probe's wait.c, watchdog.c, memory_copy.c and
 * compute_kernel.c.
 *
 * Time stands still in SimGrid while a rank asks whether a request is done, so it waits instead. No simulated
 * link is ever cut: deadlines don't count, and ctest ends what hangs. And a simulated host has no memory of
 * its own to measure. */
#include "probe/compute_kernel.h"
#include "probe/memory_copy.h"
#include "probe/wait.h"
#include "probe/watchdog.h"

void wait_set_crowded(bool crowded) {
    (void)crowded;
}

void wait_set_blocking(bool blocking) {
    (void)blocking;
}

bool wait_request(MPI_Request *request, double seconds, enum wait_manner manner, MPI_Status *status) {
    (void)seconds;
    (void)manner;
    return MPI_Wait(request, status) == MPI_SUCCESS;
}

bool wait_can_sleep(void) {
    return false;
}

bool memory_copy_measure(double seconds, struct summary *summary) {
    double no_rate = 0;
    (void)seconds;
    summary_make(&no_rate, 0, summary);
    return true;
}

bool compute_kernel_measure(double seconds, struct summary *summary) {
    return memory_copy_measure(seconds, summary);
}

void watchdog_arm(double seconds, const char *doing) {
    (void)seconds;
    (void)doing;
}

void watchdog_try_first(void (*way_out)(void), double grace_seconds) {
    (void)way_out;
    (void)grace_seconds;
}

void watchdog_disarm(void) {
}

void watchdog_last_words(const char *last_words) {
    (void)last_words;
}
