/* What FSDP keeps gathered, and what its linear layers in fp8 keep. */
#include "memory_question.h"

static struct question sharded(void) {
    return (struct question){.stack = "fsdp",
                             .recent_device = true,
                             .model = LLAMA_8B,
                             .layout = {.dp = 8, .zero = 3},
                             .sequence = 8192,
                             .global_batch = 16};
}

/* Of a question that lives as long as the parts do, trained so. */
static struct memory_parts parts_of(struct question *question, const struct training *training) {
    struct memory_parts parts;
    complete(&question->model, &question->layout);
    memory_parts_init(&parts, &question->model, training, &question->layout);
    return parts;
}

/* Gathered bytes of a question: at the loss, in a layer's backward pass, and the flat ones. */
struct gathered {
    double loss, layer, flat;
};

static struct gathered gathered_of(struct question question) {
    const struct chunk_layers layers = {.count = {[LAYER_DENSE] = 1}};
    const struct training training = training_of(&question);
    const struct memory_parts parts = parts_of(&question, &training);
    return (struct gathered){memory_head_gather_bytes(&parts, &layers), memory_gather_bytes(&parts, &layers),
                             memory_bucket_bytes(&parts)};
}

/* FSDP's root stays gathered to the end of the backward pass, and the head's gradient with it, which is
 * reduced with the embedding's (torch/distributed/fsdp/_fully_shard/_fsdp_state.py). Tables that are gathered
 * apart come and go as layers do. */
static void tables_apart_are_gathered_one_at_a_time(void **state) {
    const double table = 2 * 128256.0 * 4096, layer = 2 * (2 * 4096.0 * 5120 + 3 * 4096.0 * 14336 + 2 * 4096);
    struct question question = sharded();
    (void)state;
    const struct gathered together = gathered_of(question);
    question.tables = TABLES_TOGETHER;
    assert_near(gathered_of(question).loss, together.loss, 1e-12);
    question.tables = TABLES_APART;
    const struct gathered apart = gathered_of(question);
    assert_near(together.loss, 2 * table + layer, 1e-9);
    assert_near(apart.loss, table + layer, 1e-9);
    assert_near(together.layer, 3 * layer + 2 * table + table, 1e-9);
    assert_near(apart.layer, 3 * layer, 1e-9);
    assert_near(together.flat, 2 * table, 1e-9);
    assert_near(apart.flat, table, 1e-9);
}

/* Nor is a tied table gathered twice; a pipeline's stage has one and keeps all gathered; ZeRO-2 and other
 * stacks know no root. */
static void tables_matter_to_a_root_alone(void **state) {
    struct question questions[] = {sharded(), sharded(), sharded(), sharded()};
    (void)state;
    questions[0].layout.pp = 2;
    questions[1].layout.zero = 2;
    questions[2].stack = "megatron-deepspeed";
    questions[3].model.tied_embeddings = true;
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        const struct gathered together = gathered_of(questions[i]);
        questions[i].tables = TABLES_APART;
        const struct gathered apart = gathered_of(questions[i]);
        assert_near(apart.loss, together.loss, 1e-12);
        if (i < 3)
            assert_near(apart.layer, together.layer, 1e-12);
    }
}

static double logits_of(struct question question) {
    const struct training training = training_of(&question);
    const struct memory_parts parts = parts_of(&question, &training);
    return memory_logits_bytes(&parts);
}

/* Taken in pieces, one piece's logits are there at a time, and the gradient of what goes in in fp32
 * (torchtitan at bcc09297a, components/loss.py). */
static void a_loss_in_pieces_holds_one_of_them(void **state) {
    const double tokens = 8192, hidden = 4096, entry = 2 + 3 * 4;
    struct question question = sharded();
    (void)state;
    const double whole = logits_of(question);
    question.loss_pieces = 1;
    assert_near(logits_of(question), whole, 1e-12);
    question.loss_pieces = 8;
    assert_near(whole - logits_of(question), tokens * (128256 * entry * 7 / 8 - 2 * hidden), 1e-9);
}

static double kept_in(enum precision precision, enum recipe_scaling scaling, struct question question) {
    struct training training = training_of(&question);
    enum layer_kind kind = question.model.experts.count > 0 ? LAYER_EXPERTS : LAYER_DENSE;
    training.precision = precision;
    training.recipe.fp8_scaling = scaling;
    return parts_of(&question, &training).activations[kind].kept;
}

/* torchao's linear layers keep their input in fp8 where a tensor has one scale (float8/float8_linear.py at
 * a6f867607), but attention its own output besides; with scales by blocks they keep it in 16 bits
 * (prototype/mx_formats/mx_linear.py at 083361bc3), and so do experts. */
static void linear_layers_keep_fp8(void **state) {
    const double tokens = 8192, hidden = 4096, ffn = 14336, output = 4096;
    struct question question = sharded();
    (void)state;
    const double half = kept_in(PRECISION_BF16, SCALING_DEFAULT, question);
    assert_near(half - kept_in(PRECISION_FP8, SCALING_DEFAULT, question),
                tokens * (2 * hidden + ffn - output), 1e-9);
    assert_near(kept_in(PRECISION_FP8, SCALING_TENSOR, question),
                kept_in(PRECISION_FP8, SCALING_DEFAULT, question), 1e-12);
    assert_near(kept_in(PRECISION_FP8, SCALING_BLOCK, question), half, 1e-12);
    question.model = (struct model)DEEPSEEK_V3_4;
    assert_near(kept_in(PRECISION_FP8, SCALING_DEFAULT, question),
                kept_in(PRECISION_BF16, SCALING_DEFAULT, question), 1e-12);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_apart_are_gathered_one_at_a_time),
        cmocka_unit_test(tables_matter_to_a_root_alone),
        cmocka_unit_test(a_loss_in_pieces_holds_one_of_them),
        cmocka_unit_test(linear_layers_keep_fp8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
