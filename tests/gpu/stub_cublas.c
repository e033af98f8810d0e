/* libcublas.so.12 for tests; see stub.h. */
#include <stdint.h>
#include <stdio.h>

#include "tests/gpu/stub.h"
#include "tests/gpu/stub_clock.h"

#define EXPORT __attribute__((visibility("default")))
enum { INVALID_VALUE = 7, TRANSPOSED = 1, BF16 = 14, COMPUTE_32F = 68 };
static const double flops_per_second = 700e12;

int EXPORT cublasCreate_v2(void **handle);
int EXPORT cublasGetVersion_v2(void *handle, int *version);
int EXPORT cublasSetStream_v2(void *handle, void *stream);
int EXPORT cublasGemmEx(void *handle, int left_form, int right_form, int m, int n, int k, const float *alpha,
                        const uint16_t *left, int left_type, int left_rows, const uint16_t *right,
                        int right_type, int right_rows, const float *beta, uint16_t *result, int result_type,
                        int result_rows, int compute, int algorithm);

static void *stream_now;

int cublasCreate_v2(void **handle) {
    *handle = &stream_now;
    return stub_status("cublasCreate_v2");
}

int cublasGetVersion_v2(void *handle, int *version) {
    (void)handle;
    *version = 120405;
    return 0;
}

int cublasSetStream_v2(void *handle, void *stream) {
    stream_now = stream;
    return handle == &stream_now ? stub_status("cublasSetStream_v2") : 1;
}

/* Refuses what isn't a product of bf16 matrices in fp32, or of a matrix that is all one number: such a
 * product takes less power, and so less time. */
int cublasGemmEx(void *handle, int left_form, int right_form, int m, int n, int k, const float *alpha,
                 const uint16_t *left, int left_type, int left_rows, const uint16_t *right, int right_type,
                 int right_rows, const float *beta, uint16_t *result, int result_type, int result_rows,
                 int compute, int algorithm) {
    size_t last = (size_t)m * (size_t)k - 1;
    int equal = left[0] == left[1] && left[1] == left[2];
    if (handle != &stream_now || left_form != TRANSPOSED || right_form != 0 || *alpha < 1 || *beta > 0 ||
        left_type != BF16 || right_type != BF16 || result_type != BF16 || left_rows != k || right_rows != k ||
        result_rows != m || compute != COMPUTE_32F || algorithm != -1 || equal || left[last] == 0 ||
        right[last] == 0)
        return INVALID_VALUE;
    result[(size_t)m * (size_t)n - 1] = 0;
    stub_clock_add(2.0 * m * n * k / flops_per_second);
    return stub_status("cublasGemmEx");
}
