/* Random choices that are the same in every run: xorshift64*. */
#ifndef CLUSTERPLAN_TESTS_RANDOM_PICK_H
#define CLUSTERPLAN_TESTS_RANDOM_PICK_H

#include <stddef.h>
#include <stdint.h>

static uint64_t random_state;

static inline uint64_t random_bits(void) {
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static inline double random_of(const double *values, size_t count) {
    return values[(random_bits() >> 33) % count];
}

#define PICK(...)                                                                                            \
    random_of((const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))
#define PICK_INT(...) ((int64_t)PICK(__VA_ARGS__))
#define ONE_IN(count) (random_bits() >> 33 < (UINT64_C(1) << 31) / (count))

#endif
