/* What was measured of the GPUs, as figures of the device, its link to the host and its links to the others.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "probe/matrix_product.h"
#include "probe/result.h"
#include "probe/text_list.h"

/* A GPU that is so much slower than the usual one is told. Parts of one kind differ by a few per cent; their
 * spread is that of samples 0.5 s apart. */
static const double SLOW_SHARE = 0.1, SLOW_IN_SPREADS = 3;

static const struct {
    enum task_kind kind;
    const char *what;
} figures[] = {{TASK_GPU_MEMORY, "copies in its memory"},
               {TASK_GPU_LINK, "sends to its host"},
               {TASK_GPU_PRODUCT, "multiplies"}};

/* Speed of a rank's GPU: bytes a second, or products a second. 0 when not measured. */
static double speed_of(const struct record *record) {
    return record->kind == TASK_GPU_PRODUCT ? 1 / record->summary.median : record->summary.median;
}

static bool is_figure(const struct record *record, enum task_kind kind) {
    return record->phase == PHASE_MEMORY && record->kind == (int32_t)kind && record->summary.count > 0;
}

/* Over all GPUs. 0 when none was measured. */
static double usual_speed(const struct campaign *campaign, enum task_kind kind) {
    double *speeds = ARENA_ARRAY(campaign->arena, double, campaign->records->count + 1);
    size_t count = 0;
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (is_figure(record, kind))
            speeds[count++] = speed_of(record);
    }
    return summary_median(speeds, count);
}

/* The speed of a GPU over the usual; how far below counts as slow stands in `limit`. */
static double factor_of(const struct record *record, double usual, double *limit) {
    double noise = summary_spread(&record->summary) / record->summary.median;
    *limit = 1 - fmax(SLOW_SHARE, SLOW_IN_SPREADS * noise);
    return speed_of(record) / usual;
}

double result_gpu_factor(const struct campaign *campaign, size_t host) {
    double least = 0;
    for (size_t f = 0; f < sizeof figures / sizeof *figures; f++) {
        double usual = usual_speed(campaign, figures[f].kind), limit;
        for (size_t r = 0; r < campaign->records->count && figures[f].kind != TASK_GPU_LINK; r++) {
            const struct record *record = &campaign->records->items[r];
            if (is_figure(record, figures[f].kind) &&
                campaign->placement->host_of[record->from] == (int32_t)host) {
                double factor = factor_of(record, usual, &limit);
                double counts = factor < limit ? factor : 1;
                least = least > 0 ? fmin(least, counts) : counts;
            }
        }
    }
    return least;
}

void result_note_gpus(const struct campaign *campaign, size_t host, char *text, size_t size) {
    text[0] = '\0';
    for (size_t f = 0; f < sizeof figures / sizeof *figures; f++) {
        double usual = usual_speed(campaign, figures[f].kind);
        for (size_t r = 0; r < campaign->records->count; r++) {
            const struct record *record = &campaign->records->items[r];
            if (!is_figure(record, figures[f].kind) ||
                campaign->placement->host_of[record->from] != (int32_t)host)
                continue;
            double limit, factor = factor_of(record, usual, &limit);
            if (factor < limit) {
                text_list_add(text, size, "; ", "the GPU of rank %d %s at %.2f of the usual rate",
                              record->from, figures[f].what, factor);
            }
        }
    }
}

/* The least that a GPU of the campaign has. 0 when none was opened. */
static double least_memory_bytes(const struct campaign *campaign) {
    double least = 0;
    for (int32_t rank = 0; rank < campaign->placement->ranks; rank++) {
        const struct gpu_summary *gpu = &campaign->gpus[rank];
        if (gpu->usable && (!(least > 0) || gpu->memory_bytes < least))
            least = gpu->memory_bytes;
    }
    return least;
}

static const char *join(const struct campaign *campaign, const char *list, const char *word) {
    return arena_print(campaign->arena, "%s%s%s", list, list[0] != '\0' ? ", " : "", word);
}

void result_add_device(const struct campaign *campaign, struct cluster *cluster) {
    const double edge = MATRIX_PRODUCT_EDGE;
    double memory = least_memory_bytes(campaign), copies = usual_speed(campaign, TASK_GPU_MEMORY);
    double link = usual_speed(campaign, TASK_GPU_LINK), products = usual_speed(campaign, TASK_GPU_PRODUCT);
    struct cluster_device *device = &cluster->device;
    const char *measured = "";
    if (memory > 0) {
        device->memory_bytes = memory;
        device->reserved_bytes = fmin(device->reserved_bytes, memory / 2); /* an instance has less of both */
        measured = join(campaign, measured, "memory");
    }
    if (copies > 0) {
        device->kernels.memory_efficiency = fmin(1, copies / device->memory_bytes_per_second);
        measured = join(campaign, measured, "memory_efficiency");
    }
    if (products > 0) {
        device->product_edge = MATRIX_PRODUCT_EDGE;
        device->product_flops_per_second = 2 * edge * edge * edge * products;
        measured = join(campaign, measured, "product");
    }
    if (measured[0] != '\0')
        device->from = arena_print(campaign->arena, "base; measured: %s", measured);
    if (link > 0) {
        cluster->node.host_link_bytes_per_second = link;
        cluster->node.from = arena_print(campaign->arena, "%s, host_link", cluster->node.from);
    }
}

/* Latency of the smallest message and bandwidth of the largest that NCCL passed between two GPUs of a node.
 */
static bool by_nccl(const struct campaign *campaign, double *latency, double *bandwidth) {
    const struct record *smallest = NULL, *largest = NULL;
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase == PHASE_COLLECTIVE && record->transport == TRANSPORT_NCCL &&
            record->level == GROUP_HOST && record->operation == COLLECTIVE_SEND_RECEIVE &&
            record->summary.count > 0) {
            smallest = smallest == NULL || record->bytes < smallest->bytes ? record : smallest;
            largest = largest == NULL || record->bytes > largest->bytes ? record : largest;
        }
    }
    if (largest == NULL)
        return false;
    *latency = smallest->summary.median;
    *bandwidth = (double)largest->bytes / largest->summary.median;
    return true;
}

void result_add_gpu_level(const struct campaign *campaign, struct network_level *level) {
    struct summary latency, stream;
    double seconds, rate;
    result_summarize_over(campaign, TRANSPORT_DEVICE, PHASE_SWEEP, TASK_LATENCY, -1, &latency);
    result_summarize_over(campaign, TRANSPORT_DEVICE, PHASE_SWEEP, TASK_STREAM, -1, &stream);
    if (by_nccl(campaign, &seconds, &rate)) {
        level->from = result_measured_by(campaign, TRANSPORT_NCCL);
    } else if (latency.count > 0 && stream.count > 0) {
        level->from = result_measured_by(campaign, TRANSPORT_DEVICE);
        seconds = latency.median;
        rate = stream.median;
    } else {
        seconds = level->latency_seconds;
        rate = level->bandwidth_bytes_per_second;
    }
    if (rate < level->bandwidth_bytes_per_second || rate > level->bandwidth_bytes_per_second)
        level->efficiency = 0; /* the base's is a share of the base's bandwidth */
    level->latency_seconds = seconds;
    level->bandwidth_bytes_per_second = rate;
    for (int operation = 0; operation < COLLECTIVE_COUNT; operation++)
        level->collectives[operation].from = "base";
    result_fit(campaign, &(struct result_groups){.level = -1, .mpi = GROUP_HOST, .nccl = GROUP_HOST}, level);
}
