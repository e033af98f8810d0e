/* Parameters and what is kept for each of them: weights, gradients, optimizer states.
 *
 * Sources: Megatron-LM docs/source/api-guide/dist_optimizer.md (bytes a parameter by number format and
 * sharding); arXiv 1910.02054 (ZeRO); TransformerEngine module/_common.py get_dummy_wgrad. */
#include "planner/cost/memory_parts.h"

#include "planner/numbers.h"

/* Megatron pads the vocabulary to a multiple of this times tp (make_vocab_size_divisible_by). */
enum { VOCABULARY_PADDING = 128 };

/* With gradients in half precision the optimizer makes an fp32 copy of them for its update, and lets it go
 * before the next forward pass (Megatron-LM core/optimizer/optimizer.py, zero_grad; DeepSpeed
 * runtime/zero/stage_1_and_2.py, step). */
static const double GRADIENT_COPY_BYTES = 4;
static const double HALF_BYTES = 2, SINGLE_BYTES = 4;
/* Transformer Engine keeps an fp8 weight and its transpose. Where parameters are gathered in fp8 they are all
 * there is, as large as one in 16 bits; else they come beside it. */
static const double FP8_COPY_BYTES = 2;

/* Of weights that pass the device, and of their gradients, so many are on it at a time: two layers, or pieces
 * of them where they are larger. DeepSpeed's stage3_max_live_parameters, and the memory-centric tiling of
 * arXiv 2104.07857, section 5.1.3. */
static const double STREAMED_PARAMETERS = 1e9;

static double gradient_bytes(const struct training *training) {
    if (training->thrifty && training->gradients == GRADIENTS_DEFAULT)
        return training_element_bytes(training);
    return training_gradient_bytes(training);
}

static bool copies_gradients(const struct training *training) {
    return !training->thrifty && optimizer_copies_gradients(training);
}

/* FSDP gathers parameters in the precision it computes in, sums whole gradients in the one it reduces in, and
 * hands the optimizer sharded ones in that of the parameters, which is fp32 unless the optimizer says
 * (torch/distributed/fsdp/_fully_shard). */
static struct parameter_bytes fully_sharded_bytes(const struct memory_parts *parts, double shards,
                                                  bool gathered, bool whole_gradients) {
    const struct layout *layout = parts->layout;
    double parameter = optimizer_parameter_bytes(parts->training);
    double summed = parameter < SINGLE_BYTES ? gradient_bytes(parts->training) : SINGLE_BYTES;
    struct parameter_bytes bytes = {parameter, parameter, optimizer_state_bytes(parts->training), 0};

    if (layout->zero >= 1)
        bytes.optimizer /= shards;
    if (layout->zero >= 2 && shards > 1) {
        bytes.weights = smaller(SINGLE_BYTES, parameter / shards + (gathered ? parts->element_bytes : 0));
        bytes.gradients = smaller(SINGLE_BYTES, parameter / shards + (whole_gradients ? summed : 0));
    }
    return bytes;
}

/* A parameter's bytes where `shards` devices share its states. In a pipeline, gradients and gathered weights
 * stay whole from the first micro-batch to the last (PyTorch reshard_after_forward off); the weights of
 * FSDP's ZeRO-2 do everywhere. Streamed ones never do. */
static struct parameter_bytes sharded_bytes(const struct memory_parts *parts, double shards) {
    const struct training *training = parts->training;
    const struct layout *layout = parts->layout;
    double gradient = gradient_bytes(training);
    bool streamed = offload_weights(layout->offload), gathered = layout->pp > 1 && !streamed;
    bool whole_gradients = layout->pp > 1 && !offload_gradients(layout->offload);
    struct parameter_bytes bytes;

    if (training->stack->fully_sharded)
        return fully_sharded_bytes(parts, shards, (layout->zero == 2 && !streamed) || gathered,
                                   whole_gradients);
    bytes = (struct parameter_bytes){parts->element_bytes, gradient, optimizer_state_bytes(training), 0};
    if (gradient < SINGLE_BYTES)
        bytes.update = copies_gradients(training) ? GRADIENT_COPY_BYTES : 0;
    else if (training->stack->keeps_half_gradients && parts->element_bytes < SINGLE_BYTES)
        bytes.gradients += HALF_BYTES;
    if (layout->zero >= 1) {
        bytes.optimizer /= shards;
        bytes.update /= shards;
    }
    if (layout->zero >= 2 && !whole_gradients)
        bytes.gradients /= shards;
    if (layout->zero >= 3 && !gathered)
        bytes.weights /= shards;
    return bytes;
}

double memory_shards(const struct layout *layout, bool expert) {
    int64_t replicas = expert ? layout_expert_dp(layout) : layout->dp * layout->cp;
    int64_t group = layout_zero_group(layout);
    if (group == 0 || group > replicas)
        group = replicas;
    /* DualPipe's mirrored stages hold the same parameters and share their states too. */
    if (layout->schedule == SCHEDULE_DUALPIPE && layout->pp > 1)
        group *= 2;
    return (double)group;
}

void memory_static_init(struct memory_parts *parts) {
    const struct model *model = parts->model;
    const struct layout *layout = parts->layout;
    int64_t padded = VOCABULARY_PADDING * layout->tp;
    double tp = (double)layout->tp;

    parts->element_bytes = training_element_bytes(parts->training);
    parts->vocabulary = (double)(quotient_up(model->vocab, padded) * VOCABULARY_PADDING);
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
        struct layer_parameters layer = {0};
        bool experts = kind == LAYER_EXPERTS;
        if (!experts || model->experts.count > 0)
            model_layer_parameters(model, experts, &layer);
        parts->dense_parameters[kind] = (layer.attention_split + layer.mlp_split) / tp +
                                        layer.attention_replicated + layer.norms + layer.router;
        parts->expert_parameters[kind] = layer.expert * layer.experts / (double)(layout->ep * layout->etp);
    }
}

void memory_sharding_init(struct memory_parts *parts) {
    const struct layout *layout = parts->layout;
    const struct training *training = parts->training;
    bool fp8 = training->precision == PRECISION_FP8 && training->stack->transformer_engine;
    layout_deal(layout, parts->model, &parts->dealing);
    parts->dense_bytes = sharded_bytes(parts, memory_shards(layout, false));
    parts->expert_bytes = sharded_bytes(parts, memory_shards(layout, true));
    parts->table_bytes =
        optimizer_table_bytes(training) / (layout->zero >= 1 ? memory_shards(layout, false) : 1);
    bool alone = training_parameter_bytes(training) < parts->element_bytes; /* no bf16 one beside them */
    parts->linear_copy_bytes = fp8 && !alone ? FP8_COPY_BYTES : 0;
}

void memory_stages_resharded(struct stage_parts stages[STAGES_KEPT]) {
    for (int i = 0; i < STAGES_KEPT; i++)
        stages[i].states.known = false;
}

void memory_chunk_layers(const struct memory_parts *parts, int64_t chunk, struct chunk_layers *layers) {
    int64_t begin = layout_dealt_before(&parts->dealing, chunk);
    int64_t end = layout_dealt_before(&parts->dealing, chunk + 1);
    int64_t experts =
        model_expert_layers_of_first(parts->model, end) - model_expert_layers_of_first(parts->model, begin);
    layers->count[LAYER_EXPERTS] = experts;
    layers->count[LAYER_DENSE] = end - begin - experts;
    layers->recomputed[LAYER_DENSE] = layers->recomputed[LAYER_EXPERTS] = 0;
    if (parts->layout->recompute_layers > 0) {
        int64_t limited = layout_recomputed_layers(parts->layout, parts->model, chunk);
        int64_t recomputed = model_expert_layers_of_first(parts->model, begin + limited) -
                             model_expert_layers_of_first(parts->model, begin);
        layers->recomputed[LAYER_EXPERTS] = recomputed;
        layers->recomputed[LAYER_DENSE] = limited - recomputed;
    }
    /* The layers of multi-token prediction follow the last. */
    if (chunk == parts->layout->pp * parts->layout->vpp - 1)
        layers->count[parts->model->experts.count > 0 ? LAYER_EXPERTS : LAYER_DENSE] +=
            parts->model->mtp_layers;
}

static bool is_dualpipe(const struct layout *layout) {
    return layout->schedule == SCHEDULE_DUALPIPE && layout->pp > 1;
}

int64_t memory_stage_chunks(const struct layout *layout) {
    return is_dualpipe(layout) ? 2 : layout->vpp;
}

int64_t memory_virtual_stage(const struct layout *layout, int64_t stage, int64_t chunk) {
    if (is_dualpipe(layout))
        return chunk == 0 ? stage : layout->pp - 1 - stage;
    return chunk * layout->pp + stage;
}

bool memory_has_embedding(const struct layout *layout, int64_t stage) {
    return stage == 0 || (is_dualpipe(layout) && stage == layout->pp - 1);
}

bool memory_has_head(const struct layout *layout, int64_t stage) {
    return stage == layout->pp - 1 || (is_dualpipe(layout) && stage == 0);
}

double memory_vocabulary_parameters(const struct memory_parts *parts, int64_t stage) {
    const struct model *model = parts->model;
    const struct layout *layout = parts->layout;
    double hidden = (double)model->hidden;
    double table = parts->vocabulary * hidden;
    double norm = hidden * (model->norm == NORM_LAYERNORM ? 2 : 1);
    bool embedding = memory_has_embedding(layout, stage), head = memory_has_head(layout, stage);
    double parameters = 0;

    if (embedding)
        parameters += table + (double)model->learned_positions * hidden;
    if (head) {
        parameters += norm;
        /* Tied: the head is the table itself where it is at hand, a copy of it elsewhere. */
        if (!(model->tied_embeddings && embedding))
            parameters += table;
        if (model->mtp_layers > 0) {
            /* Each predicts from the hidden state and the next token's embedding, both normed. */
            parameters += (double)model->mtp_layers * (2 * hidden * hidden / (double)layout->tp + 3 * norm);
            if (!embedding && !model->tied_embeddings)
                parameters += table;
        }
    }
    return parameters;
}

void memory_layers_of_stage(const struct memory_parts *parts, int64_t stage, struct chunk_layers *layers) {
    int64_t chunks = memory_stage_chunks(parts->layout);
    *layers = (struct chunk_layers){{0}, {0}};
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
        struct chunk_layers part;
        memory_chunk_layers(parts, memory_virtual_stage(parts->layout, stage, chunk), &part);
        for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
            layers->count[kind] += part.count[kind];
            layers->recomputed[kind] += part.recomputed[kind];
        }
    }
}

void memory_parameters_init(const struct model *model, const struct layout *layout,
                            struct memory_parts *parts) {
    static const struct stack any = {.name = "any"};
    static const struct training training = {.stack = &any};
    *parts = (struct memory_parts){.model = model, .training = &training, .layout = layout};
    memory_static_init(parts);
    layout_deal(layout, model, &parts->dealing);
}

void memory_parameters_of(const struct memory_parts *parts, int64_t stage,
                          struct stage_parameters *parameters) {
    struct chunk_layers layers;
    memory_layers_of_stage(parts, stage, &layers);
    parameters->dense = memory_vocabulary_parameters(parts, stage);
    parameters->expert = 0;
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
        parameters->dense += (double)layers.count[kind] * parts->dense_parameters[kind];
        parameters->expert += (double)layers.count[kind] * parts->expert_parameters[kind];
    }
}

void memory_stage_parameters(const struct model *model, const struct layout *layout, int64_t stage,
                             struct stage_parameters *parameters) {
    struct memory_parts parts;
    memory_parameters_init(model, layout, &parts);
    memory_parameters_of(&parts, stage, parameters);
}

double memory_streamed(double parameters) {
    return smaller(parameters, STREAMED_PARAMETERS);
}

/* Parameters of the largest layer on a stage. */
static double largest_layer(const struct memory_parts *parts, const struct chunk_layers *layers) {
    double largest = 0;
    for (int kind = 0; kind < LAYER_KIND_COUNT; kind++) {
        double parameters = parts->dense_parameters[kind] + parts->expert_parameters[kind];
        if (layers->count[kind] > 0 && parameters > largest)
            largest = parameters;
    }
    return largest;
}

/* Parameters of embedding table and head that are gathered together, where a stage has both. */
static double tables_parameters(const struct memory_parts *parts) {
    const struct training *training = parts->training;
    bool apart = training->stack->fully_sharded && training->recipe.tables == TABLES_APART;
    bool one = parts->model->tied_embeddings || parts->layout->pp > 1 || apart;
    return (one ? 1 : 2) * parts->vocabulary * (double)parts->model->hidden;
}

/* FSDP's root has what no other unit has. It stays gathered from the forward to the end of the backward pass,
 * and its gradients, of which the head's comes first, are reduced together (torch/distributed/fsdp
 * _fully_shard/_fsdp_state.py, _lazy_init; FSDP1 likewise, _runtime_utils.py). */
static double root_bytes(const struct memory_parts *parts) {
    double head = parts->vocabulary * (double)parts->model->hidden;
    if (!parts->training->stack->fully_sharded || parts->training->recipe.tables == TABLES_APART)
        return 0;
    if (offload_gradients(parts->layout->offload))
        head = 0;
    return parts->element_bytes * (tables_parameters(parts) + head);
}

double memory_gather_bytes(const struct memory_parts *parts, const struct chunk_layers *layers) {
    const struct layout *layout = parts->layout;
    bool gathered = layout->zero >= 2 && layout_devices(layout) > layout->tp * layout->pp;
    double largest = largest_layer(parts, layers), bytes = 0;
    if (!gathered && !offload_gradients(layout->offload))
        return 0;
    if (offload_weights(layout->offload))
        return parts->element_bytes * (memory_streamed(2 * largest) + memory_streamed(largest));
    /* The layer's whole gradient before it is scattered, or sent out. */
    bytes = parts->element_bytes * (offload_gradients(layout->offload) ? memory_streamed(largest) : largest);
    if (gathered && layout->zero >= 3 && layout->pp == 1)
        bytes += 2 * parts->element_bytes * largest + root_bytes(parts); /* the layer at work, the next */
    return bytes;
}

double memory_head_gather_bytes(const struct memory_parts *parts, const struct chunk_layers *layers) {
    const struct layout *layout = parts->layout;
    double table = parts->vocabulary * (double)parts->model->hidden, gradient = 0, layer = 0;
    if (offload_weights(layout->offload))
        return parts->element_bytes * (memory_streamed(2 * table) + memory_streamed(table));
    if (offload_gradients(layout->offload))
        gradient = parts->element_bytes * memory_streamed(table);
    if (layout->zero < 3 || layout_devices(layout) == layout->tp * layout->pp)
        return gradient;
    if (parts->training->stack->fully_sharded && layout->pp == 1)
        layer = largest_layer(parts, layers); /* the last stays gathered, or is fetched ahead */
    return parts->element_bytes * (tables_parameters(parts) + layer) + gradient;
}

/* FSDP gathers into flat buffers on a stream of its own, whose blocks PyTorch's allocator keeps for that
 * stream: the root's, with the tables, or of two layers (torch.distributed.fsdp _fsdp_collectives.py,
 * foreach_all_gather). */
static double gather_stream_bytes(const struct memory_parts *parts) {
    const struct chunk_layers both = {.count = {1, parts->model->experts.count > 0}};
    return parts->element_bytes * larger(tables_parameters(parts), 2 * largest_layer(parts, &both));
}

double memory_bucket_bytes(const struct memory_parts *parts) {
    const struct layout *layout = parts->layout;
    double table = parts->vocabulary * (double)parts->model->hidden;
    double elements = parts->training->stack->bucket_elements;
    if (layout_devices(layout) == layout->tp * layout->pp)
        return 0;
    if (parts->training->stack->fully_sharded)
        return layout->zero >= 2 && !offload_weights(layout->offload) ? gather_stream_bytes(parts) : 0;
    if (elements <= 0)
        return 0;
    /* The optimizer of fp16 sums a tensor larger than a bucket in place (DeepSpeed stage_1_and_2.py); that of
     * bf16 flattens each bucket, and a larger tensor alone. */
    if (elements < table && parts->training->precision != PRECISION_FP16)
        elements = table;
    return elements * (gradient_bytes(parts->training) + parts->element_bytes);
}

/* Distinct shapes of weights; a layer has at most 11, the head is one more. */
struct weight_shapes {
    double rows[24], columns[24];
    size_t count;
    double elements;
};

static void add_shape(struct weight_shapes *shapes, double rows, double columns) {
    if (rows <= 0 || columns <= 0)
        return;
    for (size_t i = 0; i < shapes->count; i++)
        if (shapes->rows[i] == rows && shapes->columns[i] == columns)
            return;
    shapes->rows[shapes->count] = rows;
    shapes->columns[shapes->count] = columns;
    shapes->count++;
    shapes->elements += rows * columns;
}

static void add_mlp_shapes(struct weight_shapes *shapes, const struct model *model, double ffn) {
    double hidden = (double)model->hidden;
    add_shape(shapes, model->gated ? 2 * ffn : ffn, hidden);
    add_shape(shapes, hidden, ffn);
}

static void add_attention_shapes(struct weight_shapes *shapes, const struct memory_parts *parts) {
    const struct model *model = parts->model;
    const struct model_mla *mla = &model->mla;
    double tp = (double)parts->layout->tp, hidden = (double)model->hidden;
    double heads = (double)model->heads / tp;

    if (mla->kv_lora_rank == 0) {
        double kv_heads = model->kv_heads > parts->layout->tp ? (double)model->kv_heads / tp : 1;
        double head = (double)model->head_dim;
        add_shape(shapes, (heads + 2 * kv_heads) * head, hidden);
        add_shape(shapes, hidden, heads * head);
        return;
    }
    double query = heads * (double)model_query_width(model);
    double key_value = heads * (double)(mla->qk_nope_head_dim + mla->v_head_dim);
    add_shape(shapes, (double)mla->q_lora_rank, hidden);
    add_shape(shapes, query, mla->q_lora_rank > 0 ? (double)mla->q_lora_rank : hidden);
    add_shape(shapes, (double)(mla->kv_lora_rank + mla->qk_rope_head_dim), hidden);
    add_shape(shapes, key_value, (double)mla->kv_lora_rank);
    add_shape(shapes, hidden, heads * (double)mla->v_head_dim);
}

double memory_dummy_gradients(const struct memory_parts *parts, const struct chunk_layers *layers,
                              bool head) {
    const struct model *model = parts->model;
    const struct stack *stack = parts->training->stack;
    const struct layout *layout = parts->layout;
    struct weight_shapes shapes = {.count = 0};

    if (!stack->transformer_engine || !stack->fused_gradient_accumulation)
        return 0;
    if (layers->count[LAYER_DENSE] + layers->count[LAYER_EXPERTS] > 0)
        add_attention_shapes(&shapes, parts);
    if (layers->count[LAYER_DENSE] > 0)
        add_mlp_shapes(&shapes, model, (double)model->ffn_hidden / (double)layout->tp);
    if (layers->count[LAYER_EXPERTS] > 0) {
        add_mlp_shapes(&shapes, model, (double)model->experts.ffn_hidden / (double)layout->etp);
        add_mlp_shapes(&shapes, model,
                       (double)(model->experts.shared * model->experts.shared_ffn_hidden) /
                           (double)layout->tp);
    }
    if (head)
        add_shape(&shapes, parts->vocabulary, (double)model->hidden);
    return parts->element_bytes * shapes.elements;
}
