/* How a training is run beyond what has a flag of its own: what --training and a session's `training:` say.
 */
#ifndef CLUSTERPLAN_SETTINGS_H
#define CLUSTERPLAN_SETTINGS_H

#include "planner/answers/problem.h"

/* Reads "gradients: 16-bit, recipe: {compiled: true}", with or without braces around it, as `--training` has
 * it. False with the error set. */
bool settings_read(const char *text, struct arena *arena, struct problem_asked *asked, struct error *error);

/* What of the mapping `training` settings_read would take, in one line as it takes it; NULL: none of it. */
const char *settings_format(const struct yaml_node *training, struct arena *arena);

/* What --training takes to say `settings` (as it takes them; NULL: none) and `value` for `key`, such as
 * "optimizer.moments". */
const char *settings_with(const char *settings, const char *key, const char *value, struct arena *arena);

#endif
