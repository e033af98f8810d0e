/* A way out of a blocking call of MPI that never returns, where MPI offers one: Open MPI calls functions that
 * were registered with it while it makes progress, and one of them may jump. Afterwards messages between
 * ranks still work, so that rank 0 can ask who answers; the communicator of the call is lost.
 *
 *     if (escape_offered() && sigsetjmp(*escape_point(), 1) != 0) {
 *         ... the call was left ...
 *     }
 *     escape_open();  MPI_Allreduce(...);  escape_close();
 */
#ifndef CLUSTERPLAN_PROBE_ESCAPE_H
#define CLUSTERPLAN_PROBE_ESCAPE_H

#include <setjmp.h>
#include <stdbool.h>

/* Whether this MPI lets calls be left. */
bool escape_offered(void);

/* Where to go on; belongs to this module. */
sigjmp_buf *escape_point(void);

/* Between these two calls, escape_now makes the call that is under way jump to the point. */
void escape_open(void);
void escape_close(void);

/* Asks for the jump, from a signal handler too. */
void escape_now(void);

#endif
