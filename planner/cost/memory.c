/* Peak memory: the stages and moments that can be the worst, and what stands beside the framework's
 * allocator.
 *
 * A stage's memory is  static + kept activations + buffers:
 *   static   weights, gradients and optimizer states (memory_static.c)
 *   kept     sum over its chunks of passes in flight x layers x bytes a layer (memory_activations.c)
 *   buffers  what persists after the first backward pass, and the most that any one moment needs besides. */
#include "planner/cost/memory.h"

#include <math.h>

#include "common/cluster.h"
#include "planner/cost/memory_parts.h"
#include "planner/numbers.h"

/* cuBLAS workspaces that Transformer Engine holds: 32 MiB each from Hopper on, 4 MiB before; two, and one for
 * each of four streams of grouped products (transformer_engine/pytorch/cpp_extensions/gemm.py). */
static const double WORKSPACE_BYTES = 32 << 20, OLD_WORKSPACE_BYTES = 4 << 20;
static const double WORKSPACES = 2, GROUPED_WORKSPACES = 4;

/* Share of the allocated bytes that PyTorch's caching allocator takes beyond them at the peak. */
static const double FRAGMENTATION = 0.05;
/* What is held against the device beyond the prediction of all it has in use. */
static const double MARGIN = 0.07;

/* Layers whose activations are on the device when they are offloaded: the one at work, and the one that is
 * sent or fetched meanwhile. */
static const double LAYERS_IN_TRANSIT = 2;

/* On the device. */
static double stage_total(const struct memory_parts *parts, const struct stage_memory *memory) {
    enum offload offload = parts->layout->offload;
    const struct stage_states *states = &memory->states;
    double total = offload_weights(offload) ? 0 : states->weights + states->copies;
    if (!offload_gradients(offload))
        total += states->gradients;
    if (!offload_optimizer(offload))
        total += states->optimizer;
    return total + memory->kept + memory->buffers;
}

/* Bytes in the allocator's hands; what is held against the device. The update's copies come when activations
 * are gone, but DeepSpeed's are one flat tensor, too large for what those leave, and others find that in
 * pieces: they count in full. */
static double allocator_bytes(const struct memory_parts *parts, const struct stage_memory *memory) {
    double fragmentation = parts->training->thrifty ? 0 : FRAGMENTATION;
    double update = offload_optimizer(parts->layout->offload) ? 0 : memory->states.update;
    return stage_total(parts, memory) * (1 + fragmentation) + memory_bucket_bytes(parts) + update;
}

static double per_device_bytes(const struct memory_parts *parts, const struct cluster *cluster,
                               const struct stage_memory *memory) {
    double margin = parts->training->thrifty ? 0 : MARGIN;
    return (allocator_bytes(parts, memory) + cluster->device.reserved_bytes) * (1 + margin);
}

static struct stage_states states_of(const struct memory_parts *parts, const struct stage_parts *stage) {
    const struct parameter_bytes *of_dense = &parts->dense_bytes, *of_expert = &parts->expert_bytes;
    double dense = 0, expert = 0, linear;
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
        dense += (double)stage->layers.count[kind] * parts->dense_parameters[kind];
        expert += (double)stage->layers.count[kind] * parts->expert_parameters[kind];
    }
    linear = dense + expert;
    dense += stage->vocabulary_parameters;
    return (struct stage_states){
        .known = true,
        .weights = dense * of_dense->weights + expert * of_expert->weights,
        .gradients = dense * of_dense->gradients + expert * of_expert->gradients,
        .optimizer = dense * of_dense->optimizer + expert * of_expert->optimizer +
                     stage->vocabulary_parameters * parts->table_bytes,
        .update = dense * of_dense->update + expert * of_expert->update,
        .copies = linear * parts->linear_copy_bytes,
    };
}

static const double NOT_RECKONED = -1;

static void add_chunk(const struct memory_parts *parts, int64_t group, int64_t stage, int64_t chunk,
                      struct stage_parts *known) {
    const struct layout *layout = parts->layout;
    int64_t virtual_stage = memory_virtual_stage(layout, stage, chunk);
    double passes = (double)memory_chunk_in_flight(layout, parts->micro_batches, group, stage, chunk);
    struct chunk_layers layers;
    memory_chunk_layers(parts, virtual_stage, &layers);
    if (chunk == 0)
        known->first = layers;
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
        known->layers.count[kind] += layers.count[kind];
        known->layers.recomputed[kind] += layers.recomputed[kind];
        known->passes[kind] += passes * (double)(layers.count[kind] - layers.recomputed[kind]);
        known->recomputed_passes[kind] += passes * (double)layers.recomputed[kind];
    }
    known->embedding_passes += virtual_stage == 0 ? passes : 0;
    known->sending_passes += virtual_stage != layout->pp * layout->vpp - 1 ? passes : 0;
}

static void reckon_stage(const struct memory_parts *parts, int64_t stage, struct stage_parts *known) {
    int64_t chunks = memory_stage_chunks(parts->layout);
    int64_t group = layout_micro_batch_group(parts->layout->pp, parts->micro_batches);
    *known = (struct stage_parts){.known = true};
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        add_chunk(parts, group, stage, chunk, known);
    known->vocabulary_parameters = memory_vocabulary_parameters(parts, stage);
    known->dummy_gradients = NOT_RECKONED;
}

/* What is kept of the stage, or `room`, where it is reckoned now. */
static struct stage_parts *parts_of_stage(const struct memory_parts *parts, int64_t stage,
                                          struct stage_parts *room) {
    int64_t place = stage == parts->layout->pp - 1 ? 0 : stage + 1;
    bool kept = parts->stages != NULL && place < STAGES_KEPT;
    struct stage_parts *known = kept ? &parts->stages[place] : room;
    if (!kept || !known->known)
        reckon_stage(parts, stage, known);
    if (!known->states.known)
        known->states = states_of(parts, known);
    return known;
}

/* What passes keep besides their layers: dropout behind the embedding a mask of a byte; stacks before
 * Megatron-Core a chunk's output, which later ones free once it is sent. */
static double ends_kept(const struct memory_parts *parts, double embedding_passes, double sending_passes) {
    double hidden_bytes =
        parts->element_bytes * (double)parts->model->hidden * parts->tokens / parts->sequence_share;
    double kept = 0;
    if (!parts->model->gated && !parts->training->stack->fully_sharded)
        kept += embedding_passes * hidden_bytes / parts->element_bytes;
    if (!parts->training->stack->transformer_engine)
        kept += sending_passes * hidden_bytes;
    return kept;
}

/* Of one pass of the stage's first chunk. */
static double pass_kept(const struct memory_parts *parts, const struct stage_parts *known, int64_t stage) {
    bool first = memory_virtual_stage(parts->layout, stage, 0) == 0;
    bool last = memory_virtual_stage(parts->layout, stage, 0) == parts->layout->pp * parts->layout->vpp - 1;
    double kept = ends_kept(parts, first ? 1 : 0, last ? 0 : 1);
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
        kept += (double)(known->first.count[kind] - known->first.recomputed[kind]) *
                    parts->activations[kind].kept +
                (double)known->first.recomputed[kind] * parts->activations[kind].checkpoint;
    return kept;
}

/* An exchange that hides behind another micro-batch's compute needs one more on its way (Megatron-LM,
 * schedules.py). Without a pipeline one comes as the other goes, layer by layer. */
static bool has_extra_pass(const struct memory_parts *parts) {
    return parts->training->routing.overlap && parts->model->experts.count > 0 && parts->layout->pp > 1;
}

/* Activations of all passes in flight. */
static double stage_kept(const struct memory_parts *parts, const struct stage_parts *known, int64_t stage) {
    double kept = ends_kept(parts, known->embedding_passes, known->sending_passes);
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
        kept += known->passes[kind] * parts->activations[kind].kept +
                known->recomputed_passes[kind] * parts->activations[kind].checkpoint;
    if (has_extra_pass(parts))
        kept += pass_kept(parts, known, stage);
    return kept;
}

/* PyTorch's pipeline makes room for every micro-batch's input and output gradient beforehand, and the last
 * stage holds all logits until the step's end (torch.distributed.pipelining stage.py). */
static double pipeline_buffers(const struct memory_parts *parts, bool head) {
    double hidden_bytes =
        parts->element_bytes * (double)parts->model->hidden * parts->tokens / parts->sequence_share;
    double buffers = 2 * hidden_bytes * (double)parts->layout->vpp;
    if (!parts->training->stack->fully_sharded || parts->layout->pp == 1)
        return 0;
    if (head)
        buffers += parts->element_bytes * parts->vocabulary * parts->tokens;
    return buffers * (double)parts->micro_batches;
}

/* Activations on the device: what is kept, or with offload what comes and goes. */
static double kept_on_device(const struct memory_parts *parts, const struct chunk_layers *layers,
                             double kept) {
    double largest = 0;
    if (!offload_activations(parts->layout->offload))
        return kept;
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
        if (layers->count[kind] > 0 && parts->activations[kind].kept > largest)
            largest = parts->activations[kind].kept;
    return LAYERS_IN_TRANSIT * largest < kept ? LAYERS_IN_TRANSIT * largest : kept;
}

static double persistent_buffers(const struct memory_parts *parts, const struct cluster *cluster,
                                 struct stage_parts *known, bool head) {
    const struct chunk_layers *layers = &known->layers;
    const struct stack *stack = parts->training->stack;
    double bytes = pipeline_buffers(parts, head);
    if (known->dummy_gradients < 0)
        known->dummy_gradients = memory_dummy_gradients(parts, layers, head);
    if (!offload_gradients(parts->layout->offload))
        bytes += known->dummy_gradients;
    if (stack->transformer_engine) {
        bytes += (WORKSPACES + (layers->count[LAYER_EXPERTS] > 0 ? GROUPED_WORKSPACES : 0)) *
                 (cluster_device_is_recent(&cluster->device) ? WORKSPACE_BYTES : OLD_WORKSPACE_BYTES);
    }
    /* The head gathers its input from all of tp into a buffer that stays. */
    if (head && parts->sequence_share > 1)
        bytes += parts->element_bytes * (double)parts->model->hidden * parts->tokens;
    return bytes;
}

struct moment {
    double bytes;
    const char *name;
};

static void worst(struct moment *moment, double bytes, const char *name) {
    if (bytes > moment->bytes)
        *moment = (struct moment){bytes, name};
}

/* Live at once besides what persists and what is kept; the largest of the moments that can be the peak. */
static struct moment worst_moment(const struct memory_parts *parts, const struct stage_parts *known,
                                  int64_t stage, double pass) {
    const struct chunk_layers *layers = &known->layers, *first = &known->first;
    const struct layout *layout = parts->layout;
    double gathered = memory_gather_bytes(parts, layers);
    double hidden = (double)parts->model->hidden;
    struct moment moment = {0, "forward"};
    double usual = 0; /* of the first chunk's layers that aren't recomputed: gone when those that are begin */

    if (layout->recompute_layers > 0)
        for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
            usual += (double)(first->count[kind] - first->recomputed[kind]) * parts->activations[kind].kept;

    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
        const struct layer_activations *layer = &parts->activations[kind];
        double again = layer->whole - layer->kept; /* what recompute brings back */
        if (layers->count[kind] == 0)
            continue;
        worst(&moment, layer->again_in_mlp + layer->mlp_backward + gathered, "backward of the last MLP");
        if (layers->recomputed[kind] > 0)
            worst(&moment, fmax(0, layer->whole - layer->checkpoint - usual) + layer->mlp_backward + gathered,
                  "backward of the last recomputed MLP");
        worst(&moment, layer->again_in_mlp + layer->combine + gathered, "combination of expert outputs");
        if (layer->scores_backward > 0 || again > layer->again_in_mlp)
            worst(&moment, again - layer->mlp + layer->scores_backward + gathered,
                  "backward of the last attention");
    }
    if (memory_has_head(layout, stage))
        worst(&moment, memory_logits_bytes(parts) + memory_head_gather_bytes(parts, layers),
              "backward of the logits");
    if (memory_has_embedding(layout, stage)) {
        double table = hidden * parts->vocabulary;
        if (offload_gradients(layout->offload))
            table = memory_streamed(table);
        worst(&moment, parts->element_bytes * (table + hidden * parts->tokens) - pass,
              "backward of the embedding");
    }
    return moment;
}

static void stage_memory(const struct memory_parts *parts, const struct cluster *cluster, int64_t stage,
                         struct stage_memory *memory) {
    struct stage_parts room;
    struct stage_parts *known = parts_of_stage(parts, stage, &room);
    double pass = 0;
    struct moment moment;

    memory->stage = stage;
    memory->states = known->states;
    memory->all_kept = stage_kept(parts, known, stage);
    memory->kept = kept_on_device(parts, &known->layers, memory->all_kept);
    if (memory_has_embedding(parts->layout, stage)) /* no other stage's moments ask for it */
        pass = fmin(pass_kept(parts, known, stage), memory->kept);
    moment = worst_moment(parts, known, stage, pass);
    memory->moment = moment.name;
    memory->persistent = persistent_buffers(parts, cluster, known, memory_has_head(parts->layout, stage));
    memory->buffers = moment.bytes + memory->persistent;
}

/* The stages that can be the fullest. From the first on, stages hold ever fewer micro-batches (or as many)
 * and, once the first dense layers are passed, layers of the same kinds and ever fewer of them: so those up
 * to there, and the last with its head, are enough. Where MoE layers alternate with dense ones unevenly, and
 * where DualPipe pairs stages, all are looked at. */
static int64_t stages_to_check(const struct memory_parts *parts) {
    const struct layout *layout = parts->layout;
    const struct model_experts *experts = &parts->model->experts;
    int64_t dense = experts->count > 0 ? experts->first_dense_layers : 0;
    /* Those in front may have one more than the one before the last. */
    int64_t per_stage = layout->pp > 1 ? layout_chunk_layers(layout, parts->model, 1) : 1;
    if (layout->pp > 2)
        per_stage = smaller_count(per_stage, layout_chunk_layers(layout, parts->model, layout->pp - 2));
    int64_t count = per_stage > 0 ? 2 + quotient_up(dense, per_stage) : layout->pp;
    bool uniform = experts->count == 0 || experts->every <= 1 ||
                   parts->model->layers % (layout->pp * layout->vpp * experts->every) == 0;
    if (!uniform || layout->schedule == SCHEDULE_DUALPIPE || count > layout->pp)
        return layout->pp;
    return count;
}

static double stage_outside(const struct memory_parts *parts, const struct stage_memory *memory) {
    struct outside outside[OUTSIDE_COUNT];
    double bytes = 0;
    memory_outside(parts, memory, outside);
    for (int i = 0; i < OUTSIDE_COUNT; i++)
        bytes += outside[i].bytes;
    return bytes;
}

/* The stage with most on its device, and the one with most outside. */
static void fullest_stage(const struct memory_parts *parts, const struct cluster *cluster,
                          struct stage_memory *fullest, struct stage_memory *outside) {
    int64_t last = parts->layout->pp - 1, count = stages_to_check(parts);
    stage_memory(parts, cluster, last, fullest);
    *outside = *fullest;
    for (int64_t stage = 0; stage < count && stage < last; stage++) {
        struct stage_memory memory;
        stage_memory(parts, cluster, stage, &memory);
        if (allocator_bytes(parts, &memory) > allocator_bytes(parts, fullest))
            *fullest = memory;
        if (parts->layout->offload != OFFLOAD_NONE &&
            stage_outside(parts, &memory) > stage_outside(parts, outside))
            *outside = memory;
    }
}

/* Weights, gradients and the optimizer's states: parameters of the stage, and bytes of each. */
static void explain_state(const struct memory_parts *parts, const struct memory_use *use,
                          const struct stage_parameters *held, struct explain *explain) {
    const struct parameter_bytes *dense = &parts->dense_bytes, *expert = &parts->expert_bytes;
    const char *where = offload_optimizer(parts->layout->offload) ? ", outside the device" : "";
    char words[OPTIMIZER_WORDS];
    optimizer_words(parts->training, words);
    const char *parameters = explain_text(explain, held->dense, UNIT_COUNT);
    if (held->expert <= 0) {
        explain_add(explain, "weights", use->weights_bytes, UNIT_BYTES, "%s parameters x %.3g B", parameters,
                    dense->weights + parts->linear_copy_bytes);
        explain_add(explain, "gradients", use->gradients_bytes, UNIT_BYTES, "%.3g B a parameter",
                    dense->gradients);
        explain_add(explain, "optimizer", use->optimizer_bytes, UNIT_BYTES, "%.3g B a parameter, ZeRO %d%s%s",
                    dense->optimizer, (int)parts->layout->zero, words, where);
        return;
    }
    explain_add(explain, "weights", use->weights_bytes, UNIT_BYTES,
                "%s parameters x %.3g B, %s of experts x %.3g B", parameters,
                dense->weights + parts->linear_copy_bytes, explain_text(explain, held->expert, UNIT_COUNT),
                expert->weights + parts->linear_copy_bytes);
    explain_add(explain, "gradients", use->gradients_bytes, UNIT_BYTES,
                "%.3g B a parameter, %.3g B of experts", dense->gradients, expert->gradients);
    explain_add(explain, "optimizer", use->optimizer_bytes, UNIT_BYTES,
                "%.3g B a parameter, %.3g B of experts, ZeRO %d%s%s", dense->optimizer, expert->optimizer,
                (int)parts->layout->zero, words, where);
}

/* Layers that full recompute isn't limited to. */
static void explain_layers(const struct memory_parts *parts, int kind, int64_t count, int64_t stage,
                           struct explain *explain) {
    const struct layer_activations *layer = &parts->activations[kind];
    char without[80] = "";
    if (layer->kept < layer->whole)
        snprintf(without, sizeof without, ", %s without recompute",
                 explain_text(explain, layer->whole, UNIT_BYTES));
    explain_add(explain, kind == LAYER_DENSE ? "a dense layer" : "a MoE layer", layer->kept, UNIT_BYTES,
                "%lld of them on stage %lld%s", (long long)count, (long long)stage + 1, without);
}

static void explain_memory(const struct memory_parts *parts, const struct memory_use *use,
                           struct explain *explain) {
    const struct layout *layout = parts->layout;
    struct stage_parameters held;
    struct chunk_layers layers;
    double beside = memory_bucket_bytes(parts) + parts->dense_bytes.update;
    memory_stage_parameters(parts->model, layout, use->stage, &held);
    memory_layers_of_stage(parts, use->stage, &layers);

    explain_open(explain, "memory");
    explain_state(parts, use, &held, explain);
    explain_open(explain, "activations");
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
        if (layers.count[kind] > layers.recomputed[kind])
            explain_layers(parts, kind, layers.count[kind] - layers.recomputed[kind], use->stage, explain);
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
        if (layers.recomputed[kind] > 0)
            explain_add(explain,
                        kind == LAYER_DENSE ? "a dense layer, recomputed" : "a MoE layer, recomputed",
                        parts->activations[kind].checkpoint, UNIT_BYTES, "%lld of them on stage %lld",
                        (long long)layers.recomputed[kind], (long long)use->stage + 1);
    int64_t passes = memory_in_flight(layout, parts->micro_batches, use->stage);
    explain_close(explain, use->activations_bytes, UNIT_BYTES, "%lld pass%s in flight, recompute %s",
                  (long long)passes, passes == 1 ? "" : "es", recompute_names[layout->recompute]);
    explain_add(explain, "buffers", use->buffers_bytes, UNIT_BYTES, "at the %s", use->moment);
    explain_open(explain, "reserved");
    explain_add(explain, "allocator", use->allocator_bytes - use->allocated_bytes, UNIT_BYTES,
                "fragmentation, %.3g of allocated%s", FRAGMENTATION,
                beside > 0 ? ", and what finds no room in it" : "");
    explain_add(explain, "context and communicators", use->device_bytes - use->allocator_bytes, UNIT_BYTES,
                NULL);
    explain_add(explain, "margin", use->per_device_bytes - use->device_bytes, UNIT_BYTES,
                "%.3g of all in use", MARGIN);
    explain_close(explain, use->reserved_bytes, UNIT_BYTES, NULL);
    explain_close(explain, use->per_device_bytes, UNIT_BYTES, "stage %lld of %lld, at the %s",
                  (long long)use->stage + 1, (long long)layout->pp, use->moment);
}

static void use_of_stage(const struct memory_parts *parts, const struct cluster *cluster,
                         const struct stage_memory *stage, struct memory_use *use) {
    enum offload offload = parts->layout->offload;
    *use = (struct memory_use){
        .capacity_bytes = cluster->device.memory_bytes,
        .weights_bytes = offload_weights(offload) ? 0 : stage->states.weights + stage->states.copies,
        .gradients_bytes = offload_gradients(offload) ? 0 : stage->states.gradients,
        .optimizer_bytes = offload_optimizer(offload) ? 0 : stage->states.optimizer,
        .activations_bytes = stage->kept,
        .buffers_bytes = stage->buffers,
        .stage = stage->stage,
        .moment = stage->moment,
    };
    if (!offload_optimizer(offload) &&
        stage->persistent + stage->states.update > stage->kept + stage->buffers) {
        use->activations_bytes = 0;
        use->buffers_bytes = stage->persistent + stage->states.update;
        use->moment = "optimizer's update";
    }
    use->allocated_bytes = use->weights_bytes + use->gradients_bytes + use->optimizer_bytes +
                           use->activations_bytes + use->buffers_bytes;
    use->allocator_bytes = allocator_bytes(parts, stage);
    use->device_bytes = use->allocator_bytes + cluster->device.reserved_bytes;
    use->per_device_bytes = per_device_bytes(parts, cluster, stage);
    use->reserved_bytes = use->per_device_bytes - use->allocated_bytes;
}

void memory_estimate_stage(const struct model *model, const struct cluster *cluster,
                           const struct training *training, const struct layout *layout, int64_t stage,
                           struct memory_use *use) {
    struct memory_parts parts;
    struct stage_memory memory;
    memory_parts_init(&parts, model, training, layout);
    stage_memory(&parts, cluster, stage, &memory);
    use_of_stage(&parts, cluster, &memory, use);
    memory_outside(&parts, &memory, use->outside);
    memory_place(cluster, layout_devices(layout), use);
}

void memory_parts_use(const struct memory_parts *parts, const struct cluster *cluster,
                      struct memory_use *use) {
    struct stage_memory fullest, outside;
    fullest_stage(parts, cluster, &fullest, &outside);
    use_of_stage(parts, cluster, &fullest, use);
    memory_outside(parts, &outside, use->outside);
    memory_place(cluster, layout_devices(parts->layout), use);
}

double memory_parts_layer_bytes(const struct memory_parts *parts) {
    const struct layout *layout = parts->layout;
    int64_t stages = layout->schedule == SCHEDULE_DUALPIPE ? layout->pp : 1, most = 0;
    double freed = 0;
    for (int64_t stage = 0; stage < stages; stage++) { /* the first has most in flight */
        int64_t passes = memory_in_flight(layout, parts->micro_batches, stage);
        most = passes > most ? passes : most;
    }
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++)
        freed = fmax(freed, parts->activations[kind].whole - parts->activations[kind].checkpoint);
    most += has_extra_pass(parts);
    return (double)most * freed * (1 + FRAGMENTATION) * (1 + MARGIN);
}

double memory_parts_least_bytes(const struct memory_parts *parts, const struct cluster *cluster, bool kept) {
    /* Two stages are enough for a bound: the first, and the second, which may have a layer more. */
    int64_t stages = parts->layout->pp > 1 ? 2 : 1;
    double most = 0;
    for (int64_t stage = 0; stage < stages; stage++) {
        struct stage_parts room;
        const struct stage_parts *known = parts_of_stage(parts, stage, &room);
        struct stage_memory memory = {.stage = stage, .states = known->states};
        if (kept)
            memory.kept = kept_on_device(parts, &known->layers, stage_kept(parts, known, stage));
        most = fmax(most, per_device_bytes(parts, cluster, &memory));
    }
    return most;
}

bool memory_parts_have_place(const struct memory_parts *parts, const struct cluster *cluster) {
    struct stage_parts room;
    struct stage_memory memory = {.stage = 0};
    struct memory_use use;
    if (parts->layout->offload == OFFLOAD_NONE)
        return true;
    memory.states = parts_of_stage(parts, 0, &room)->states;
    memory_outside(parts, &memory, use.outside);
    memory_place(cluster, layout_devices(parts->layout), &use);
    return use.host_bytes_per_device + use.store_bytes_per_device <=
           use.host_capacity_bytes + use.store_capacity_bytes;
}

void memory_estimate(const struct model *model, const struct cluster *cluster,
                     const struct training *training, const struct layout *layout, struct memory_use *use,
                     struct explain *explain) {
    struct memory_parts parts;
    memory_parts_init(&parts, model, training, layout);
    memory_parts_use(&parts, cluster, use);
    if (explain != NULL)
        explain_memory(&parts, use, explain);
}
