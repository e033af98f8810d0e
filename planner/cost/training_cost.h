/* From a step to a whole training: MFU, steps, days with interruptions, money and energy. */
#ifndef CLUSTERPLAN_TRAINING_COST_H
#define CLUSTERPLAN_TRAINING_COST_H

#include <stdint.h>

#include "common/cluster.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"
#include "planner/inputs/training.h"

/* Model FLOPs utilisation of a step. */
double cost_mfu(const struct model *model, const struct cluster *cluster, const struct training *training,
                const struct layout *layout, double step_seconds);

/* A whole training at a given step time. */
struct training_cost {
    double tokens, steps, days, device_hours;
    double cost;          /* dollars: device hours x price + energy x its price; 0: neither price is known */
    double energy_cost;   /* the second part */
    double goodput;       /* share of the time not lost to checkpoints and restarts; 1: no MTBF is known */
    double energy_joules; /* 0: unknown */
};

void cost_training(const struct model *model, const struct cluster *cluster, const struct training *training,
                   const struct layout *layout, double step_seconds, struct training_cost *cost);

/* Its parts, where the step is still to be found: how many steps, ... */
double cost_steps(const struct training *training);

/* ... the share of the time that so many devices make progress, checkpointing at Daly's optimal interval, ...
 */
double cost_goodput(const struct model_counts *counts, const struct cluster *cluster,
                    const struct training *training, int64_t devices);

/* ... and dollars a second while `devices` compute and `paid` are paid for. */
double cost_rate(const struct cluster *cluster, double paid, double devices);

#endif
