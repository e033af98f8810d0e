/* Bytes a parameter, by optimizer and formats. Sources: Megatron-LM core/optimizer/optimizer_config.py
 * (use_precision_aware_optimizer, store_param_remainders, main_params_dtype, exp_avg_dtype); PyTorch's
 * optimizers, whose states are made like the parameter; NeMo v2.1.0 megatron_base_model.py, which tells
 * apex's distributed Adam what to store; arXiv 2502.16982 (Muon). */
#include "planner/inputs/optimizer.h"

#include <stddef.h>
#include <stdio.h>

#include "planner/inputs/training.h"

static const char *const kind_names[] = {"adam", "muon", "lion", "sgd", NULL};
static const char *const master_names[] = {"default", "fp32", "16-bit", "none", NULL};
static const char *const moment_names[] = {"default", "fp32", "16-bit", "fp8", NULL};

static const double SINGLE_BYTES = 4, HALF_BYTES = 2, FP8_BYTES = 1;

/* Beside the states, which it reads and writes, an update reads a gradient in fp32 and writes a parameter in
 * 16 bits, and before that unscales and clips what was reduced. */
static const double OTHER_TRAFFIC_BYTES = 16;

static double moments_of(enum optimizer_kind kind) {
    return kind == OPTIMIZER_ADAM ? 2 : 1;
}

static bool has_wide_moments(const struct optimizer *optimizer) {
    return optimizer->moments == MOMENTS_DEFAULT || optimizer->moments == MOMENTS_SINGLE;
}

/* Transformer Engine's Adam, which alone keeps narrow moments, keeps of a bf16 parameter the 16 bits that it
 * lacks, unless told (store_param_remainders). */
static enum master_format master_of(const struct training *training) {
    const struct optimizer *optimizer = &training->optimizer;
    bool remainders = training->stack->transformer_engine && optimizer->kind == OPTIMIZER_ADAM &&
                      !has_wide_moments(optimizer) && training->precision != PRECISION_FP16 &&
                      training_parameter_bytes(training) == HALF_BYTES;

    if (optimizer->master != MASTER_DEFAULT)
        return optimizer->master;
    return remainders ? MASTER_HALF : MASTER_SINGLE;
}

static double moment_bytes(const struct training *training) {
    switch (training->optimizer.moments) {
    case MOMENTS_SINGLE:
        return SINGLE_BYTES;
    case MOMENTS_HALF:
        return HALF_BYTES;
    case MOMENTS_FP8:
        return FP8_BYTES;
    case MOMENTS_DEFAULT:
        break;
    }
    return training->optimizer.master == MASTER_NONE ? training_element_bytes(training) : SINGLE_BYTES;
}

static bool is_own_master(const struct training *training) {
    return training_element_bytes(training) >= SINGLE_BYTES ||
           (training->stack->fully_sharded && master_of(training) == MASTER_SINGLE);
}

static double master_bytes(const struct training *training) {
    enum master_format master = master_of(training);

    if (master == MASTER_NONE || is_own_master(training))
        return 0;
    return master == MASTER_HALF ? HALF_BYTES : SINGLE_BYTES;
}

double optimizer_parameter_bytes(const struct training *training) {
    return is_own_master(training) ? SINGLE_BYTES : HALF_BYTES;
}

double optimizer_state_bytes(const struct training *training) {
    return master_bytes(training) + moments_of(training->optimizer.kind) * moment_bytes(training);
}

double optimizer_table_bytes(const struct training *training) {
    return training->optimizer.kind == OPTIMIZER_MUON ? moment_bytes(training) : 0;
}

double optimizer_kept_bytes(const struct training *training) {
    return optimizer_state_bytes(training) + (is_own_master(training) ? SINGLE_BYTES : 0);
}

double optimizer_update_bytes(const struct training *training) {
    return OTHER_TRAFFIC_BYTES + 2 * optimizer_kept_bytes(training);
}

bool optimizer_copies_gradients(const struct training *training) {
    return master_of(training) == MASTER_SINGLE && has_wide_moments(&training->optimizer);
}

const char *optimizer_words(const struct training *training, char words[OPTIMIZER_WORDS]) {
    static const char *const masters[] = {"", "", ", master copy in 16 bits", ", no master copy"};
    static const char *const moments[] = {"", "", ", moments in 16 bits", ", moments in fp8"};
    const struct optimizer *optimizer = &training->optimizer;
    bool adam = optimizer->kind == OPTIMIZER_ADAM;

    snprintf(words, OPTIMIZER_WORDS, "%s%s%s%s", adam ? "" : ", ", adam ? "" : kind_names[optimizer->kind],
             masters[master_of(training)], moments[optimizer->moments]);
    return words;
}

const char *optimizer_kind_name(enum optimizer_kind kind) {
    return kind_names[kind];
}

bool optimizer_read(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    static const struct field fields[] = {{.key = "kind",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct optimizer, kind),
                                           .choices = kind_names},
                                          {.key = "master",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct optimizer, master),
                                           .choices = master_names},
                                          {.key = "moments",
                                           .type = FIELD_CHOICE,
                                           .offset = offsetof(struct optimizer, moments),
                                           .choices = moment_names},
                                          {.key = NULL}};
    return fields_read(reader, node, fields, "optimizer", target);
}
