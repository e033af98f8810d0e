/* MPI requests that are waited for with a deadline, since over a cut link MPI_Wait never returns. */
#ifndef CLUSTERPLAN_PROBE_WAIT_H
#define CLUSTERPLAN_PROBE_WAIT_H

#include <mpi.h>
#include <stdbool.h>

enum wait_manner {
    WAIT_SPIN,   /* in a timed phase */
    WAIT_ASLEEP, /* the same, where wait_can_sleep: until something arrives on a TCP connection */
    WAIT_IDLE    /* between them: leaves the core to others */
};

/* Told once, whether there are more ranks than cores, so that ranks nap when what they wait for takes long. A
 * rank alone on its core does so as long as other programs take the core from it. */
void wait_set_crowded(bool crowded);

/* Around calls of MPI that wait by themselves, as its collectives do: where there are more ranks
 * than cores they then nap in between, as wait_request does; else they give the core away while they wait
 * where mpirun asked for that, which between such calls no rank does. Only under Open MPI. */
void wait_set_blocking(bool blocking);

/* From here to the end of those calls ranks that share cores sleep instead until a TCP connection has
 * something to read or room again. For members on hosts of their own, who have met: what comes another way,
 * or over a connection made later, waits for up to 1 ms. */
void wait_sleep_in_blocking(void);

/* True when the request is done; false when `seconds` have passed, and the request is then still active. */
bool wait_request(MPI_Request *request, double seconds, enum wait_manner manner, MPI_Status *status);

/* Whether this rank has TCP connections, which are looked up by this: to be called once a message has come
 * from whoever is waited for. Beside other programs a rank that sleeps until its message comes is let in at
 * once, and one that looks again and again late. But only what is short may be waited for so: MPI moves other
 * messages while it is called. */
bool wait_can_sleep(void);

#endif
