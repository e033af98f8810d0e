#include "planner/kernels/reference_device.h"

/* Fitted by `clusterplan calibrate` on the H100-SXM5-80GB rows of the ai-dynamo/aiconfigurator database
 * (Apache-2.0), attention on cuDNN's rates in arXiv 2407.08608, figures 5 and 6; docs/kernel-model.md gives
 * the errors. Peaks and memory: NVIDIA H100 datasheet. */
const struct cluster_device reference_device = {
    .name = "H100-SXM5-80GB",
    .memory_bytes = 80e9,
    .memory_bytes_per_second = 3350e9,
    .peak_flops = {[PRECISION_BF16] = 989.4e12,
                   [PRECISION_FP16] = 989.4e12,
                   [PRECISION_TF32] = 494.7e12,
                   [PRECISION_FP8] = 1978.9e12},
    .kernels =
        {
            .multiprocessors = 132,
            .memory_efficiency = 0.85,
            .matmul =
                {
                    [PRECISION_BF16] = {.known = true,
                                        .form = MATMUL_SMOOTH,
                                        .launch_seconds = 2.96e-6,
                                        .flops_per_second = 816e12,
                                        .throttle = 0.149,
                                        .throttle_flops = 477e9,
                                        .output_seconds = 0.426e-12,
                                        .idle_share = 0.168},
                    [PRECISION_FP8] = {.known = true,
                                       .form = MATMUL_SMOOTH,
                                       .launch_seconds = 12e-6,
                                       .flops_per_second = 1482e12,
                                       .output_seconds = 0.532e-12,
                                       .operand_seconds = 3.48e-12},
                },
            .attention = {.known = true,
                          .launch_seconds = 16e-6,
                          .flops_per_second = 903e12,
                          .diagonal_tokens = 339,
                          .longest_row_share = 0.05,
                          .softmax_dims = 81,
                          .backward_launch_seconds = 5e-6,
                          .backward_flops_per_second = 665e12},
            .grouped_rate = 1,
            .grouped_launch_seconds = 9e-6,
            .grouped_exposed = 0.2,
            .from = "aiconfigurator, H100-SXM5-80GB",
        },
};
