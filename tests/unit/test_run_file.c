/* Run files: the published runs read, and mistakes are refused at their line. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "planner/answers/run_file.h"

static struct arena *arena;
static char path[] = "/tmp/test_run_file.XXXXXX";

static const char *const one_run =
    "runs:\n"
    "- id: a\n"
    "  source: a paper\n"
    "  cluster: dgx-a100-80g\n"
    "  devices: 64\n"
    "  model: {name: gpt, layers: 96, hidden: 12288, heads: 96, vocab: 51200}\n"
    "  training: {sequence: 2048, global_batch: 64, precision: fp16, stack: megatron-2022, attention: "
    "unfused, gradients: fp32, cuda_graphs: true, "
    "optimizer: {kind: muon, master: none, moments: fp8}, routing: {dispatcher: deepep, overlap: "
    "true, balance: learned, imbalance: 1.25},\n"
    "    recipe: {dropout: off, loss: compiled, parameters: fp8, flash: flash-2, compiled: true}}\n"
    "  layout: {tp: 8, pp: 8, cp: 1, dp: 1, vpp: 3, "
    "recompute_modules: core_attn+layernorm, overlap: {tp: false}}\n"
    "  measured: {step_time: 13.75 s, peak_memory: 40 GiB, peak_memory_kind: reserved, step_time_note: "
    "derived}\n"
    "  confidence: A-\n"
    "  assumed: [vocab, heads]\n"
    "  note: some words\n";

static bool read_text(const char *text, struct run_file *file, struct error *error) {
    FILE *stream = fopen(path, "w");

    assert_non_null(stream);
    fputs(text, stream);
    assert_int_equal(fclose(stream), 0);
    return run_file_read(path, arena, file, error);
}

static void every_key_is_read(void **state) {
    struct run_file file;
    struct error error = {0};
    const struct run *run;

    (void)state;
    if (!read_text(one_run, &file, &error))
        fail_msg("%u: %s", error.line, error.what);
    assert_int_equal(file.count, 1);
    run = &file.runs[0];
    assert_string_equal(run->id, "a");
    assert_string_equal(run->source, "a paper");
    assert_string_equal(run->cluster, "dgx-a100-80g");
    assert_int_equal(access(run->cluster_path, R_OK), 0);
    assert_int_equal(run->devices, 64);
    assert_int_equal(run->model.layers, 96);
    assert_int_equal(run->training.sequence, 2048);
    assert_int_equal(run->training.global_batch, 64);
    assert_int_equal(run->training.precision, PRECISION_FP16);
    assert_int_equal(run->training.attention, ATTENTION_UNFUSED);
    assert_ptr_equal(run->training.stack, stack_find("megatron-2022"));
    assert_int_equal(run->layout.keys[LAYOUT_RECOMPUTE_MODULES].values[0],
                     RECOMPUTE_BIT(CORE_ATTENTION) | RECOMPUTE_BIT(LAYERNORM));
    assert_int_equal(run->training.gradients, GRADIENTS_SINGLE);
    assert_int_equal(run->training.cuda_graphs, GRAPHS_LAYERS);
    assert_int_equal(run->training.optimizer.kind, OPTIMIZER_MUON);
    assert_int_equal(run->training.optimizer.master, MASTER_NONE);
    assert_int_equal(run->training.optimizer.moments, MOMENTS_FP8);
    assert_int_equal(run->training.routing.dispatcher, DISPATCHER_DEEPEP);
    assert_true(run->training.routing.overlap);
    assert_int_equal(run->training.routing.balance, BALANCE_LEARNED);
    assert_same_double(training_imbalance(&run->training), 1.25);
    assert_int_equal(run->training.recipe.dropout, TOGGLE_OFF);
    assert_int_equal(run->training.recipe.loss, LOSS_COMPILED);
    assert_int_equal(run->training.recipe.parameters, PARAMETERS_FP8);
    assert_int_equal(run->training.recipe.flash, FLASH_2);
    assert_int_equal(run->training.recipe.compiled, TOGGLE_ON);
    assert_int_equal(run->layout.keys[LAYOUT_VPP].values[0], 3);
    assert_int_equal(run->layout.keys[LAYOUT_OVERLAP_TP].count, 1);
    assert_int_equal(run->layout.keys[LAYOUT_RECOMPUTE].values[0], RECOMPUTE_SELECTIVE); /* by its modules */
    assert_int_equal(run->layout.keys[LAYOUT_ZERO].count, 0); /* not published: free */
    assert_same_double(run->measured.step_seconds, 13.75);
    assert_same_double(run->measured.memory_bytes, 40 * 0x1p30);
    assert_int_equal(run->measured.memory_kind, MEMORY_RESERVED);
    assert_string_equal(run->measured.step_note, "derived");
    assert_int_equal(run->confidence, CONFIDENCE_A_MINUS);
    assert_string_equal(run->assumed[0], "vocab");
    assert_string_equal(run->assumed[1], "heads");
    assert_null(run->assumed[2]);
    assert_string_equal(run->note, "some words");
    assert_int_equal(run->line, 2);
}

static void a_run_may_have_run_out_of_memory(void **state) {
    struct run_file file;
    struct error error = {0};

    (void)state;
    if (!read_text(
            "runs:\n- {id: a, cluster: dgx-h100, devices: 8, model: {layers: 2, hidden: 1024, heads: 8},\n"
            "   training: {sequence: 128, global_batch: 8}, measured: {out_of_memory: true}}\n",
            &file, &error))
        fail_msg("%u: %s", error.line, error.what);
    assert_true(file.runs[0].measured.out_of_memory);
    assert_same_double(file.runs[0].measured.step_seconds, 0);
}

static void defaults(void **state) {
    struct run_file file;
    struct error error = {0};

    (void)state;
    if (!read_text(
            "runs:\n- {id: a, cluster: dgx-h100, devices: 8, model: {layers: 2, hidden: 1024, heads: 8},\n"
            "   training: {sequence: 128, global_batch: 8}, measured: {peak_memory: 1 GB}}\n",
            &file, &error))
        fail_msg("%u: %s", error.line, error.what);
    assert_int_equal(file.runs[0].training.precision, PRECISION_BF16);
    assert_ptr_equal(file.runs[0].training.stack, stack_default());
    assert_int_equal(file.runs[0].training.attention, ATTENTION_FLASH);
    assert_same_double(training_imbalance(&file.runs[0].training), 1.05);
    assert_int_equal(training_usual_modules(&file.runs[0].training, &file.runs[0].model),
                     RECOMPUTE_BIT(CORE_ATTENTION));
    assert_same_double(file.runs[0].measured.step_seconds, 0);
    assert_int_equal(file.runs[0].measured.memory_kind, MEMORY_ALLOCATED);
    assert_int_equal(file.runs[0].model.vocab, 51200);
    assert_true(file.runs[0].model.vocab_assumed);
}

struct mistake {
    const char *old, *new;
    unsigned line;
    const char *what; /* part of the message or the hint */
};

static const struct mistake mistakes[] = {
    {"  devices: 64\n", "  devices: 128\n", 9, "128 devices"},
    {"  devices: 64\n", "  devices: 0\n", 5, "devices"},
    {"  devices: 64\n", "", 2, "devices"},
    {"cluster: dgx-a100-80g", "cluster: dgx-a100-80", 4, "dgx-a100-80g"},
    {"stack: megatron-2022", "stack: megatron-2023", 7, "megatron-202"},
    {"attention: unfused", "attention: fused", 7, "fused"},
    {"core_attn+layernorm", "core_attn+layernorms", 9, "layernorm"},
    {"dispatcher: deepep", "dispatcher: deep-ep", 7, "deepep"},
    {"overlap: true, bal", "overlaps: true, bal", 7, "overlap"},
    {"balance: learned", "balance: learnt", 7, "learned"},
    {"imbalance: 1.25", "imbalance: 0.9", 7, "imbalance"},
    {"dropout: off", "dropout: none", 8, "dropout"},
    {"loss: compiled", "loss: fuse", 8, "fused"},
    {"loss: compiled", "loss: compiled, loss_pieces: 0", 8, "loss_pieces"},
    {"parameters: fp8", "parameters: fp4", 8, "fp8"},
    {"flash: flash-2", "flash: flash-4", 8, "flash-4"},
    {"compiled: true", "compile: true", 8, "compiled"},
    {"precision: fp16", "precision: fp4", 7, "fp4"},
    {"sequence: 2048", "sequence: 0", 7, "sequence"},
    {"sequence: 2048, ", "", 7, "sequence"},
    {"{tp: 8", "{tp: 0", 9, "tp"},
    {"vpp: 3", "vppp: 3", 9, "vppp"},
    {"step_time: 13.75 s", "step_time: 0", 10, "step_time"},
    {"step_time: 13.75 s", "step_time: 13.75 GB", 10, "GB"},
    {"step_time: 13.75 s, peak_memory: 40 GiB, ", "", 10, "needs a measured"},
    {"peak_memory_kind: reserved", "peak_memory_kind: guessed", 10, "guessed"},
    {"step_time: 13.75 s,", "step_time: 13.75 s, out_of_memory: true,", 10, "no step_time"},
    {"step_time: 13.75 s, peak_memory: 40 GiB, ", "out_of_memory: false, ", 10, "needs a measured"},
    {"confidence: A-", "confidence: C", 11, "C"},
    {"assumed: [vocab, heads]", "assumed: vocab", 12, "list"},
    {"note: some words", "notes: some words", 13, "notes"},
    {"heads: 96", "heads: 97", 6, "heads"},
    {"- id: a\n", "- id: a\n  id: b\n", 3, "id"},
};

static void mistakes_are_refused_at_their_line(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const struct mistake *mistake = &mistakes[i];
        const char *at = strstr(one_run, mistake->old);
        struct run_file file = {0};
        struct error error = {0};

        assert_non_null(at);
        if (read_text(arena_print(arena, "%.*s%s%s", (int)(at - one_run), one_run, mistake->new,
                                  at + strlen(mistake->old)),
                      &file, &error))
            fail_msg("\"%s\" was taken", mistake->new);
        if ((strstr(error.what, mistake->what) == NULL && strstr(error.hint, mistake->what) == NULL) ||
            error.line != mistake->line)
            fail_msg("\"%s\": line %u: %s", mistake->new, error.line, error.what);
        assert_null(file.runs);
    }
}

static void runs_of_one_id_are_refused(void **state) {
    struct run_file file;
    struct error error = {0};

    (void)state;
    assert_false(read_text(arena_print(arena, "%s%s", one_run, strchr(one_run, '\n') + 1), &file, &error));
    assert_int_equal(error.line, 14);
    assert_non_null(strstr(error.what, "line 2"));
    assert_false(read_text("runs: []\n", &file, &error));
    assert_false(read_text("runs: {id: a}\n", &file, &error));
    assert_false(read_text("run: []\n", &file, &error));
    assert_non_null(strstr(error.hint, "runs"));
}

static void published_runs_read(void **state) {
    glob_t found;
    size_t runs = 0;

    (void)state;
    assert_int_equal(glob(SOURCE_DIR "/tests/measured/*.yaml", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct run_file file;
        struct error error = {0};

        if (!run_file_read(found.gl_pathv[i], arena, &file, &error))
            fail_msg("%s:%u: %s", error.file, error.line, error.what);
        runs += file.count;
        for (size_t j = 0; j < file.count; j++)
            assert_non_null(file.runs[j].source);
    }
    assert_int_equal(found.gl_pathc, 13);
    assert_int_equal(runs, 377);
    globfree(&found);
}

static int setup(void **state) {
    int descriptor = mkstemp(path);

    (void)state;
    arena = arena_create();
    return descriptor < 0 ? -1 : close(descriptor);
}

static int teardown(void **state) {
    (void)state;
    arena_destroy(arena);
    return unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(a_run_may_have_run_out_of_memory),
        cmocka_unit_test(defaults),
        cmocka_unit_test(mistakes_are_refused_at_their_line),
        cmocka_unit_test(runs_of_one_id_are_refused),
        cmocka_unit_test(published_runs_read),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
