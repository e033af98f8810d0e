/* Number formats of a training step's matrix products. */
#ifndef CLUSTERPLAN_PRECISION_H
#define CLUSTERPLAN_PRECISION_H

enum precision { PRECISION_BF16, PRECISION_FP16, PRECISION_TF32, PRECISION_FP8, PRECISION_COUNT };

/* "bf16", "fp16", "tf32", "fp8"; the array ends with NULL. */
extern const char *const precision_names[PRECISION_COUNT + 1];

#endif
