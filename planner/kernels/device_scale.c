#include "planner/kernels/device_scale.h"

static void scale_attention(struct attention_constants *attention, double factor) {
    attention->flops_per_second *= factor;
    attention->backward_flops_per_second *= factor;
    attention->throttle_flops *= factor;
}

void device_scale_compute(struct cluster_device *device, double factor) {
    for (int precision = 0; precision < PRECISION_COUNT; precision++) {
        struct matmul_constants *matmul = &device->kernels.matmul[precision];
        device->peak_flops[precision] *= factor;
        matmul->flops_per_second *= factor;
        matmul->throttle_flops *= factor;
        matmul->output_seconds /= factor;
    }
    scale_attention(&device->kernels.attention, factor);
    scale_attention(&device->kernels.attention_fp8, factor);
}

void device_scale_memory_bandwidth(struct cluster_device *device, double factor) {
    device->memory_bytes_per_second *= factor;
    for (int precision = 0; precision < PRECISION_COUNT; precision++)
        device->kernels.matmul[precision].operand_seconds /= factor;
}
