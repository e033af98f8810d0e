#include "probe/memory_copy.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

/* Blocks larger than caches, copied by pieces that take well under a turn on the core. */
enum { SAMPLES_MAX = 2048, COPY_BYTES = 64 << 20, PIECE_BYTES = 2 << 20 };

bool memory_copy_measure(double seconds, struct summary *summary) {
    double rates[SAMPLES_MAX];
    size_t count = 0;
    char *from = malloc(COPY_BYTES), *to = malloc(COPY_BYTES);
    if (from != NULL && to != NULL) {
        memset(from, 1, COPY_BYTES);
        memset(to, 2, COPY_BYTES);
        double end = clock_seconds() + seconds;
        do {
            size_t at = count * PIECE_BYTES % COPY_BYTES;
            double begin = clock_seconds();
            memcpy(to + at, from + at, PIECE_BYTES);
            rates[count++] = 2.0 * PIECE_BYTES / (clock_seconds() - begin);
            from[at] = to[at + PIECE_BYTES - 1]; /* so that no copy can be left out */
        } while (count < SAMPLES_MAX && clock_seconds() < end);
    }
    free(from);
    free(to);
    summary_make(rates, count, summary);
    return count > 0;
}
