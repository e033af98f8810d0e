/* A transformer as its training sees it: shape, parameters, FLOPs.
 *
 * Read from a model file, a Hugging Face config.json as it comes, or derived from a parameter count alone. */
#ifndef CLUSTERPLAN_MODEL_H
#define CLUSTERPLAN_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/error.h"
#include "common/fields.h"

struct model_experts {
    int64_t count; /* 0: a dense model */
    int64_t top_k;
    int64_t ffn_hidden;        /* of one expert */
    int64_t shared;            /* experts every token passes */
    int64_t shared_ffn_hidden; /* of one of them; default ffn_hidden */
    bool shared_gate;          /* a sigmoid gate on the shared expert's output (Qwen2-MoE) */
    bool router_bias; /* a bias of the router (gpt-oss), or the correction of its scores (DeepSeek-V3) */
    int64_t first_dense_layers;
    int64_t every; /* of each so many layers behind those, the last has experts; default 1 */
    /* A token's experts are of group_top_k of so many groups of neighbours (DeepSeek-V3); 0: of any. */
    int64_t groups, group_top_k;
    double capacity_factor; /* 0: dropless */
};

struct model_mla {       /* multi-head latent attention; kv_lora_rank 0: not used */
    int64_t q_lora_rank; /* 0: queries straight from the hidden state */
    int64_t kv_lora_rank, qk_nope_head_dim, qk_rope_head_dim, v_head_dim;
};

enum model_norm { NORM_LAYERNORM, NORM_RMSNORM };

struct model {
    const char *name;
    const char *file; /* read from; NULL for one made in memory */
    int64_t layers, hidden, heads;
    int64_t kv_heads;   /* default heads */
    int64_t head_dim;   /* default hidden / heads; of a query with MLA */
    int64_t ffn_hidden; /* of dense layers; default 4 hidden */
    bool gated;         /* SwiGLU: three products instead of two */
    int64_t vocab;
    bool vocab_assumed; /* not in the file: 51200 taken */
    bool tied_embeddings;
    int64_t sequence;          /* the model's own; training may use another */
    int64_t learned_positions; /* rows of a learned position table; 0: none */
    enum model_norm norm;      /* default: rmsnorm when gated, else layernorm */
    bool linear_bias;          /* on the MLP's products and on the experts'; default: !gated */
    bool qkv_bias;             /* on query, key and value (Qwen2); default linear_bias */
    bool output_bias;          /* on the attention's output projection; default linear_bias */
    bool qk_norm;              /* norm on each head's query and key (Qwen3) */
    bool qk_norm_wide;         /* instead one norm on all heads' queries, one on all keys (OLMo 2) */
    bool post_norms;           /* norms behind attention and MLP too (Grok-1) */
    bool shared_norm;          /* attention and MLP take the same norm's output (Command R) */
    bool attention_sinks;      /* a learned logit for each head's softmax (gpt-oss) */
    bool yarn;                 /* positions stretched by YaRN, which scales queries and keys (gpt-oss) */
    struct model_experts experts;
    struct model_mla mla;
    int64_t mtp_layers; /* extra next-token layers (DeepSeek-V3) */
    /* Of windowed_layers layers, dealt out evenly: tokens that each attends to, itself and those before it,
     * or tokens of a chunk that it attends within (Llama 4). At most one of them; 0: to all. */
    int64_t window, attention_chunk;
    int64_t windowed_layers; /* 0 without either */
    bool side_by_side;       /* attention and MLP take the same input, which is not modelled */
    bool text_alone;         /* the file has a vision part too, which is left out */
    bool sequence_is_limit;  /* `sequence` is the longest there may be, not what is trained on */
    bool shape_derived;      /* from `parameters:` alone */
    double size;             /* those parameters; 0 unless shape_derived */
    const char *derivation;  /* how, in one sentence; NULL unless shape_derived */
};

/* A derived shape is one of many: others of the same size, each as published models have been, one thing
 * changed at a time. */
struct model_shape {
    const char *what; /* "deeper" ... */
    struct model model;
};
enum { MODEL_OTHER_SHAPES = 5 };

/* Into `shapes`, which has room for MODEL_OTHER_SHAPES; returns how many. None where the shape is known. */
size_t model_other_shapes(const struct model *model, struct model_shape *shapes);

/* Parameters of one layer by how parallelism splits them. */
struct layer_parameters {
    double attention_split;      /* over tp */
    double attention_replicated; /* MLA's down projections, qk norms, the output projection's bias */
    double norms;                /* replicated, with the bias of the MLP's last product */
    double mlp_split;            /* the dense MLP, or the shared experts, over tp */
    double router;               /* replicated, with the shared experts' gate */
    double expert;               /* one routed expert, over etp */
    double experts;              /* how many routed experts; 0 in a dense layer */
};

struct model_counts {
    double parameters;           /* all, without mtp_layers' */
    double active_parameters;    /* of a token: top_k of the experts, everything else */
    double mtp_parameters;       /* of mtp_layers, without the embedding and logits they share */
    double embedding_parameters; /* the table(s): once when tied; learned positions apart */
    double attention_parameters; /* of all layers, biases and qk norms included */
    /* Forward and backward, attention counted in full (where it is windowed twice what the causal mask
     * leaves), no recompute, mtp_layers included: MFU's numerator. */
    double flops_per_token;
    double attention_flops_per_token; /* the quadratic part of it */
};

/* Reads `path` (model file or config.json; told apart by content) and checks it. */
bool model_read(const char *path, struct arena *arena, struct model *model, struct error *error);

/* Reads the mapping under `model:`, as run files hold it in line. */
bool model_read_node(const struct fields_reader *reader, const struct yaml_node *node, struct model *model);

/* Whether layer `index` (from 0) has routed experts; how many of the first `layers` have; how many of all. */
bool model_layer_has_experts(const struct model *model, int64_t index);
int64_t model_expert_layers_of_first(const struct model *model, int64_t layers);
int64_t model_expert_layers(const struct model *model);

/* Whether layers have an MLP that every token passes: dense ones, and those with shared experts. */
bool model_layers_have_mlp(const struct model *model, bool with_experts);

/* Elements of a query (and so of a key) of one head; elements of a value; heads with keys and values of their
 * own. Under latent attention of what its low ranks are expanded to. */
int64_t model_query_width(const struct model *model);
int64_t model_value_width(const struct model *model);
int64_t model_key_value_heads(const struct model *model);

/* Share of the layers that attend to a window or a chunk, where that is shorter than the sequence. */
double model_windowed_share(const struct model *model, int64_t sequence);

/* Parameters of one layer; parameters and FLOPs of the whole model, at a sequence of so many tokens. */
void model_layer_parameters(const struct model *model, bool with_experts,
                            struct layer_parameters *parameters);
void model_count(const struct model *model, int64_t sequence, struct model_counts *counts);

#endif
