/* The phases of a campaign, in their order: memory, pairs in a host, pairs of hosts, levels, messages by
 * size, levels under load, collectives. Each keeps to a share of the time limit. */
#ifndef CLUSTERPLAN_PROBE_PHASES_H
#define CLUSTERPLAN_PROBE_PHASES_H

#include <stdbool.h>

#include "probe/campaign.h"

/* Runs all of them. False as in campaign_run. */
bool phases_run(struct campaign *campaign, struct error *error);

/* The last phase, which has a file of its own, and what it will take. */
bool phases_run_collectives(struct campaign *campaign, struct error *error);
double phases_expect_collectives(const struct campaign *campaign);

/* Levels and who deviates, out of the pairs; looks again at links that seem slow. */
bool phases_run_levels(struct campaign *campaign, struct error *error);
double phases_expect_levels(const struct campaign *campaign);

/* Up to `most` pairs of hosts that `level` joins, spread over all there are; sound hosts where there are. */
size_t phases_sample_pairs(const struct campaign *campaign, size_t level, size_t most,
                           struct campaign_pair *pairs);

bool phases_time_is_up(const struct campaign *campaign);

/* What phase number `phase` and those after it will take. */
double phases_expected_seconds(const struct campaign *campaign, size_t phase);

#endif
