/* A shape for a model of which only the parameter count is known.
 *
 * The rule, from the dense models that were published with their shapes:
 * - Depth: GPT-3 175B has 96 layers (arXiv 2005.14165). Below, layers grow with the cube root of the
 * parameters, which keeps hidden / layers at GPT-3's 128 (Llama 3 8B: 128, arXiv 2407.21783). Above, with the
 * sixth root, as depth was held back to keep pipelines short: MT-NLG 530B has 105 (arXiv 2201.11990), PaLM
 * 540B 118 (arXiv 2204.02311), Llama 3 405B 126, Megatron's 1T 128 (arXiv 2104.04473).
 * - Width: 12 hidden^2 parameters a layer (GPT-3 exactly; Llama 3 405B 12.0). Hidden is rounded to a multiple
 *   that tensor parallelism of 8 splits into whole heads, then layers to what that width asks for.
 * - The rest as in Llama 3: heads of 128, 8 key-value heads, gated MLP, RMSNorm, no biases, untied
 * embeddings; the MLP's width is what is left over, so that the count comes out right.
 *
 * Other shapes of the same size are as plausible: depths between BLOOM's 0.73 (70 layers at 176B, arXiv
 * 2211.05100) and DeepSeek LLM's 1.36 of the rule (95 at 67B, arXiv 2401.02954); keys and values in every
 * head, as GPT-3 and BLOOM have; where it isn't known, a vocabulary from Llama 2's 32,000 (arXiv 2307.09288)
 * to PaLM's 256,000 (arXiv 2204.02311). */
#include <math.h>
#include <stdio.h>

#include "common/units.h"
#include "planner/inputs/model_parts.h"

static const double REFERENCE_PARAMETERS = 175e9; /* GPT-3's */
static const double REFERENCE_LAYERS = 96;
static const double PARAMETERS_A_LAYER = 12; /* times hidden^2 */
static const double DEPTH_ROOT_BELOW = 1.0 / 3, DEPTH_ROOT_ABOVE = 1.0 / 6;
static const double ACCURACY = 0.01;                     /* what a derived shape may miss */
static const double LEAST_DEPTH = 0.6, MOST_DEPTH = 1.6; /* of other shapes, against the rule's */

enum {
    HEAD_DIM = 128,
    SMALL_HEAD_DIM = 64, /* of models narrower than LARGE_HIDDEN */
    LARGE_HIDDEN = 4096,
    SMALL_HIDDEN = 1024, /* below, the heads are few and tp may not split them */
    KV_HEADS = 8,
    TP = 8,             /* heads, key-value heads and the MLP split over so many */
    UNITS_A_WIDTH = 8,  /* hidden is at least so many of its rounding unit, to stay near the rule */
    FFN_UNITS = 8,      /* the MLP's width is a multiple of an eighth of that unit */
    LAYER_MULTIPLE = 4, /* of deep models, for pipelines */
    DEEP = 16,
    MATRICES = 3, /* of a gated MLP */
    NORMS_A_LAYER = 2
};

/* What a shape does otherwise than the rule. */
struct variation {
    const char *what;
    double depth; /* times the rule's */
    bool all_key_heads;
    int64_t vocab; /* 0: the model's */
};

static const struct variation as_derived = {"as derived", 1, false, 0};
static const struct variation variations[MODEL_OTHER_SHAPES] = {{"deeper", 1.36, false, 0},
                                                                {"shallower", 0.73, false, 0},
                                                                {"keys in every head", 1, true, 0},
                                                                {"small vocabulary", 1, false, 32000},
                                                                {"large vocabulary", 1, false, 256000}};

static double depth(double parameters) {
    const double root = parameters < REFERENCE_PARAMETERS ? DEPTH_ROOT_BELOW : DEPTH_ROOT_ABOVE;
    return fmax(1, REFERENCE_LAYERS * pow(parameters / REFERENCE_PARAMETERS, root));
}

/* Solves layers x 12 hidden^2 + 2 vocab hidden = parameters. */
static double width(double parameters, double layers, double vocab) {
    const double a = PARAMETERS_A_LAYER * layers;
    return (sqrt(vocab * vocab + a * parameters) - vocab) / a;
}

/* What hidden is rounded to: heads in eights where the model is large enough. */
static double width_unit(double hidden) {
    if (hidden < SMALL_HIDDEN)
        return SMALL_HEAD_DIM;
    if (hidden < LARGE_HIDDEN)
        return TP * SMALL_HEAD_DIM;
    return fmax(TP * HEAD_DIM, exp2(floor(log2(hidden / UNITS_A_WIDTH))));
}

static double round_to(double value, double multiple) {
    return fmax(multiple, multiple * round(value / multiple));
}

static void set_attention(struct model *model, bool all_key_heads) {
    model->head_dim = model->hidden < LARGE_HIDDEN ? SMALL_HEAD_DIM : HEAD_DIM;
    model->heads = model->hidden / model->head_dim;
    model->kv_heads = model->heads % KV_HEADS == 0 && !all_key_heads ? KV_HEADS : model->heads;
}

/* The width of the MLP that takes what attention, norms and embeddings leave. */
static int64_t leftover_ffn(const struct model *model, double parameters, double multiple) {
    const double hidden = (double)model->hidden, layers = (double)model->layers;
    const double queries = (double)(2 * model->heads) * (double)model->head_dim;
    const double keys_values = (double)(2 * model->kv_heads) * (double)model->head_dim;
    const double rest = parameters - 2 * (double)model->vocab * hidden - hidden -
                        layers * hidden * (queries + keys_values + NORMS_A_LAYER);
    return (int64_t)round_to(rest / (MATRICES * hidden * layers), multiple);
}

static bool derive(double parameters, const struct variation *variation, struct model *model,
                   struct model_counts *counts) {
    model->vocab = variation->vocab > 0 ? variation->vocab : model->vocab;
    const double vocab = (double)model->vocab;
    const double ideal = width(parameters, fmax(1, depth(parameters) * variation->depth), vocab);
    const double unit = width_unit(ideal);
    model->gated = true;
    model->norm = NORM_RMSNORM;
    model->hidden = (int64_t)round_to(ideal, unit);
    const double hidden = (double)model->hidden;
    const double layers = (parameters - 2 * vocab * hidden) / (PARAMETERS_A_LAYER * hidden * hidden);
    model->layers = (int64_t)round_to(layers, layers < DEEP ? 1 : LAYER_MULTIPLE);
    set_attention(model, variation->all_key_heads);
    model->ffn_hidden = leftover_ffn(model, parameters, unit / FFN_UNITS);
    model_count(model, model->sequence, counts);
    return fabs(counts->parameters / parameters - 1) <= ACCURACY;
}

bool model_derive(double parameters, struct arena *arena, struct model *model,
                  struct model_problem *problem) {
    struct model_counts counts;
    char asked[32], got[32];
    if (!derive(parameters, &as_derived, model, &counts)) {
        problem->key = "parameters";
        snprintf(problem->why, sizeof problem->why,
                 "no shape of %s parameters and a vocabulary of %lld: the nearest has %s",
                 units_format(parameters, UNIT_COUNT, asked, sizeof asked), (long long)model->vocab,
                 units_format(counts.parameters, UNIT_COUNT, got, sizeof got));
        return false;
    }
    model->shape_derived = true;
    model->size = parameters;
    model->derivation =
        arena_print(arena,
                    "from %s parameters alone: dense, depth as in published models (96 layers at 175B), "
                    "12 hidden^2 parameters a layer, the rest as in Llama 3; comes to %s",
                    units_format(parameters, UNIT_COUNT, asked, sizeof asked),
                    units_format(counts.parameters, UNIT_COUNT, got, sizeof got));
    return true;
}

/* Narrow models' widths are rounded so far that their depths may leave what was published. */
static bool is_plausible(const struct model *other, const struct model *model) {
    const double deeper = (double)other->layers / (double)model->layers;
    return deeper > LEAST_DEPTH && deeper < MOST_DEPTH;
}

static bool same_shape(const struct model *a, const struct model *b) {
    return a->layers == b->layers && a->hidden == b->hidden && a->kv_heads == b->kv_heads &&
           a->vocab == b->vocab;
}

size_t model_other_shapes(const struct model *model, struct model_shape *shapes) {
    size_t count = 0;
    for (size_t i = 0; model->shape_derived && i < MODEL_OTHER_SHAPES; i++) {
        struct model_shape *shape = &shapes[count];
        struct model_counts counts;
        if (variations[i].vocab > 0 && !model->vocab_assumed)
            continue;
        *shape = (struct model_shape){.what = variations[i].what, .model = *model};
        if (derive(model->size, &variations[i], &shape->model, &counts) &&
            !same_shape(&shape->model, model) && is_plausible(&shape->model, model))
            count++;
    }
    return count;
}
