/* Trials that ran, or ran out of memory, against what is said to fit. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "planner/answers/validate.h"

struct trial {
    int billions, sequence, devices, micro_batch, tp, pp;
    char recompute[8], attention[16], sequence_parallel[4], result[4];
};

/* Shapes of Llama (arXiv 2302.13971, table 2; its 33B is the paper's 30B) with the paper's words. */
static const struct shape {
    int billions, layers, hidden, heads, ffn_hidden;
} shapes[] = {{13, 40, 5120, 40, 13824}, {30, 60, 6656, 52, 17920}, {65, 80, 8192, 64, 22016}};

static bool read_trial(FILE *file, struct trial *trial) {
    char line[256];

    do
        if (fgets(line, sizeof line, file) == NULL)
            return false;
    while (line[0] == '#');
    assert_int_equal(sscanf(line, "%d %d %d %7s %15s %d %d %d %3s %3s", &trial->billions, &trial->sequence,
                            &trial->devices, trial->recompute, trial->attention, &trial->micro_batch,
                            &trial->tp, &trial->pp, trial->sequence_parallel, trial->result),
                     10);
    return true;
}

/* What the code does (github.com/Aleph-Alpha/scaling): it gathers the logits of all tp ranks for PyTorch's
 * loss in fp32, and keeps gradients in 16 bits. */
static void write_run(const struct trial *trial, size_t number, FILE *file) {
    const struct shape *shape = shapes;
    bool flash = strncmp(trial->attention, "flash", 5) == 0;

    while (shape->billions != trial->billions)
        shape++;
    fprintf(
        file,
        "- id: trial-%zu\n  cluster: dgx-a100-80g\n  devices: %d\n"
        "  model: {name: m, layers: %d, hidden: %d, heads: %d, ffn_hidden: %d, gated: true, vocab: 128000,\n"
        "    tied_embeddings: false}\n"
        "  training: {sequence: %d, global_batch: %d, precision: bf16, attention: %s, stack: megatron-2022,\n"
        "    gradients: 16-bit, recipe: {loss: gathered, norms: %s}}\n"
        "  layout: {tp: %d, pp: %d, vpp: 1, cp: 1, dp: %d, micro_batch: %d, sequence_parallel: %s, zero: 1,\n"
        "    recompute: %s, schedule: 1f1b, overlap: {tp: false, dp: false, pp: false}}\n"
        "  measured: {step_time: 1 s}\n",
        number, trial->devices, shape->layers, shape->hidden, shape->heads, shape->ffn_hidden,
        trial->sequence, trial->sequence == 2048 ? 2048 : 512, flash ? "flash" : "unfused",
        strstr(trial->attention, "+norm") != NULL ? "fused" : "eager", trial->tp, trial->pp,
        trial->devices / trial->tp / trial->pp, trial->micro_batch,
        strcmp(trial->sequence_parallel, "sp") == 0 ? "true" : "false", trial->recompute);
}

enum { MOST_TRIALS = 1000 };

/* Of 420 trials that ran out, and of 289 that ran, so many are told wrongly. Lower these figures when the
 * model gets better. */
static void who_runs_out_is_known(void **state) {
    char path[] = "/tmp/test_out_of_memory.XXXXXX";
    struct arena *arena = arena_create();
    struct trial *trials = ARENA_ARRAY(arena, struct trial, MOST_TRIALS);
    FILE *table = fopen(SOURCE_DIR "/tests/trials/layouts-a100.tsv", "r");
    FILE *runs = fdopen(mkstemp(path), "w");
    const char *paths[] = {path};
    struct validation validation;
    struct error error = {0};
    size_t count = 0, out = 0, out_but_fits = 0, refused = 0;

    (void)state;
    assert_non_null(table);
    fputs("runs:\n", runs);
    for (; count < MOST_TRIALS && read_trial(table, &trials[count]); count++)
        write_run(&trials[count], count, runs);
    assert_int_equal(fclose(runs) + fclose(table), 0);
    if (!validate_files(paths, 1, NULL, arena, &validation, &error))
        fail_msg("%s:%u: %s", error.file, error.line, error.what);
    unlink(path);
    assert_int_equal(validation.run_count, count);
    for (size_t i = 0; i < count; i++) {
        bool ran = strcmp(trials[i].result, "ran") == 0;

        assert_null(validation.runs[i].why);
        out += !ran;
        out_but_fits += !ran && validation.runs[i].fits;
        refused += ran && !validation.runs[i].fits;
    }
    assert_int_equal(count, 709);
    assert_int_equal(out, 420);
    print_message("ran out, though said to fit: %zu; ran, though refused: %zu\n", out_but_fits, refused);
    assert_true(out_but_fits <= 20);
    assert_true(refused <= 15);
    arena_destroy(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_runs_out_is_known)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
