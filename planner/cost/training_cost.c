#include "planner/cost/training_cost.h"

#include <math.h>

/* Of a parameter a checkpoint holds the 16-bit weight, and what the optimizer keeps. */
static const double CHECKPOINT_WEIGHT_BYTES = 2;
/* From an interruption to the first step after it, loading apart: noticing, replacing the node, starting the
 * processes and their communicators. An assumption; Llama 3 405B's 54 days with 419 unexpected interruptions
 * at over 90 % effective training time (arXiv 2407.21783, section 3.3.4) leave under 20 minutes for each. */
static const double RESTART_SECONDS = 600;
/* A training that gets on for less of its time never ends: the formula's exponential gives it ages. */
static const double LEAST_GOODPUT = 1e-6;

double cost_mfu(const struct model *model, const struct cluster *cluster, const struct training *training,
                const struct layout *layout, double step_seconds) {
    struct model_counts counts;
    model_count(model, training->sequence, &counts);
    double tokens = (double)training->global_batch * (double)training->sequence;
    double pace = cluster->device.pace > 0 ? cluster->device.pace : 1; /* the peak is scaled by it */
    double peak = cluster->device.peak_flops[training->precision] / pace * (double)layout_devices(layout);
    if (peak <= 0 || step_seconds <= 0)
        return 0;
    return counts.flops_per_token * tokens / (step_seconds * peak);
}

/* Share of the time that makes progress, at the optimal interval between checkpoints. J. T. Daly, "A higher
 * order estimate of the optimum checkpoint interval for restart dumps", FGCS 22 (2006): equations 20 and 37.
 */
static double goodput(double mtbf, double write_seconds, double restart_seconds) {
    double interval = mtbf;
    if (write_seconds < 2 * mtbf) {
        double ratio = sqrt(write_seconds / (2 * mtbf));
        interval = sqrt(2 * write_seconds * mtbf) * (1 + ratio / 3 + ratio * ratio / 9) - write_seconds;
    }
    double expected = mtbf * exp(restart_seconds / mtbf) * expm1((interval + write_seconds) / mtbf);
    return interval / expected;
}

double cost_steps(const struct training *training) {
    return ceil(training->tokens / ((double)training->global_batch * (double)training->sequence));
}

double cost_goodput(const struct model_counts *counts, const struct cluster *cluster,
                    const struct training *training, int64_t devices) {
    double mtbf = cluster->device.mtbf_seconds / (double)devices;
    double nodes = ceil((double)devices / (double)cluster->node.devices);
    double storage = cluster->node.storage_bytes_per_second * nodes;
    double link = cluster->node.host_link_bytes_per_second * (double)devices;
    if (mtbf <= 0 || storage <= 0)
        return 1;
    /* Through the host to the storage, as a stream: the slower of the two. */
    double rate = link > 0 ? fmin(storage, link) : storage;
    double bytes = CHECKPOINT_WEIGHT_BYTES + optimizer_kept_bytes(training);
    double write = bytes * (counts->parameters + counts->mtp_parameters) / rate;
    double share = goodput(mtbf, write, RESTART_SECONDS + write);
    return share < LEAST_GOODPUT ? 0 : share;
}

/* Dollars a second for the energy that so many devices draw. */
static double energy_rate(const struct cluster *cluster, double devices) {
    return devices * cluster->device.power_watts * cluster->energy_price_per_joule;
}

double cost_rate(const struct cluster *cluster, double paid, double devices) {
    return paid * cluster->device.price_per_second + energy_rate(cluster, devices);
}

void cost_training(const struct model *model, const struct cluster *cluster, const struct training *training,
                   const struct layout *layout, double step_seconds, struct training_cost *cost) {
    struct model_counts counts;
    model_count(model, training->sequence, &counts);
    double devices = (double)layout_devices(layout);
    *cost = (struct training_cost){.tokens = training->tokens, .goodput = 1};
    cost->steps = cost_steps(training);
    cost->goodput = cost_goodput(&counts, cluster, training, layout_devices(layout));
    double seconds = cost->steps * step_seconds / cost->goodput;
    cost->days = seconds / SECONDS_A_DAY;
    cost->device_hours = devices * seconds / SECONDS_AN_HOUR;
    cost->cost = seconds * cost_rate(cluster, devices, devices);
    cost->energy_cost = seconds * energy_rate(cluster, devices);
    cost->energy_joules = devices * seconds * cluster->device.power_watts;
}
