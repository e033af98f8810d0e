#include "planner/kernels/matmul.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "planner/kernels/reference_device.h"
#include "planner/numbers.h"

/* Two forms. A100's kernels show their waves: the product is cut into tiles, each multiprocessor takes tiles
 * in turn, and a last wave that is not full costs as much as a full one. H100's kernels (persistent, clusters
 * of thread blocks) show hardly any: their time is smooth in m, n and k. docs/kernel-model.md, "Matrix
 * products". */

static const double DEFAULT_MEMORY_EFFICIENCY = 0.85; /* of the datasheet's bandwidth, streaming */
static const int64_t REFERENCE_TILE = 128;            /* edge of the tile that constants are given for */
static const int64_t SPLIT_LEAST_INNER = 1024;        /* cuBLAS splits the inner dimension no finer */
const double MATMUL_ACCUMULATE_BYTES = 8;             /* fp32 read and written */
/* By SimuMax's pairs of the same layer, A100-PCIe and B200. */
const double MATMUL_ACCUMULATE_SHOWN = 0.4;

struct tile {
    int64_t rows, columns;
    double edges; /* loads of its edges for a product of an element: 1 / rows + 1 / columns */
};
static const struct tile tiles[] = {
    {256, 128, 1.0 / 256 + 1.0 / 128},
    {128, 256, 1.0 / 128 + 1.0 / 256},
    {128, 128, 1.0 / 128 + 1.0 / 128},
    {64, 64, 1.0 / 64 + 1.0 / 64},
};
static const int64_t splits[] = {1, 2, 3, 4, 5, 6, 8};

static double element_bytes(enum precision precision) {
    return precision == PRECISION_FP8 ? 1 : precision == PRECISION_TF32 ? 4 : 2;
}

static double result_bytes(enum precision precision) {
    return precision == PRECISION_TF32 ? 4 : 2;
}

static double memory_rate(const struct cluster_device *device) {
    double efficiency = device->kernels.memory_efficiency;
    return device->memory_bytes_per_second * (efficiency > 0 ? efficiency : DEFAULT_MEMORY_EFFICIENCY);
}

/* Constants for `precision`: the device's own; else of its other 16-bit format; else NULL. */
static const struct matmul_constants *own_constants(const struct cluster_device *device,
                                                    enum precision precision) {
    const struct matmul_constants *all = device->kernels.matmul;
    if (all[precision].known)
        return &all[precision];
    if (precision == PRECISION_FP16 && all[PRECISION_BF16].known)
        return &all[PRECISION_BF16];
    if (precision == PRECISION_BF16 && all[PRECISION_FP16].known)
        return &all[PRECISION_FP16];
    return NULL;
}

/* Rates follow the peak of the format, traffic the memory; what takes a fixed time keeps it. */
static struct matmul_constants scale(const struct matmul_constants *constants, double peak_ratio,
                                     double memory_ratio) {
    struct matmul_constants scaled = *constants;
    scaled.flops_per_second *= peak_ratio;
    scaled.throttle_flops *= peak_ratio;
    scaled.output_seconds /= peak_ratio;
    scaled.operand_seconds /= memory_ratio;
    return scaled;
}

/* What a device reaches of its peak in 16-bit products holds for its fp8 too, by the reference's measure. */
static double relative_efficiency(const struct cluster_device *device) {
    const struct matmul_constants *own = own_constants(device, PRECISION_BF16);
    const struct matmul_constants *reference = own_constants(&reference_device, PRECISION_BF16);
    if (!own || own->form != reference->form || device->peak_flops[PRECISION_BF16] <= 0)
        return 1;
    return own->flops_per_second / device->peak_flops[PRECISION_BF16] *
           reference_device.peak_flops[PRECISION_BF16] / reference->flops_per_second;
}

struct matmul_constants matmul_constants_of(const struct cluster_device *device, enum precision precision) {
    const struct matmul_constants *own = own_constants(device, precision);
    if (own)
        return *own;
    const struct cluster_device *from = &reference_device;
    enum precision of = precision;
    if (precision == PRECISION_TF32) {
        of = PRECISION_BF16;
        if (own_constants(device, of))
            from = device;
    }
    double ratio = device->peak_flops[precision] / from->peak_flops[of];
    if (precision == PRECISION_FP8)
        ratio *= relative_efficiency(device);
    return scale(own_constants(from, of), ratio,
                 device->memory_bytes_per_second / from->memory_bytes_per_second);
}

/* What one product of this very device reached holds for all of them: clocks and cooling are the same. */
static struct matmul_constants constants_for(const struct cluster_device *device, enum precision precision) {
    struct matmul_constants constants = matmul_constants_of(device, precision);
    double share = device->kernels.measured_share;
    if (share > 0) {
        constants.flops_per_second *= share;
        constants.output_seconds /= share;
        constants.tile_seconds /= share;
    }
    return constants;
}

static double throttled(const struct matmul_constants *c, double seconds, double flops) {
    return seconds * (1 + c->throttle * flops / (flops + c->throttle_flops));
}

/* Of numbers of tiles and the like, which an integer holds; inline, where ceil is a call: the search comes
 * here often. */
static inline double ceiling(double a) {
    double whole = (double)(int64_t)a;
    return whole < a ? whole + 1 : whole;
}

static inline double ceil_quotient(double a, double b) {
    return ceiling(a / b);
}

/* Tiles of one size: the least time over splits of the inner dimension in parts that are summed afterwards,
 * or `best` where none is less. */
static double tiled_least(const struct matmul_constants *c, const struct matmul *p, const struct tile *tile,
                          int64_t multiprocessors, double memory_bytes_per_second, double best) {
    double m = (double)p->m, n = (double)p->n, k = (double)p->k, batch = (double)p->batch;
    double rows = (double)tile->rows, columns = (double)tile->columns;
    double area = rows * columns / (double)(REFERENCE_TILE * REFERENCE_TILE);
    double count = ceil_quotient(m, rows) * ceil_quotient(n, columns) * batch;
    double step = 2 * rows * columns * (1 + c->tile_edge * tile->edges) / c->flops_per_second;
    double sum_seconds = c->split_traffic * MATMUL_ACCUMULATE_BYTES * m * n * batch / memory_bytes_per_second;
    for (size_t s = 0; s < sizeof splits / sizeof *splits; s++) {
        double split = (double)splits[s];
        double summing = splits[s] > 1 ? sum_seconds * split + c->tile_seconds : 0;
        if ((splits[s] > 1 && p->k < splits[s] * SPLIT_LEAST_INNER) || count * step * k + summing >= best)
            break; /* further splits only sum more */
        double units = ceil_quotient(count * split, (double)multiprocessors) * area;
        if (units > 2) /* a multiprocessor works on two 128x128 tiles' worth at a time */
            units = 2 * ceiling(units / 2);
        double loop = step * (double)multiprocessors * ceil_quotient(k, split);
        best = smaller(best, units / area * (loop + c->tile_seconds * area) + summing);
    }
    return best;
}

static double tiled_seconds(const struct matmul_constants *c, const struct matmul *p, int64_t multiprocessors,
                            double memory_bytes_per_second) {
    double best = HUGE_VAL;
    double full = 2 * (double)p->m * (double)p->n * (double)p->k * (double)p->batch / c->flops_per_second;
    for (size_t t = 0; t < sizeof tiles / sizeof *tiles; t++) /* some are too slow even in full waves */
        if (full * (1 + c->tile_edge * tiles[t].edges) < best)
            best = tiled_least(c, p, &tiles[t], multiprocessors, memory_bytes_per_second, best);
    return best;
}

static double smooth_seconds(const struct matmul_constants *c, const struct matmul *p, double flops,
                             int64_t multiprocessors) {
    double results = (double)p->m * (double)p->n * (double)p->batch;
    double seconds = throttled(c, flops / c->flops_per_second, flops) + c->output_seconds * results;
    int64_t busy = quotient_up(p->m, REFERENCE_TILE) * quotient_up(p->n, REFERENCE_TILE) * p->batch;
    if (busy < multiprocessors) {
        double tile_flops = 2.0 * (double)(REFERENCE_TILE * REFERENCE_TILE) * (double)p->k;
        seconds += c->idle_share * (double)(multiprocessors - busy) * tile_flops / c->flops_per_second;
    }
    return seconds;
}

/* The arithmetic alone: no launch, no memory bound. */
static double compute_seconds(const struct cluster_device *device, const struct matmul_constants *c,
                              const struct matmul *p) {
    int64_t multiprocessors = device->kernels.multiprocessors;
    if (multiprocessors == 0)
        multiprocessors = reference_device.kernels.multiprocessors;
    double flops = 2.0 * (double)p->m * (double)p->n * (double)p->k * (double)p->batch;
    if (c->form == MATMUL_SMOOTH)
        return smooth_seconds(c, p, flops, multiprocessors);
    return throttled(c, tiled_seconds(c, p, multiprocessors, device->memory_bytes_per_second), flops);
}

static bool is_empty(const struct matmul *p) {
    return p->m <= 0 || p->n <= 0 || p->k <= 0 || p->batch <= 0;
}

double matmul_seconds(const struct cluster_device *device, const struct matmul *p) {
    if (is_empty(p))
        return 0;
    if (device->peak_flops[p->precision] <= 0)
        return HUGE_VAL;
    const struct matmul_constants c = constants_for(device, p->precision);
    double m = (double)p->m, n = (double)p->n, k = (double)p->k, batch = (double)p->batch;
    bool accumulates = p->pass == MATMUL_WEIGHT_GRADIENT;
    double operands = (m * k + k * n) * batch * element_bytes(p->precision);
    double results = m * n * batch * (accumulates ? MATMUL_ACCUMULATE_BYTES : result_bytes(p->precision));
    double rate = memory_rate(device);
    double seconds = compute_seconds(device, &c, p);
    if (accumulates)
        seconds += MATMUL_ACCUMULATE_SHOWN * results / rate;
    return c.launch_seconds + fmax(seconds, (operands + results) / rate) + c.operand_seconds * m * k * batch;
}

double matmul_adopt_measured(struct cluster_device *device) {
    double edge = (double)device->product_edge;
    const struct matmul product = {device->product_edge, device->product_edge, device->product_edge, 1,
                                   PRECISION_BF16,       MATMUL_FORWARD};
    device->kernels.measured_share = 0;
    if (device->product_edge <= 0 || device->peak_flops[PRECISION_BF16] <= 0)
        return 0;
    double promised = 2 * edge * edge * edge / matmul_seconds(device, &product);
    return device->kernels.measured_share = device->product_flops_per_second / promised;
}

static const struct kernel_constants *grouped_constants(const struct cluster_device *device) {
    return device->kernels.grouped_rate > 0 ? &device->kernels : &reference_device.kernels;
}

/* What grouped products take, apart from their launches. */
struct grouped_work {
    double arithmetic; /* seconds */
    double operand_bytes, result_bytes;
};

static struct grouped_work grouped_work_of(const struct cluster_device *device,
                                           const struct matmul_constants *c, const struct matmul *p,
                                           int64_t groups) {
    double m = (double)p->m, n = (double)p->n, k = (double)p->k, weights = (double)groups;
    struct matmul dense = *p;
    double operands = m * k + n * k * weights, results = m * n * result_bytes(p->precision);
    if (p->pass == MATMUL_WEIGHT_GRADIENT) { /* a result for each group, the rows are the inner dimension */
        dense.batch = groups;
        dense.k = quotient_up(p->k, groups);
        operands = (m + n) * k;
        results = m * n * weights * MATMUL_ACCUMULATE_BYTES;
    }
    return (struct grouped_work){compute_seconds(device, c, &dense), operands * element_bytes(p->precision),
                                 results};
}

double matmul_grouped_seconds(const struct cluster_device *device, const struct matmul *p, int64_t groups) {
    if (is_empty(p) || groups <= 0)
        return 0;
    if (device->peak_flops[p->precision] <= 0)
        return HUGE_VAL;
    const struct kernel_constants *grouped = grouped_constants(device);
    const struct matmul_constants c = constants_for(device, p->precision);
    struct grouped_work work = grouped_work_of(device, &c, p, groups);
    double arithmetic = work.arithmetic / grouped->grouped_rate;
    double traffic = (work.operand_bytes + work.result_bytes) / memory_rate(device);
    double seconds = fmax(arithmetic, traffic) + grouped->grouped_exposed * fmin(arithmetic, traffic);
    return c.launch_seconds + fmax(seconds, (double)groups * grouped->grouped_launch_seconds) +
           c.operand_seconds * (double)p->m * (double)p->k;
}

double matmul_fused_grouped_seconds(const struct cluster_device *device, const struct matmul *p,
                                    int64_t groups, double fused_bytes) {
    if (is_empty(p) || groups <= 0)
        return 0;
    if (device->peak_flops[p->precision] <= 0)
        return HUGE_VAL;
    const struct matmul_constants c = constants_for(device, p->precision);
    struct grouped_work work = grouped_work_of(device, &c, p, groups);
    double rate = memory_rate(device), seconds = work.arithmetic;
    double traffic = (work.operand_bytes + work.result_bytes + fused_bytes) / rate;
    if (p->pass == MATMUL_WEIGHT_GRADIENT) /* as of a plain product */
        seconds += MATMUL_ACCUMULATE_SHOWN * work.result_bytes / rate;
    return c.launch_seconds + fmax(seconds, traffic) + c.operand_seconds * (double)p->m * (double)p->k;
}

/* The largest tile wastes least on its edges, full waves nothing, and sizes that throttle do so for all
 * shapes. */
double matmul_least_seconds(const struct cluster_device *device, enum precision precision, double flops) {
    if (device->peak_flops[precision] <= 0)
        return HUGE_VAL;
    const struct matmul_constants c = constants_for(device, precision);
    double edge = 0;
    if (c.form != MATMUL_SMOOTH)
        edge = c.tile_edge * tiles[0].edges;
    double rate = fmax(1, grouped_constants(device)->grouped_rate);
    return throttled(&c, flops * (1 + edge) / c.flops_per_second, flops) / rate;
}

bool matmul_is_fitted(const struct cluster_device *device, enum precision precision) {
    return own_constants(device, precision) != NULL;
}
