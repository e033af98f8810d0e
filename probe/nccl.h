/* Collectives of NCCL between the GPUs of a group of ranks, loaded at run time.
 *
 * NCCL may fail or hang where MPI works (another network, other settings), which must not end the probe:
 * members tell each other over MPI how they fared, and all give up together. What can't be given up, a call
 * that never returns, is the watchdog's. */
#ifndef CLUSTERPLAN_PROBE_NCCL_H
#define CLUSTERPLAN_PROBE_NCCL_H

#include <mpi.h>
#include <stdbool.h>
#include <stddef.h>

#include "probe/task.h"

/* `words`: which NCCL is here, or why none. */
bool nccl_open(char *words, size_t size);

/* Makes NCCL's communicator of the ranks of `group`, in place of the one before. With `trial` it is given
 * back at once, and waited for no longer than `limit_seconds`: whether NCCL works among them at all. False on
 * all of them, with the same `why`, when it does not work on one. */
bool nccl_form(MPI_Comm group, bool trial, double limit_seconds, char *why, size_t why_size);

/* Seconds of one of `repeat` operations, by this GPU's clock; of buffers of `whole` floats on the GPU, which
 * are `part` floats a member. COLLECTIVE_SEND_RECEIVE goes from the first member to the one half a group
 * away. False with gpu_fault set; the communicator is gone then. */
bool nccl_time(const struct task *task, void *in, void *out, size_t part, int repeat, double *seconds);

/* Gives the communicator back. */
void nccl_release(void);

#endif
