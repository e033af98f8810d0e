/* One matrix product by cuBLAS, loaded at run time: 16-bit operands (bf16), sums in fp32, as training does
 * it. */
#ifndef CLUSTERPLAN_PROBE_MATRIX_PRODUCT_H
#define CLUSTERPLAN_PROBE_MATRIX_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

#include "probe/gpu.h"

/* Rows, columns and inner dimension: large enough that a GPU is full and its rate no longer rises. */
enum { MATRIX_PRODUCT_EDGE = 8192 };

/* `words`: which cuBLAS is here, or why none. */
bool matrix_product_open(char *words, size_t size);

/* The operands' elements are random: of zeros the multipliers take less power, and clocks stay higher. */
struct matrix_product {
    void *left, *right, *result; /* on the GPU */
};
bool matrix_product_prepare(struct matrix_product *product, double limit_seconds);
void matrix_product_release(struct matrix_product *product);

/* For gpu_time; `context` is a struct matrix_product. */
bool matrix_product_enqueue(struct gpu_stream *stream, void *context);

#endif
