/* What is trained on: batch, sequence, number format, software. */
#ifndef CLUSTERPLAN_TRAINING_H
#define CLUSTERPLAN_TRAINING_H

#include <stdbool.h>
#include <stdint.h>

#include "common/precision.h"
#include "planner/model.h"
#include "planner/stack.h"

enum attention_kernel { ATTENTION_FLASH, ATTENTION_UNFUSED };
extern const char *const attention_kernel_names[]; /* "flash" "unfused", NULL */

struct training {
    int64_t sequence;     /* tokens */
    int64_t global_batch; /* sequences a step */
    double tokens;        /* of the whole training; 0: not asked */
    enum precision precision;
    enum attention_kernel attention;
    const struct stack *stack;
    /* Memory is counted as the thriftiest settings of the stack need it (16-bit gradients, no overhead, no
     * margin): for a job that is known to have fitted, whose settings were not published. */
    bool thrifty;
};

/* GPT-like models, which have biases, drop out inside attention and behind attention and MLP; others are
 * trained without, and so are FSDP's (the configurations of NeMo, Megatron-LM and llm-foundry). */
bool training_has_dropout(const struct training *training, const struct model *model);

#endif
