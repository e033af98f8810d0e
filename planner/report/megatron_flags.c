#include "planner/report/megatron_flags.h"

#include <string.h>

#include "planner/cost/communication.h"

struct writer {
    struct megatron_flags *flags;
    struct arena *arena;
};

static void add(struct writer *writer, const char *flag) {
    struct megatron_flags *flags = writer->flags;
    if (flags->count < MEGATRON_FLAGS_MOST)
        flags->flags[flags->count++] = flag;
}

static void add_number(struct writer *writer, const char *flag, int64_t value) {
    add(writer, arena_print(writer->arena, "%s %lld", flag, (long long)value));
}

static void add_if(struct writer *writer, bool set, const char *flag) {
    if (set)
        add(writer, flag);
}

static bool is_even(const struct model *model, const struct layout *layout) {
    return layout_most_chunk_layers(layout, model) * layout->pp * layout->vpp == model->layers;
}

/* "tttt" as "t*4". */
static const char *layers_text(struct writer *writer, char kind, int64_t layers) {
    return layers == 0   ? ""
           : layers == 1 ? arena_print(writer->arena, "%c", kind)
                         : arena_print(writer->arena, "%c*%lld", kind, (long long)layers);
}

/* "Et*7|(t*8|)*6t*6mL": E embedding, t layer, m further prediction, L loss; chunks in the order a token meets
 * them. Equal neighbours are written once. */
static const char *stages(struct writer *writer, const struct model *model, const struct layout *layout) {
    int64_t last = layout->pp * layout->vpp - 1, chunk = 1;
    const char *text =
        arena_print(writer->arena, "E%s|", layers_text(writer, 't', layout_chunk_layers(layout, model, 0)));
    while (chunk < last) {
        int64_t layers = layout_chunk_layers(layout, model, chunk), alike = 1;
        const char *stage = arena_print(writer->arena, "%s|", layers_text(writer, 't', layers));
        while (chunk + alike < last && layout_chunk_layers(layout, model, chunk + alike) == layers)
            alike++;
        text = alike == 1 ? arena_print(writer->arena, "%s%s", text, stage)
                          : arena_print(writer->arena, "%s(%s)*%lld", text, stage, (long long)alike);
        chunk += alike;
    }
    return arena_print(writer->arena, "%s%s%sL", text,
                       layers_text(writer, 't', layout_chunk_layers(layout, model, last)),
                       layers_text(writer, 'm', model->mtp_layers));
}

static void add_pipeline(struct writer *writer, const struct model *model, const struct training *training,
                         const struct layout *layout) {
    int64_t group =
        layout_micro_batch_group(layout->pp, layout_micro_batches(layout, training->global_batch));
    add_number(writer, "--pipeline-model-parallel-size", layout->pp);
    if (layout->pp == 1)
        return;
    if (!is_even(model, layout) || model->mtp_layers > 0)
        add(writer, arena_print(writer->arena, "--pipeline-model-parallel-layout \"%s\"",
                                stages(writer, model, layout)));
    else if (layout->vpp > 1)
        add_number(writer, "--num-virtual-stages-per-pipeline-rank", layout->vpp);
    if (layout->vpp > 1 && group != layout->pp)
        add_number(writer, "--microbatch-group-size-per-virtual-pipeline-stage", group);
    add_if(writer, layout->vpp > 1 && !layout->overlap.pp, "--no-overlap-p2p-communication");
    add_if(writer, layout->order == ORDER_TP_CP_PP_DP, "--use-tp-pp-dp-mapping");
}

/* Transformer Engine runs no ring where layers have a window, and with sinks all-to-all alone
 * (context_parallel.py under transformer_engine/pytorch/attention). */
static void add_context_parallel(struct writer *writer, const struct model *model,
                                 const struct training *training, const struct layout *layout) {
    add_number(writer, "--context-parallel-size", layout->cp);
    if (layout->cp > 1 && model_windowed_share(model, training->sequence) > 0)
        add(writer, model->attention_sinks ? "--cp-comm-type a2a" : "--cp-comm-type all_gather");
}

static void add_experts(struct writer *writer, const struct plan *plan) {
    const struct training *training = &plan->training;
    const struct layout *layout = &plan->layout;
    bool deepep = training_dispatcher(training, plan->model, plan->cluster, layout) == DISPATCHER_DEEPEP;
    add_number(writer, "--expert-model-parallel-size", layout->ep);
    add_number(writer, "--expert-tensor-parallel-size", layout->etp);
    add(writer, "--moe-grouped-gemm");
    add(writer, deepep ? "--moe-token-dispatcher-type flex --moe-flex-dispatcher-backend deepep"
                       : "--moe-token-dispatcher-type alltoall");
    add_if(writer, training->routing.balance == BALANCE_FORCED, "--moe-router-force-load-balancing");
    add_if(writer, training->routing.overlap, "--overlap-moe-expert-parallel-comm");
}

static void add_data_parallel(struct writer *writer, const struct training *training,
                              const struct layout *layout) {
    int64_t shards = layout->dp * layout->cp;
    /* The optimizer that updates on the host is built on the distributed one. */
    add_if(writer, layout->zero == 1 || (layout->zero == 0 && offload_optimizer(layout->offload)),
           "--use-distributed-optimizer");
    add_if(writer, layout->zero == 2, "--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads");
    add_if(writer, layout->zero == 3,
           "--use-megatron-fsdp --data-parallel-sharding-strategy optim_grads_params");
    if (layout->zero > 0 && layout->zero_group > 0 && layout->zero_group < shards)
        add_number(writer, "--num-distributed-optimizer-instances", shards / layout->zero_group);
    add_if(writer, layout->overlap.dp, "--overlap-grad-reduce");
    add_if(writer, layout->overlap.dp && layout->zero > 0, "--overlap-param-gather");
    add_if(writer, training_gradient_bytes(training) < 4, "--grad-reduce-in-bf16");
}

/* Of Transformer Engine's Adam, which takes states in other formats than fp32. */
static void add_optimizer(struct writer *writer, const struct training *training,
                          const struct layout *layout) {
    static const char *const moments[] = {NULL, NULL, "--exp-avg-dtype bf16 --exp-avg-sq-dtype bf16",
                                          "--exp-avg-dtype fp8 --exp-avg-sq-dtype fp8"};
    const struct optimizer *optimizer = &training->optimizer;
    if (optimizer->kind != OPTIMIZER_ADAM)
        add(writer, arena_print(writer->arena, "--optimizer %s", optimizer_kind_name(optimizer->kind)));
    add_if(writer, offload_optimizer(layout->offload), "--optimizer-cpu-offload");
    add_if(writer, offload_optimizer(layout->offload) || !optimizer_copies_gradients(training),
           "--use-precision-aware-optimizer");
    add_if(writer, moments[optimizer->moments] != NULL, moments[optimizer->moments]);
}

/* "layernorm moe_act": what selective recompute repeats. */
static const char *modules(struct writer *writer, const struct model *model, const struct training *training,
                           const struct layout *layout) {
    const int64_t named = training_recompute_modules(training, model, layout);
    char text[LAYOUT_VALUE_SIZE];
    layout_format_value(LAYOUT_RECOMPUTE_MODULES, named, text, sizeof text);
    for (char *plus = strchr(text, '+'); plus != NULL; plus = strchr(plus, '+'))
        *plus = ' ';
    return arena_copy_string(writer->arena, text);
}

static void add_memory(struct writer *writer, const struct model *model, const struct training *training,
                       const struct layout *layout) {
    if (layout->recompute == RECOMPUTE_SELECTIVE)
        add(writer, arena_print(writer->arena, "--recompute-granularity selective --recompute-modules %s",
                                modules(writer, model, training, layout)));
    if (layout->recompute == RECOMPUTE_FULL && layout->recompute_layers > 0)
        add_number(writer, "--recompute-granularity full --recompute-method block --recompute-num-layers",
                   layout->recompute_layers);
    else if (layout->recompute == RECOMPUTE_FULL)
        add(writer, "--recompute-granularity full --recompute-method uniform --recompute-num-layers 1");
    add_optimizer(writer, training, layout);
    if (offload_activations(layout->offload)) {
        add(writer, "--fine-grained-activation-offloading");
        add(writer,
            model->experts.count > 0
                ? "--offload-modules attn_norm qkv_linear core_attn attn_proj mlp_norm expert_fc1 moe_act"
                : "--offload-modules attn_norm qkv_linear core_attn attn_proj mlp_norm");
    }
}

static void add_numbers(struct writer *writer, const struct plan *plan) {
    const struct training *training = &plan->training;
    const struct cluster_device *device = &plan->cluster->device;
    bool blocks = training_fp8_scaling(training, device) == FP8_SCALING_BLOCK;
    bool mxfp8 = device->fp8_scaling == FP8_SCALING_BLOCK; /* those of Blackwell's products */
    add_if(writer, training->precision == PRECISION_BF16 || training->precision == PRECISION_FP8, "--bf16");
    add_if(writer, training->precision == PRECISION_FP16, "--fp16");
    if (training->precision == PRECISION_FP8)
        add(writer, !blocks ? "--fp8-format hybrid --fp8-recipe tensorwise"
                    : mxfp8 ? "--fp8-format e4m3 --fp8-recipe mxfp8"
                            : "--fp8-format e4m3 --fp8-recipe blockwise");
    add_if(writer, training->precision == PRECISION_FP8 && training_parameter_bytes(training) < 2,
           "--fp8-param-gather");
}

static void add_graphs(struct writer *writer, const struct model *model, const struct training *training,
                       const struct cluster_device *device) {
    enum cuda_graphs graphs = training_graphs(training, model, device);
    if (graphs == GRAPHS_STEP) {
        add(writer, "--cuda-graph-impl full_iteration --no-check-for-nan-in-loss-and-grad");
        /* As NVIDIA's recipes have it (Megatron-Bridge, scripts/performance/configs of 26.06). */
        add_if(writer, model->experts.count > 0, "--moe-paged-stash --moe-expert-rank-capacity-factor 1.5");
    } else if (graphs != GRAPHS_NONE)
        add(writer, arena_print(writer->arena, "--cuda-graph-impl transformer_engine --cuda-graph-modules %s",
                                training_graphs_experts(training, model) ? "attn moe"
                                : graphs == GRAPHS_ATTENTION             ? "attn moe_router moe_preprocess"
                                                                         : "moe_router moe_preprocess"));
}

static void add_kernels(struct writer *writer, const struct model *model, const struct training *training,
                        const struct cluster_device *device) {
    if (training->attention == ATTENTION_UNFUSED)
        add(writer, "--attention-backend unfused");
    else
        add(writer, training_flash(training, model, device) >= FLASH_CUDNN ? "--attention-backend fused"
                                                                           : "--attention-backend flash");
    add_if(writer, training_loss(training) == LOSS_COMPILED, "--cross-entropy-loss-fusion");
    add_if(writer, training_loss(training) == LOSS_FUSED,
           "--cross-entropy-loss-fusion --cross-entropy-fusion-impl te");
    add_if(writer, !training_has_dropout(training, model), "--attention-dropout 0 --hidden-dropout 0");
    add_if(writer, training->recipe.rotary == ROTARY_UNFUSED, "--no-rope-fusion");
    add_if(writer, training_fuses_experts(training), "--use-transformer-engine-op-fuser");
    add_graphs(writer, model, training, device);
}

/* States in other formats, on the host, or sharded by Megatron's FSDP are Adam's alone (megatron/training/
 * arguments.py, core/optimizer/optimizer_config.py). */
static bool runs_optimizer(const struct training *training, const struct layout *layout) {
    bool plain =
        optimizer_copies_gradients(training) && !offload_optimizer(layout->offload) && layout->zero <= 1;
    return training->optimizer.master != MASTER_NONE && (plain || training->optimizer.kind == OPTIMIZER_ADAM);
}

static bool is_run(const struct training *training, const struct layout *layout) {
    const struct stack *stack = training->stack;
    return runs_optimizer(training, layout) && strcmp(stack->name, "megatron-core") == 0 &&
           (stack->schedules & 1U << layout->schedule) != 0 &&
           ((stack->offloads | 1U << OFFLOAD_NONE) & 1U << layout->offload) != 0;
}

void megatron_flags(const struct plan *plan, struct arena *arena, struct megatron_flags *flags) {
    const struct model *model = plan->model;
    const struct training *training = &plan->training;
    const struct layout *layout = &plan->layout;
    struct writer writer = {flags, arena};
    *flags = (struct megatron_flags){0};
    if (!is_run(training, layout))
        return;
    add_number(&writer, "--seq-length", training->sequence);
    add_number(&writer, "--micro-batch-size", layout->micro_batch);
    add_number(&writer, "--global-batch-size", training->global_batch);
    add_number(&writer, "--tensor-model-parallel-size", layout->tp);
    add_if(&writer, layout->sequence_parallel, "--sequence-parallel");
    add_if(&writer, layout->sequence_parallel && communication_overlaps_products(plan->cluster, layout),
           "--tp-comm-overlap");
    add_context_parallel(&writer, model, training, layout);
    add_pipeline(&writer, model, training, layout);
    if (model->experts.count > 0)
        add_experts(&writer, plan);
    add_data_parallel(&writer, training, layout);
    add_memory(&writer, model, training, layout);
    add_numbers(&writer, plan);
    add_kernels(&writer, model, training, &plan->cluster->device);
}
