/* What updates the parameters, and in which formats it keeps what it needs for that. */
#ifndef CLUSTERPLAN_OPTIMIZER_H
#define CLUSTERPLAN_OPTIMIZER_H

#include <stdbool.h>

#include "common/fields.h"

struct training;

enum optimizer_kind {
    OPTIMIZER_ADAM, /* two moments */
    OPTIMIZER_MUON, /* one moment of the layers' matrices, which it orthogonalises; Adam's two of the tables
                     */
    OPTIMIZER_LION, /* one moment, as of SGD with momentum */
    OPTIMIZER_SGD
};

/* Of a 16-bit parameter: what is kept beside it of its fp32 value. */
enum master_format {
    MASTER_DEFAULT, /* fp32; 16 bits where Transformer Engine keeps narrow moments of a bf16 parameter */
    MASTER_SINGLE,
    MASTER_HALF, /* the 16 bits that the parameter lacks, or a copy in fp16 */
    MASTER_NONE  /* the update is made on the parameter itself */
};

enum moment_format {
    MOMENTS_DEFAULT, /* fp32; without a master copy as the parameter, of which PyTorch makes them */
    MOMENTS_SINGLE,
    MOMENTS_HALF,
    MOMENTS_FP8
};

struct optimizer {
    enum optimizer_kind kind;
    enum master_format master;
    enum moment_format moments;
};

/* Bytes of a parameter where it is held: 16 bits, or 4 bytes where it is its own master copy (FSDP, tf32). */
double optimizer_parameter_bytes(const struct training *training);

/* Bytes that are kept of a parameter beside it: what its master copy adds, and the moments. */
double optimizer_state_bytes(const struct training *training);

/* What embedding and head take beyond that: the second moment of Adam, to which Muon leaves them. */
double optimizer_table_bytes(const struct training *training);

/* The same as the states, and the parameter itself where that is its master copy: what an update reads and
 * writes, and a checkpoint holds beside a parameter in 16 bits. */
double optimizer_kept_bytes(const struct training *training);

/* Memory traffic of a parameter's update. */
double optimizer_update_bytes(const struct training *training);

/* Whether gradients in 16 bits are copied to fp32 for the update. Optimizers that keep states in other
 * formats than fp32 take them as they come (Megatron-Core's precision-aware one, apex's distributed Adam). */
bool optimizer_copies_gradients(const struct training *training);

/* What differs from Adam in fp32, as words behind a figure: ", muon, moments in 16 bits", or nothing. */
enum { OPTIMIZER_WORDS = 64 };
const char *optimizer_words(const struct training *training, char words[OPTIMIZER_WORDS]);

const char *optimizer_kind_name(enum optimizer_kind kind);

/* Reader of a field: of struct optimizer. */
bool optimizer_read(const struct fields_reader *reader, const struct yaml_node *node, void *target);

#endif
