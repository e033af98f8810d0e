/* Written by scripts/accuracy from tests/measured and tests/held_out: runs, publications, error, most
 * devices. For planner/answers/band.c alone. */
#ifndef CLUSTERPLAN_BAND_TABLE_H
#define CLUSTERPLAN_BAND_TABLE_H

#include "planner/answers/band.h"

static const struct band_errors all_step_errors[BAND_EXPERTS] = {
    {855, 41, 0.1621, 16384},
    {63, 7, 0.3904, 2048},
    {174, 20, 0.3955, 2048},
};

static const struct band_errors all_memory_errors[BAND_EXPERTS] = {
    {123, 7, 0.3076, 512},
    {17, 5, 0.3320, 32},
    {17, 5, 0.3320, 32},
};

static const struct band_errors step_errors[CHIP_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [CHIP_A100][BAND_DENSE][BAND_16_BIT] = {491, 21, 0.1947, 12288},
    [CHIP_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {2, 1, 0.2342, 8},
    [CHIP_B200][BAND_DENSE][BAND_16_BIT] = {19, 2, 0.0841, 512},
    [CHIP_B200][BAND_DENSE][BAND_8_BIT] = {40, 3, 0.1524, 512},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_16_BIT] = {3, 1, 0.1765, 512},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_8_BIT] = {3, 1, 0.1744, 512},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {30, 7, 0.1946, 512},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_8_BIT] = {40, 5, 0.3089, 512},
    [CHIP_H100][BAND_DENSE][BAND_16_BIT] = {161, 16, 0.1320, 16384},
    [CHIP_H100][BAND_DENSE][BAND_8_BIT] = {144, 16, 0.1294, 11616},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {45, 6, 0.3904, 2048},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_8_BIT] = {12, 3, 0.1648, 2048},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {85, 11, 0.4555, 1440},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_8_BIT] = {17, 5, 0.3955, 2048},
};

static const struct band_errors memory_errors[CHIP_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [CHIP_A100][BAND_DENSE][BAND_16_BIT] = {80, 4, 0.1646, 384},
    [CHIP_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {2, 1, 0.3320, 8},
    [CHIP_B200][BAND_DENSE][BAND_16_BIT] = {11, 2, 0.3111, 8},
    [CHIP_B200][BAND_DENSE][BAND_8_BIT] = {2, 1, 0.3178, 8},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {12, 2, 0.0015, 8},
    [CHIP_H100][BAND_DENSE][BAND_16_BIT] = {13, 3, 0.2578, 440},
    [CHIP_H100][BAND_DENSE][BAND_8_BIT] = {17, 2, 0.5483, 512},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {1, 1, 0.4723, 32},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {2, 2, 0.2441, 16},
};

#endif
