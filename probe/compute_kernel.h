/* How fast a core computes: a small matrix product that stays in its caches. */
#ifndef CLUSTERPLAN_PROBE_COMPUTE_KERNEL_H
#define CLUSTERPLAN_PROBE_COMPUTE_KERNEL_H

#include <stdbool.h>

#include "probe/summary.h"

/* Multiplies for `seconds`: seconds of one product. Each is so short that some of them have the core to
 * themselves whatever else runs there: the least counts. */
bool compute_kernel_measure(double seconds, struct summary *summary);

#endif
