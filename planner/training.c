#include "planner/training.h"

#include <stddef.h>

const char *const attention_kernel_names[] = {"flash", "unfused", NULL};

bool training_has_dropout(const struct training *training, const struct model *model) {
    return model->linear_bias && !training->stack->fully_sharded;
}
