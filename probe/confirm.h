/* Whoever looks slow is looked at again, in rounds over all suspects so that looks at one are spread in time,
 * and after each slow look at something sound of the same kind: other work on a machine or a network slows
 * now one, now another. How many looks it takes says analysis_judge_looks. */
#ifndef CLUSTERPLAN_PROBE_CONFIRM_H
#define CLUSTERPLAN_PROBE_CONFIRM_H

#include "probe/campaign.h"

enum confirm_seen { CONFIRM_FAST, CONFIRM_SLOW, CONFIRM_NOTHING }; /* the last: there is nothing to look at */

/* A kind of suspects, each known by its number. */
struct confirm {
    size_t count;               /* of all there may be */
    uint8_t *verdicts;          /* enum analysis_verdict on each */
    double share;               /* of the time limit, that all looks may take */
    size_t rounds_max, at_once; /* suspects in a round */
    void *context;              /* what the functions below keep */
    /* Up to at_once that look slow by all looks so far and have no verdict, the slowest first. */
    size_t (*list)(struct campaign *campaign, void *context, size_t *suspects);
    /* A look at a suspect, or (`beside`) then at a sound one, those there are in turn. False with the error
     * set. */
    bool (*look)(struct campaign *campaign, void *context, size_t suspect, bool beside, size_t turn,
                 enum confirm_seen *seen, struct error *error);
};

/* Looks until there are no suspects, or the time or the rounds are spent. A look as fast as usual starts
 * anew; a suspect that can't be looked at is unclear. */
bool confirm_run(struct campaign *campaign, const struct confirm *confirm, struct error *error);

#endif
