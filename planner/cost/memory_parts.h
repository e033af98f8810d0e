/* What memory.c puts together: the parts of a device's memory, reckoned once for a layout and used for each
 * of its pipeline stages. Internal to the memory model. All bytes are of one device. */
#ifndef CLUSTERPLAN_MEMORY_PARTS_H
#define CLUSTERPLAN_MEMORY_PARTS_H

#include "planner/cost/memory.h"

enum layer_kind { LAYER_DENSE, LAYER_EXPERTS, LAYER_KIND_COUNT };

/* Activations of one layer and one micro-batch. */
struct layer_activations {
    double kept;       /* from its forward to its backward, under the layout's recompute mode */
    double checkpoint; /* the same under full recompute, for layers that it is limited to */
    double operations; /* the same where single operations are recomputed (FSDP) */
    double dropped[RECOMPUTE_MODULE_COUNT]; /* by selective recompute of a module */
    double dropped_input_norm;              /* of the norms' the one before attention */
    double again_in_mlp;    /* what the layout's recompute brings back before the MLP's backward pass */
    double whole;           /* the same without recompute: what one layer holds while it is recomputed */
    double mlp;             /* the MLP's share of `whole` */
    double mlp_backward;    /* live besides `whole` in the MLP's backward pass */
    double scores_backward; /* live in the backward pass of unfused attention, the MLP's share being gone */
    double combine;         /* live besides what is kept when experts' outputs are combined in forward */
};

/* A chunk of the pipeline: how many layers of each kind a virtual stage runs, and how many of them are those
 * that full recompute is limited to. */
struct chunk_layers {
    int64_t count[LAYER_KIND_COUNT], recomputed[LAYER_KIND_COUNT];
};

/* Bytes a parameter takes; `update`: in the optimizer's update alone. */
struct parameter_bytes {
    double weights, gradients, optimizer, update;
};

/* Bytes of all parameters of a stage, whether they stay on the device or not. */
struct stage_states {
    bool known;
    double weights, gradients, optimizer;
    double update; /* live in the optimizer's update alone, when activations are gone */
    double copies; /* of weights in fp8, which nothing but the device holds */
};

/* What a stage has of a schedule, whatever its layers' bytes, ZeRO stage and offload are; but for `states`.
 */
struct stage_parts {
    bool known;
    struct chunk_layers layers, first;          /* of all its chunks, of the first */
    double passes[LAYER_KIND_COUNT];            /* layers of all passes in flight that keep all they need */
    double recomputed_passes[LAYER_KIND_COUNT]; /* and of those recomputed */
    double embedding_passes, sending_passes;    /* passes of the first chunk of all, of all but the last */
    double vocabulary_parameters, dummy_gradients; /* bytes, but where gradients move out */
    struct stage_states states;                    /* of the sharding at hand (memory_stages_resharded) */
};

enum { STAGES_KEPT = 4 }; /* the last and the first ones */

struct memory_parts {
    const struct model *model;
    const struct training *training;
    const struct layout *layout;
    struct layout_dealing dealing; /* of the layout's layers */
    int64_t micro_batches;
    double element_bytes;  /* of a weight or an activation: training_element_bytes */
    double tokens;         /* of one micro-batch on one device, before sequence parallelism */
    double sequence_share; /* devices that sequence parallelism deals the tokens to; 1 without it */
    double vocabulary;     /* rows of the embedding table on one device, padded */
    struct layer_activations activations[LAYER_KIND_COUNT];
    double dense_parameters[LAYER_KIND_COUNT], expert_parameters[LAYER_KIND_COUNT]; /* of a layer, a device */
    struct parameter_bytes dense_bytes, expert_bytes;
    double table_bytes;         /* of the optimizer, that a parameter outside layers takes more than others */
    struct stage_parts *stages; /* STAGES_KEPT of them, for layouts of the same schedule, split and recomputed
                                   layers; NULL: reckoned anew */
    double linear_copy_bytes;   /* further bytes of a linear layer's parameter: fp8 copies */
};

/* One pipeline stage. All it has, whether it stays on the device or not, but for `kept`. */
struct stage_memory {
    int64_t stage;
    struct stage_states states;
    double all_kept;   /* activations of all passes in flight */
    double kept;       /* those on the device: all, or with offload those coming and going */
    double buffers;    /* at the worst moment of the passes */
    double persistent; /* those of them that are there all the time */
    const char *moment;
};

/* Everything; a change of zero, zero_group or schedule alone asks for memory_sharding_init only. */
void memory_parts_init(struct memory_parts *parts, const struct model *model, const struct training *training,
                       const struct layout *layout);

/* The same of a layout that differs from that of `like` in sequence parallelism and recompute alone. */
void memory_parts_follow(const struct memory_parts *like, const struct layout *layout,
                         struct memory_parts *parts);

/* memory.c: of the fullest stage. */
void memory_parts_use(const struct memory_parts *parts, const struct cluster *cluster,
                      struct memory_use *use);
/* What is held against the device for weights, gradients and optimizer alone, and with `kept` for
 * activations: never more than for all. Without, it needs memory_static_init and memory_sharding_init only.
 */
double memory_parts_least_bytes(const struct memory_parts *parts, const struct cluster *cluster, bool kept);

/* False where the host and the store have no room for the weights, gradients and optimizer states that the
 * first stage moves out. Needs what memory_parts_least_bytes does. */
bool memory_parts_have_place(const struct memory_parts *parts, const struct cluster *cluster);

/* Of full recompute limited to some layers: the most that one more of them a virtual stage frees. */
double memory_parts_layer_bytes(const struct memory_parts *parts);

/* memory_offload.c */
void memory_outside(const struct memory_parts *parts, const struct stage_memory *stage,
                    struct outside outside[OUTSIDE_COUNT]);
/* Deals use->outside to host and store, for a job on so many devices. */
void memory_place(const struct cluster *cluster, int64_t devices, struct memory_use *use);
/* Devices of the job that share one host, one store. */
int64_t memory_devices_of_host(const struct cluster *cluster, int64_t devices);
int64_t memory_devices_of_store(const struct cluster *cluster, int64_t devices);

/* memory_static.c */
void memory_static_init(struct memory_parts *parts); /* element, vocabulary, parameters of layers */
/* How layers are dealt out, bytes a parameter: ZeRO, precision, schedule. */
void memory_sharding_init(struct memory_parts *parts);
/* Where `stages` are kept beyond a change of what memory_sharding_init reckons, or of layers' parameters. */
void memory_stages_resharded(struct stage_parts stages[STAGES_KEPT]);
void memory_chunk_layers(const struct memory_parts *parts, int64_t chunk, struct chunk_layers *layers);
/* What DualPipe and interleaving give a stage: how many chunks, and which virtual stage each is. */
int64_t memory_stage_chunks(const struct layout *layout);
int64_t memory_virtual_stage(const struct layout *layout, int64_t stage, int64_t chunk);
bool memory_has_embedding(const struct layout *layout, int64_t stage);
bool memory_has_head(const struct layout *layout, int64_t stage);
void memory_layers_of_stage(const struct memory_parts *parts, int64_t stage, struct chunk_layers *layers);
/* Parameters of one stage after the other (memory_stage_parameters): what they share, and one of them. */
void memory_parameters_init(const struct model *model, const struct layout *layout,
                            struct memory_parts *parts);
void memory_parameters_of(const struct memory_parts *parts, int64_t stage,
                          struct stage_parameters *parameters);
/* Devices that hold the states of a routed expert's parameter, or of another, between them. */
double memory_shards(const struct layout *layout, bool expert);
/* Of so many parameters, which pass the device in pieces, those on it at a time. */
double memory_streamed(double parameters);
/* Parameters of embedding table, head and what else only the first or last stage holds. */
double memory_vocabulary_parameters(const struct memory_parts *parts, int64_t stage);
/* Gathered weights and gradients of the largest layer on the stage that ZeRO-2 and 3 need at a time. */
double memory_gather_bytes(const struct memory_parts *parts, const struct chunk_layers *layers);
double memory_head_gather_bytes(const struct memory_parts *parts, const struct chunk_layers *layers);
/* Flat buffers that gradients are summed and weights gathered in. They come when activations are gone, but
 * the allocator can't make them out of what those leave, so they add to what it holds, not to what is
 * allocated at the peak. */
double memory_bucket_bytes(const struct memory_parts *parts);
/* Gradients that Transformer Engine keeps one of for each distinct shape of weight on the stage, unless they
 * move out. */
double memory_dummy_gradients(const struct memory_parts *parts, const struct chunk_layers *layers, bool head);

/* memory_activations.c */
double memory_logits_bytes(const struct memory_parts *parts);
/* Passes of chunk `chunk` (0 .. vpp - 1; for DualPipe 0: the stage's own, 1: the mirrored one) in flight.
 * `group`: layout_micro_batch_group. */
int64_t memory_chunk_in_flight(const struct layout *layout, int64_t micro_batches, int64_t group,
                               int64_t stage, int64_t chunk);

#endif
