#include "probe/matrix_product.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "probe/library.h"

/* Declared here is what is used of cublas_v2.h and cublas_api.h of cuBLAS 11, 12 and 13 (documented at
 * docs.nvidia.com/cuda/cublas). The last but one argument of cublasGemmEx was another enum before cuBLAS 11.
 */
struct cublas_handle;
typedef int cublas_status; /* an enum: 0 CUBLAS_STATUS_SUCCESS */
enum {
    CUBLAS_STATUS_SUCCESS = 0,
    CUBLAS_OP_N = 0,
    CUBLAS_OP_T = 1,
    CUDA_R_16BF = 14,
    CUBLAS_COMPUTE_32F = 68,
    CUBLAS_GEMM_DEFAULT = -1
};

static struct cublas {
    cublas_status (*create)(struct cublas_handle **);
    cublas_status (*version)(struct cublas_handle *, int *);
    cublas_status (*set_stream)(struct cublas_handle *, struct gpu_stream *);
    cublas_status (*product)(struct cublas_handle *, int, int, int, int, int, const void *, const void *, int,
                             int, const void *, int, int, const void *, void *, int, int, int, int);
} cublas;

static const char *const names[] = {"libcublas.so.12", "libcublas.so.13", "libcublas.so.11", NULL};
static const struct library_symbol symbols[] = {
    {"cublasCreate_v2", offsetof(struct cublas, create), false},
    {"cublasGetVersion_v2", offsetof(struct cublas, version), false},
    {"cublasSetStream_v2", offsetof(struct cublas, set_stream), false},
    {"cublasGemmEx", offsetof(struct cublas, product), false},
};
static const size_t element_bytes = 2;
static struct cublas_handle *handle;

static bool good(cublas_status status, const char *function) {
    char why[32];
    snprintf(why, sizeof why, "status %d", status);
    return status == CUBLAS_STATUS_SUCCESS || gpu_fail(function, why);
}

bool matrix_product_open(char *words, size_t size) {
    enum { MAJOR = 10000, MINOR = 100 }; /* 120405 is 12.4.5 */
    int version = 0;
    char why[GPU_TEXT - 16];
    if (library_load(names, symbols, sizeof symbols / sizeof *symbols, &cublas, why, sizeof why) !=
        LIBRARY_READY) {
        snprintf(words, size, "cuBLAS: %s", why);
        return false;
    }
    if (!good(cublas.create(&handle), "cublasCreate")) {
        handle = NULL;
        snprintf(words, size, "cuBLAS: %.120s", gpu_fault());
        return false;
    }
    cublas.version(handle, &version);
    snprintf(words, size, "cuBLAS %d.%d.%d", version / MAJOR, version % MAJOR / MINOR, version % MINOR);
    return true;
}

/* bf16 of random sign and size from 1/128 to 1: the upper half of a float's bits. */
static void fill_random(uint16_t *elements, size_t count) {
    enum { SIGN = 0x8000, FRACTION = 0x7f, EXPONENT_SHIFT = 7, LEAST_EXPONENT = 120 };
    uint64_t state = 88172645463325252u; /* xorshift64, Marsaglia 2003 */
    for (size_t i = 0; i < count; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        unsigned exponent = LEAST_EXPONENT + (unsigned)(state >> 32) % 7;
        elements[i] = (uint16_t)((state & SIGN) | (exponent << EXPONENT_SHIFT) | (state >> 16 & FRACTION));
    }
}

struct filling {
    void *matrix;
    const void *block;
    size_t matrix_bytes, block_bytes;
};

static bool enqueue_filling(struct gpu_stream *stream, void *context) {
    const struct filling *filling = context;
    for (size_t at = 0; at < filling->matrix_bytes; at += filling->block_bytes)
        if (!gpu_copy_in(stream, (char *)filling->matrix + at, filling->block, filling->block_bytes))
            return false;
    return true;
}

bool matrix_product_prepare(struct matrix_product *product, double limit_seconds) {
    enum { BLOCK_ROWS = 64 };
    const size_t edge = MATRIX_PRODUCT_EDGE, bytes = edge * edge * element_bytes;
    const size_t block_elements = BLOCK_ROWS * edge;
    double seconds;
    memset(product, 0, sizeof *product);
    if (handle == NULL)
        return gpu_fail("cuBLAS", "not loaded");
    uint16_t *block = gpu_allocate_host(block_elements * element_bytes);
    product->left = gpu_allocate(bytes);
    product->right = gpu_allocate(bytes);
    product->result = gpu_allocate(bytes);
    bool ready = block != NULL && product->left != NULL && product->right != NULL && product->result != NULL;
    if (ready) {
        struct filling left = {product->left, block, bytes, block_elements * element_bytes};
        struct filling right = left;
        right.matrix = product->right;
        fill_random(block, block_elements);
        ready = gpu_time(enqueue_filling, &left, 1, limit_seconds, &seconds) &&
                gpu_time(enqueue_filling, &right, 1, limit_seconds, &seconds);
    }
    gpu_free_host(block);
    return ready;
}

void matrix_product_release(struct matrix_product *product) {
    gpu_free(product->left);
    gpu_free(product->right);
    gpu_free(product->result);
}

bool matrix_product_enqueue(struct gpu_stream *stream, void *context) {
    const struct matrix_product *p = context;
    const int edge = MATRIX_PRODUCT_EDGE;
    const float one = 1, zero = 0;
    /* The weight is transposed, as in y = x W' of a linear layer. */
    return good(cublas.set_stream(handle, stream), "cublasSetStream") &&
           good(cublas.product(handle, CUBLAS_OP_T, CUBLAS_OP_N, edge, edge, edge, &one, p->left, CUDA_R_16BF,
                               edge, p->right, CUDA_R_16BF, edge, &zero, p->result, CUDA_R_16BF, edge,
                               CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
                "cublasGemmEx");
}
