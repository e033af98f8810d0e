/* Collectives of MPI or NCCL over a group of ranks. The calls block, as a training job's do, since MPI's
 * nonblocking ones use other algorithms; a watchdog ends the process where one never returns. */
#ifndef CLUSTERPLAN_PROBE_COLLECTIVES_H
#define CLUSTERPLAN_PROBE_COLLECTIVES_H

#include <stdbool.h>
#include <stddef.h>

#include "probe/summary.h"
#include "probe/task.h"

/* Rank 0: sends the group to its members, who make a communicator of it with their next TASK_GROUP. The list
 * must live until that is done. */
void collectives_send_group(const int32_t *ranks, size_t count);

/* TASK_GROUP: makes the communicator of task->members ranks, with NCCL's where that is the transport. With
 * REPORT_REFUSED, which all members get alike, `why` says what is wrong. */
enum report_state collectives_form(const struct task *task, char why[REPORT_TEXT]);

/* TASK_COLLECTIVE: seconds of one operation, the slowest member's. Repeats like pingpong_run. All members
 * get the same summary. */
enum report_state collectives_run(const struct task *task, struct summary *summary, char why[REPORT_TEXT]);

#endif
