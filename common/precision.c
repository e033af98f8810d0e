#include "common/precision.h"

#include <stddef.h>

const char *const precision_names[PRECISION_COUNT + 1] = {"bf16", "fp16", "tf32", "fp8", NULL};
