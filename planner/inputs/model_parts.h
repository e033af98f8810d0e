/* What the readers of models share: not for callers outside of planner/inputs/model*.c. */
#ifndef CLUSTERPLAN_MODEL_PARTS_H
#define CLUSTERPLAN_MODEL_PARTS_H

#include "planner/inputs/model.h"

/* A model as read, with what its source said of the members whose 0 or false is a value too. */
struct model_reading {
    struct model model;           /* numbers that were not given are 0 */
    int norm;                     /* enum model_norm */
    int64_t full_attention_every; /* of each so many layers, the last has no window; 0: none */
    double parameters;            /* where the size alone is known */
    bool has_norm, has_linear_bias, has_qkv_bias, has_output_bias, has_tied_embeddings;
};

/* What is wrong with a model, and the key to blame ("heads", "experts.top_k"). */
struct model_problem {
    const char *key;
    char why[256];
};

/* Fills in the defaults (docs/formats.md lists them) and checks that the shape can be. */
bool model_complete(struct model_reading *reading, struct model_problem *problem);

/* A shape of `parameters` parameters by the rule that model_derive.c states. Takes name, vocab and sequence
 * from the model and sets the rest. False when there are too few parameters for the vocabulary. */
bool model_derive(double parameters, struct arena *arena, struct model *model, struct model_problem *problem);

/* The node that a key names, which may be a member of a mapping ("experts.top_k"); where it is missing, the
 * innermost mapping that lacks it, with `found` false. */
const struct yaml_node *model_member(const struct yaml_node *node, const char *key, bool *found);

/* Reads a Hugging Face config.json. */
bool model_read_config(const struct fields_reader *reader, const struct yaml_node *root, struct model *model);

/* The keys of a model file. */
extern const struct field model_shape_fields[];   /* struct model_reading */
extern const struct field model_size_fields[];    /* the same, of which the size alone is known */
extern const struct field model_experts_fields[]; /* struct model_experts */
extern const struct field model_mla_fields[];     /* struct model_mla */

/* The largest sizes that files may give: far beyond any model, small enough that products of two fit 64 bits.
 */
#define MODEL_MAX_LAYERS   1e5
#define MODEL_MAX_WIDTH    1e8
#define MODEL_MAX_HEADS    1e6
#define MODEL_MAX_EXPERTS  1e6
#define MODEL_MAX_GROUPS   1000 /* more can be drawn in more ways than a double holds */
#define MODEL_MAX_SEQUENCE 1e9
/* A derived size: below, the embedding is most of it; above, counts lose their last digits. */
#define MODEL_MIN_PARAMETERS 1e6
#define MODEL_MAX_PARAMETERS 1e15

enum { MODEL_DEFAULT_VOCAB = 51200, MODEL_DEFAULT_SEQUENCE = 8192 };

#endif
