/* The TCP connections of this process, whoever opened them: what MPI's messages between hosts arrive on where
 * there is no faster network. */
#ifndef CLUSTERPLAN_PROBE_CONNECTIONS_H
#define CLUSTERPLAN_PROBE_CONNECTIONS_H

#include <stdbool.h>

/* Looks up those that there are now, which are watched from then on; false when there are none. */
bool connections_find(void);

/* Sleeps until something has arrived on one of them that nobody has read yet, or for so long. */
void connections_await(long nanoseconds);

/* The same, or until one that was full takes more, for those who send as well. */
void connections_await_either(long nanoseconds);

#endif
