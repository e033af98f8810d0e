/* Constants of collectives out of a campaign's records. */
#include <string.h>

#include "probe/fit.h"
#include "probe/result.h"

enum { POINTS_MAX = 256 };

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

static size_t collective_points(const struct campaign *campaign, enum transport transport,
                                enum record_group group, int operation, struct fit_collective_point *points) {
    size_t count = 0;
    for (size_t r = 0; r < campaign->records->count && count < POINTS_MAX; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase != PHASE_COLLECTIVE || record->transport != (int32_t)transport ||
            record->level != (int32_t)group || record->operation != operation || record->summary.count == 0) {
            continue;
        }
        int members = operation == COLLECTIVE_SEND_RECEIVE ? 2 : record->members;
        double volume = fit_bus_volume((enum collective_operation)operation, (double)record->bytes, members);
        points[count++] = (struct fit_collective_point){members, volume, record->summary.median};
    }
    return count;
}

static size_t message_points(const struct campaign *campaign, enum transport transport, int32_t level,
                             struct fit_collective_point *points) {
    size_t count = 0;
    for (size_t r = 0; r < campaign->records->count && count < POINTS_MAX; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase == PHASE_SWEEP && record->kind == TASK_LATENCY && record->level == level &&
            record->transport == (int32_t)transport && record->summary.count > 0) {
            points[count++] = (struct fit_collective_point){2, (double)record->bytes, record->summary.median};
        }
    }
    return count;
}

size_t result_held_out(const struct campaign *campaign, double *median_error) {
    double *errors = ARENA_ARRAY(campaign->arena, double, campaign->records->count + 1);
    size_t predicted = 0;
    for (int transport = TRANSPORT_HOST; transport <= TRANSPORT_NCCL; transport++) {
        for (int group = 0; group < GROUP_NONE; group++) {
            for (int operation = 0; operation < COLLECTIVE_COUNT; operation++) {
                struct fit_collective_point points[POINTS_MAX];
                size_t count = collective_points(campaign, (enum transport)transport,
                                                 (enum record_group)group, operation, points);
                predicted += fit_held_out(points, count, errors + predicted);
            }
        }
    }
    *median_error = summary_median(errors, predicted);
    return predicted;
}

void result_fit(const struct campaign *campaign, const struct result_groups *groups,
                struct network_level *level) {
    static const enum transport order[] = {TRANSPORT_NCCL, TRANSPORT_DEVICE, TRANSPORT_HOST};
    for (int operation = 0; operation < COLLECTIVE_COUNT; operation++) {
        struct collective_constants *constants = &level->collectives[operation];
        bool done = false;
        for (size_t i = 0; i < sizeof order / sizeof *order && !done; i++) {
            struct fit_collective_point points[POINTS_MAX];
            enum transport transport = order[i];
            double median_error;
            bool messages = operation == COLLECTIVE_SEND_RECEIVE && transport != TRANSPORT_NCCL;
            if (transport == TRANSPORT_HOST && !groups->host_memory) {
                continue;
            }
            size_t count = messages
                               ? message_points(campaign, transport, groups->level, points)
                               : collective_points(campaign, transport,
                                                   transport == TRANSPORT_NCCL ? groups->nccl : groups->mpi,
                                                   operation, points);
            done = fit_collective(points, count, constants, &median_error);
            if (done) {
                constants->from = result_measured_by(campaign, transport);
            }
        }
    }
}
