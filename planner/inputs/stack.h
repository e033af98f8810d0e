/* Software stacks: which kernels are fused, what is overlapped, who holds the optimizer. */
#ifndef CLUSTERPLAN_STACK_H
#define CLUSTERPLAN_STACK_H

#include <stdbool.h>

#include "common/cluster.h"
#include "common/fields.h"
#include "common/precision.h"
#include "planner/inputs/layout.h"

/* Who carries tokens to their experts. NCCL's all-to-all sends a row for each expert of a token; DeepEP
 * (github.com/deepseek-ai/DeepEP), and HybridEP of its branch hybrid-ep, send a token once to each node and
 * once to each device that has any of its experts. */
enum dispatcher { DISPATCHER_DEFAULT, DISPATCHER_ALL_TO_ALL, DISPATCHER_DEEPEP };
extern const char *const dispatcher_names[]; /* "default" "all-to-all" "deepep", NULL */

/* Whose flash attention. */
enum flash_kernel {
    FLASH_DEFAULT,  /* the stack's */
    FLASH_1,        /* of 2022, and Triton's of that time */
    FLASH_2,        /* of 2023, and what PyTorch calls */
    FLASH_CUDNN,    /* Transformer Engine's, written for each device */
    FLASH_CUDNN_FP8 /* the same in fp8, where the training is */
};
extern const char *const flash_kernel_names[]; /* "default" "flash-1" "flash-2" "cudnn" "cudnn-fp8", NULL */

/* Share of the kernel model's speed that a kernel reaches, the less the newer the device: kernels made for
 * one generation leave most of the next one's units alone. */
double flash_kernel_rate(enum flash_kernel kernel, enum device_generation generation);

/* Which kernels compute the loss. */
enum loss_kernel {
    LOSS_DEFAULT,  /* the stack's */
    LOSS_FUSED,    /* Transformer Engine's and flash attention's: 16 bits, in place */
    LOSS_COMPILED, /* Megatron-Core's cross_entropy_loss_fusion */
    LOSS_UNFUSED,
    LOSS_GATHERED /* unfused, on each tp rank over the logits of all */
};
extern const char *const loss_kernel_names[]; /* "default" "fused" "compiled" "unfused" "gathered", NULL */

struct stack {
    const char *name;
    const char *what;     /* one line for people */
    unsigned schedules;   /* bit 1 << enum schedule of each it runs; the search keeps to them unless told */
    unsigned offloads;    /* bit 1 << enum offload of each it can move out, likewise; `none` besides */
    bool fused_attention; /* flash attention is the default */
    enum flash_kernel flash;
    bool fused_gradient_accumulation;        /* weight gradients add to fp32 in the product */
    bool overlap_tp, overlap_dp, overlap_pp; /* defaults of `overlap` */
    bool transformer_engine;                 /* persistent dummy gradients and workspaces */
    enum loss_kernel loss;                   /* unless the training says */
    bool fully_sharded;                      /* ZeRO-3 by FSDP */
    bool own_ends;          /* the first and the last stage may have a number of layers of their own */
    bool own_chunks;        /* any virtual stage may have */
    bool any_groups;        /* interleaves any number of micro-batches from pp on, not only multiples of pp */
    bool sharded_reduction; /* ZeRO-1 reduces gradients by reduce-scatter; else by all-reduce */
    /* ZeRO-1 and 2 send parameters by a broadcast from each rank that updated some, all after the update;
     * else by an all-gather beside the next forward pass. */
    bool broadcasts_parameters;
    /* Memory traffic of a parameter's gradient on its way into the buffers it is reduced in and back, once a
     * step. */
    double gradient_copy_bytes;
    enum dispatcher dispatcher, dispatcher_in_node; /* between nodes and in one: training_dispatcher */
    /* The stack's fused kernels are GPT's alone (bias with GELU, bias with dropout and residual, LayerNorm):
     * RMSNorm, rotary embedding and SwiGLU run as PyTorch's operations one by one. */
    bool eager_llama;
    bool gate_apart;   /* a gate is a product of its own, unless the training says */
    bool gathers_fp8;  /* under fp8, parameters are gathered in it, unless the training says */
    double tp_exposed; /* share that shows of what tp sends beside products; 0: COMMUNICATION_INTERFERENCE */
    double gradient_bytes_fp16, gradient_bytes_bf16, gradient_bytes_fp8; /* of a parameter, as it is summed */
    bool keeps_half_gradients; /* a bf16 gradient stays beside the fp32 one it is added to */
    double bucket_elements; /* of the flat buffers that gradients and weights are exchanged in; 0: in place */
    /* Calibrated on published runs of the stack; docs/cost-model.md says how. */
    double traffic_factor;       /* of element-wise memory traffic as counted */
    double attention_dropout;    /* share of flash attention's speed that is left with dropout */
    double layer_floor_seconds;  /* the host can't launch a dense layer's forward pass faster */
    double expert_floor_seconds; /* nor that of a layer with routed experts, a fused exchange and no tp */
    double expert_call_seconds;  /* what each collective or module that such a layer calls besides takes it */
    double hop_seconds; /* host time that a transfer between stages costs a pass, where it isn't hidden */
    /* An optimizer's update on the host takes so many times what its states take to pass the host's memory;
     * 0: once. */
    double host_update_factor;
    /* No process gets more through the host's memory in its update, whatever there is; 0: its share. */
    double host_update_bytes_per_second;
    double step_seconds; /* a step's fixed cost: logging, scalars, data */
};

extern const struct stack stacks[]; /* ends with name NULL; docs/formats.md lists them */

/* The stack of that name, or NULL. */
const struct stack *stack_find(const char *name);
const struct stack *stack_default(void); /* megatron-core */
/* Bytes of a parameter's gradient, as it is summed over micro-batches and reduced. */
double stack_gradient_bytes(const struct stack *stack, enum precision precision);

/* The stack of that name; false with the error set, all names in it, where there is none. */
bool stack_parse(const char *text, const struct stack **stack, struct error *error);

/* Reader of a field: of a `const struct stack *`. */
bool stack_read(const struct fields_reader *reader, const struct yaml_node *node, void *target);

#endif
