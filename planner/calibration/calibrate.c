#include "planner/calibration/calibrate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planner/calibration/minimise.h"
#include "planner/kernels/reference_device.h"

enum { FOLDS = 5, MAX_FIT_ROWS = 4000 };
static const double FIRST_STEP = 0.25; /* of the logarithms */
static const double TOLERANCE = 1e-6;
/* A constant that adds less than this share of the loss is left at 0. */
static const double NEGLIGIBLE = 1e-3;
static const double MOST_LOSS = 0.99; /* of small groups: a cluster file allows less than 1 */
static const double LARGE_FLOPS = 1e9, LARGE_BYTES = 1048576;

/* What the constants belong to, in the form that the planner's functions take. */
struct subject {
    enum timing_kind kind;
    struct cluster cluster;
    /* What times of a layer of experts hold besides products, which the planner counts elsewhere: a launch,
     * and the seconds of an element of a row and of a token. */
    double experts_launch_seconds, row_seconds, token_seconds;
};

struct parameter {
    double *target; /* in the subject */
    double start;
    bool optional;  /* may be 0 */
    double maximum; /* 0: none */
};

struct fitting {
    struct subject subject;
    struct parameter parameters[MINIMISE_MAX_VARIABLES];
    size_t parameter_count;
    const struct timing *const *rows;
    size_t row_count;
};

static double experts_seconds(const struct subject *subject, const struct timing *row) {
    const struct timing_experts *e = &row->of.experts;
    int64_t rows = e->tokens * e->top_k / e->ep, groups = e->experts / e->ep, width = e->ffn_hidden / e->tp;
    if (groups < 1)
        groups = 1;
    struct matmul up = {rows, 2 * width, e->hidden, 1, row->precision, MATMUL_FORWARD};
    struct matmul down = {rows, e->hidden, width, 1, row->precision, MATMUL_FORWARD};
    const struct cluster_device *device = &subject->cluster.device;
    return subject->experts_launch_seconds + matmul_grouped_seconds(device, &up, groups) +
           matmul_grouped_seconds(device, &down, groups) +
           subject->row_seconds * (double)rows * (double)e->hidden +
           subject->token_seconds * (double)e->tokens * (double)e->hidden;
}

static double predict(const struct subject *subject, const struct timing *row) {
    switch (subject->kind) {
    case TIMING_MATMUL:
        return matmul_seconds(&subject->cluster.device, &row->of.matmul);
    case TIMING_ATTENTION:
        return attention_seconds(&subject->cluster.device, &row->of.attention);
    case TIMING_EXPERTS:
        return experts_seconds(subject, row);
    default:
        return collective_seconds(&subject->cluster, &row->of.collective);
    }
}

static double loss(const struct fitting *fitting) {
    double sum = 0;
    for (size_t r = 0; r < fitting->row_count; r++) {
        double predicted = predict(&fitting->subject, fitting->rows[r]);
        if (!(predicted > 0) || !isfinite(predicted))
            return HUGE_VAL;
        sum += fabs(log(predicted / fitting->rows[r]->seconds));
    }
    return sum / (double)fitting->row_count;
}

static double loss_at(const double *x, void *context) {
    struct fitting *fitting = context;
    for (size_t p = 0; p < fitting->parameter_count; p++) {
        const struct parameter *parameter = &fitting->parameters[p];
        *parameter->target = exp(x[p]);
        if (parameter->maximum > 0 && *parameter->target > parameter->maximum)
            return HUGE_VAL;
    }
    return loss(fitting);
}

/* Leaves the subject with the constants found and returns the loss. */
static double fit(struct fitting *fitting) {
    double x[MINIMISE_MAX_VARIABLES];
    for (size_t p = 0; p < fitting->parameter_count; p++)
        x[p] = log(fitting->parameters[p].start);
    struct minimise problem = {.value = loss_at,
                               .context = fitting,
                               .variables = fitting->parameter_count,
                               .step = FIRST_STEP,
                               .tolerance = TOLERANCE};
    minimise(&problem, x);
    double least = loss_at(x, fitting);
    for (size_t p = 0; p < fitting->parameter_count; p++) {
        struct parameter *parameter = &fitting->parameters[p];
        double found = *parameter->target;
        if (!parameter->optional)
            continue;
        *parameter->target = 0;
        double without = loss(fitting);
        if (without <= least * (1 + NEGLIGIBLE))
            least = without;
        else
            *parameter->target = found;
    }
    return least;
}

static void add(struct fitting *fitting, double *target, double start, bool optional) {
    fitting->parameters[fitting->parameter_count++] =
        (struct parameter){.target = target, .start = start, .optional = optional};
}

static void add_share(struct fitting *fitting, double *target, double start, double maximum) {
    add(fitting, target, start, true);
    fitting->parameters[fitting->parameter_count - 1].maximum = maximum;
}

/* Starts are what a device of that peak is likely to have. */
static void add_matmul(struct fitting *fitting, enum precision precision, enum matmul_form form) {
    struct cluster_device *device = &fitting->subject.cluster.device;
    struct matmul_constants *c = &device->kernels.matmul[precision];
    double peak = device->peak_flops[precision];
    *c = (struct matmul_constants){.known = true, .form = form, .peak_flops = peak};
    add(fitting, &c->launch_seconds, 5e-6, false);
    add(fitting, &c->flops_per_second, (form == MATMUL_TILED ? 1.2 : 0.85) * peak, false);
    add(fitting, &c->throttle, 0.1, true);
    add(fitting, &c->throttle_flops, 1e-3 * peak, false);
    if (form == MATMUL_TILED) {
        add(fitting, &c->tile_edge, 25, true);
        add(fitting, &c->tile_seconds, 2e-6, true);
        add(fitting, &c->split_traffic, 0.7, false);
    } else {
        add(fitting, &c->output_seconds, 400 / peak, true);
        add_share(fitting, &c->idle_share, 0.2, 1);
        add(fitting, &c->operand_seconds, 1 / device->memory_bytes_per_second, true);
    }
}

/* Of attention, fp8 has constants of its own; all other formats share some. */
static enum precision attention_format(enum precision precision) {
    return precision == PRECISION_FP8 ? PRECISION_FP8 : PRECISION_BF16;
}

static struct attention_constants *attention_of(struct fitting *fitting, enum precision precision) {
    struct kernel_constants *kernels = &fitting->subject.cluster.device.kernels;
    return precision == PRECISION_FP8 ? &kernels->attention_fp8 : &kernels->attention;
}

/* What the rows of a pass can tell apart: heads up to 128 of several sizes, and wider ones. */
struct head_sizes {
    bool several, wide;
};

static void add_attention(struct fitting *fitting, enum precision precision, struct head_sizes heads) {
    double peak = fitting->subject.cluster.device.peak_flops[precision];
    struct attention_constants *c = attention_of(fitting, precision);
    *c = (struct attention_constants){
        .known = true, .peak_flops = peak, .softmax_dims = reference_device.kernels.attention.softmax_dims};
    add(fitting, &c->launch_seconds, 15e-6, false);
    add(fitting, &c->flops_per_second, 0.6 * peak, false);
    add(fitting, &c->diagonal_tokens, 400, true);
    add_share(fitting, &c->longest_row_share, 0.2, 1);
    if (heads.several)
        add(fitting, &c->softmax_dims, 18, true);
    if (heads.wide)
        add(fitting, &c->wide_rate, 0.9, false);
}

static void add_experts(struct fitting *fitting) {
    struct subject *subject = &fitting->subject;
    struct cluster_device *device = &subject->cluster.device;
    double element_seconds = 4 / device->memory_bytes_per_second;
    for (size_t p = 0; p < PRECISION_COUNT; p++) /* a layer's casts are among what its rows take */
        device->kernels.matmul[p].operand_seconds = 0;
    add(fitting, &device->kernels.grouped_rate, 1, false);
    add_share(fitting, &device->kernels.grouped_exposed, 0.3, 1);
    add(fitting, &device->kernels.grouped_launch_seconds, 1e-6, true);
    add(fitting, &subject->experts_launch_seconds, 20e-6, true);
    add(fitting, &subject->row_seconds, element_seconds, true);
    add(fitting, &subject->token_seconds, element_seconds, true);
}

static void add_collective(struct fitting *fitting, enum collective_operation operation, double fastest) {
    struct collective_constants *c = &fitting->subject.cluster.levels[0].collectives[operation];
    *c = (struct collective_constants){.known = true, .from = "fitted"};
    add(fitting, &c->latency_seconds, 10e-6, false);
    add(fitting, &c->bandwidth_bytes_per_second, 1.2 * fastest, false);
    add(fitting, &c->ramp_seconds, 10e-6, true);
    add(fitting, &c->latency_per_member_seconds, 1e-6, true);
    add_share(fitting, &c->small_group_loss, 0.4, MOST_LOSS);
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The value below which `share` of them lie, between neighbours by their distance. */
static double quantile(const double *sorted, size_t count, double share) {
    double place = share * (double)(count - 1);
    size_t below = (size_t)place;
    if (below + 1 >= count)
        return sorted[count - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

static bool is_large(enum timing_kind kind, const struct timing *row) {
    const struct matmul *m = &row->of.matmul;
    switch (kind) {
    case TIMING_MATMUL:
        return 2.0 * (double)m->m * (double)m->n * (double)m->k >= LARGE_FLOPS;
    case TIMING_COLLECTIVE:
        return row->of.collective.bytes >= LARGE_BYTES;
    default:
        return false;
    }
}

/* The rows of one fit, and what was predicted of each. */
struct sample {
    enum timing_kind kind;
    const struct timing **rows;
    double *predicted, *crossed, *scratch;
    size_t count;
};

enum part { PART_ALL, PART_LARGE };

static struct calibration_errors errors_of(const struct sample *sample, enum part part) {
    struct calibration_errors errors = {0};
    for (int crossed = 0; crossed < 2; crossed++) {
        const double *predicted = crossed ? sample->crossed : sample->predicted;
        size_t count = 0;
        for (size_t r = 0; r < sample->count; r++)
            if (part == PART_ALL || is_large(sample->kind, sample->rows[r]))
                sample->scratch[count++] = fabs(predicted[r] / sample->rows[r]->seconds - 1);
        errors.count = count;
        if (count == 0)
            return errors;
        qsort(sample->scratch, count, sizeof *sample->scratch, compare);
        double median = quantile(sample->scratch, count, 0.5),
               ninetieth = quantile(sample->scratch, count, 0.9);
        *(crossed ? &errors.cross_median : &errors.median) = median;
        *(crossed ? &errors.cross_ninetieth : &errors.ninetieth) = ninetieth;
    }
    return errors;
}

/* A fold for each row that doesn't follow the order of the file: a multiplicative hash of its number (Knuth).
 */
static unsigned fold_of(size_t row) {
    return (unsigned)((uint32_t)(row + 1) * 2654435761u >> 16) % FOLDS;
}

/* Up to MAX_FIT_ROWS of the rows that `fold` leaves (FOLDS: all rows), evenly picked. */
static size_t pick(const struct sample *sample, unsigned fold, const struct timing **picked) {
    size_t left = 0, count = 0, seen = 0;
    for (size_t r = 0; r < sample->count; r++)
        left += fold_of(r) != fold;
    size_t wanted = left < MAX_FIT_ROWS ? left : MAX_FIT_ROWS;
    for (size_t r = 0; r < sample->count; r++) {
        if (fold_of(r) == fold)
            continue;
        if (seen * wanted / left != (seen + 1) * wanted / left)
            picked[count++] = sample->rows[r];
        seen++;
    }
    return count;
}

/* Fits to all rows and, for the errors of rows it hasn't seen, five times to four fifths. Leaves the subject
 * with the constants of all rows. */
static void fit_sample(struct fitting *fitting, struct sample *sample, struct calibration *calibration) {
    const struct timing *picked[MAX_FIT_ROWS];
    fitting->rows = picked;
    for (unsigned fold = 0; fold <= FOLDS; fold++) {
        fitting->row_count = pick(sample, fold, picked);
        if (fitting->row_count > 0)
            fit(fitting);
        for (size_t r = 0; r < sample->count; r++)
            if (fold == FOLDS)
                sample->predicted[r] = predict(&fitting->subject, sample->rows[r]);
            else if (fold_of(r) == fold)
                sample->crossed[r] = predict(&fitting->subject, sample->rows[r]);
    }
    calibration->all = errors_of(sample, PART_ALL);
    calibration->large = errors_of(sample, PART_LARGE);
}

static struct fitting new_fitting(const struct cluster *base, enum timing_kind kind) {
    struct fitting fitting = {.subject = {.kind = kind}};
    if (base)
        fitting.subject.cluster = *base;
    return fitting;
}

/* The form whose fit to all rows is better. */
static enum matmul_form better_form(const struct cluster *base, const struct sample *sample,
                                    enum precision precision) {
    static const enum matmul_form forms[] = {MATMUL_SMOOTH, MATMUL_TILED};
    const struct timing *picked[MAX_FIT_ROWS];
    double losses[2];
    for (size_t f = 0; f < 2; f++) {
        struct fitting fitting = new_fitting(base, TIMING_MATMUL);
        fitting.rows = picked;
        fitting.row_count = pick(sample, FOLDS, picked);
        add_matmul(&fitting, precision, forms[f]);
        losses[f] = fit(&fitting);
    }
    return losses[0] <= losses[1] ? forms[0] : forms[1];
}

static void calibrate_matmul(const struct cluster *base, struct sample *sample,
                             struct calibration *calibration) {
    struct fitting fitting = new_fitting(base, TIMING_MATMUL);
    add_matmul(&fitting, calibration->precision, better_form(base, sample, calibration->precision));
    fit_sample(&fitting, sample, calibration);
    calibration->kernels = fitting.subject.cluster.device.kernels;
    struct matmul_constants *c = &calibration->kernels.matmul[calibration->precision];
    if (c->throttle <= 0)
        c->throttle_flops = 0; /* says nothing */
}

static void keep_pass(struct sample *sample, const struct sample *from, bool backward) {
    sample->count = 0;
    for (size_t r = 0; r < from->count; r++)
        if (from->rows[r]->of.attention.backward == backward)
            sample->rows[sample->count++] = from->rows[r];
}

static struct head_sizes head_sizes_of(const struct sample *sample) {
    struct head_sizes heads = {0};
    int64_t narrow = 0;
    for (size_t r = 0; r < sample->count; r++) {
        int64_t dim = sample->rows[r]->of.attention.qk_head_dim;
        heads.several |= dim <= ATTENTION_WIDE_HEAD_DIM && narrow > 0 && dim != narrow;
        if (dim <= ATTENTION_WIDE_HEAD_DIM)
            narrow = dim;
        else
            heads.wide = true;
    }
    heads.wide &= narrow > 0; /* else they are all there is, and the rate is theirs */
    return heads;
}

/* Forward first; the backward has a launch, a rate, a diagonal and a share for wide heads of its own. */
static bool calibrate_attention(const struct cluster *base, struct arena *arena, struct sample *sample,
                                struct calibration *calibration, struct error *error) {
    struct sample pass = *sample;
    pass.rows = ARENA_ARRAY(arena, const struct timing *, sample->count);
    keep_pass(&pass, sample, false);
    if (pass.count < FOLDS)
        return error_set(error, "fewer than %d forward times of \"%s\"", FOLDS, calibration->device);
    struct fitting fitting = new_fitting(base, TIMING_ATTENTION);
    enum precision precision = attention_format(calibration->precision);
    struct attention_constants *c = attention_of(&fitting, precision);
    add_attention(&fitting, precision, head_sizes_of(&pass));
    fit_sample(&fitting, &pass, calibration);
    keep_pass(&pass, sample, true);
    calibration->backward_measured = pass.count > 0;
    if (pass.count > 0) {
        struct calibration backward = {0};
        fitting.parameter_count = 0;
        add(&fitting, &c->backward_launch_seconds, c->launch_seconds, false);
        add(&fitting, &c->backward_flops_per_second, 0.7 * c->flops_per_second, false);
        add(&fitting, &c->backward_diagonal_tokens, c->diagonal_tokens, true);
        if (head_sizes_of(&pass).wide)
            add(&fitting, &c->wide_backward_rate, 0.8, false);
        fit_sample(&fitting, &pass, &backward);
        calibration->backward = backward.all;
    }
    calibration->kernels = fitting.subject.cluster.device.kernels;
    return true;
}

static void calibrate_experts(const struct cluster *base, struct sample *sample,
                              struct calibration *calibration) {
    struct fitting fitting = new_fitting(base, TIMING_EXPERTS);
    add_experts(&fitting);
    fit_sample(&fitting, sample, calibration);
    calibration->kernels = fitting.subject.cluster.device.kernels;
}

static void calibrate_collective(struct sample *sample, struct calibration *calibration) {
    struct fitting fitting = new_fitting(NULL, TIMING_COLLECTIVE);
    struct cluster *cluster = &fitting.subject.cluster;
    double fastest = 0;
    int64_t devices = 1;
    for (size_t r = 0; r < sample->count; r++) {
        const struct collective *collective = &sample->rows[r]->of.collective;
        fastest = fmax(fastest, collective_bus_bytes(collective) / sample->rows[r]->seconds);
        devices = collective->group.size > devices ? collective->group.size : devices;
    }
    cluster->node.devices = devices;
    cluster->level_count = 1;
    cluster->levels[0] = (struct network_level){.name = "measured", .devices = devices};
    add_collective(&fitting, calibration->operation, fastest);
    fit_sample(&fitting, sample, calibration);
    calibration->collective = cluster->levels[0].collectives[calibration->operation];
}

static bool belongs(enum timing_kind kind, const struct timing *row, const struct calibration *calibration) {
    if (strcmp(row->device, calibration->device) != 0)
        return false;
    if (kind == TIMING_COLLECTIVE)
        return row->of.collective.operation == calibration->operation;
    if (kind == TIMING_ATTENTION)
        return attention_format(row->precision) == attention_format(calibration->precision);
    return kind != TIMING_MATMUL || row->precision == calibration->precision;
}

bool calibration_find(const struct timings *timings, struct calibration *calibrations, size_t *count,
                      struct error *error) {
    *count = 0;
    for (size_t r = 0; r < timings->count; r++) {
        const struct timing *row = &timings->rows[r];
        size_t c = 0;
        while (c < *count && !belongs(timings->kind, row, &calibrations[c]))
            c++;
        if (c < *count)
            continue;
        if (*count == CALIBRATION_MAX)
            return error_set(error, "more than %d devices, precisions and operations in one file",
                             CALIBRATION_MAX);
        struct calibration *new = &calibrations[(*count)++];
        *new =
            (struct calibration){.kind = timings->kind, .device = row->device, .precision = row->precision};
        if (timings->kind == TIMING_COLLECTIVE)
            new->operation = row->of.collective.operation;
    }
    return true;
}

/* No product runs at twice the dense peak: whoever says so gave other units, or the host's time. */
static bool is_possible(const struct timing *row, double peak_flops) {
    const struct matmul *matmul = &row->of.matmul;
    double flops = 2 * (double)matmul->m * (double)matmul->n * (double)matmul->k;
    return flops / row->seconds <= 2 * peak_flops;
}

static bool check_base(const struct sample *sample, const char *device, const struct cluster *base,
                       struct error *error) {
    if (strcmp(device, base->device.name) != 0) {
        error_set(error, "times of \"%s\", but the cluster's device is \"%s\"", device, base->device.name);
        return error_hint(error, "--cluster takes a cluster file with that device");
    }
    for (size_t r = 0; r < sample->count; r++) {
        const struct timing *row = sample->rows[r];
        const double peak = base->device.peak_flops[row->precision];
        if (peak <= 0)
            return error_set(error, "\"%s\" has no peak for %s", device, precision_names[row->precision]);
        if (sample->kind == TIMING_MATMUL && !is_possible(row, peak)) {
            const struct matmul *matmul = &row->of.matmul;
            error_set(error, "a product of %lld x %lld x %lld in %g ms is beyond the peak of \"%s\"",
                      (long long)matmul->m, (long long)matmul->n, (long long)matmul->k, row->seconds * 1e3,
                      device);
            return error_hint(error, "latency_ms takes milliseconds, until the device is done");
        }
    }
    return true;
}

static struct sample sample_of(const struct timings *timings, const struct calibration *calibration,
                               struct arena *arena) {
    struct sample sample = {.kind = timings->kind,
                            .rows = ARENA_ARRAY(arena, const struct timing *, timings->count),
                            .predicted = ARENA_ARRAY(arena, double, timings->count),
                            .crossed = ARENA_ARRAY(arena, double, timings->count),
                            .scratch = ARENA_ARRAY(arena, double, timings->count)};
    for (size_t r = 0; r < timings->count; r++)
        if (belongs(timings->kind, &timings->rows[r], calibration))
            sample.rows[sample.count++] = &timings->rows[r];
    return sample;
}

bool calibration_fit(const struct timings *timings, const struct cluster *base, struct arena *arena,
                     struct calibration *calibration, struct error *error) {
    struct sample sample = sample_of(timings, calibration, arena);
    if (timings->kind != TIMING_COLLECTIVE && !check_base(&sample, calibration->device, base, error))
        return false;
    if (sample.count < FOLDS)
        return error_set(error, "fewer than %d times of \"%s\"", FOLDS, calibration->device);
    switch (timings->kind) {
    case TIMING_MATMUL:
        calibrate_matmul(base, &sample, calibration);
        return true;
    case TIMING_ATTENTION:
        return calibrate_attention(base, arena, &sample, calibration, error);
    case TIMING_EXPERTS:
        calibrate_experts(base, &sample, calibration);
        return true;
    default:
        calibrate_collective(&sample, calibration);
        return true;
    }
}
