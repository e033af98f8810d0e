#include "planner/training.h"

#include <stddef.h>

const char *const attention_kernel_names[] = {"flash", "unfused", NULL};
