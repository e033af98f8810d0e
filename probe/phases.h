/* The phases of a campaign, in their order: nodes alone, pairs in a host, pairs of hosts, levels, messages by
 * size, levels under load, collectives; GPUs alone, in pairs, and by NCCL. Each keeps to a share of the time
 * limit. */
#ifndef CLUSTERPLAN_PROBE_PHASES_H
#define CLUSTERPLAN_PROBE_PHASES_H

#include <stdbool.h>

#include "probe/campaign.h"

/* Runs all of them. False as in campaign_run. */
bool phases_run(struct campaign *campaign, struct error *error);

/* Those with a file of their own, and what they will take. */
bool phases_run_speeds(struct campaign *campaign, struct error *error);
double phases_expect_speeds(const struct campaign *campaign);
bool phases_run_rails(struct campaign *campaign, struct error *error);
double phases_expect_rails(const struct campaign *campaign);
bool phases_run_collectives(struct campaign *campaign, struct error *error);
double phases_expect_collectives(const struct campaign *campaign);
bool phases_run_gpus(struct campaign *campaign, struct error *error);
double phases_expect_gpus(const struct campaign *campaign);
bool phases_run_gpu_pairs(struct campaign *campaign, struct error *error);
double phases_expect_gpu_pairs(const struct campaign *campaign);
bool phases_run_nccl(struct campaign *campaign, struct error *error);
double phases_expect_nccl(const struct campaign *campaign);

/* Pairs of ranks in a host, and messages by size, over any transport of MPI. */
bool phases_run_local(struct campaign *campaign, enum transport transport, struct error *error);
double phases_expect_local(const struct campaign *campaign);
bool phases_run_sweep(struct campaign *campaign, enum transport transport, struct error *error);
double phases_expect_sweep(const struct campaign *campaign);

/* Operations first .. last of one group, by the `count` sizes in `bytes`; sizes that take too long, and
 * larger ones, are left out. The same of sizes that are held out: no fit sees them, they show how well it
 * predicts. `fine_bytes` are sizes between the others, for which there may be time later. */
struct phases_operations {
    enum transport transport;
    enum record_group group;
    int first, last; /* enum collective_operation */
    const int64_t *bytes;
    size_t count;
    const int64_t *held_out_bytes;
    size_t held_out_count;
    const int64_t *fine_bytes;
    size_t fine_count;
};
bool phases_measure_group(struct campaign *campaign, const struct phases_operations *operations,
                          const int32_t *ranks, size_t count, struct error *error);

/* Levels and who deviates, out of the pairs; looks again at links that seem slow. */
bool phases_run_levels(struct campaign *campaign, struct error *error);
double phases_expect_levels(const struct campaign *campaign);

/* Parts of that (phase_latency.c): the least latency of each pair is what a link can do, once other work left
 * it alone. Two looks that agree show that it did: pairs are looked at again, in turn, until that is so for
 * all, or it takes too long. A host that seems late is looked at again, in turn with others. */
bool phases_settle_latencies(struct campaign *campaign, struct error *error);
bool phases_confirm_late_hosts(struct campaign *campaign, struct error *error);

/* What a look at all pairs takes; 0 where that is too long to be done. */
double phases_latency_pass_seconds(const struct campaign *campaign);

/* Who deviates, by all looks so far, and the directions to look at again. */
void phases_find_deviations(struct campaign *campaign, struct analysis_links *suspects);

/* What is usual between hosts that `level` joins, by all looks so far. */
struct analysis_usual phases_usual(const struct campaign *campaign, size_t level);

/* The number of the next look at a pair (PHASE_PAIRS) or host (PHASE_MEMORY), larger than that of any. */
int32_t phases_next_look(const struct campaign *campaign, enum record_phase phase);

/* Up to `most` pairs of hosts that `level` joins, spread over all there are; sound hosts where there are. */
size_t phases_sample_pairs(const struct campaign *campaign, size_t level, size_t most,
                           struct campaign_pair *pairs);

/* What a message, or an operation, of so many bytes took. */
struct phases_took {
    int64_t bytes; /* 0: nothing yet */
    double seconds;
};

/* Seconds that a longer one is expected to take after two others: by the line through both, which a latency
 * doesn't tilt, and no more than as many of the last one. 0 where there aren't two. */
double phases_extrapolate(const struct phases_took *before, const struct phases_took *last, int64_t bytes);

bool phases_time_is_up(const struct campaign *campaign);

/* Seconds left for what only makes figures better: until the time the probe aims at, less what the later
 * phases take, as planned or as much longer as the phases before took. */
double phases_spare_seconds(const struct campaign *campaign);

/* Hosts that share a machine would disturb each other: they take turns. The end of the turn that begins with
 * host `first`. */
size_t phases_turn_end(const struct campaign *campaign, size_t first);

/* What phase number `phase` and those after it will take. */
double phases_expected_seconds(const struct campaign *campaign, size_t phase);

#endif
