/* Rank 0 leads, all ranks work: it hands out tasks, and gets reports back within a deadline.
 *
 * After a task that failed, MPI is only good for a roll call and for aborting. */
#ifndef CLUSTERPLAN_PROBE_CREW_H
#define CLUSTERPLAN_PROBE_CREW_H

#include <stdbool.h>
#include <stddef.h>

#include "probe/gpu.h"
#include "probe/node.h"
#include "probe/task.h"

/* What a rank that isn't rank 0 does: tasks until TASK_STOP. False when rank 0 fell silent; only the last
 * rank listens for that, so that one speaks. `source`: see node_describe; `status`: what to exit with. */
bool crew_work(const struct node_source *source, int *status);

/* Runs tasks[i] on ranks[i], all at once; rank 0 does its own when it is among them. Reports are in the same
 * order. False when some are not REPORT_DONE. */
bool crew_run(const struct task *tasks, const int32_t *ranks, size_t count, struct report *reports);

/* Runs TASK_NODE on ranks[i], with room for `count` tasks; summaries and their errors stand in `nodes`. */
bool crew_describe(struct task *tasks, const int32_t *ranks, size_t count, const struct node_source *source,
                   struct report *reports, struct node_summary *nodes);

/* Runs TASK_GPU_OPEN on all `count` ranks in order, of which rank i takes GPU number local[i]. */
bool crew_open_gpus(struct task *tasks, const int32_t *ranks, const int32_t *local, size_t count,
                    struct report *reports, struct gpu_summary *gpus);

/* Rank 0 will be busy with itself for up to so many seconds, which the last rank isn't to take for its end.
 */
void crew_pause(double seconds);

/* Which ranks still answer within `seconds`; answers[i] for ranks[i]. */
void crew_roll_call(const int32_t *ranks, size_t count, double seconds, bool *answers);

/* Ends the work of all ranks, who exit with `status`. False when not all could be told. */
bool crew_stop(int status);

#endif
