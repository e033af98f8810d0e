/* A measured cluster file for people: levels, hosts that deviate, and the matrix of pairs as a heat map. */
#ifndef CLUSTERPLAN_PROBE_SHOW_H
#define CLUSTERPLAN_PROBE_SHOW_H

#include <stdbool.h>
#include <stdio.h>

#include "common/arena.h"
#include "common/cluster.h"
#include "common/error.h"

/* Levels, classes of nodes and deviating hosts, at most 100 columns. */
void show_cluster(const struct cluster *cluster, FILE *stream);

/* The bandwidth of all pairs out of the CSV beside the cluster file, one character a pair, from '.' for the
 * fastest to '9' for a tenth of it and less. Silent when there is no matrix, or only one host. */
bool show_heat_map(const struct cluster *cluster, const char *matrix_path, struct arena *arena, FILE *stream,
                   struct error *error);

#endif
