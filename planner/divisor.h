/* What two whole numbers share. */
#ifndef CLUSTERPLAN_DIVISOR_H
#define CLUSTERPLAN_DIVISOR_H

#include <stdint.h>

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
