/* Seconds on a clock that nobody sets, from some moment on: for differences alone. */
#ifndef CLUSTERPLAN_CLOCK_H
#define CLUSTERPLAN_CLOCK_H

double clock_seconds(void);

#endif
