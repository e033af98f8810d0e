/* What a device's name says of its chip, and the kernels that were measured on that chip. */
#ifndef CLUSTERPLAN_CHIP_H
#define CLUSTERPLAN_CHIP_H

#include "common/arena.h"
#include "common/cluster.h"

/* Chips whose trainings err alike, being of one design. */
enum chip_generation { CHIP_A100, CHIP_H100, CHIP_B200, CHIP_GENERATIONS };

struct chip {
    const char *name;                /* a part of the names of devices that have it */
    enum chip_generation generation; /* CHIP_GENERATIONS: no training on it was measured */
    double dense_flops;              /* bf16 peak without sparsity, of the fastest device with it */
    const char *topology;            /* the shipped cluster file that has its kernels */
};

/* NULL where the name names none whose kernels were measured. */
const struct chip *chip_of(const char *device_name);

/* What fp8 operands share a scale by on devices of that name: Transformer Engine takes MXFP8 from Blackwell
 * on (pytorch/quantization.py, get_default_fp8_recipe), scales of whole tensors before. */
enum fp8_scaling chip_fp8_scaling(const char *device_name);

/* Gives a device the fp8_scaling and the kernel constants that its cluster file leaves out, the latter from
 * the shipped device with the same chip: rates go with the peak of each number format, or with the power
 * limit where that leaves less (the device's power, or what is known of cards of that name), traffic with the
 * memory bandwidth, as in device_scale.h. The file's own stay. kernels.chip_device then names the shipped
 * device; where its chip is unknown, the file leaves out nothing or the catalogue is missing, nothing
 * changes, and what is still left out is the reference device's. Texts belong to the arena. */
void chip_complete_kernels(struct cluster_device *device, struct arena *arena);

/* Reads a cluster file to plan on: cluster_read, then chip_complete_kernels and matmul_adopt_measured. */
bool chip_read_cluster(const char *path, struct arena *arena, struct cluster *cluster, struct error *error);

#endif
