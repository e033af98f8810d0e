/* Written by scripts/accuracy from tests/measured and tests/held_out: runs, publications, error, most
 * devices. For planner/answers/band.c alone. */
#ifndef CLUSTERPLAN_BAND_TABLE_H
#define CLUSTERPLAN_BAND_TABLE_H

#include "planner/answers/band.h"

static const struct band_errors all_step_errors[BAND_EXPERTS] = {
    {855, 41, 0.1472, 16384},
    {63, 7, 0.2796, 2048},
    {174, 20, 0.3939, 2048},
};

static const struct band_errors all_memory_errors[BAND_EXPERTS] = {
    {119, 6, 0.1705, 512},
    {1, 1, 0.3259, 32},
    {16, 5, 0.3383, 16},
};

static const struct band_errors step_errors[BAND_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [BAND_A100][BAND_DENSE][BAND_16_BIT] = {491, 21, 0.1630, 12288},
    [BAND_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {2, 1, 0.1898, 8},
    [BAND_B200][BAND_DENSE][BAND_16_BIT] = {19, 2, 0.0745, 512},
    [BAND_B200][BAND_DENSE][BAND_8_BIT] = {40, 3, 0.1798, 512},
    [BAND_B200][BAND_FEW_EXPERTS][BAND_16_BIT] = {3, 1, 0.2143, 512},
    [BAND_B200][BAND_FEW_EXPERTS][BAND_8_BIT] = {3, 1, 0.2112, 512},
    [BAND_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {30, 7, 0.2312, 512},
    [BAND_B200][BAND_MANY_EXPERTS][BAND_8_BIT] = {40, 5, 0.4071, 512},
    [BAND_H100][BAND_DENSE][BAND_16_BIT] = {161, 16, 0.1175, 16384},
    [BAND_H100][BAND_DENSE][BAND_8_BIT] = {144, 16, 0.1486, 11616},
    [BAND_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {45, 6, 0.2796, 2048},
    [BAND_H100][BAND_FEW_EXPERTS][BAND_8_BIT] = {12, 3, 0.1415, 2048},
    [BAND_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {85, 11, 0.3721, 1440},
    [BAND_H100][BAND_MANY_EXPERTS][BAND_8_BIT] = {17, 5, 0.6542, 2048},
};

static const struct band_errors memory_errors[BAND_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [BAND_A100][BAND_DENSE][BAND_16_BIT] = {80, 4, 0.1478, 384},
    [BAND_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {2, 1, 0.4971, 8},
    [BAND_B200][BAND_DENSE][BAND_16_BIT] = {10, 1, 0.0004, 8},
    [BAND_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {12, 2, 0.0015, 8},
    [BAND_H100][BAND_DENSE][BAND_16_BIT] = {12, 2, 0.2282, 440},
    [BAND_H100][BAND_DENSE][BAND_8_BIT] = {17, 2, 0.3528, 512},
    [BAND_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {1, 1, 0.3259, 32},
    [BAND_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {2, 2, 0.3229, 16},
};

#endif
