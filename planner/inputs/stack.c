#include "planner/inputs/stack.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char *const dispatcher_names[] = {"default", "all-to-all", "deepep", NULL};

const char *const flash_kernel_names[] = {"default", "flash-1", "flash-2", "cudnn", "cudnn-fp8", NULL};

const char *const loss_kernel_names[] = {"default", "fused", "compiled", "unfused", "gathered", NULL};

/* Of Transformer Engine's kernels, which attention.c has. A100: arXiv 2307.08691, figure 4 (81 to 92 TFLOP/s
 * of flash attention 1 and Triton's where flash attention 2 reaches 155 to 189). H100: flash attention 2 at
 * 335 of 539 forward and 322 of 516 backward (arXiv 2407.08608, figures 5 and 6); of flash attention 1
 * MosaicML's long sequences (A100's ratio of the two would be 0.30). B200: flash attention 2 at 361 TFLOP/s
 * forward with heads of 128 (github.com/meta-pytorch/tritonbench, pull request 171) and 334 backward with
 * heads of 64 (github.com/Dao-AILab/flash-attention, issue 1589), where cuDNN reaches some 1,500 and 1,050;
 * flash attention 1 as far behind it as on H100. */
double flash_kernel_rate(enum flash_kernel kernel, enum device_generation generation) {
    static const double flash_1[] = {0.46, 0.33, 0.16}, flash_2[] = {0.95, 0.62, 0.30};
    switch (kernel) {
    case FLASH_1:
        return flash_1[generation];
    case FLASH_2:
        return flash_2[generation];
    case FLASH_DEFAULT:
    case FLASH_CUDNN:
    case FLASH_CUDNN_FP8:
        break;
    }
    return 1;
}

enum {
    RUNS_1F1B = 1 << SCHEDULE_1F1B,
    RUNS_INTERLEAVED = 1 << SCHEDULE_INTERLEAVED,
    RUNS_GPIPE = 1 << SCHEDULE_GPIPE,
    RUNS_ZB_1P = 1 << SCHEDULE_ZB_1P
};

/* Activations alone, optimizer states alone, or both. */
enum { MOVES_ACTIVATIONS = 1 << OFFLOAD_ACTIVATIONS, MOVES_OPTIMIZER = 1 << OFFLOAD_OPTIMIZER };

/* PyTorch's unfused Adam on a host: DeepSpeed's fused one, which keeps pace with the memory, is 5 to 7 times
 * as fast (deepspeed.ai/tutorials/zero-offload). */
#define PYTORCH_HOST_UPDATE 6

/* And no process gets more than this through the host's memory, as torchrun and Ray give each one thread:
 * Qwen3 0.6B alone on a host of eight H100 took 0.93 s more a step with all states there (NeMo-RL, pull
 * request 3628; Megatron-Core's fused Adam, 40 bytes a parameter). Eight processes at work take as long each:
 * held out, in tests/held_out/bridge-pairs-h100.yaml. */
#define PYTORCH_HOST_BYTES_PER_SECOND 28e9

/* Megatron-LM before Core and what was built on it run the same kernels from the same host code:
 * bench/fit_stacks moves these figures together. */
#define MEGATRON_BEFORE_CORE                                                                                 \
    .flash = FLASH_2, .traffic_factor = 1, .eager_llama = true, .attention_dropout = 0.81,                   \
    .layer_floor_seconds = 0.93e-3, .expert_floor_seconds = 2.0e-3, .expert_call_seconds = 0.25e-3,          \
    .hop_seconds = 0.55e-3, .step_seconds = 10e-3, .loss = LOSS_UNFUSED

/* What is fused and who reduces what: from the sources of Megatron-LM (its releases of 2021 and 2022, and
 * Megatron-Core), Megatron-DeepSpeed, PyTorch FSDP and InternEvo. The calibrated figures were fitted to the
 * published steps in tests/measured with bench/fit_stacks; docs/cost-model.md, "A step", says which of them
 * the runs determine, docs/accuracy.md what errors they give. */
const struct stack stacks[] = {
    {
        .name = "megatron-2021",
        .what = "Megatron-LM of 2021: unfused attention, gradients accumulated by a kernel of their own",
        .schedules = RUNS_1F1B | RUNS_INTERLEAVED,
        .gradient_bytes_fp16 = 2,
        .gradient_bytes_bf16 = 4,
        .gradient_bytes_fp8 = 4,
        MEGATRON_BEFORE_CORE,
    },
    {
        .name = "megatron-2022",
        .what = "Megatron-LM of 2022: unfused attention, gradients accumulated in fp32 by the product",
        .schedules = RUNS_1F1B | RUNS_INTERLEAVED,
        .fused_gradient_accumulation = true,
        .gradient_bytes_fp16 = 2,
        .gradient_bytes_bf16 = 4,
        .gradient_bytes_fp8 = 4,
        MEGATRON_BEFORE_CORE,
    },
    {
        .name = "megatron-deepspeed",
        .what = "Megatron-DeepSpeed: unfused attention, ZeRO by DeepSpeed, nothing overlapped",
        .schedules = RUNS_1F1B,
        /* ZeRO-Offload and ZeRO-Infinity: offload_optimizer, with ZeRO-2 gradients too, and offload_param. */
        .offloads = MOVES_OPTIMIZER | 1 << OFFLOAD_GRADIENTS | 1 << OFFLOAD_WEIGHTS,
        .gradient_bytes_fp16 = 2,
        .gradient_bytes_bf16 = 4,
        .gradient_bytes_fp8 = 4,
        .keeps_half_gradients = true,
        .bucket_elements = 5e8, /* DeepSpeed's default reduce_bucket_size and allgather_bucket_size */
        MEGATRON_BEFORE_CORE,
    },
    {
        .name = "megatron-core",
        .what =
            "Megatron-Core with Transformer Engine: flash attention, distributed optimizer, all overlapped",
        .schedules = RUNS_1F1B | RUNS_INTERLEAVED,
        /* --fine-grained-activation-offloading, --optimizer-cpu-offload */
        .offloads = MOVES_ACTIVATIONS | MOVES_OPTIMIZER | 1 << OFFLOAD_OPTIMIZER_ACTIVATIONS,
        .fused_attention = true,
        .flash = FLASH_CUDNN,
        .fused_gradient_accumulation = true,
        .overlap_tp = true,
        .overlap_dp = true,
        .overlap_pp = true,
        .transformer_engine = true,
        .loss =
            LOSS_COMPILED,   /* what most of NVIDIA's recipes set; some run Transformer Engine's, some none */
        .gathers_fp8 = true, /* fp8_params of NVIDIA's recipes, --fp8-param-gather */
        .own_chunks = true,  /* --pipeline-model-parallel-layout */
        .own_ends = true,    /* --decoder-first-pipeline-num-layers, --decoder-last-pipeline-num-layers */
        .any_groups = true,  /* --microbatch-group-size-per-virtual-pipeline-stage */
        .sharded_reduction = true,
        /* Megatron-Core's README (transformer/moe) has DeepEP for what crosses nodes; NeMo's and
         * Megatron-Bridge's models start from alltoall. */
        .dispatcher = DISPATCHER_DEEPEP,
        .dispatcher_in_node = DISPATCHER_ALL_TO_ALL,
        .gradient_bytes_fp16 = 4,
        .gradient_bytes_bf16 = 4,
        .gradient_bytes_fp8 = 2, /* NVIDIA's recipes for fp8: grad_sync_dtype bf16, grad_reduce_in_fp32 off */
        .tp_exposed = 0.30,      /* chunks of Transformer Engine's userbuffers; fitted */
        .traffic_factor = 2.25,
        .attention_dropout = 0.81,
        .layer_floor_seconds = 0.2e-3,
        .expert_floor_seconds = 2.6e-3,
        .expert_call_seconds = 0.25e-3,
        /* batch_p2p_sync of megatron/core/model_parallel_config.py: as before Core, transfers that nothing
         * overlaps are waited for by the host */
        .hop_seconds = 0.55e-3,
        /* megatron/core/optimizer/__init__.py: the host's Adam is fused */
        .host_update_factor = 1,
        .host_update_bytes_per_second = PYTORCH_HOST_BYTES_PER_SECOND,
        .step_seconds = 10e-3,
    },
    {
        .name = "fsdp",
        .what = "PyTorch FSDP: parameters, gradients and optimizer sharded, gathered a layer at a time",
        .schedules = RUNS_1F1B | RUNS_INTERLEAVED | RUNS_GPIPE | RUNS_ZB_1P,
        /* offload_wrapper of checkpoint_wrapper; CPUOffloadPolicy moves all that is sharded */
        .offloads = MOVES_ACTIVATIONS | 1 << OFFLOAD_WEIGHTS | 1 << OFFLOAD_WEIGHTS_ACTIVATIONS,
        .fused_attention = true,
        .flash = FLASH_2,
        .overlap_dp = true,
        .fully_sharded = true,
        .gate_apart = true,
        .loss = LOSS_FUSED, /* llm-foundry's default, and what torch.compile makes of it */
        .own_chunks = true, /* torchtitan's module_fqns_per_model_part */
        .own_ends = true, /* torchtitan's pipeline_parallel_first_stage_less_layers, last_stage_less_layers */
        .sharded_reduction = true,
        /* NeMo AutoModel's, wherever it is installed (nemo_automodel BackendConfig) */
        .dispatcher = DISPATCHER_DEEPEP,
        .dispatcher_in_node = DISPATCHER_DEEPEP,
        /* Asynchronous tp, which cuts products into as many pieces as ranks, and copies nothing: five pairs
         * of torchtitan's with and without it (benchmarks of December 2024 and June 2025). */
        .tp_exposed = 0.90,
        /* Composer's mixed precision DEFAULT, torchtitan's mixed_precision_reduce */
        .gradient_bytes_fp16 = 4,
        .gradient_bytes_bf16 = 4,
        .gradient_bytes_fp8 = 4,
        .traffic_factor = 2.0,
        .eager_llama = true,
        .attention_dropout = 0.81,
        .layer_floor_seconds = 0.2e-3,
        .expert_floor_seconds = 2.0e-3,
        .expert_call_seconds = 0.25e-3,
        .hop_seconds = 0.1e-3,
        .host_update_factor = PYTORCH_HOST_UPDATE,
        .host_update_bytes_per_second = PYTORCH_HOST_BYTES_PER_SECOND,
        .step_seconds = 10e-3,
    },
    {
        .name = "internevo",
        .loss = LOSS_FUSED,
        .what = "InternEvo: flash attention, ZeRO-1 in groups, gradients overlapped",
        /* internlm/solver/optimizer/hybrid_zero_optim.py, broadcast_params, which waits for each */
        .broadcasts_parameters = true,
        .gradient_copy_bytes = 12, /* the same file, _reduce_and_copy: flattened, divided, copied back */
        .gate_apart = true,        /* internlm/model/modules/mlp.py: w1 and w3 */
        .schedules = RUNS_1F1B | RUNS_INTERLEAVED | RUNS_ZB_1P,
        .offloads = MOVES_OPTIMIZER, /* hybrid_zero_optimizer.cpu_offload */
        .fused_attention = true,
        .flash = FLASH_1,
        .overlap_dp = true,
        .gradient_bytes_fp16 = 2,
        .gradient_bytes_bf16 = 2,
        .gradient_bytes_fp8 = 2,
        .traffic_factor = 2.0,
        .attention_dropout = 0.81,
        .layer_floor_seconds = 0.2e-3,
        .expert_floor_seconds = 2.0e-3,
        .expert_call_seconds = 0.25e-3,
        .hop_seconds = 0.1e-3,
        .host_update_factor = PYTORCH_HOST_UPDATE,
        .host_update_bytes_per_second = PYTORCH_HOST_BYTES_PER_SECOND,
        .step_seconds = 10e-3,
    },
    {.name = NULL},
};

const struct stack *stack_find(const char *name) {
    for (const struct stack *stack = stacks; stack->name != NULL; stack++)
        if (strcmp(stack->name, name) == 0)
            return stack;
    return NULL;
}

const struct stack *stack_default(void) {
    return stack_find("megatron-core");
}

double stack_gradient_bytes(const struct stack *stack, enum precision precision) {
    if (precision == PRECISION_TF32)
        return 4;
    if (precision == PRECISION_FP8)
        return stack->gradient_bytes_fp8;
    return precision == PRECISION_FP16 ? stack->gradient_bytes_fp16 : stack->gradient_bytes_bf16;
}

bool stack_parse(const char *text, const struct stack **stack, struct error *error) {
    const char *names[64] = {NULL}, *nearest;
    char list[512] = "";

    *stack = stack_find(text);
    if (*stack != NULL)
        return true;
    for (size_t i = 0; stacks[i].name != NULL && i + 1 < sizeof names / sizeof *names; i++) {
        size_t used = strlen(list);
        names[i] = stacks[i].name;
        snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", stacks[i].name);
    }
    error_set(error, "there is no stack \"%s\"; there are %s", text, list);
    nearest = error_nearest(text, names);
    return nearest != NULL ? error_hint(error, "did you mean \"%s\"?", nearest) : false;
}

bool stack_read(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    struct error why = {0};

    if (node->kind != YAML_SCALAR)
        return yaml_error(reader->document, node, reader->error, "the name of a stack was expected");
    if (stack_parse(node->text, target, &why))
        return true;
    yaml_error(reader->document, node, reader->error, "%s", why.what);
    return *why.hint != '\0' ? error_hint(reader->error, "%s", why.hint) : false;
}
