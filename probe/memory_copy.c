#include "probe/memory_copy.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES_MAX = 256, COPY_BYTES = 64 << 20 };

bool memory_copy_measure(double seconds, struct summary *summary) {
    double rates[SAMPLES_MAX];
    size_t count = 0;
    char *from = malloc(COPY_BYTES), *to = malloc(COPY_BYTES);
    if (from != NULL && to != NULL) {
        memset(from, 1, COPY_BYTES);
        memset(to, 2, COPY_BYTES);
        double end = MPI_Wtime() + seconds;
        do {
            double begin = MPI_Wtime();
            memcpy(to, from, COPY_BYTES);
            rates[count++] = 2.0 * COPY_BYTES / (MPI_Wtime() - begin);
            from[count] = to[count - 1]; /* so that no copy can be left out */
        } while (count < SAMPLES_MAX && MPI_Wtime() < end);
    }
    free(from);
    free(to);
    summary_make(rates, count, summary);
    return count > 0;
}
