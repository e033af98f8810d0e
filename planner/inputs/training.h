/* What is trained on: batch, sequence, number format, software. */
#ifndef CLUSTERPLAN_TRAINING_H
#define CLUSTERPLAN_TRAINING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cluster.h"
#include "common/fields.h"
#include "common/precision.h"
#include "planner/inputs/model.h"
#include "planner/inputs/optimizer.h"
#include "planner/inputs/stack.h"

enum attention_kernel { ATTENTION_FLASH, ATTENTION_UNFUSED };
extern const char *const attention_kernel_names[]; /* "flash" "unfused", NULL */

/* What the stack runs where nothing is said. */
enum attention_kernel training_default_attention(const struct stack *stack);

/* What weight gradients are summed over micro-batches and reduced in. By default the stack's. */
enum gradient_format { GRADIENTS_DEFAULT, GRADIENTS_HALF, GRADIENTS_SINGLE };
extern const char *const gradient_format_names[]; /* "default" "16-bit" "fp32", NULL */

/* Who keeps the experts' loads even: the router that is trained, or a benchmark by force. */
enum expert_balance { BALANCE_DEFAULT, BALANCE_LEARNED, BALANCE_FORCED };
extern const char *const expert_balance_names[]; /* "default" "learned" "forced", NULL */

/* How tokens get to their experts. */
struct routing {
    enum dispatcher dispatcher; /* DISPATCHER_DEFAULT: the stack's */
    bool overlap;               /* behind the compute of another micro-batch (Megatron-Core:
                                   overlap-moe-expert-parallel-comm) */
    enum expert_balance balance;
    double imbalance; /* rows of the fullest device's experts over the average; 0: as `balance` has it */
};

/* What a recipe of a stack can set one way or the other; where it isn't said, it is as the stack's users do.
 */
enum toggle { TOGGLE_DEFAULT, TOGGLE_ON, TOGGLE_OFF };
enum parameter_format { PARAMETERS_DEFAULT, PARAMETERS_HALF, PARAMETERS_FP8 };
/* As enum fp8_scaling, or the device's. */
enum recipe_scaling { SCALING_DEFAULT, SCALING_TENSOR, SCALING_BLOCK };

enum norm_kernel { NORMS_DEFAULT, NORMS_FUSED, NORMS_EAGER };
/* Of queries and keys: a kernel of its own, or PyTorch's operations one by one. */
enum rotary_kernel { ROTARY_DEFAULT, ROTARY_FUSED, ROTARY_UNFUSED };
enum gate_products { GATE_DEFAULT, GATE_FUSED, GATE_APART };
/* The routed experts of a device: a product for each, and kernels of their own for activation and casts; or
 * kernels that go through all of them, with both inside. */
enum expert_kernels { EXPERTS_DEFAULT, EXPERTS_FUSED, EXPERTS_APART };
enum logits_format { LOGITS_DEFAULT, LOGITS_HALF, LOGITS_FP8 };
/* Embedding table and head under FSDP: both its root's, which stays gathered for the whole step, or each
 * gathered by itself, when its turn comes. */
enum tables_gathered { TABLES_DEFAULT, TABLES_TOGETHER, TABLES_APART };
/* What the host replays from CUDA graphs, instead of launching it: what it can of each layer with experts but
 * attention, with attention, or a whole step. */
enum cuda_graphs { GRAPHS_DEFAULT, GRAPHS_NONE, GRAPHS_LAYERS, GRAPHS_ATTENTION, GRAPHS_STEP };
extern const char *const cuda_graphs_names[];

struct recipe {
    enum toggle dropout;
    enum loss_kernel loss;
    int64_t loss_pieces;    /* of a micro-batch's tokens, one after the other through head and loss; 0: 1 */
    enum norm_kernel norms; /* a kernel of their own, or PyTorch's operations one by one */
    enum rotary_kernel rotary;
    enum gate_products gate; /* a gate's product is one with the other of its input, or its own */
    enum expert_kernels experts;
    enum logits_format logits;        /* of the product that makes them */
    enum parameter_format parameters; /* that the update leaves, gathered and kept: half, or fp8 alone */
    enum flash_kernel flash;          /* where attention is flash */
    enum toggle compiled;             /* element-wise kernels fused by torch.compile */
    enum recipe_scaling fp8_scaling;  /* what shares a scale in fp8 */
    enum toggle early_stop;           /* under FSDP, full recompute ends before the layer's last product */
    enum toggle blocking_launches;    /* the host waits for each kernel (CUDA_LAUNCH_BLOCKING=1) */
    enum tables_gathered tables;      /* under FSDP */
};

struct training {
    int64_t sequence;     /* tokens */
    int64_t global_batch; /* sequences a step */
    double tokens;        /* of the whole training; 0: not asked */
    enum precision precision;
    enum attention_kernel attention;
    enum gradient_format gradients;
    struct optimizer optimizer;
    enum cuda_graphs cuda_graphs;
    struct routing routing;
    struct recipe recipe;
    const struct stack *stack;
    /* Memory is counted as the thriftiest settings of the stack need it (16-bit gradients, no overhead, no
     * margin): for a job that is known to have fitted, whose settings were not published. */
    bool thrifty;
};

/* Where the recipe doesn't say: GPT-like models, which have biases and no gate, drop out inside attention
 * and behind attention and MLP; others are trained without, and so are FSDP's (the configurations of NeMo,
 * Megatron-LM and llm-foundry). */
bool training_has_dropout(const struct training *training, const struct model *model);

/* PyTorch's recomputation ends where the last tensor that the backward pass needs is back: a layer's last
 * product isn't repeated (torch.utils.checkpoint, early_stop, the default since release 2.1). Megatron's and
 * InternEvo's own repeat all of it. */
bool training_stops_early(const struct training *training);

/* Whether the host waits for each kernel before it launches the next (CUDA_LAUNCH_BLOCKING=1): its own time
 * then adds to the device's. */
bool training_blocks_launches(const struct training *training);

/* Bytes of an element of weights and activations, held and sent: 2, under fp8 too, and 4 in tf32, which
 * rounds fp32 tensors inside its products alone. */
double training_element_bytes(const struct training *training);

/* False, with the error set, where the device has no peak that a training in this format takes. */
bool training_check_precision(enum precision precision, const struct cluster *cluster, struct error *error);

/* From here on: what is meant where a training leaves it open.
 *
 * NCCL's all-to-all where experts are padded to a capacity, which DeepEP can't (Megatron-Core,
 * transformer_config.py), and on devices before Hopper; else the stack's, which may have another in a node
 * than between nodes. */
enum dispatcher training_dispatcher(const struct training *training, const struct model *model,
                                    const struct cluster *cluster, const struct layout *layout);
double training_imbalance(const struct training *training);
/* Rows that the experts of the fullest of `ep` devices work on, over what the tokens send on average. */
double training_fullest_experts(const struct training *training, const struct model *model, int64_t ep);
/* Whether CUDA graphs hold all of a layer with experts: where a whole step is one, or experts are padded to
 * their capacity, whose rows are as many each time (Megatron-Core, transformer_config.py); else its router
 * and what prepares the exchange. */
bool training_graphs_experts(const struct training *training, const struct model *model);
/* What is replayed from graphs, where the training leaves it open: attention, routers and dispatch of experts
 * without a capacity under Megatron-Core where a Grace launches them (NVIDIA's recipes for GB200,
 * Megatron-Bridge, scripts/performance/configs), else nothing. */
enum cuda_graphs training_graphs(const struct training *training, const struct model *model,
                                 const struct cluster_device *device);
/* What the stack's users repeat by selective recompute, bits 1 << enum recompute_module: every second product
 * under FSDP; with routed experts and fused attention under Megatron-Core norms and the experts' activation;
 * else the attention core. And what a layout's repeats, which is that where it doesn't say. */
int64_t training_usual_modules(const struct training *training, const struct model *model);
int64_t training_recompute_modules(const struct training *training, const struct model *model,
                                   const struct layout *layout);
/* Bytes of a parameter's gradient, as it is summed over micro-batches and reduced. */
double training_gradient_bytes(const struct training *training);
/* Bytes of a parameter's gradient as it is sent. What ZeRO-3 sends for each micro-batch goes in the
 * parameters' format unless told (Megatron-LM, docs/user-guide/features/megatron_fsdp.md: "auto"; DeepSpeed's
 * communication_data_type); PyTorch's FSDP as its stack says. */
double training_sent_gradient_bytes(const struct training *training, int64_t zero);
/* Bytes of a parameter as it is gathered after the update. */
double training_parameter_bytes(const struct training *training);
enum fp8_scaling training_fp8_scaling(const struct training *training, const struct cluster_device *device);
enum loss_kernel training_loss(const struct training *training);
/* On such a device. */
enum flash_kernel training_flash(const struct training *training, const struct model *model,
                                 const struct cluster_device *device);
/* Whether kernels go through all experts of a device, with activation and casts inside. */
bool training_fuses_experts(const struct training *training);
/* Whether attention runs in fp8, and the product that makes the logits. */
bool training_attention_is_fp8(const struct training *training);
bool training_logits_are_fp8(const struct training *training);
/* Whether queries and keys are rotated by PyTorch's operations, where the recipe doesn't say: by Megatron-LM
 * before Core always, since then where YaRN scales them, which Transformer Engine's kernel can't
 * (megatron/core, rope_utils.py); but latent attention has a kernel that can. */
bool training_rotates_unfused(const struct training *training, const struct model *model);
/* Whether biases of experts are added by kernels of their own, an expert at a time: by Megatron-Core and,
 * under FSDP, by NeMo AutoModel. */
bool training_adds_expert_biases(const struct training *training, const struct model *model);
/* Memory traffic of element-wise work over what is counted kernel by kernel. */
double training_traffic_factor(const struct training *training, const struct model *model);

/* Whether torch.compile fuses a layer's operations. */
bool training_compiled(const struct training *training, const struct model *model);

/* Whether the gate and the rotary embedding, and the norms, run as PyTorch's operations one by one, whose
 * results are kept for the backward pass: in Llama-like models where the stack's fused kernels are GPT's
 * alone and nothing compiles others. */
bool training_gate_is_eager(const struct training *training, const struct model *model);
bool training_norms_are_eager(const struct training *training, const struct model *model);

/* Whether queries, keys and values are products of their own, and keys and values are repeated for all heads
 * of queries: in Llama-like models written for FSDP (torchtitan, Hugging Face's). */
bool training_projects_apart(const struct training *training, const struct model *model);
/* The same of the gate of a dense MLP or of shared experts: there, in InternEvo, or where the recipe says. */
bool training_gate_is_apart(const struct training *training, const struct model *model);

/* Whether the norm before attention, and the one before an MLP or experts, is a kernel of its own.
 * Transformer Engine's are one with the product behind them, but before latent attention and before routed
 * experts (Megatron-LM, gpt_layer_specs.py). */
bool training_attention_norm_is_own(const struct training *training, const struct model *model);
bool training_mlp_norm_is_own(const struct training *training, bool with_experts);

/* Readers of a field: of struct routing, of struct recipe. */
bool routing_read(const struct fields_reader *reader, const struct yaml_node *node, void *target);
bool recipe_read(const struct fields_reader *reader, const struct yaml_node *node, void *target);

/* The fields by which a file says how a training is run, for a table of `owner`: struct training, or another
 * that has these members under the same names. The detail is what has no flag of its own. */
#define TRAINING_DETAIL_FIELDS(owner)                                                                        \
    {.key = "gradients",                                                                                     \
     .type = FIELD_CHOICE,                                                                                   \
     .offset = offsetof(owner, gradients),                                                                   \
     .choices = gradient_format_names},                                                                      \
        {.key = "optimizer",                                                                                 \
         .type = FIELD_CUSTOM,                                                                               \
         .offset = offsetof(owner, optimizer),                                                               \
         .read = optimizer_read},                                                                            \
        {.key = "cuda_graphs",                                                                               \
         .type = FIELD_CHOICE,                                                                               \
         .offset = offsetof(owner, cuda_graphs),                                                             \
         .choices = cuda_graphs_names},                                                                      \
        {.key = "routing", .type = FIELD_CUSTOM, .offset = offsetof(owner, routing), .read = routing_read},  \
    {                                                                                                        \
        .key = "recipe", .type = FIELD_CUSTOM, .offset = offsetof(owner, recipe), .read = recipe_read        \
    }

#define TRAINING_FIELDS(owner)                                                                               \
    {.key = "precision",                                                                                     \
     .type = FIELD_CHOICE,                                                                                   \
     .offset = offsetof(owner, precision),                                                                   \
     .choices = precision_names},                                                                            \
        {.key = "stack", .type = FIELD_CUSTOM, .offset = offsetof(owner, stack), .read = stack_read},        \
        {.key = "attention",                                                                                 \
         .type = FIELD_CHOICE,                                                                               \
         .offset = offsetof(owner, attention),                                                               \
         .choices = attention_kernel_names},                                                                 \
        TRAINING_DETAIL_FIELDS(owner)

#endif
