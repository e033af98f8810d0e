/* The cluster and model files that ship with the programs, and how a name on the command line becomes a path.
 */
#ifndef CLUSTERPLAN_CATALOGUE_H
#define CLUSTERPLAN_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/error.h"

enum catalogue_kind { CATALOGUE_TOPOLOGY, CATALOGUE_MODEL };

/* The path of what the user named: a path when it holds a slash, ends in .yaml, .yml or .json, or is there
 * (catalogue_file says which file of it); else a shipped name. The catalogue stands beside the program: in
 * share/clusterplan after installing
 * (../share from the executable, else where CMake installs), in the source tree when run from its build
 * folder; the folder the environment variable CLUSTERPLAN_DATA names goes first. NULL with the error set
 * (nearest name in its hint) when there is no such name. */
const char *catalogue_find(enum catalogue_kind kind, const char *name, struct arena *arena,
                           struct error *error);

/* The file that a path stands for: of a model's folder, as Hugging Face has it, the config.json in it; else
 * the path itself. */
const char *catalogue_file(enum catalogue_kind kind, const char *path, struct arena *arena);

/* Names that ship, sorted; the array ends with NULL and belongs to the arena. Empty with a missing catalogue.
 */
const char *const *catalogue_names(enum catalogue_kind kind, struct arena *arena);

/* All that ships, sorted by name. */
struct catalogue_list {
    const char *const *names;
    const char **paths;
    size_t count; /* at least 1 */
};

/* False with the error set where nothing ships. */
bool catalogue_list(enum catalogue_kind kind, struct arena *arena, struct catalogue_list *list,
                    struct error *error);

#endif
