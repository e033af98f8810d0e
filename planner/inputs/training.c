#include "planner/inputs/training.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char *const attention_kernel_names[] = {"flash", "unfused", NULL};
const char *const cuda_graphs_names[] = {"default", "false", "true", "attention", "step", NULL};
const char *const gradient_format_names[] = {"default", "16-bit", "fp32", NULL};
/* Of the recipe. */
static const char *const toggle_names[] = {"default", "on", "off", NULL};
static const char *const compiled_names[] = {"default", "true", "false", NULL}; /* as enum toggle */
static const char *const parameter_format_names[] = {"default", "half", "fp8", NULL};
static const char *const norm_kernel_names[] = {"default", "fused", "eager", NULL};
static const char *const rotary_kernel_names[] = {"default", "fused", "unfused", NULL};
static const char *const logits_format_names[] = {"default", "half", "fp8", NULL};
static const char *const expert_kernel_names[] = {"default", "fused", "apart", NULL};
static const char *const gate_product_names[] = {"default", "fused", "apart", NULL};
static const char *const recipe_scaling_names[] = {"default", "tensor", "block", NULL};
const char *const expert_balance_names[] = {"default", "learned", "forced", NULL};
static const char *const tables_gathered_names[] = {"default", "together", "apart", NULL};

/* Rows of the fullest device's experts over the average. Where nothing is known of a run's routing, something
 * between a benchmark's force and what routers come to that are left to their loss or bias, both of which
 * were counted elsewhere (docs/accuracy-evidence.md). */
static const double IMBALANCES[] = {[BALANCE_DEFAULT] = 1.05, [BALANCE_LEARNED] = 1.2, [BALANCE_FORCED] = 1};
/* Beyond it a device would hold most tokens of the largest groups there are. */
enum { MOST_IMBALANCE = 1000 };
enum { MOST_LOSS_PIECES = 1000000 };

enum attention_kernel training_default_attention(const struct stack *stack) {
    return stack->fused_attention ? ATTENTION_FLASH : ATTENTION_UNFUSED;
}

bool training_has_dropout(const struct training *training, const struct model *model) {
    if (training->recipe.dropout != TOGGLE_DEFAULT)
        return training->recipe.dropout == TOGGLE_ON;
    return model->linear_bias && !model->gated && !training->stack->fully_sharded;
}

bool training_stops_early(const struct training *training) {
    return training->stack->fully_sharded && training->recipe.early_stop != TOGGLE_OFF;
}

bool training_blocks_launches(const struct training *training) {
    return training->recipe.blocking_launches == TOGGLE_ON;
}

double training_element_bytes(const struct training *training) {
    return training->precision == PRECISION_TF32 ? 4 : 2;
}

bool training_check_precision(enum precision precision, const struct cluster *cluster, struct error *error) {
    const double *peaks = cluster->device.peak_flops;
    char others[64] = "";
    if (peaks[precision] > 0)
        return precision != PRECISION_FP8 || peaks[PRECISION_BF16] > 0 || peaks[PRECISION_FP16] > 0 ||
               error_set(
                   error,
                   "the %s of %s gives no peak in bf16 or fp16, in which attention and logits stay under fp8",
                   cluster->device.name, cluster->name);
    for (int other = 0; other < PRECISION_COUNT; other++) {
        size_t used = strlen(others);
        if (peaks[other] > 0)
            snprintf(others + used, sizeof others - used, "%s%s", used > 0 ? ", " : "",
                     precision_names[other]);
    }
    error_set(error, "the %s of %s gives no peak in %s", cluster->device.name, cluster->name,
              precision_names[precision]);
    return error_hint(error, "it has %s", others);
}

enum dispatcher training_dispatcher(const struct training *training, const struct model *model,
                                    const struct cluster *cluster, const struct layout *layout) {
    if (training->routing.dispatcher != DISPATCHER_DEFAULT)
        return training->routing.dispatcher;
    if (model->experts.capacity_factor > 0 || !cluster_device_is_recent(&cluster->device))
        return DISPATCHER_ALL_TO_ALL;
    return layout->ep * layout->etp <= cluster->node.devices ? training->stack->dispatcher_in_node
                                                             : training->stack->dispatcher;
}

double training_imbalance(const struct training *training) {
    return training->routing.imbalance > 0 ? training->routing.imbalance
                                           : IMBALANCES[training->routing.balance];
}

double training_fullest_experts(const struct training *training, const struct model *model, int64_t ep) {
    if (model->experts.capacity_factor > 0)
        return model->experts.capacity_factor; /* filled up, or the rest dropped */
    return ep == 1 ? 1 : training_imbalance(training);
}

bool training_graphs_experts(const struct training *training, const struct model *model) {
    return training->cuda_graphs == GRAPHS_STEP ||
           (training->cuda_graphs > GRAPHS_NONE && model->experts.capacity_factor > 0);
}

enum cuda_graphs training_graphs(const struct training *training, const struct model *model,
                                 const struct cluster_device *device) {
    bool uneven = model->experts.count > 0 && model->experts.capacity_factor <= 0;
    if (training->cuda_graphs != GRAPHS_DEFAULT)
        return training->cuda_graphs;
    return training->stack->transformer_engine && uneven && cluster_device_has_grace(device)
               ? GRAPHS_ATTENTION
               : GRAPHS_NONE;
}

int64_t training_usual_modules(const struct training *training, const struct model *model) {
    if (training->stack->fully_sharded)
        return RECOMPUTE_BIT(OPERATIONS);
    return training->stack->transformer_engine && training->attention == ATTENTION_FLASH &&
                   model->experts.count > 0
               ? RECOMPUTE_BIT(LAYERNORM) | RECOMPUTE_BIT(MOE_ACTIVATION)
               : RECOMPUTE_BIT(CORE_ATTENTION);
}

int64_t training_recompute_modules(const struct training *training, const struct model *model,
                                   const struct layout *layout) {
    return layout->recompute_modules != 0 ? layout->recompute_modules
                                          : training_usual_modules(training, model);
}

bool training_attention_norm_is_own(const struct training *training, const struct model *model) {
    return !training->stack->transformer_engine || model->mla.kv_lora_rank > 0;
}

bool training_mlp_norm_is_own(const struct training *training, bool with_experts) {
    return !training->stack->transformer_engine || with_experts;
}

double training_gradient_bytes(const struct training *training) {
    static const double HALF_BYTES = 2, SINGLE_BYTES = 4;
    if (training->gradients != GRADIENTS_DEFAULT)
        return training->gradients == GRADIENTS_HALF ? HALF_BYTES : SINGLE_BYTES;
    return stack_gradient_bytes(training->stack, training->precision);
}

double training_sent_gradient_bytes(const struct training *training, int64_t zero) {
    bool as_parameters =
        zero >= 3 && !training->stack->fully_sharded && training->gradients == GRADIENTS_DEFAULT;
    return as_parameters ? training_element_bytes(training) : training_gradient_bytes(training);
}

double training_parameter_bytes(const struct training *training) {
    static const double FP8_BYTES = 1;
    bool fp8 = training->recipe.parameters == PARAMETERS_FP8 ||
               (training->recipe.parameters == PARAMETERS_DEFAULT && training->stack->gathers_fp8);
    return fp8 && training->precision == PRECISION_FP8 ? FP8_BYTES : training_element_bytes(training);
}

enum fp8_scaling training_fp8_scaling(const struct training *training, const struct cluster_device *device) {
    switch (training->recipe.fp8_scaling) {
    case SCALING_TENSOR:
        return FP8_SCALING_TENSOR;
    case SCALING_BLOCK:
        return FP8_SCALING_BLOCK;
    case SCALING_DEFAULT:
        break;
    }
    return device->fp8_scaling == FP8_SCALING_BLOCK ? FP8_SCALING_BLOCK : FP8_SCALING_TENSOR;
}

enum loss_kernel training_loss(const struct training *training) {
    return training->recipe.loss != LOSS_DEFAULT ? training->recipe.loss : training->stack->loss;
}

/* Models with experts came to FSDP in 2025, with Transformer Engine's attention, norms and rotary embedding
 * (NeMo AutoModel, BackendConfig). */
static bool sharded_experts(const struct training *training, const struct model *model) {
    return training->stack->fully_sharded && model->experts.count > 0;
}

/* PyTorch has flash attention 2 since release 2.2; on Blackwell torchtitan takes cuDNN's (its pull request
 * 1196, May 2025). The GPT-like models that were trained with FSDP are llm-foundry's, whose ALiBi only
 * Triton's kernel of 2022 knew. */
enum flash_kernel training_flash(const struct training *training, const struct model *model,
                                 const struct cluster_device *device) {
    if (training->recipe.flash != FLASH_DEFAULT)
        return training->recipe.flash;
    if (sharded_experts(training, model))
        return FLASH_CUDNN;
    if (training->stack->fully_sharded && cluster_device_generation(device) == GENERATION_BLACKWELL)
        return FLASH_CUDNN;
    return training->stack->fully_sharded && !model->gated ? FLASH_1 : training->stack->flash;
}

/* Who publishes Llama-like trainings under FSDP compiles them: fms-fsdp, and torchtitan but for two rows. */
bool training_compiled(const struct training *training, const struct model *model) {
    if (training->recipe.compiled != TOGGLE_DEFAULT)
        return training->recipe.compiled == TOGGLE_ON;
    return training->stack->fully_sharded && model->gated && model->experts.count == 0;
}

bool training_adds_expert_biases(const struct training *training, const struct model *model) {
    const struct stack *stack = training->stack;
    return model->linear_bias && !training_fuses_experts(training) &&
           (stack->transformer_engine || stack->fully_sharded);
}

bool training_gate_is_eager(const struct training *training, const struct model *model) {
    return model->gated && training->stack->eager_llama && !sharded_experts(training, model) &&
           !training_compiled(training, model);
}

bool training_rotates_unfused(const struct training *training, const struct model *model) {
    if (training->recipe.rotary != ROTARY_DEFAULT)
        return training->recipe.rotary == ROTARY_UNFUSED;
    if (model->mla.kv_lora_rank > 0 || training->stack->fully_sharded)
        return false;
    return training->stack->transformer_engine ? model->yarn : training_gate_is_eager(training, model);
}

/* Forks of Megatron-LM that train Llama-like models took a fused RMSNorm from elsewhere: FlagScale apex's,
 * the code of arXiv 2311.05610 flash attention's. */
bool training_norms_are_eager(const struct training *training, const struct model *model) {
    if (training->recipe.norms != NORMS_DEFAULT)
        return training->recipe.norms == NORMS_EAGER;
    return training->stack->fully_sharded && training_gate_is_eager(training, model);
}

bool training_projects_apart(const struct training *training, const struct model *model) {
    return training->stack->fully_sharded && model->gated && model->experts.count == 0;
}

bool training_gate_is_apart(const struct training *training, const struct model *model) {
    bool apart = training->stack->gate_apart && !sharded_experts(training, model);
    if (training->recipe.gate != GATE_DEFAULT)
        apart = training->recipe.gate == GATE_APART;
    return model->gated && apart;
}

bool training_attention_is_fp8(const struct training *training) {
    return training->precision == PRECISION_FP8 && training->attention == ATTENTION_FLASH &&
           training->recipe.flash == FLASH_CUDNN_FP8;
}

bool training_logits_are_fp8(const struct training *training) {
    return training->precision == PRECISION_FP8 && training->recipe.logits == LOGITS_FP8;
}

bool training_fuses_experts(const struct training *training) {
    return training->recipe.experts == EXPERTS_FUSED;
}

double training_traffic_factor(const struct training *training, const struct model *model) {
    static const double AS_COUNTED = 1;
    if (training_gate_is_eager(training, model) || training_compiled(training, model))
        return fmin(AS_COUNTED, training->stack->traffic_factor);
    return training->stack->traffic_factor;
}

bool routing_read(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    static const struct field fields[] = {
        {.key = "dispatcher",
         .type = FIELD_CHOICE,
         .offset = offsetof(struct routing, dispatcher),
         .choices = dispatcher_names},
        {.key = "overlap", .type = FIELD_BOOL, .offset = offsetof(struct routing, overlap)},
        {.key = "balance",
         .type = FIELD_CHOICE,
         .offset = offsetof(struct routing, balance),
         .choices = expert_balance_names},
        {.key = "imbalance",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct routing, imbalance),
         .unit = UNIT_NONE,
         .minimum = 1,
         .maximum = MOST_IMBALANCE},
        {.key = NULL}};
    return fields_read(reader, node, fields, "routing", target);
}

bool recipe_read(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    static const struct field fields[] = {{.key = "dropout",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, dropout),
                                           .choices = toggle_names},
                                          {.key = "loss",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, loss),
                                           .choices = loss_kernel_names},
                                          {.key = "norms",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, norms),
                                           .choices = norm_kernel_names},
                                          {.key = "rotary",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, rotary),
                                           .choices = rotary_kernel_names},
                                          {.key = "gate",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, gate),
                                           .choices = gate_product_names},
                                          {.key = "experts",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, experts),
                                           .choices = expert_kernel_names},
                                          {.key = "logits",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, logits),
                                           .choices = logits_format_names},
                                          {.key = "parameters",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, parameters),
                                           .choices = parameter_format_names},
                                          {.key = "flash",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, flash),
                                           .choices = flash_kernel_names},
                                          {.key = "compiled",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, compiled),
                                           .choices = compiled_names},
                                          {.key = "fp8_scaling",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, fp8_scaling),
                                           .choices = recipe_scaling_names},
                                          {.key = "early_stop",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, early_stop),
                                           .choices = toggle_names},
                                          {.key = "blocking_launches",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, blocking_launches),
                                           .choices = toggle_names},
                                          {.key = "loss_pieces",
                                           .type = FIELD_INTEGER,
                                           .offset = offsetof(struct recipe, loss_pieces),
                                           .minimum = 1,
                                           .maximum = MOST_LOSS_PIECES},
                                          {.key = "tables",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct recipe, tables),
                                           .choices = tables_gathered_names},
                                          {.key = NULL}};
    return fields_read(reader, node, fields, "recipe", target);
}
