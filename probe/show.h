/* A measured cluster file for people. */
#ifndef CLUSTERPLAN_PROBE_SHOW_H
#define CLUSTERPLAN_PROBE_SHOW_H

#include <stdio.h>

#include "common/cluster.h"

/* What to know before trusting it, levels, classes of nodes, deviating hosts and links, at most 100 columns.
 */
void show_cluster(const struct cluster *cluster, FILE *stream);

#endif
