/* What `size` answers: as text for people, and as a document. */
#ifndef CLUSTERPLAN_PRINT_SIZE_H
#define CLUSTERPLAN_PRINT_SIZE_H

#include <jansson.h>
#include <stdio.h>

#include "planner/answers/size.h"
#include "planner/report/print_table.h"

/* The whole report of one cluster; `arena` holds working space. */
void print_size_table(const struct problem *problem, const struct wish *wish,
                      const struct size_result *result, const struct print_style *style, struct arena *arena,
                      FILE *stream);

/* One member of `sizes:`, see docs/formats.md. */
json_t *print_size_data(const struct problem *problem, const struct wish *wish,
                        const struct size_result *result, struct arena *arena);

/* "done in 90 d, for 63 M$": the wish in words; "whatever fits" where nothing is wished. */
const char *print_size_wish(const struct wish *wish, struct arena *arena);

/* Why no fewer devices do (of the shortest: why no more), and by how much the closest plan misses what was
 * wished: a sentence each, with a full stop. NULL where that has no answer. */
const char *print_size_binding(const struct wish *wish, const struct size_result *result,
                               struct arena *arena);
const char *print_size_miss(const struct wish *wish, const struct size_result *result, struct arena *arena);

/* What a plan misses if its step takes as long as the band allows: a sentence, or NULL. */
const char *print_size_risk(const struct wish *wish, const struct plan *plan, struct arena *arena);

/* Describes that no count does it, what comes closest and by how much it misses; `key` is the wish to blame.
 */
void print_size_no(const struct problem *problem, const struct wish *wish, const struct size_result *result,
                   struct arena *arena, enum wish_key *key, struct error *error);

#endif
