/* The smaller and the larger of two numbers that are none of them NaN, inline: fmin and fmax are calls, and a
 * search makes millions of them. */
#ifndef CLUSTERPLAN_LEAST_H
#define CLUSTERPLAN_LEAST_H

static inline double smaller(double a, double b) {
    return a < b ? a : b;
}

static inline double larger(double a, double b) {
    return a > b ? a : b;
}

#endif
