#include "probe/compute_kernel.h"

#include "common/clock.h"

enum { SAMPLES_MAX = 512, EDGE = 96 }; /* 1.8 MFLOP on 220 KiB: well under a millisecond */

static double left[EDGE][EDGE], right[EDGE][EDGE], product[EDGE][EDGE];

static void multiply(void) {
    for (int i = 0; i < EDGE; i++) {
        for (int k = 0; k < EDGE; k++)
            for (int j = 0; j < EDGE; j++)
                product[i][j] += left[i][k] * right[k][j];
    }
}

bool compute_kernel_measure(double seconds, struct summary *summary) {
    double times[SAMPLES_MAX];
    size_t count = 0;
    for (int i = 0; i < EDGE; i++) {
        for (int j = 0; j < EDGE; j++) {
            left[i][j] = 1.0 / (1 + i + j); /* no zeros and nothing that grows without bound */
            right[i][j] = 1.0 / (1 + i * j);
            product[i][j] = 0;
        }
    }
    double end = clock_seconds() + seconds;
    do {
        double begin = clock_seconds();
        multiply();
        times[count++] = clock_seconds() - begin;
        left[0][0] = 1 / (1 + product[EDGE - 1][0]); /* so that no product can be left out */
    } while (count < SAMPLES_MAX && clock_seconds() < end);
    summary_make(times, count, summary);
    return true;
}
