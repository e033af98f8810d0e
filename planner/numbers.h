/* Arithmetic that the standard library lacks, or has as calls where a search makes millions of them. */
#ifndef CLUSTERPLAN_NUMBERS_H
#define CLUSTERPLAN_NUMBERS_H

#include <stdint.h>

/* fmin and fmax of numbers that are none of them NaN, inline. */
static inline double smaller(double a, double b) {
    return a < b ? a : b;
}

static inline double larger(double a, double b) {
    return a > b ? a : b;
}

static inline int64_t smaller_count(int64_t a, int64_t b) {
    return a < b ? a : b;
}

static inline int64_t larger_count(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* The quotient, rounded up; of counts from 0 on and a divisor above 0. */
static inline int64_t quotient_up(int64_t count, int64_t divisor) {
    return (count + divisor - 1) / divisor;
}

/* Of numbers above 0; of one of them and 0 it is that one. */
static inline int64_t greatest_common_divisor(int64_t a, int64_t b) {
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

#endif
