/* The GPU of this rank, by CUDA's driver interface, loaded at run time. One a process.
 *
 * Nothing here waits without an end: what a GPU does is polled for, and a call that does not return is the
 * watchdog's. A function that fails says why in gpu_fault. */
#ifndef CLUSTERPLAN_PROBE_GPU_H
#define CLUSTERPLAN_PROBE_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GPU_TEXT = 160, GPU_UUID_BYTES = 16 };

/* What a rank tells of its GPU. Plain data, sent as bytes. */
struct gpu_summary {
    int32_t usable;            /* 1: the rank has a GPU to measure; else `words` says why not */
    int32_t mpi_takes_buffers; /* 1: MPI takes addresses of device memory; 0 no, or it can't tell */
    int32_t nccl_ready;
    char words[GPU_TEXT];                /* "CUDA 12.4", or why there is none */
    char blas[GPU_TEXT], nccl[GPU_TEXT]; /* "cuBLAS 12.4.5", "NCCL 2.21.5", or why there is none */
    char name[GPU_TEXT];
    char pci[32];                       /* its address, as hwloc has it; empty: unknown */
    unsigned char uuid[GPU_UUID_BYTES]; /* tells whether two ranks have the same one */
    double memory_bytes;
};

/* Takes the only GPU that this process sees, or else number `local`, the rank's number on its host. */
void gpu_open(int32_t local, struct gpu_summary *summary);

/* Memory of the GPU, or of the host where the GPU reaches it directly. NULL when there is none. */
void *gpu_allocate(size_t bytes);
void gpu_free(void *memory);
void *gpu_allocate_host(size_t bytes);
void gpu_free_host(void *memory);

/* Work that is put on the GPU's queue; they return at once. */
struct gpu_stream;
bool gpu_copy(struct gpu_stream *stream, void *to, const void *from, size_t bytes); /* inside the GPU */
bool gpu_copy_in(struct gpu_stream *stream, void *to, const void *from, size_t bytes);
bool gpu_copy_out(struct gpu_stream *stream, void *to, const void *from, size_t bytes);

/* Puts `enqueue` on the queue `repeat` times and polls until all is done: seconds of one, by the GPU's own
 * clock. False when something failed, or was not done after `limit_seconds`. */
bool gpu_time(bool (*enqueue)(struct gpu_stream *stream, void *context), void *context, int repeat,
              double limit_seconds, double *seconds);

/* Of the last function that failed; and for modules that use the GPU's queue by other libraries. */
const char *gpu_fault(void);
bool gpu_fail(const char *what, const char *why); /* always false */

#endif
