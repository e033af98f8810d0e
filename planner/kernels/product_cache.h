/* Times of linear layers' products by shape: layouts share few shapes. */
#ifndef CLUSTERPLAN_PRODUCT_CACHE_H
#define CLUSTERPLAN_PRODUCT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"

struct product_shape {
    int64_t rows, outputs, inputs, groups;
    int64_t half, fusion; /* as in struct product */
};

/* Seconds of a linear layer's three products: forward, and the gradients of its input and of its weight. */
struct product_seconds {
    double forward, input, weight;
};

struct product_cache;

struct product_cache *product_cache_create(struct arena *arena);

/* The entry of a shape; `known` is false when it is to be filled. A shape may take the place of another, so
 * the address is good until the next call. */
struct product_seconds *product_cache_find(struct product_cache *cache, const struct product_shape *shape,
                                           bool *known);

#endif
