/* Bands: the table against the published runs, and what counts as extrapolated. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "planner/answers/band.h"
#include "published_runs.h"

/* The table is of predictions with and without the recipes that some runs name. With them so many lie within
 * it of a kind that has a band, or more. */
static const double fewest_within = 0.9;

/* The table has four decimals, and small changes of the model need no new table. */
static const double tolerance = 0.005;

/* Of a kind, or of all devices. */
struct group {
    const struct band_kind *kind; /* NULL: all devices */
    enum band_experts experts;
    bool memory;
};

static bool is_in_group(const struct validated_run *run, const struct group *group) {
    const struct band_kind *kind = group->kind;
    struct band_kind found =
        band_kind_of(&run->run->model, &run->cluster->device, run->run->training.precision);

    if (kind == NULL)
        return group->memory ? (found.experts == BAND_DENSE) == (group->experts == BAND_DENSE)
                             : found.experts == group->experts;
    return found.generation == kind->generation && found.experts == kind->experts &&
           found.width == kind->width;
}

static const struct band_errors *table_of(const struct group *group) {
    if (group->kind == NULL)
        return group->memory ? band_all_memory_errors(group->experts) : band_all_step_errors(group->experts);
    return group->memory ? band_memory_errors(group->kind) : band_step_errors(group->kind);
}

/* Of a group's runs that were measured and predicted. */
struct found {
    struct band_errors errors; /* without the error */
    double within;             /* share of a file's runs within the table's error, on the mean of the files */
};

/* What was measured, as a fraction of what was predicted: errors are the other way round. */
static double off(double error) {
    return fabs(1 / (1 + error) - 1);
}

static struct found find(const struct group *group) {
    const struct band_errors *table = table_of(group);
    bool memory = group->memory;
    struct found found = {0};
    double shares = 0;

    for (size_t i = 0; i < published.run_count;) {
        const char *file = published.runs[i].file;
        int64_t runs = 0, within = 0;

        for (; i < published.run_count && strcmp(published.runs[i].file, file) == 0; i++) {
            const struct validated_run *run = &published.runs[i];
            double figure = memory ? run->run->measured.memory_bytes : run->run->measured.step_seconds;

            if (run->why != NULL || figure <= 0 || !is_in_group(run, group))
                continue;
            runs++;
            within += off(memory ? run->memory_error : run->step_error) <= table->error + tolerance;
            if (run->run->devices > found.errors.most_devices)
                found.errors.most_devices = run->run->devices;
        }
        found.errors.runs += runs;
        if (runs > 0) {
            found.errors.publications++;
            shares += (double)within / (double)runs;
        }
    }
    if (found.errors.publications > 0)
        found.within = shares / (double)found.errors.publications;
    return found;
}

static void check_errors(const char *what, const struct group *group) {
    const struct band_errors *table = table_of(group);
    const struct found found = find(group);

    if (table->runs != found.errors.runs || table->publications != found.errors.publications ||
        table->most_devices != found.errors.most_devices)
        fail_msg("%s: the table has %d runs, %d publications, %d devices; there are %d, %d, %d; "
                 "run scripts/accuracy",
                 what, (int)table->runs, (int)table->publications, (int)table->most_devices,
                 (int)found.errors.runs, (int)found.errors.publications, (int)found.errors.most_devices);
    if (found.errors.runs >= BAND_FEWEST_RUNS && found.errors.publications >= BAND_FEWEST_PUBLICATIONS &&
        found.within < fewest_within)
        fail_msg("%s: %.3f of the runs of a publication are within %.4f; run scripts/accuracy", what,
                 found.within, table->error);
}

static void table_is_what_published_runs_give(void **state) {
    (void)state;
    assert_int_equal(published.run_count, 377 + 998);
    for (int experts = 0; experts < BAND_EXPERTS; experts++)
        for (int memory = 0; memory <= 1; memory++)
            check_errors(arena_print(arena, "all devices, kind %d of experts, %s", experts,
                                     memory ? "memory" : "steps"),
                         &(struct group){NULL, (enum band_experts)experts, memory});
    for (int i = 0; i < CHIP_GENERATIONS * BAND_EXPERTS * BAND_WIDTHS; i++) {
        struct band_kind kind = {(enum chip_generation)(i / (BAND_EXPERTS * BAND_WIDTHS)),
                                 (enum band_experts)(i / BAND_WIDTHS % BAND_EXPERTS),
                                 (enum band_width)(i % BAND_WIDTHS)};
        const char *name = band_kind_format(&kind, arena);

        check_errors(arena_print(arena, "%s, steps", name), &(struct group){&kind, false, false});
        check_errors(arena_print(arena, "%s, memory", name), &(struct group){&kind, false, true});
    }
}

static void measured_schedules_are_those_that_runs_used(void **state) {
    int used[SCHEDULE_COUNT] = {0}, tf32 = 0, uneven = 0;

    (void)state;
    for (size_t i = 0; i < published.run_count; i++) {
        const struct layout *layout = &published.runs[i].layout;
        int64_t micro_batches = layout_micro_batches(layout, published.runs[i].run->training.global_batch);
        used[layout->schedule]++;
        uneven += layout->vpp > 1 && micro_batches % layout->pp != 0;
        tf32 += published.runs[i].run->training.precision == PRECISION_TF32;
    }
    for (int i = 0; i < SCHEDULE_COUNT; i++)
        assert_int_equal(band_schedule_measured((enum schedule)i), used[i] >= BAND_FEWEST_RUNS);
    assert_in_range(tf32, 1, BAND_FEWEST_RUNS - 1);
    assert_int_equal(uneven, 0);
}

/* Runs on that device, of all published. */
static int64_t runs_on(const char *device) {
    int64_t runs = 0;

    for (size_t i = 0; i < published.run_count; i++)
        runs += strcmp(published.runs[i].cluster->device.name, device) == 0;
    return runs;
}

/* Of the optimizer's states alone, and of too few publications; on a device that has no kind too few runs. */
static void offload_and_other_devices_have_hardly_a_run(void **state) {
    const char *file = "";
    int64_t publications = 0, most = 0;

    (void)state;
    for (size_t i = 0; i < published.run_count; i++) {
        const struct validated_run *run = &published.runs[i];

        if (band_kind_of(&run->run->model, &run->cluster->device, run->run->training.precision).generation ==
            CHIP_GENERATIONS)
            most = most > runs_on(run->cluster->device.name) ? most : runs_on(run->cluster->device.name);
        if (run->layout.offload == OFFLOAD_NONE)
            continue;
        assert_int_equal(run->layout.offload, OFFLOAD_OPTIMIZER);
        publications += strcmp(run->file, file) != 0;
        file = run->file;
    }
    assert_in_range(publications, 1, BAND_FEWEST_PUBLICATIONS - 1);
    assert_in_range(most, 1, BAND_FEWEST_RUNS - 1);
}

static int compare_counts(const void *a, const void *b) {
    const int64_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

static void measured_gathers_of_experts_are_those_of_the_runs(void **state) {
    int64_t *fsdp = ARENA_ARRAY(arena, int64_t, published.run_count);
    size_t fsdp_count = 0, others = 0;

    (void)state;
    for (size_t i = 0; i < published.run_count; i++) {
        const struct layout *layout = &published.runs[i].layout;
        const struct run *run = published.runs[i].run;

        if (run->model.experts.count == 0 || layout->zero < 3)
            continue;
        if (run->training.stack->fully_sharded)
            fsdp[fsdp_count++] = layout->ep;
        else
            others++;
    }
    assert_in_range(others, 1, BAND_FEWEST_RUNS - 1);
    assert_true(fsdp_count >= BAND_FEWEST_RUNS);
    qsort(fsdp, fsdp_count, sizeof *fsdp, compare_counts);
    assert_int_equal(fsdp[BAND_FEWEST_RUNS - 1], BAND_LEAST_GATHERED_EP);
}

static void measured_sequences_are_those_of_the_runs(void **state) {
    int64_t *lengths = ARENA_ARRAY(arena, int64_t, published.run_count);

    (void)state;
    for (size_t i = 0; i < published.run_count; i++)
        lengths[i] = published.runs[i].run->training.sequence;
    qsort(lengths, published.run_count, sizeof *lengths, compare_counts);
    assert_int_equal(lengths[BAND_FEWEST_RUNS - 1], BAND_LEAST_SEQUENCE);
    assert_int_equal(lengths[published.run_count - BAND_FEWEST_RUNS], BAND_MOST_SEQUENCE);
}

static int64_t sequence = 8192;
static const char *stack = "megatron-core";

static struct bands bands(const char *device, int64_t experts, enum precision precision,
                          const struct layout *layout) {
    struct model model = {.name = "m", .experts = {.count = experts}};
    struct cluster cluster = {.device = {.name = device}};
    struct training training = {.precision = precision,
                                .sequence = sequence,
                                .global_batch = 4 * layout->dp + 2 * layout->pp,
                                .stack = stack_find(stack)};

    return bands_of(&model, &cluster, &training, layout, arena);
}

static struct layout split(int64_t dp) {
    return (struct layout){
        .tp = 1, .pp = 1, .vpp = 1, .cp = 1, .ep = 1, .etp = 1, .dp = dp, .micro_batch = 1};
}

static void near_runs_are_not_extrapolated(void **state) {
    struct layout layout = split(256);
    const struct band_kind kind = {CHIP_H100, BAND_DENSE, BAND_16_BIT};

    (void)state;
    assert_null(bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout).step.extrapolated);
    assert_same_double(bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout).step.error,
                       band_step_errors(&kind)->error);
    assert_null(bands("NVIDIA A100-SXM4-40GB", 0, PRECISION_FP16, &layout).memory.extrapolated);
    assert_null(bands("H100-SXM5-80GB", 8, PRECISION_BF16, &layout).step.extrapolated);
    assert_null(bands("H200-SXM5-141GB", 0, PRECISION_BF16, &layout).step.extrapolated);
    assert_null(bands("H800-SXM5-80GB", 128, PRECISION_BF16, &layout).step.extrapolated);
    assert_null(bands("GB200-186GB", 128, PRECISION_FP8, &layout).step.extrapolated);
    assert_null(bands("H100-SXM5-80GB", 128, PRECISION_BF16, &layout).step.extrapolated);
    assert_true(bands("H100-SXM5-80GB", 128, PRECISION_BF16, &layout).step.error >
                bands("H100-SXM5-80GB", 8, PRECISION_BF16, &layout).step.error);
}

static void check_extrapolated(const struct bands *found, const char *word) {
    double step = INFINITY, memory = INFINITY; /* of all devices, whatever the experts */

    if (found->step.extrapolated == NULL || strstr(found->step.extrapolated, word) == NULL)
        fail_msg("'%s' isn't in '%s'", word, found->step.extrapolated ? found->step.extrapolated : "nothing");
    for (int experts = 0; experts < BAND_EXPERTS; experts++) {
        step = fmin(step, band_all_step_errors((enum band_experts)experts)->error);
        memory = fmin(memory, band_all_memory_errors((enum band_experts)experts)->error);
    }
    assert_true(found->step.error >= step);
    assert_true(found->memory.error >= memory);
}

static void what_no_run_is_near_is_extrapolated(void **state) {
    struct layout layout = split(256);
    struct bands found = bands("B200-180GB", 8, PRECISION_BF16, &layout);
    const struct band_kind dense = {CHIP_A100, BAND_DENSE, BAND_16_BIT};

    (void)state;
    check_extrapolated(&found, "publication"); /* too few */
    found = bands("MI300X-192GB", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "MI300X");
    assert_true(found.step.error >
                band_all_step_errors(BAND_DENSE)->error); /* a device that is new altogether */
    assert_int_equal(found.step.runs, 0);
    found = bands("NVIDIA RTX A1000", 0, PRECISION_BF16, &layout);
    check_extrapolated(&found, "A1000");
    found = bands("A100-SXM4-80GB", 0, PRECISION_TF32, &layout);
    check_extrapolated(&found, "tf32");
    found = bands("A100-SXM4-80GB", 8, PRECISION_BF16, &layout);
    check_extrapolated(&found, "only 1 of this kind");
    found = bands("A100-SXM4-80GB", 8, PRECISION_FP8, &layout);
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
    layout.zero = 3;
    assert_null(bands("H100-SXM5-80GB", 0, PRECISION_BF16, &layout).step.extrapolated);
    found = bands("H100-SXM5-80GB", 128, PRECISION_BF16, &layout);
    check_extrapolated(&found, "outside FSDP");
    stack = "fsdp";
    found = bands("H100-SXM5-80GB", 128, PRECISION_BF16, &layout);
    check_extrapolated(&found, "ep below 4");
    layout.ep = 4;
    assert_null(bands("H100-SXM5-80GB", 128, PRECISION_BF16, &layout).step.extrapolated);
    stack = "megatron-core";

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_what_published_runs_give),
        cmocka_unit_test(measured_schedules_are_those_that_runs_used),
        cmocka_unit_test(offload_and_other_devices_have_hardly_a_run),
        cmocka_unit_test(measured_gathers_of_experts_are_those_of_the_runs),
        cmocka_unit_test(measured_sequences_are_those_of_the_runs),
        cmocka_unit_test(near_runs_are_not_extrapolated),
        cmocka_unit_test(what_no_run_is_near_is_extrapolated),
    };

    return cmocka_run_group_tests(tests, setup_published, teardown);
}
