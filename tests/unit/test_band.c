/* Bands: the table against the measured runs, and what counts as extrapolated. */
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "planner/answers/band.h"
#include "planner/answers/validate.h"

/* The table has four decimals, and small changes of the model need no new table. */
static const double tolerance = 0.005;

static struct arena *arena;
static struct validation measured;

static int compare_doubles(const void *a, const void *b) {
    const double *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static bool is_of_kind(const struct validated_run *run, const struct band_kind *kind) {
    struct band_kind found =
        band_kind_of(&run->run->model, &run->cluster->device, run->run->training.precision);

    return kind == NULL || (found.generation == kind->generation && found.experts == kind->experts &&
                            found.width == kind->width);
}

/* `kind` NULL: all runs. */
static struct band_errors reached(const struct band_kind *kind, bool memory) {
    struct band_errors errors = {0};
    double *sizes = ARENA_ARRAY(arena, double, measured.run_count);
    size_t count = 0;

    for (size_t i = 0; i < measured.run_count; i++) {
        const struct validated_run *run = &measured.runs[i];
        double figure = memory ? run->run->measured.memory_bytes : run->run->measured.step_seconds;

        if (run->why != NULL || figure <= 0 || !is_of_kind(run, kind))
            continue;
        sizes[count++] = fabs(memory ? run->memory_error : run->step_error);
        if (run->run->devices > errors.most_devices)
            errors.most_devices = run->run->devices;
    }
    qsort(sizes, count, sizeof *sizes, compare_doubles);
    errors.runs = (int64_t)count;
    errors.error = count > 0 ? sizes[(9 * count + 9) / 10 - 1] : 0;
    return errors;
}

static void check_errors(const char *what, const struct band_errors *table, const struct band_errors *found) {
    if (table->runs != found->runs || table->most_devices != found->most_devices ||
        fabs(table->error - found->error) > tolerance)
        fail_msg("%s: the table has %d runs, %.4f, %d devices; the measured runs give %d, %.4f, %d; "
                 "run scripts/accuracy",
                 what, (int)table->runs, table->error, (int)table->most_devices, (int)found->runs,
                 found->error, (int)found->most_devices);
}

static void table_is_what_measured_runs_give(void **state) {
    struct band_errors step = reached(NULL, false), memory = reached(NULL, true);

    (void)state;
    check_errors("all steps", band_step_errors(NULL), &step);
    check_errors("all memory", band_memory_errors(NULL), &memory);
    assert_int_equal(step.runs, 377);
    for (int i = 0; i < BAND_GENERATIONS * BAND_EXPERTS * BAND_WIDTHS; i++) {
        struct band_kind kind = {(enum band_generation)(i / (BAND_EXPERTS * BAND_WIDTHS)),
                                 (enum band_experts)(i / BAND_WIDTHS % BAND_EXPERTS),
                                 (enum band_width)(i % BAND_WIDTHS)};
        const char *name = band_kind_format(&kind, arena);

        step = reached(&kind, false);
        memory = reached(&kind, true);
        check_errors(name, band_step_errors(&kind), &step);
        check_errors(name, band_memory_errors(&kind), &memory);
    }
}

static void measured_schedules_are_those_that_runs_used(void **state) {
    bool used[SCHEDULE_COUNT] = {false};

    (void)state;
    for (size_t i = 0; i < measured.run_count; i++) {
        const struct layout *layout = &measured.runs[i].layout;
        int64_t micro_batches = layout_micro_batches(layout, measured.runs[i].run->training.global_batch);
        used[layout->schedule] = true;
        assert_true(layout->vpp == 1 || micro_batches % layout->pp == 0);
        assert_int_equal(measured.runs[i].layout.offload, OFFLOAD_NONE);
        assert_true(measured.runs[i].run->training.precision != PRECISION_TF32);
    }
    for (int i = 0; i < SCHEDULE_COUNT; i++)
        assert_int_equal(band_schedule_measured((enum schedule)i), used[i]);
}

static void measured_sequences_are_those_of_the_runs(void **state) {
    int64_t least = INT64_MAX, most = 0;

    (void)state;
    for (size_t i = 0; i < measured.run_count; i++) {
        int64_t length = measured.runs[i].run->training.sequence;
        least = length < least ? length : least;
        most = length > most ? length : most;
    }
    assert_int_equal(least, BAND_LEAST_SEQUENCE);
    assert_int_equal(most, BAND_MOST_SEQUENCE);
}

static int64_t sequence = 8192;

static struct bands bands(const char *device, int64_t experts, enum precision precision,
                          const struct layout *layout) {
    struct model model = {.name = "m", .experts = {.count = experts}};
    struct cluster cluster = {.device = {.name = device}};
    struct training training = {
        .precision = precision, .sequence = sequence, .global_batch = 4 * layout->dp + 2 * layout->pp};

    return bands_of(&model, &cluster, &training, layout, arena);
}

static struct layout split(int64_t dp) {
    return (struct layout){
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = dp, .micro_batch = 1};
}

static void near_runs_are_not_extrapolated(void **state) {
    struct layout layout = split(256);
    const struct band_kind kind = {BAND_H100, BAND_DENSE, BAND_16_BIT};

    (void)state;
    assert_null(bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout).step.extrapolated);
    assert_same_double(bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout).step.error,
                       band_step_errors(&kind)->error);
    assert_null(bands("NVIDIA A100-SXM4-40GB", 0, PRECISION_FP16, &layout).memory.extrapolated);
    assert_null(bands("H100-SXM5-80GB", 8, PRECISION_BF16, &layout).step.extrapolated);
    assert_null(bands("H100-SXM5-80GB", 128, PRECISION_BF16, &layout).step.extrapolated);
    assert_true(bands("H100-SXM5-80GB", 128, PRECISION_BF16, &layout).step.error >
                bands("H100-SXM5-80GB", 8, PRECISION_BF16, &layout).step.error);
}

static void check_extrapolated(const struct bands *found, const char *word) {
    if (found->step.extrapolated == NULL || strstr(found->step.extrapolated, word) == NULL)
        fail_msg("'%s' isn't in '%s'", word, found->step.extrapolated ? found->step.extrapolated : "nothing");
    assert_true(found->step.error >= band_step_errors(NULL)->error);
    assert_true(found->memory.error >= band_memory_errors(NULL)->error);
}

static void what_no_run_is_near_is_extrapolated(void **state) {
    struct layout layout = split(256);
    struct bands found = bands("H200-SXM5-141GB", 0, PRECISION_BF16, &layout);
    const struct band_kind dense = {BAND_A100, BAND_DENSE, BAND_16_BIT};

    (void)state;
    check_extrapolated(&found, "H200");
    found = bands("GB200-186GB", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "GB200");
    found = bands("MI300X-192GB", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "MI300X");
    assert_int_equal(found.step.runs, 0);
    found = bands("A100-SXM4-80GB", 0, PRECISION_TF32, &layout);
    check_extrapolated(&found, "tf32");
    found = bands("A100-SXM4-80GB", 8, PRECISION_BF16, &layout);
    check_extrapolated(&found, "none of this kind");
    layout.schedule = SCHEDULE_DUALPIPE;
    found = bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "dualpipe");
    layout = split(1);
    layout.pp = 8;
    layout.vpp = 2;
    layout.schedule = SCHEDULE_INTERLEAVED;
    found = bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "pp doesn't divide");
    layout.dp = 4; /* 8 */
    assert_null(bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout).step.extrapolated);
    layout = split(256);
    layout.offload = OFFLOAD_OPTIMIZER;
    found = bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "offload");

    layout = split(256);
    sequence = 2 * BAND_MOST_SEQUENCE;
    assert_null(bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout).step.extrapolated);
    sequence++;
    found = bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "at most 131072");
    sequence = BAND_LEAST_SEQUENCE / 2 - 1;
    found = bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "at least 512");
    sequence = 8192;

    layout = split(4 * band_step_errors(&dense)->most_devices);
    assert_null(bands("A100-SXM4-80GB", 0, PRECISION_BF16, &layout).step.extrapolated);
    layout.dp++;
    found = bands("A100-SXM4-80GB", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "at most");
}

static int setup(void **state) {
    struct error error = {0};
    glob_t found;

    (void)state;
    arena = arena_create();
    if (glob(SOURCE_DIR "/tests/measured/*.yaml", 0, NULL, &found) != 0 ||
        !validate_files((const char *const *)found.gl_pathv, found.gl_pathc, NULL, arena, &measured, &error))
        return -1;
    globfree(&found);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_destroy(arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_what_measured_runs_give),
        cmocka_unit_test(measured_schedules_are_those_that_runs_used),
        cmocka_unit_test(measured_sequences_are_those_of_the_runs),
        cmocka_unit_test(near_runs_are_not_extrapolated),
        cmocka_unit_test(what_no_run_is_near_is_extrapolated),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
