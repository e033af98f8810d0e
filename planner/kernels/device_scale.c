#include "planner/kernels/device_scale.h"

void device_scale_compute(struct cluster_device *device, double factor) {
    for (int precision = 0; precision < PRECISION_COUNT; precision++) {
        device->peak_flops[precision] *= factor;
        kernel_constants_scale_matmul(&device->kernels.matmul[precision], factor);
    }
    kernel_constants_scale_attention(&device->kernels.attention, factor);
    kernel_constants_scale_attention(&device->kernels.attention_fp8, factor);
}

void device_scale_memory_bandwidth(struct cluster_device *device, double factor) {
    device->memory_bytes_per_second *= factor;
    for (int precision = 0; precision < PRECISION_COUNT; precision++)
        device->kernels.matmul[precision].operand_seconds /= factor;
}
