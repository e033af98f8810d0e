/* The clock of the stand-in GPU of a process, which libcuda has and the libraries above it move on. */
#ifndef CLUSTERPLAN_TESTS_GPU_STUB_CLOCK_H
#define CLUSTERPLAN_TESTS_GPU_STUB_CLOCK_H

extern double stub_clock_seconds, stub_clock_pace; /* pace 2: all takes twice as long */

static inline void stub_clock_add(double seconds) {
    stub_clock_seconds += seconds * stub_clock_pace;
}

#endif
