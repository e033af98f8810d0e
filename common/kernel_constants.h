/* Fitted constants of a device's kernels, as a cluster file carries them under `device: matmul` and `device:
 * attention`. The forms that use them are in planner/kernels/matmul.c and planner/kernels/attention.c;
 * docs/kernel-model.md says where each was fitted. */
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
    double peak_flops;               /* of the device they were fitted on; 0: not given */
    double throttle, throttle_flops; /* rate falls by the factor 1 + throttle f / (f + throttle_flops) */
    double tile_edge;                /* tiled: extra work of small tiles, in elements */
    double tile_seconds;             /* tiled: start and end of a 128x128 tile */
    double split_traffic;            /* tiled: weight of the traffic of split sums */
    double output_seconds;           /* smooth: a result element */
    double idle_share;               /* smooth: of an idle multiprocessor's work that shows */
    double operand_seconds;          /* smooth: an element of the left operand (quantising it) */
};

/* Fused attention; planner/kernels/attention.c has the form. */
struct attention_constants {
    bool known;
    double launch_seconds;
    double flops_per_second;         /* forward, of causal flops, long sequences and wide heads */
    double peak_flops;               /* of the device's 16-bit formats when fitted; 0: not given */
    double diagonal_tokens;          /* waste at the diagonal and per row, at head size 128 */
    double longest_row_share;        /* of the time of the longest row of tiles, that shows at the end */
    double softmax_dims;             /* the softmax costs as much as so many more elements of a head */
    double throttle, throttle_flops; /* forward: the rate falls by 1 + throttle f / (f + throttle_flops) */
    double backward_launch_seconds, backward_flops_per_second; /* of 2.5 times the forward's flops */
    double backward_diagonal_tokens;                           /* 0: as the forward's */
    double wide_rate, wide_backward_rate; /* shares of these rates where keys are wider than 128; 0: usual */
};

struct kernel_constants {
    int64_t multiprocessors;  /* 0: unknown */
    double memory_efficiency; /* reached share of the memory bandwidth, streaming */
    struct matmul_constants matmul[PRECISION_COUNT];
    struct attention_constants attention, attention_fp8; /* of 16-bit formats; of fp8 */
    /* Grouped expert products: rate as a share of the dense product's over all rows; launch of one group's
     * product; share of the lesser of arithmetic and traffic that the greater doesn't hide. */
    double grouped_rate, grouped_launch_seconds, grouped_exposed;
    /* Rate of a product that was measured on this cluster over what these constants promise, set by the
     * planner; 0: none was. Not in the file. */
    double measured_share;
    /* The shipped device with the same chip that constants were taken from where the file gives none, set by
     * the planner; NULL: none were. Not in the file. */
    const char *chip_device;
    double chip_watts; /* the device's power limit, where that slows the chip's kernels; else 0 */
    const char *from;  /* where fitted, or "scaled from H100"; NULL: no constants given */
};

/* To a device that computes `ratio` times as fast. */
static inline void kernel_constants_scale_matmul(struct matmul_constants *matmul, double ratio) {
    matmul->flops_per_second *= ratio;
    matmul->throttle_flops *= ratio;
    matmul->output_seconds /= ratio;
}

static inline void kernel_constants_scale_attention(struct attention_constants *attention, double ratio) {
    attention->flops_per_second *= ratio;
    attention->backward_flops_per_second *= ratio;
    attention->throttle_flops *= ratio;
}

#endif
