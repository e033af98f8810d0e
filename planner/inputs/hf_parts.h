/* Hugging Face's config.json: the tables of what is known of it, and the search for the part that counts. Not
 * for callers outside of planner/inputs/model_hf*.c. */
#ifndef CLUSTERPLAN_HF_PARTS_H
#define CLUSTERPLAN_HF_PARTS_H

#include "common/yaml_tree.h"
#include "planner/inputs/model_parts.h"

/* What sets an architecture apart from Llama (gated MLP, RMSNorm, no bias, untied embeddings). */
enum hf_trait {
    HF_TIED = 1 << 0,      /* unless the file says otherwise */
    HF_PLAIN_MLP = 1 << 1, /* two products instead of three */
    HF_FOURFOLD = 1 << 2,  /* an MLP four times as wide as the model, where the file leaves it out */
    HF_LAYERNORM = 1 << 3, /* with a bias; one without counts as RMSNorm does */
    HF_POST_NORMS = 1 << 4,
    HF_POSITIONS = 1 << 5,     /* a learned table of them */
    HF_POSITIONS_TWO = 1 << 6, /* with two rows more than positions */
    /* Biases: which there are, unless the file's keys say otherwise. */
    HF_ALL_BIAS = 1 << 7, /* on every product, the experts' too */
    HF_QKV_BIAS = 1 << 8,
    HF_OUTPUT_UNBIASED = 1 << 9, /* even where attention_bias is true */
    HF_MLP_UNBIASED = 1 << 10,   /* even where all have one */
    HF_BIAS_KEYS = 1 << 11,      /* reads the keys of biases that are not everybody's */
    HF_QK_NORM = 1 << 12,
    HF_QK_NORM_WIDE = 1 << 13, /* over all heads at once, or a norm of each head's own: the same count */
    HF_QK_NORM_KEY = 1 << 14,  /* a key of the file switches it; off where left out */
    HF_SINKS = 1 << 15,
    HF_PARALLEL = 1 << 16,    /* attention and MLP side by side, unless the file says otherwise */
    HF_SHARED_NORM = 1 << 17, /* those behind one norm */
    HF_MULTI_QUERY = 1 << 18, /* one key and value for all heads, unless the file says otherwise */
    HF_MLA = 1 << 19,
    HF_MTP = 1 << 20,
    HF_EXPERTS = 1 << 21,
    HF_EXPERTS_WIDE = 1 << 22, /* an expert's width is intermediate_size */
    HF_SHARED_ONE = 1 << 23,   /* always one shared expert, as wide as the others */
    HF_SHARED_GATED = 1 << 24, /* the one of its own width has a gate */
    HF_ROUTER_BIAS = 1 << 25,
    HF_LAYERS_LISTED = 1 << 26 /* attention only where a list says so; without experts then */
};

/* What a class of the `transformers` library takes for keys left out. A `text_config` lists only what differs
 * from it; a file of a language model lists all. */
struct hf_defaults {
    int64_t hidden, layers, heads, kv_heads, ffn_hidden, vocab, positions; /* kv_heads 0: as many as heads */
};

struct hf_architecture {
    const char *model_type; /* that of a text_config may have "_text" behind it */
    const char *class_name; /* one of `architectures` */
    unsigned traits;
    int64_t head_dim;                   /* of files that leave it out; 0: hidden / heads */
    const struct hf_defaults *defaults; /* NULL: none are taken */
};
extern const struct hf_architecture hf_architectures[]; /* model_type NULL ends it */

/* A value of true or false, and whether the file has it. */
struct hf_flag {
    bool value, given;
};

enum { HF_NOT_GIVEN = -1 };

/* The keys that shape a model, of all architectures. */
struct hf_config {
    const char *path;
    int64_t hidden, layers, heads, kv_heads, head_dim, ffn_hidden, dense_ffn_hidden, vocab, positions;
    int64_t embedding_width; /* OPT's, where it is projected to another */
    struct hf_flag tied, bias, attention_bias, qkv_bias, output_bias, mlp_bias, qk_norm;
    struct hf_flag parallel, new_decoder, multi_query, windowed;
    int64_t parallel_norms, window, attention_chunk, window_pattern;
    int64_t max_window_layers; /* HF_NOT_GIVEN: the file leaves it out */
    int64_t experts, top_k, expert_ffn_hidden, shared, shared_ffn_hidden, first_dense, every;
    int64_t layer_interval, last_expert_layer, groups, group_top_k, mtp_layers;
    struct model_mla mla;
};

/* A key of the file ("attn_config.kv_n_heads": one of a mapping in it). Several keys for one member are other
 * architectures' names for it. */
struct hf_key {
    struct field field;
    const char *model_key; /* that it stands for in a model file; model_complete names mistakes by it */
    unsigned only;         /* of architectures that have this trait; 0: of all */
    bool of_wrapper;       /* read too where it stands around text_config */
    bool of_each_layer;    /* may be a list with a value for each layer, which have to be the same */
    bool in_letters;       /* may be letters, each a layer's: L, local, but for the last, G, global */
};
extern const struct hf_key hf_keys[]; /* field.key NULL ends it */

/* What is read of a file. */
struct hf_part {
    const struct yaml_node *root; /* the file */
    const struct yaml_node *text; /* its language model: a mapping in it, or all of it */
    const struct hf_architecture *architecture;
};

/* Finds both. False with the error set: no such architecture is known, or not all its layers are attention.
 */
bool hf_find(const struct fields_reader *reader, const struct yaml_node *root, struct hf_part *part);

/* Sets the model's window or chunk and how many layers have it. False with the error set: a list of layers is
 * none. */
bool hf_read_windows(const struct fields_reader *reader, const struct hf_part *part,
                     const struct hf_config *config, struct model *model);

/* The node under a key, which may name a member of a mapping; NULL where it is missing or null. */
const struct yaml_node *hf_get(const struct yaml_node *node, const char *key);

/* Whether a node, which may be NULL, is that word. */
bool hf_is(const struct yaml_node *node, const char *word);

#endif
