/* Constants of collectives out of a campaign's records. */
#include <math.h>
#include <string.h>

#include "probe/fit.h"
#include "probe/result.h"

const char *result_measured_by(const struct campaign *campaign, enum transport transport) {
    switch (transport) {
    case TRANSPORT_NCCL:
        return arena_print(campaign->arena, "measured by %s", campaign->gpus[0].nccl);
    case TRANSPORT_DEVICE:
        return "measured by MPI between GPUs";
    default:
        return "measured";
    }
}

/* What is fitted together: an operation in the groups of one kind, or messages between the ranks of a level.
 */
struct series {
    enum transport transport;
    int operation;
    bool messages;
    int32_t level; /* of messages; else enum record_group */
};

/* Other work on a machine or a network only takes away, so of the samples the lower quartile counts, as of
 * latencies. */
static struct fit_collective_point point_of(const struct record *record, const struct series *series) {
    int members = series->operation == COLLECTIVE_SEND_RECEIVE ? 2 : record->members;
    double bytes = (double)record->bytes;
    return (struct fit_collective_point){
        members, bytes, fit_bus_volume((enum collective_operation)series->operation, bytes, members),
        record->summary.lower_quartile};
}

static bool belongs(const struct record *record, const struct series *series, bool held_out) {
    int32_t phase = held_out ? PHASE_HELD_OUT : series->messages ? PHASE_SWEEP : PHASE_COLLECTIVE;
    int32_t kind = series->messages ? TASK_LATENCY : TASK_COLLECTIVE;
    return record->phase == phase && record->kind == kind && record->level == series->level &&
           record->transport == (int32_t)series->transport && record->summary.count > 0 &&
           (series->messages || record->operation == series->operation);
}

static size_t gather(const struct campaign *campaign, const struct series *series, bool held_out,
                     struct fit_collective_point *points) {
    size_t count = 0;
    for (size_t r = 0; r < campaign->records->count && count < FIT_POINTS_MAX; r++) {
        const struct record *record = &campaign->records->items[r];
        if (belongs(record, series, held_out))
            points[count++] = point_of(record, series);
    }
    return count;
}

/* False where too little was measured. */
static bool fit(const struct campaign *campaign, const struct series *series,
                struct collective_constants *constants) {
    static const double STEPS = 1000; /* of a whole: no error is known any better */
    struct fit_collective_point points[FIT_POINTS_MAX];
    double median_error;
    size_t count = gather(campaign, series, false, points);
    fit_clip(points, count);
    if (!fit_collective(points, count, constants, &median_error))
        return false;
    constants->fit_error = fmax(1, round(STEPS * median_error)) / STEPS;
    constants->from = result_measured_by(campaign, series->transport);
    constants->corrections = ARENA_ARRAY(campaign->arena, struct collective_correction, count);
    constants->correction_count = fit_corrections(points, count, constants, constants->corrections);
    return true;
}

/* Whether the group was measured in other sizes, and by more and by fewer bytes than these. */
static bool is_between(const struct collective_constants *constants, const struct fit_collective_point *point,
                       bool *same_group) {
    bool fewer = false, more = false;
    *same_group = false;
    for (size_t i = 0; i < constants->correction_count; i++) {
        const struct collective_correction *correction = &constants->corrections[i];
        *same_group = *same_group || correction->members == point->members;
        fewer = fewer || correction->message_bytes < point->message_bytes;
        more = more || correction->message_bytes > point->message_bytes;
    }
    return fewer && more;
}

static void predict(const struct campaign *campaign, const struct series *series, double *errors[2],
                    struct result_held_out *out) {
    struct fit_collective_point points[FIT_POINTS_MAX];
    struct collective_constants constants = {0};
    size_t count = gather(campaign, series, true, points);
    if (count == 0 || !fit(campaign, series, &constants))
        return;
    for (size_t p = 0; p < count; p++) {
        const struct fit_collective_point *point = &points[p];
        bool same_group;
        if (!is_between(&constants, point, &same_group))
            continue;
        double seconds =
            fit_corrected_seconds(&constants, point->members, point->message_bytes, point->volume_bytes);
        size_t *predicted = same_group ? &out->sizes : &out->groups;
        errors[same_group ? 0 : 1][(*predicted)++] = fabs(seconds / point->seconds - 1);
    }
}

void result_held_out(const struct campaign *campaign, struct result_held_out *out) {
    size_t room = campaign->records->count + 1;
    double *errors[2] = {ARENA_ARRAY(campaign->arena, double, room),
                         ARENA_ARRAY(campaign->arena, double, room)};
    *out = (struct result_held_out){0};
    for (int transport = TRANSPORT_HOST; transport < TRANSPORT_COUNT; transport++) {
        struct series series = {.transport = (enum transport)transport};
        for (series.level = 0; series.level < GROUP_COUNT; series.level++)
            for (series.operation = 0; series.operation < COLLECTIVE_COUNT; series.operation++)
                predict(campaign, &series, errors, out);
        series.messages = true;
        series.operation = COLLECTIVE_SEND_RECEIVE;
        for (series.level = CAMPAIGN_LEVEL_SOCKET; series.level < (int32_t)campaign->levels.count;
             series.level++)
            predict(campaign, &series, errors, out);
    }
    const double nine_in_ten = 0.9;
    out->sizes_error = summary_median(errors[0], out->sizes);
    out->groups_error = summary_median(errors[1], out->groups);
    out->sizes_nine_in_ten = summary_quantile(errors[0], out->sizes, nine_in_ten);
    out->groups_nine_in_ten = summary_quantile(errors[1], out->groups, nine_in_ten);
}

/* Corrections that no clock would show. */
static void drop_trifles(struct collective_constants *constants) {
    const double clock_share = 0.01;
    bool any = false;
    for (size_t i = 0; i < constants->correction_count; i++)
        any = any || fabs(constants->corrections[i].factor - 1) >= clock_share;
    constants->correction_count = any ? constants->correction_count : 0;
}

/* What one rank of each node measured, as the file has it: of whole nodes; of an all-to-all what a rank
 * reaches while all of its node send. The ramp goes with the root of latency x transfer time. */
static void give_whole_nodes(const struct result_groups *groups, int operation,
                             struct collective_constants *constants) {
    double factor = groups->node_share;
    if (operation == COLLECTIVE_SEND_RECEIVE || !(factor > 0))
        return; /* the file has one pair */
    if (operation == COLLECTIVE_ALL_TO_ALL)
        factor = fmin(1, factor / (double)groups->devices);
    constants->bandwidth_bytes_per_second *= factor;
    constants->ramp_seconds /= sqrt(factor);
}

void result_fit(const struct campaign *campaign, const struct result_groups *groups,
                struct network_level *level) {
    static const enum transport order[] = {TRANSPORT_NCCL, TRANSPORT_DEVICE, TRANSPORT_HOST};
    for (int operation = 0; operation < COLLECTIVE_COUNT; operation++) {
        bool done = false;
        for (size_t i = 0; i < sizeof order / sizeof *order && !done; i++) {
            struct series series = {.transport = order[i], .operation = operation};
            series.messages = operation == COLLECTIVE_SEND_RECEIVE && order[i] != TRANSPORT_NCCL;
            series.level = series.messages              ? groups->level
                           : order[i] == TRANSPORT_NCCL ? (int32_t)groups->nccl
                                                        : (int32_t)groups->mpi;
            done = (order[i] != TRANSPORT_HOST || groups->host_memory) &&
                   fit(campaign, &series, &level->collectives[operation]);
            if (done && order[i] != TRANSPORT_NCCL)
                give_whole_nodes(groups, operation, &level->collectives[operation]);
        }
        drop_trifles(&level->collectives[operation]);
    }
}
