/* Fits a device's or network's constants to measured times, and says how well they fit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalogue.h"
#include "common/cluster_fields.h"
#include "planner/calibration/calibrate.h"
#include "planner/commands/commands.h"
#include "planner/report/print_table.h"

static const char usage[] = "clusterplan calibrate FILE... [--cluster F]";

/* A shipped cluster with that device; the first by name. */
static bool find_base(const char *device, struct arena *arena, struct cluster *base, struct error *error) {
    const char *const *names = catalogue_names(CATALOGUE_TOPOLOGY, arena);
    for (; *names; names++) {
        const char *path = catalogue_find(CATALOGUE_TOPOLOGY, *names, arena, error);
        if (!path || !cluster_read(path, arena, base, error))
            return false;
        if (strcmp(base->device.name, device) == 0)
            return true;
    }
    error_set(error, "no shipped cluster has the device \"%s\"", device);
    return error_hint(error, "--cluster takes a cluster file that gives its peak and memory bandwidth");
}

static bool read_base(const char *cluster, const char *device, struct arena *arena, struct cluster *base,
                      struct error *error) {
    if (!cluster)
        return find_base(device, arena, base, error);
    const char *path = catalogue_find(CATALOGUE_TOPOLOGY, cluster, arena, error);
    return path && cluster_read(path, arena, base, error);
}

static bool fit_file(const char *path, const char *cluster, struct arena *arena,
                     struct calibration *calibrations, size_t *count, struct error *error) {
    struct timings timings;
    if (!timings_read(path, arena, &timings, error))
        return false;
    if (timings.left_out > 0)
        fprintf(stderr, "%s: %zu rows left out: %s\n", path, timings.left_out, timings.left_out_reason);
    if (timings.unused_columns)
        fprintf(stderr, "%s: columns not used: %s\n", path, timings.unused_columns);
    if (!calibration_find(&timings, calibrations, count, error))
        return false;
    for (size_t c = 0; c < *count; c++) {
        struct cluster base = {0};
        if (timings.kind != TIMING_COLLECTIVE &&
            !read_base(cluster, calibrations[c].device, arena, &base, error))
            return false;
        if (!calibration_fit(&timings, &base, arena, &calibrations[c], error))
            return false;
    }
    return true;
}

/* Four digits are more than any fit knows. Times of an element are far below any unit's name. */
static void print_constant(double value, enum unit unit) {
    static const double least_named_seconds = 1e-9;
    if (unit == UNIT_SECONDS && value >= least_named_seconds)
        printf("%.4g us", value * 1e6);
    else if (unit == UNIT_FLOPS_PER_SECOND)
        printf("%.4g TFLOP/s", value * 1e-12);
    else if (unit == UNIT_BYTES_PER_SECOND)
        printf("%.4g GB/s", value * 1e-9);
    else
        printf("%.4g", value);
}

/* The members that aren't 0, as "key: {...}". Tables of constants hold numbers and choices only. */
static void print_constants(const char *key, int indent, const struct field *fields, const void *constants) {
    const char *separator = "";
    printf("%*s%s: {", indent, "", key);
    for (; fields->key; fields++) {
        const char *member = (const char *)constants + fields->offset;
        if (fields->type == FIELD_CHOICE) {
            int choice;
            memcpy(&choice, member, sizeof choice);
            printf("%s%s: %s", separator, fields->key, fields->choices[choice]);
            separator = ", ";
        } else if (fields->type == FIELD_NUMBER) {
            double value;
            memcpy(&value, member, sizeof value);
            if (value > 0) {
                printf("%s%s: ", separator, fields->key);
                print_constant(value, fields->unit);
                separator = ", ";
            }
        }
    }
    printf("}\n");
}

static bool is_fp8_attention(const struct calibration *c) {
    return c->kind == TIMING_ATTENTION && c->precision == PRECISION_FP8;
}

static const char *subject_of(const struct calibration *c) {
    switch (c->kind) {
    case TIMING_COLLECTIVE:
        return collective_names[c->operation];
    case TIMING_ATTENTION:
        return is_fp8_attention(c) ? precision_names[PRECISION_FP8] : "16 bits";
    case TIMING_EXPERTS:
        return "all formats";
    default:
        return precision_names[c->precision];
    }
}

static void add_errors(struct print_table *table, struct arena *arena, const struct calibration *c,
                       const char *which, const struct calibration_errors *errors) {
    if (errors->count == 0)
        return;
    const char *cells[] = {timing_kind_names[c->kind],
                           c->device,
                           subject_of(c),
                           which,
                           arena_print(arena, "%zu", errors->count),
                           arena_print(arena, "%.1f %%", 100 * errors->median),
                           arena_print(arena, "%.1f %%", 100 * errors->ninetieth),
                           arena_print(arena, "%.1f %%", 100 * errors->cross_median),
                           arena_print(arena, "%.1f %%", 100 * errors->cross_ninetieth)};
    print_table_add(table, cells);
}

/* So that all that is printed is YAML. */
static void print_as_comment(const struct print_table *table) {
    const struct print_style plain = {0};
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return;
    print_table_print(table, &plain, 0, stream);
    fclose(stream);
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        printf("# %.*s\n", (int)(end - line), line);
    free(text);
}

static void print_report(const struct calibration *calibrations, size_t count, struct arena *arena) {
    static const struct print_column columns[] = {{"fit of", false}, {"device", false}, {"what", false},
                                                  {"rows", false},   {"count", true},   {"median", true},
                                                  {"90 %", true},    {"unseen", true},  {"90 %", true}};
    struct print_table *table = print_table_create(arena, columns, sizeof columns / sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        const struct calibration *c = &calibrations[i];
        add_errors(table, arena, c, c->kind == TIMING_ATTENTION ? "forward" : "all", &c->all);
        add_errors(table, arena, c, c->kind == TIMING_MATMUL ? ">= 1 GFLOP" : ">= 1 MiB", &c->large);
        add_errors(table, arena, c, "backward", &c->backward);
    }
    puts("# Relative errors: median and 90th percentile, of the rows fitted to and of unseen rows (each "
         "fifth\n"
         "# predicted by a fit to the other four).");
    print_as_comment(table);
}

static bool is_first_of_device(const struct calibration *calibrations, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (strcmp(calibrations[i].device, calibrations[index].device) == 0)
            return false;
    return true;
}

static bool prints_in(const struct calibration *c, const char *device, enum timing_kind kind) {
    return c->kind == kind && strcmp(c->device, device) == 0;
}

/* The line that opens a block, before its first member. */
static void open_block(bool *is_open, const char *line) {
    if (!*is_open)
        puts(line);
    *is_open = true;
}

/* One device's constants as they stand in a cluster file. */
static void print_device(const struct calibration *calibrations, size_t count, const char *device) {
    bool in_device = false, in_matmul = false, in_network = false;
    printf("--- # %s\n", device);
    for (const struct calibration *c = calibrations; c < calibrations + count; c++) {
        if (!prints_in(c, device, TIMING_MATMUL) && !prints_in(c, device, TIMING_EXPERTS))
            continue;
        open_block(&in_device, "device:");
        open_block(&in_matmul, "  matmul:");
        if (c->kind == TIMING_MATMUL)
            print_constants(precision_names[c->precision], 4, matmul_fields,
                            &c->kernels.matmul[c->precision]);
        else
            print_constants("grouped", 4, grouped_fields, &c->kernels);
    }
    for (const struct calibration *c = calibrations; c < calibrations + count; c++) {
        if (!prints_in(c, device, TIMING_ATTENTION))
            continue;
        open_block(&in_device, "device:");
        if (!c->backward_measured)
            puts("  # No backward times were given: the planner will take 0.74 of the forward's rate.");
        if (is_fp8_attention(c))
            print_constants("attention_fp8", 2, attention_fields, &c->kernels.attention_fp8);
        else
            print_constants("attention", 2, attention_fields, &c->kernels.attention);
    }
    for (const struct calibration *c = calibrations; c < calibrations + count; c++) {
        if (!prints_in(c, device, TIMING_COLLECTIVE))
            continue;
        open_block(&in_network, "collectives: # of the network level measured");
        print_constants(collective_names[c->operation], 2, collective_fields, &c->collective);
    }
}

/* Two files with times of the same: their blocks would have the same key. */
static bool check_distinct(const struct calibration *calibrations, size_t count, const char *path,
                           struct error *error) {
    const struct calibration *last = &calibrations[count - 1];
    for (const struct calibration *c = calibrations; c < last; c++)
        if (c->kind == last->kind && strcmp(c->device, last->device) == 0 &&
            c->operation == last->operation && is_fp8_attention(c) == is_fp8_attention(last) &&
            (c->kind != TIMING_MATMUL || c->precision == last->precision))
            return error_set(error, "%s: %s of \"%s\" (%s) are in another file too", path,
                             timing_kind_names[c->kind], c->device, subject_of(c));
    return true;
}

static int run(const struct command_call *call, void *data) {
    const char *cluster = *(const char **)data;
    struct error error = {0};
    size_t count = 0;
    if (call->operand_count == 0) {
        error_set(&error, "no file with times given");
        error_hint(&error, "%s", usage);
        return command_fail(&error);
    }
    struct calibration *calibrations =
        ARENA_ARRAY(call->arena, struct calibration, call->operand_count * CALIBRATION_MAX);
    for (size_t f = 0; f < call->operand_count; f++) {
        const char *file = call->operands[f];
        size_t found;
        if (!fit_file(file, cluster, call->arena, &calibrations[count], &found, &error))
            return command_fail(&error);
        for (size_t c = 1; c <= found; c++)
            if (!check_distinct(calibrations, count + c, file, &error))
                return command_fail(&error);
        count += found;
    }
    print_report(calibrations, count, call->arena);
    for (size_t i = 0; i < count; i++)
        if (is_first_of_device(calibrations, i))
            print_device(calibrations, count, calibrations[i].device);
    return EXIT_RESULT;
}

int cmd_calibrate(int argc, char **argv) {
    const char *cluster = NULL;
    const struct option_entry options[] = {
        {.name = "cluster",
         .argument = "F",
         .help = "cluster file or shipped name that gives the device's peak and memory bandwidth; "
                 "without it, the shipped cluster with the device that the times name",
         .value = &cluster},
        {.name = NULL}};
    const struct command calibrate = {
        .help = {.usage = usage,
                 .about =
                     "Fits the constants of a device's matrix products, attention and experts, or of a "
                     "network's collectives, to measured times, prints them as they stand in a cluster "
                     "file, and says how well they fit. FILE is a CSV with a header; docs/calibration.md "
                     "describes its columns.",
                 .examples = "  clusterplan calibrate gemm.csv --cluster dgx-a100-80g\n"
                             "  clusterplan calibrate nccl.csv\n"},
        .options = options,
        .has_no_format = true,
        .operand_max = SIZE_MAX,
        .run = run,
        .data = &cluster};
    return command_run(&calibrate, argc, argv);
}
