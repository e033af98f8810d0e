/* Written by scripts/accuracy from tests/measured: runs, error, most devices. For planner/answers/band.c
 * alone. */
#ifndef CLUSTERPLAN_BAND_TABLE_H
#define CLUSTERPLAN_BAND_TABLE_H

#include "planner/answers/band.h"

static const struct band_errors all_step_errors = {377, 0.0925, 3072};
static const struct band_errors all_memory_errors = {56, 0.0492, 384};

static const struct band_errors step_errors[BAND_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [BAND_A100][BAND_DENSE][BAND_16_BIT] = {232, 0.1105, 3072},
    [BAND_B200][BAND_DENSE][BAND_16_BIT] = {10, 0.0776, 8},
    [BAND_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {6, 0.0916, 8},
    [BAND_H100][BAND_DENSE][BAND_16_BIT] = {45, 0.0411, 2304},
    [BAND_H100][BAND_DENSE][BAND_8_BIT] = {37, 0.0495, 2304},
    [BAND_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {23, 0.0791, 2048},
    [BAND_H100][BAND_FEW_EXPERTS][BAND_8_BIT] = {5, 0.0319, 2048},
    [BAND_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {13, 0.2475, 256},
    [BAND_H100][BAND_MANY_EXPERTS][BAND_8_BIT] = {6, 0.1202, 16},
};

static const struct band_errors memory_errors[BAND_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [BAND_A100][BAND_DENSE][BAND_16_BIT] = {40, 0.0527, 384},
    [BAND_B200][BAND_DENSE][BAND_16_BIT] = {10, 0.0004, 8},
    [BAND_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {6, 0.0005, 8},
};

#endif
