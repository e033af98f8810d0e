/* Written by scripts/accuracy from tests/measured and tests/held_out: runs, publications, error, most
 * devices. For planner/answers/band.c alone. */
#ifndef CLUSTERPLAN_BAND_TABLE_H
#define CLUSTERPLAN_BAND_TABLE_H

#include "planner/answers/band.h"

static const struct band_errors all_step_errors[BAND_EXPERTS] = {
    {917, 46, 0.1603, 16384},
    {64, 8, 0.3904, 2048},
    {228, 25, 0.4555, 2048},
};

static const struct band_errors all_memory_errors[BAND_EXPERTS] = {
    {164, 10, 0.2787, 512},
    {22, 7, 0.2550, 32},
    {22, 7, 0.2550, 32},
};

static const struct band_errors step_errors[CHIP_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [CHIP_A100][BAND_DENSE][BAND_16_BIT] = {521, 22, 0.1865, 12288},
    [CHIP_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {2, 1, 0.2342, 8},
    [CHIP_B200][BAND_DENSE][BAND_16_BIT] = {19, 2, 0.0841, 512},
    [CHIP_B200][BAND_DENSE][BAND_8_BIT] = {57, 4, 0.1524, 512},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_16_BIT] = {3, 1, 0.1774, 512},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_8_BIT] = {3, 1, 0.1757, 512},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {37, 9, 0.1871, 512},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_8_BIT] = {72, 7, 0.3030, 512},
    [CHIP_H100][BAND_DENSE][BAND_16_BIT] = {169, 17, 0.1830, 16384},
    [CHIP_H100][BAND_DENSE][BAND_8_BIT] = {147, 17, 0.1310, 11616},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {45, 6, 0.3904, 2048},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_8_BIT] = {12, 3, 0.1648, 2048},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {94, 13, 0.7111, 1440},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_8_BIT] = {23, 6, 0.3955, 2048},
};

static const struct band_errors memory_errors[CHIP_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [CHIP_A100][BAND_DENSE][BAND_16_BIT] = {110, 5, 0.1190, 384},
    [CHIP_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {2, 1, 0.3320, 8},
    [CHIP_B200][BAND_DENSE][BAND_16_BIT] = {11, 2, 0.3111, 8},
    [CHIP_B200][BAND_DENSE][BAND_8_BIT] = {2, 1, 0.3178, 8},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {12, 2, 0.0015, 8},
    [CHIP_H100][BAND_DENSE][BAND_16_BIT] = {21, 4, 0.2504, 440},
    [CHIP_H100][BAND_DENSE][BAND_8_BIT] = {20, 3, 0.5483, 512},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {1, 1, 0.4723, 32},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {7, 4, 0.2550, 16},
};

#endif
