/* How much of a sequence's square causal attention scores. Each token attends to itself and to those before
 * it: all of them, those of a sliding window, or those of its own chunk. */
#ifndef CLUSTERPLAN_CAUSAL_PAIRS_H
#define CLUSTERPLAN_CAUSAL_PAIRS_H

#include <stdint.h>

/* Pairs of a query and a key, the triangle at the diagonal counted as half its square. `window`: tokens that
 * each reaches back, itself included; `chunk`: tokens of a chunk. 0, or as many as the sequence has: all. */
static inline double causal_pairs(int64_t sequence, int64_t window, int64_t chunk) {
    const double all = (double)sequence;
    if (chunk > 0 && chunk < sequence) {
        const double rest = (double)(sequence % chunk);
        return (double)(sequence / chunk) * (double)chunk * (double)chunk / 2 + rest * rest / 2;
    }
    if (window > 0 && window < sequence)
        return (double)window * (all - (double)window / 2);
    return all * all / 2;
}

#endif
