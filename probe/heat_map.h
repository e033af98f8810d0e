/* The bandwidth of all pairs of hosts out of the CSV beside a cluster file, one character a pair, as wide as
 * the terminal. */
#ifndef CLUSTERPLAN_PROBE_HEAT_MAP_H
#define CLUSTERPLAN_PROBE_HEAT_MAP_H

#include <stdbool.h>
#include <stdio.h>

#include "common/arena.h"
#include "common/cluster.h"
#include "common/error.h"

/* From '.' for the fastest to '9' for a tenth of it and less; hosts are numbered as in the cluster file.
 * Where the terminal is too narrow, a character stands for several hosts: for the slowest of their pairs.
 * Silent when `matrix_path` is NULL, when there is one host, or when no pair was measured; one line where
 * there is no such file. False with the error set when the file can't be read or is no such CSV. */
bool heat_map_print(const struct cluster *cluster, const char *matrix_path, struct arena *arena, FILE *stream,
                    struct error *error);

#endif
