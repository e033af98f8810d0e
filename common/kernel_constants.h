/* Fitted constants of a device's kernels, as a cluster file carries them under `device: matmul` and `device:
 * attention`. The forms that use them are in planner/matmul.c and planner/attention.c; docs/cost-model.md
 * says where each was fitted. */
#ifndef CLUSTERPLAN_KERNEL_CONSTANTS_H
#define CLUSTERPLAN_KERNEL_CONSTANTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/precision.h"

enum matmul_form { MATMUL_TILED, MATMUL_SMOOTH };

struct matmul_constants {
    bool known;
    enum matmul_form form;
    double launch_seconds;
    double flops_per_second;         /* asymptotic rate of the main loop */
    double throttle, throttle_flops; /* rate falls by the factor 1 + throttle f / (f + throttle_flops) */
    double tile_edge;                /* tiled: extra work of small tiles, in elements */
    double tile_seconds;             /* tiled: start and end of a 128x128 tile */
    double split_traffic;            /* tiled: weight of the traffic of split sums */
    double output_seconds;           /* smooth: a result element */
    double idle_share;               /* smooth: of an idle multiprocessor's work that shows */
    double operand_seconds;          /* smooth: an element of the left operand (quantising it) */
};

struct attention_constants {
    bool known;
    double launch_seconds;
    double flops_per_second;  /* forward, causal flops */
    double diagonal_tokens;   /* waste at the diagonal and per row */
    double longest_row_share; /* one multiprocessor walking the longest row */
    double backward_launch_seconds, backward_flops_per_second; /* of 2.5 times the forward's flops */
};

struct kernel_constants {
    int64_t multiprocessors;  /* 0: unknown */
    double memory_efficiency; /* reached share of the memory bandwidth, streaming */
    struct matmul_constants matmul[PRECISION_COUNT];
    struct attention_constants attention; /* of 16-bit formats */
    double grouped_rate;                  /* grouped expert products: share of the dense rate */
    double grouped_launch_seconds;
    const char *from; /* where fitted, or "scaled from H100"; NULL: no constants given */
};

#endif
