/* What NVIDIA's management library says of a node's GPUs: names, memory, NVLinks, whether they are cut into
 * instances (MIG). Loaded at run time. Needs no CUDA, makes no context on a GPU. */
#ifndef CLUSTERPLAN_PROBE_NVML_H
#define CLUSTERPLAN_PROBE_NVML_H

#include <stddef.h>

#include "probe/library.h"
#include "probe/node.h"

/* Completes the GPUs of `node`, which hwloc found, by their PCI addresses, and adds those that it did not. A
 * GPU that the job may not use is left as it is. `words` says what was found ("NVML: driver 550.54.15, 8
 * GPUs") or why nothing was. When not LIBRARY_READY the node is unchanged. */
enum library_state nvml_describe(struct node_summary *node, char *words, size_t words_size);

#endif
