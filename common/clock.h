/* A monotonic clock, in seconds. Only differences between two readings mean something: where it starts from
 * is not defined. */
#ifndef CLUSTERPLAN_CLOCK_H
#define CLUSTERPLAN_CLOCK_H

double clock_seconds(void);

#endif
