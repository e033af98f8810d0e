/* Time of a pipeline schedule.
 *
 * A transfer between stages holds up the receiver: each pass that receives costs hop_seconds more.
 * Sources: 1F1B and interleaving arXiv 2104.04473, GPipe arXiv 1811.06965, zero bubble arXiv 2401.10241
 * (Table 2), DualPipe arXiv 2412.19437 (Table 2) and its published step order. */
#ifndef CLUSTERPLAN_PIPELINE_H
#define CLUSTERPLAN_PIPELINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "planner/inputs/layout.h"

struct pipeline {
    enum schedule schedule;
    int64_t stages, chunks; /* pp, vpp; only the interleaved schedule has more than one chunk */
    int64_t micro_batches;
    int64_t group; /* micro-batches that pass a chunk before any passes the next (layout_micro_batch_group) */
    /* By virtual stage (chunk-major as a token meets them, stages x chunks of them), seconds a micro-batch:
     */
    const double *forward_seconds;
    const double *backward_input_seconds;  /* data gradient and recompute */
    const double *backward_weight_seconds; /* weight gradient, run with the former unless put off */
    double hop_seconds;                    /* exposed time of one transfer between neighbouring stages */
};

/* How to find its time. */
enum pipeline_method {
    PIPELINE_CLOSED_FORM,
    PIPELINE_SIMULATED,
    PIPELINE_LEAST /* no more than the simulation says */
};

struct pipeline_time {
    double seconds;        /* from the first forward to the last backward; zb-2p: the longest of the stages'
                              own spans, since its optimizer step waits for nobody */
    double busy_seconds;   /* of the busiest stage */
    double bubble_seconds; /* seconds - busy, hops apart */
    double hop_seconds;    /* exposed transfers of the busiest stage */
    int64_t stage;         /* the busiest */
};

/* By closed form; equal to the simulation where the stages are equal and hops are free. */
void pipeline_closed_form(const struct pipeline *pipeline, struct pipeline_time *time);

/* What all stages together do for a micro-batch. */
struct pipeline_work {
    double forward, backward_input, backward_weight;
    double layer_seconds; /* of a layer of the kind that counts, all passes; 0: not known */
    double last_seconds;  /* of what the last stage does besides its layers; 0: not known */
};

/* Devices next to each other of which each does the same for a micro-batch. */
struct pipeline_run {
    struct pipeline_work work;
    double first_chunk_seconds; /* of that, of all passes */
    int64_t count;
};

/* What the devices of a pipeline do for a micro-batch, added from the first to the last. */
struct pipeline_devices {
    struct pipeline_work total, busiest;
    int64_t count, stage;      /* devices added; the busiest */
    struct pipeline_run *runs; /* those added, of the caller's; NULL: not kept */
    int64_t run_count;
};
void pipeline_add_devices(struct pipeline_devices *devices, const struct pipeline_run *run);

/* The closed form from the devices' work; the pipeline's passes by stage aren't looked at. */
void pipeline_closed_form_of(const struct pipeline *pipeline, const struct pipeline_devices *devices,
                             struct pipeline_time *time);
/* All three passes together. */
double pipeline_work_seconds(const struct pipeline_work *work);

/* What is known of how work is dealt to the stages: seconds a micro-batch takes, at least. */
struct pipeline_known {
    double all;     /* of all stages */
    double busiest; /* of some stage; no less than the average, nor than the last one's */
    double last;    /* of the last one */
    double before;  /* of the first chunks of all before it */
};

/* Seconds that no simulated pipeline takes less of, however else the work is dealt; no less for fewer and
 * larger micro-batches. */
double pipeline_least_seconds(enum schedule schedule, int64_t stages, int64_t micro_batches,
                              const struct pipeline_known *known);

/* Working space of simulations, for one after the other; it grows with the longest. */
struct pipeline_room {
    struct arena *arena; /* owns the memory; the rest is 0 at first */
    void *memory;
    size_t size;
};

/* The pipeline's time, found by playing the schedule event by event. */
void pipeline_simulate(const struct pipeline *pipeline, struct pipeline_room *room,
                       struct pipeline_time *time);

/* The simulation takes no less than `seconds` (pipeline_least.c). The devices keep their runs, of which the
 * first and the last device are one each; the pipeline's passes by stage aren't looked at. */
void pipeline_least(const struct pipeline *pipeline, const struct pipeline_devices *devices,
                    struct pipeline_time *time);

#endif
