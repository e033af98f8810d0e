/* Written by scripts/accuracy from tests/measured and tests/held_out: runs, publications, error, most
 * devices. For planner/answers/band.c alone. */
#ifndef CLUSTERPLAN_BAND_TABLE_H
#define CLUSTERPLAN_BAND_TABLE_H

#include "planner/answers/band.h"

static const struct band_errors all_step_errors[BAND_EXPERTS] = {
    {989, 57, 0.1646, 16384},
    {75, 12, 0.3904, 2048},
    {257, 28, 0.5540, 2048},
};

static const struct band_errors all_memory_errors[BAND_EXPERTS] = {
    {190, 15, 0.3076, 512},
    {25, 9, 0.3952, 32},
    {25, 9, 0.3952, 32},
};

static const struct band_errors step_errors[CHIP_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [CHIP_A100][BAND_DENSE][BAND_16_BIT] = {548, 26, 0.1865, 12288},
    [CHIP_A100][BAND_FEW_EXPERTS][BAND_16_BIT] = {1, 1, 0.0428, 1536},
    [CHIP_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {3, 2, 0.3434, 8},
    [CHIP_B200][BAND_DENSE][BAND_16_BIT] = {19, 2, 0.0841, 512},
    [CHIP_B200][BAND_DENSE][BAND_8_BIT] = {57, 4, 0.1168, 512},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_16_BIT] = {5, 2, 0.7340, 512},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_8_BIT] = {5, 2, 0.4661, 512},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {59, 11, 0.3549, 512},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_8_BIT] = {72, 7, 0.3072, 512},
    [CHIP_H100][BAND_DENSE][BAND_16_BIT] = {201, 23, 0.1867, 16384},
    [CHIP_H100][BAND_DENSE][BAND_8_BIT] = {160, 23, 0.1310, 11616},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {51, 8, 0.3904, 2048},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_8_BIT] = {12, 3, 0.1648, 2048},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {100, 14, 0.7152, 1440},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_8_BIT] = {23, 6, 0.3955, 2048},
};

static const struct band_errors memory_errors[CHIP_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [CHIP_A100][BAND_DENSE][BAND_16_BIT] = {121, 7, 0.1226, 512},
    [CHIP_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {3, 2, 0.3320, 8},
    [CHIP_B200][BAND_DENSE][BAND_16_BIT] = {11, 2, 0.3111, 8},
    [CHIP_B200][BAND_DENSE][BAND_8_BIT] = {2, 1, 0.3178, 8},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_16_BIT] = {1, 1, 0.3952, 4},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_8_BIT] = {1, 1, 0.3961, 4},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {12, 2, 0.0015, 8},
    [CHIP_H100][BAND_DENSE][BAND_16_BIT] = {29, 7, 0.2957, 440},
    [CHIP_H100][BAND_DENSE][BAND_8_BIT] = {27, 6, 0.5692, 512},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {1, 1, 0.4723, 32},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {7, 4, 0.2550, 16},
};

#endif
