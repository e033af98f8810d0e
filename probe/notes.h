/* What to know before trusting a measured file: notes, gathered in one text and told on stderr as they come.
 */
#ifndef CLUSTERPLAN_PROBE_NOTES_H
#define CLUSTERPLAN_PROBE_NOTES_H

#include "common/arena.h"
#include "probe/campaign.h"
#include "probe/placement.h"

/* Each takes the notes so far (NULL: none) and returns them with its own. */
const char *notes_add(struct arena *arena, const char *notes, const char *note);

/* Where the ranks run; told before anything is measured. */
const char *notes_of_placement(const struct placement *placement, struct arena *arena);

/* Memory as hwloc and the kernel count it should be the same. */
const char *notes_of_memory(const struct campaign *campaign, const char *notes);

/* GPUs that differ, or can't be measured. */
const char *notes_of_gpus(const struct campaign *campaign, const char *notes);

/* Pairs that were left out, or measured at once. */
const char *notes_of_plan(const struct campaign *campaign, const char *notes);

/* Bandwidths of messages that had to be shorter than usual. */
const char *notes_of_slow_links(const struct campaign *campaign, const char *notes);

/* Figures that jump about: the machine or the network does other work. */
const char *notes_of_noise(const struct campaign *campaign, const char *notes);

/* How well the fitted constants of collectives predict times left out of the fit. */
const char *notes_of_fit(const struct campaign *campaign, const char *notes);

/* What could not be measured after all. */
const char *notes_of_refusals(const struct campaign *campaign, const char *notes);

/* The GPUs' libraries, found or not; no note, but a text of its own. NULL: they were left alone. */
const char *notes_of_libraries(const struct campaign *campaign);

#endif
