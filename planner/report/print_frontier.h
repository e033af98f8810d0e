/* The frontier of devices, time and memory as a table. As a document it is print_plan_data's. */
#ifndef CLUSTERPLAN_PRINT_FRONTIER_H
#define CLUSTERPLAN_PRINT_FRONTIER_H

#include "planner/answers/frontier.h"
#include "planner/report/print_table.h"

/* The whole report. Where nothing fits, print_plan_table says so instead. */
void print_frontier_table(const struct problem *problem, const struct answer *answer,
                          const struct print_style *style, struct arena *arena, FILE *stream);

#endif
