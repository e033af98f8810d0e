/* One GPU measured alone: its memory, its link to the host, one matrix product. */
#ifndef CLUSTERPLAN_PROBE_GPU_MEASURE_H
#define CLUSTERPLAN_PROBE_GPU_MEASURE_H

#include <stdbool.h>

#include "probe/summary.h"
#include "probe/task.h"

/* TASK_GPU_MEMORY: bytes a second of copies inside the GPU, read and written both counted. TASK_GPU_LINK:
 * bytes a second to the host, which the GPU writes to directly. TASK_GPU_PRODUCT: seconds of one. Repeats
 * like pingpong_run. False with gpu_fault set. */
bool gpu_measure(const struct task *task, struct summary *summary);

#endif
