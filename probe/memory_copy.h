/* What one core copies in memory, as a figure of the node's own speed. */
#ifndef CLUSTERPLAN_PROBE_MEMORY_COPY_H
#define CLUSTERPLAN_PROBE_MEMORY_COPY_H

#include <stdbool.h>

#include "probe/summary.h"

/* Copies a block far larger than the L2 cache again and again for `seconds`; bytes a second, read and written
 * bytes both counted. False when there is no memory for it. */
bool memory_copy_measure(double seconds, struct summary *summary);

#endif
