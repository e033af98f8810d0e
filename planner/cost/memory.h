/* Peak memory of a training step on one device, by component, stage and moment. */
#ifndef CLUSTERPLAN_MEMORY_H
#define CLUSTERPLAN_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "planner/explain.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/training.h"

struct cluster;

/* What offload keeps outside a device, of the stage that has most. */
struct outside {
    double bytes;
    bool in_store; /* else in the host's memory */
};
enum outside_class {
    OUTSIDE_ACTIVATIONS,
    OUTSIDE_WEIGHTS,
    OUTSIDE_GRADIENTS,
    OUTSIDE_OPTIMIZER,
    OUTSIDE_COUNT
};
extern const char *const outside_names[OUTSIDE_COUNT]; /* "activations" ... */

/* Terms, in bytes, of the fullest device at its peak; they add up to per_device_bytes. */
struct memory_use {
    double per_device_bytes;
    double capacity_bytes; /* of the device; the layout fits when per_device <= capacity */
    double weights_bytes, gradients_bytes, optimizer_bytes;
    double activations_bytes; /* kept from forward to backward */
    double buffers_bytes; /* live at the peak moment only: logits, gathered weights, all-to-all, workspaces */
    double reserved_bytes;  /* context, communicators, allocator overhead and margin */
    double allocated_bytes; /* what the allocator hands out at the peak: per_device less reserved */
    double allocator_bytes; /* allocated, and what the allocator takes beyond by fragmentation */
    double device_bytes;    /* allocator, context and communicators: what the device has in use; no margin */
    int64_t stage;          /* pipeline stage it happens on */
    const char *moment;     /* "forward of the last layer", "logits backward", ... */
    struct outside outside[OUTSIDE_COUNT];
    double host_bytes_per_device, store_bytes_per_device;
    double host_capacity_bytes, store_capacity_bytes; /* one device's share; 0: there is none */
};

/* Fills `use` for the fullest device of a layout, and adds the terms to `explain`, which may be NULL. Closed
 * form, no allocation: cheap enough to reject layouts before they are costed. */
void memory_estimate(const struct model *model, const struct cluster *cluster,
                     const struct training *training, const struct layout *layout, struct memory_use *use,
                     struct explain *explain);

/* True when everything has its place: on the device, in its host and in the cluster's store. */
bool memory_fits(const struct memory_use *use);

/* memory_estimate for one pipeline stage, whether it is the fullest or not. */
void memory_estimate_stage(const struct model *model, const struct cluster *cluster,
                           const struct training *training, const struct layout *layout, int64_t stage,
                           struct memory_use *use);

/* Parameters that one device of pipeline stage `stage` holds (before ZeRO), dense and routed experts' apart.
 */
struct stage_parameters {
    double dense, expert;
};
void memory_stage_parameters(const struct model *model, const struct layout *layout, int64_t stage,
                             struct stage_parameters *parameters);

/* Micro-batches (in chunk passes for vpp > 1) whose activations stage `stage` holds at once. */
int64_t memory_in_flight(const struct layout *layout, int64_t micro_batches, int64_t stage);

#endif
