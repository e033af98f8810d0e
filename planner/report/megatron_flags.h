/* A layout as the flags that Megatron-LM's training scripts take, to be pasted beside those of the model, its
 * data and its learning rate.
 *
 * Source of the names: Megatron-LM's main branch of August 2026, megatron/training/arguments.py and the
 * fields of core/model_parallel_config.py and core/transformer/transformer_config.py. */
#ifndef CLUSTERPLAN_MEGATRON_FLAGS_H
#define CLUSTERPLAN_MEGATRON_FLAGS_H

#include "planner/search/search.h"

enum { MEGATRON_FLAGS_MOST = 48 };

struct megatron_flags {
    size_t count;                           /* 0: the stack isn't megatron-core, or doesn't run the layout */
    const char *flags[MEGATRON_FLAGS_MOST]; /* "--pipeline-model-parallel-size 8" */
};

/* The texts belong to the arena. */
void megatron_flags(const struct plan *plan, struct arena *arena, struct megatron_flags *flags);

#endif
