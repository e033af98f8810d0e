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

/* Whether calls of MPI that wait let others run meanwhile, as its own collectives have to where ranks share
 * cores; else they leave that to wait_request. Only where told of it above, and MPI is Open MPI. */
void wait_set_yielding(bool yielding);

/* True when the request is done; false when `seconds` have passed, and the request is then still active. */
bool wait_request(MPI_Request *request, double seconds, enum wait_manner manner, MPI_Status *status);

#endif
