/* MPI requests that are waited for with a deadline, since over a cut link MPI_Wait never returns. */
#ifndef CLUSTERPLAN_PROBE_WAIT_H
#define CLUSTERPLAN_PROBE_WAIT_H

#include <mpi.h>
#include <stdbool.h>

enum wait_manner {
    WAIT_SPIN, /* in a timed phase */
    WAIT_IDLE  /* between them: leaves the core to others */
};

/* Told once: more ranks than cores, so that ranks sleep when what they wait for takes long. */
void wait_set_crowded(bool crowded);

/* Around calls of MPI that wait by themselves, as its collectives do: where ranks share cores they then nap
 * in between, as wait_request does. Only under Open MPI, and where told of it above. */
void wait_set_blocking(bool blocking);

/* True when the request is done; false when `seconds` have passed, and the request is then still active. */
bool wait_request(MPI_Request *request, double seconds, enum wait_manner manner, MPI_Status *status);

/* The same of a short message that comes again and again. `least`: the shortest wait for it so far, infinite
 * at first. Where ranks share cores, most of that is slept: who looks all the time is no longer let in first
 * when the message comes, beside other programs. */
bool wait_answer(MPI_Request *request, double seconds, double *least, MPI_Status *status);

#endif
