#include "planner/cost/cost_parts.h"

#include <math.h>
#include <string.h>

#include "planner/cost/orthogonalise.h"

/* Each gradient held is cleared once a step. */
static const double CLEAR_BYTES = 4;

struct cache_slot {
    struct cache_key key;
    void *part; /* NULL: free */
};

struct cost_cache {
    struct arena *arena;
    size_t part_size, capacity, count; /* capacity: a power of two */
    struct cache_slot *slots;
};

enum { FIRST_CAPACITY = 64 };

static struct cost_cache *cache_create(struct arena *arena, size_t part_size) {
    struct cost_cache *cache = ARENA_NEW(arena, struct cost_cache);
    *cache = (struct cost_cache){.arena = arena, .part_size = part_size, .capacity = FIRST_CAPACITY};
    cache->slots = ARENA_ARRAY(arena, struct cache_slot, cache->capacity);
    return cache;
}

/* Multiplied by 2^64 over the golden ratio (Fibonacci hashing), word after word. */
static uint64_t hash(const struct cache_key *key) {
    uint64_t mixed = 0;
    for (size_t i = 0; i < 3; i++) {
        mixed = (mixed ^ key->words[i]) * 0x9e3779b97f4a7c15u;
        mixed ^= mixed >> 32;
    }
    return mixed;
}

static bool is_same(const struct cache_key *a, const struct cache_key *b) {
    return a->words[0] == b->words[0] && a->words[1] == b->words[1] && a->words[2] == b->words[2];
}

static size_t slot_of(const struct cost_cache *cache, const struct cache_key *key) {
    size_t slot = hash(key) & (cache->capacity - 1);
    while (cache->slots[slot].part != NULL && !is_same(&cache->slots[slot].key, key))
        slot = (slot + 1) & (cache->capacity - 1);
    return slot;
}

static void grow(struct cost_cache *cache) {
    struct cost_cache larger = *cache;
    larger.capacity *= 2;
    larger.slots = ARENA_ARRAY(cache->arena, struct cache_slot, larger.capacity);
    for (size_t i = 0; i < cache->capacity; i++)
        if (cache->slots[i].part != NULL)
            larger.slots[slot_of(&larger, &cache->slots[i].key)] = cache->slots[i];
    *cache = larger;
}

void *cost_cache_find(struct cost_cache *cache, const struct cache_key *key, bool *found) {
    size_t slot = slot_of(cache, key);
    *found = cache->slots[slot].part != NULL;
    if (*found)
        return cache->slots[slot].part;
    if (2 * (cache->count + 1) > cache->capacity) {
        grow(cache);
        slot = slot_of(cache, key);
    }
    cache->count++;
    cache->slots[slot] = (struct cache_slot){*key, arena_allocate(cache->arena, 1, cache->part_size)};
    return cache->slots[slot].part;
}

static uint64_t packed(int64_t a, int64_t b, int64_t c, int64_t d) {
    return (uint64_t)a | (uint64_t)b << 16 | (uint64_t)c << 32 | (uint64_t)d << 48;
}

struct communication_problem cost_communication_problem(const struct cost_context *context,
                                                        const struct layout *layout) {
    return (struct communication_problem){.model = context->model,
                                          .cluster = context->cluster,
                                          .training = &context->training,
                                          .layout = layout,
                                          .collectives = context->collectives};
}

struct compute_problem cost_compute_problem(const struct cost_context *context, const struct layout *layout) {
    return (struct compute_problem){context->model, context->cluster,  &context->training,
                                    layout,         context->products, context->known,
                                    false};
}

static void reckon_layer_block(const struct compute_problem *compute,
                               const struct communication_problem *communication, bool with_experts,
                               struct block_cost *block, struct explain *explain) {
    compute_layer(compute, with_experts, &block->compute, explain);
    communication_layer(communication, with_experts, &block->compute, &block->communication, explain);
}

/* `least`: of a sequence in a micro-batch of any size. */
static void reckon_base(const struct cost_context *context, const struct layout *layout, bool least,
                        struct layer_part *part, struct explain *explain) {
    struct compute_problem compute = cost_compute_problem(context, layout);
    struct communication_problem communication = cost_communication_problem(context, layout);
    compute.least = communication.least = least;
    int64_t expert_layers = model_expert_layers(context->model);
    *part = (struct layer_part){0};
    for (int block = 0; block < BLOCK_COUNT; block++)
        part->blocks[block].least = least;
    if (expert_layers < context->model->layers)
        reckon_layer_block(&compute, &communication, false, &part->blocks[BLOCK_DENSE], explain);
    if (expert_layers > 0)
        reckon_layer_block(&compute, &communication, true, &part->blocks[BLOCK_EXPERTS], explain);
    struct block_cost *embedding = &part->blocks[BLOCK_EMBEDDING], *head = &part->blocks[BLOCK_HEAD];
    compute_embedding(&compute, &embedding->compute, explain);
    communication_embedding(&communication, &embedding->communication, explain);
    compute_head(&compute, &head->compute, explain);
    communication_head(&communication, &head->communication, explain);
    if (context->model->mtp_layers > 0)
        compute_mtp_join(&compute, &part->blocks[BLOCK_MTP_JOIN].compute, explain);
}

void cost_add_routed_experts(struct block_cost *block, const struct routed_cost *routed) {
    block->compute.forward += routed->forward;
    block->compute.backward_input += routed->backward_input;
    block->compute.backward_weight += routed->backward_weight;
    block->compute.activation += routed->activation;
    block->compute.experts += routed->experts;
    block->communication.ep_forward = routed->ep_forward;
    block->communication.ep_backward = routed->ep_backward;
    block->communication.ep_shown = routed->ep_shown;
}

void cost_layer_reckon(const struct cost_context *context, const struct layout *layout,
                       struct layer_part *part, struct explain *explain) {
    reckon_base(context, layout, false, part, explain);
    if (model_expert_layers(context->model) > 0) {
        struct routed_cost routed = cost_routed_reckon(context, layout, explain);
        cost_add_routed_experts(&part->blocks[BLOCK_EXPERTS], &routed);
    }
}

/* `micro_batch` 0: of a sequence in one of any size. */
static struct base_part *base_part_of(struct cost_context *context, const struct layout *layout,
                                      int64_t micro_batch) {
    struct cache_key key = {{packed(layout->tp, layout->cp, layout->sequence_parallel, layout->overlap.tp), 0,
                             (uint64_t)micro_batch}};
    bool found;
    struct base_part *part = cost_cache_find(context->layers, &key, &found);
    if (!found) {
        struct layout sized = *layout;
        sized.micro_batch = micro_batch > 0 ? micro_batch : 1;
        reckon_base(context, &sized, micro_batch == 0, &part->layer, NULL);
    }
    return part;
}

struct recomputed_part *cost_recomputed_part(struct cost_context *context, struct base_part *base,
                                             const struct layout *layout) {
    const enum recompute recompute = cost_recompute_of_all(layout);
    const int64_t modules = recompute == RECOMPUTE_SELECTIVE
                                ? training_recompute_modules(&context->training, context->model, layout)
                                : 0;
    struct recomputed_part *part = base->recomputed;
    while (part != NULL && (part->recompute != recompute || part->modules != modules))
        part = part->next;
    if (part != NULL)
        return part;
    part = ARENA_NEW(context->arena, struct recomputed_part);
    *part = (struct recomputed_part){.recompute = recompute, .modules = modules, .next = base->recomputed};
    base->recomputed = part;
    return part;
}

/* Keeps the places of powers of two apart. */
enum { ROW_STEP = 11 };

/* A search asks for the same few tp and cp again and again. */
static struct base_part *part_in_row(struct cost_context *context, const struct layout *layout,
                                     int64_t micro_batch) {
    size_t place = (size_t)(ROW_STEP * layout->tp + layout->cp) % BASE_ROWS;
    struct base_row *row = &context->base_rows[layout->sequence_parallel][place];
    if (micro_batch >= BASE_ROW)
        return base_part_of(context, layout, micro_batch);
    if (row->tp != layout->tp || row->cp != layout->cp || row->overlap_tp != layout->overlap.tp)
        *row = (struct base_row){.tp = layout->tp, .cp = layout->cp, .overlap_tp = layout->overlap.tp};
    struct base_part **part = &row->parts[micro_batch];
    if (*part == NULL)
        *part = base_part_of(context, layout, micro_batch);
    return *part;
}

struct base_part *cost_base_part(struct cost_context *context, const struct layout *layout) {
    return part_in_row(context, layout, layout->micro_batch);
}

double cost_hop_seconds(const struct cost_context *context, const struct layout *layout,
                        struct base_part *base) {
    struct kept_hop *hop = &base->hops[layout->order];
    if (hop->pp != layout->pp || hop->dp != layout->dp) {
        struct communication_problem problem = cost_communication_problem(context, layout);
        *hop = (struct kept_hop){layout->pp, layout->dp, communication_hop_seconds(&problem)};
    }
    return hop->seconds;
}

struct base_part *cost_least_part(struct cost_context *context, const struct layout *layout) {
    return part_in_row(context, layout, 0);
}

/* The update streams through memory; Muon multiplies besides. */
static void reckon_optimizer(const struct cost_context *context, const struct layout *layout,
                             struct state_part *part) {
    const struct cluster *cluster = context->cluster;
    double updated = part->state.sharded_parameters;
    double bytes = CLEAR_BYTES + context->training.stack->gradient_copy_bytes;
    double clear = compute_traffic_seconds(&cluster->device, bytes * part->state.parameters);
    double update = optimizer_update_bytes(&context->training) * updated;
    part->optimizer_seconds = compute_traffic_seconds(&cluster->device, update) + clear;
    if (context->training.optimizer.kind == OPTIMIZER_MUON)
        part->optimizer_seconds +=
            orthogonalise_seconds(context->model, &cluster->device, layout, context->blocks[BLOCK_DENSE],
                                  context->blocks[BLOCK_EXPERTS]);
    part->clear_seconds = clear;
}

void cost_state_reckon(const struct cost_context *context, const struct layout *layout,
                       const struct stage_layers *stages, struct state_part *part, struct explain *explain) {
    struct communication_problem communication = cost_communication_problem(context, layout);
    if (layout->schedule != SCHEDULE_DUALPIPE) { /* which gives each device the parameters of two stages */
        communication.stages = stages->device_runs.firsts;
        communication.stage_count = stages->device_runs.count;
    }
    communication_state_of(&communication, &part->state, explain);
    reckon_optimizer(context, layout, part);
    part->whole = true;
    if (!offload_optimizer(layout->offload))
        explain_add(explain, "optimizer", part->optimizer_seconds, UNIT_SECONDS,
                    "%s of the device's %s parameters updated",
                    explain_text(explain, part->state.sharded_parameters, UNIT_COUNT),
                    explain_text(explain, part->state.parameters, UNIT_COUNT));
}

/* Stands for the numbers of layers at the ends: 0 for the rule's, else from 1 on as they came. */
static int64_t name_ends(struct cost_context *context, const struct layout *layout) {
    size_t place = 0;
    if (!layout_has_own_ends(layout))
        return 0;
    while (place < context->end_count && (context->ends[place].first != layout->first_stage_layers ||
                                          context->ends[place].last != layout->last_stage_layers))
        place++;
    if (place == context->end_count) {
        if (place == context->end_room) {
            struct stage_ends *ends = ARENA_ARRAY(context->arena, struct stage_ends, 2 * place + 16);
            for (size_t i = 0; i < place; i++)
                ends[i] = context->ends[i];
            context->ends = ends;
            context->end_room = 2 * place + 16;
        }
        context->ends[context->end_count++] =
            (struct stage_ends){layout->first_stage_layers, layout->last_stage_layers};
    }
    return (int64_t)place + 1;
}

/* Groups of replicas are cp x dp large, experts dealt to ep x etp; cp alone says how far apart stages are,
 * which only tied embeddings ask for. */
static struct state_part *find_state(struct cost_context *context, const struct layout *layout, bool *found) {
    bool dual = layout->schedule == SCHEDULE_DUALPIPE;
    int64_t inner = context->model->tied_embeddings ? layout->cp : 0;
    struct cache_key key = {
        {packed(layout->tp, inner, 0, 0) | (uint64_t)(layout->ep * layout->etp) << 32,
         packed(layout->pp, layout->vpp, layout->zero << 4 | (int64_t)layout->order << 1 | dual,
                name_ends(context, layout)),
         (uint64_t)(layout->dp * layout->cp) | (uint64_t)layout->zero_group << 32}};
    return cost_cache_find(context->states, &key, found);
}

const struct state_part *cost_state_part(struct cost_context *context, const struct layout *layout,
                                         const struct stage_layers *stages) {
    bool found;
    struct state_part *part = find_state(context, layout, &found);
    if (!part->whole)
        cost_state_reckon(context, layout, stages, part, NULL);
    return part;
}

const struct communication_state *cost_sharded_state(struct cost_context *context,
                                                     const struct layout *layout) {
    bool found;
    struct state_part *part = find_state(context, layout, &found);
    if (!found) {
        struct communication_problem problem = cost_communication_problem(context, layout);
        communication_sharded_of(&problem, &part->state);
    }
    return &part->state;
}

bool cost_context_is_of(const struct cost_context *context, const struct model *model,
                        const struct cluster *cluster) {
    return context->model == model && context->cluster == cluster;
}

void cost_context_renew(struct cost_context *context, int64_t global_batch, struct arena *arena) {
    context->training.global_batch = global_batch;
    context->rows = cache_create(arena, cost_expert_row_size());
    context->states = cache_create(arena, sizeof(struct state_part));
}

static void count_blocks(const struct model *model, double blocks[BLOCK_COUNT]) {
    double experts = (double)model_expert_layers(model), further = (double)model->mtp_layers;
    blocks[BLOCK_DENSE] = (double)model->layers - experts;
    blocks[BLOCK_EXPERTS] = experts;
    blocks[BLOCK_EMBEDDING] = 1;
    blocks[BLOCK_HEAD] = 1 + further;
    blocks[BLOCK_MTP_JOIN] = further;
    blocks[experts > 0 ? BLOCK_EXPERTS : BLOCK_DENSE] += further;
}

struct cost_context *cost_context_create(struct arena *arena, const struct model *model,
                                         const struct cluster *cluster, const struct training *training) {
    struct cost_context *context = ARENA_NEW(arena, struct cost_context);
    context->arena = context->room.arena = arena;
    context->model = model;
    context->cluster = cluster;
    context->training = *training;
    count_blocks(model, context->blocks);
    context->products = product_cache_create(arena);
    context->known = ARENA_NEW(arena, struct compute_known);
    context->collectives = collective_cache_create(arena, cluster);
    context->layers = cache_create(arena, sizeof(struct base_part));
    context->routed = cache_create(arena, sizeof(void *));
    cost_places_init(context);
    context->experts_before = ARENA_ARRAY(arena, int64_t, (size_t)model->layers + 1);
    for (int64_t i = 0; i < model->layers; i++)
        context->experts_before[i + 1] = context->experts_before[i] + model_layer_has_experts(model, i);
    cost_context_renew(context, training->global_batch, arena);
    return context;
}
