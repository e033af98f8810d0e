/* Written by scripts/accuracy from tests/measured and tests/held_out: runs, publications, error, most
 * devices. For planner/answers/band.c alone. */
#ifndef CLUSTERPLAN_BAND_TABLE_H
#define CLUSTERPLAN_BAND_TABLE_H

#include "planner/answers/band.h"

static const struct band_errors all_step_errors[BAND_EXPERTS] = {
    {1000, 60, 0.1672, 16384},
    {76, 13, 0.3904, 2048},
    {285, 33, 0.4911, 2048},
};

static const struct band_errors all_memory_errors[BAND_EXPERTS] = {
    {195, 17, 0.3239, 512},
    {37, 12, 0.4879, 512},
    {37, 12, 0.4879, 512},
};

static const struct band_errors step_errors[CHIP_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [CHIP_A100][BAND_DENSE][BAND_16_BIT] = {548, 26, 0.1865, 12288},
    [CHIP_A100][BAND_FEW_EXPERTS][BAND_16_BIT] = {1, 1, 0.0428, 1536},
    [CHIP_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {3, 2, 0.3434, 8},
    [CHIP_B200][BAND_DENSE][BAND_16_BIT] = {24, 3, 0.1225, 512},
    [CHIP_B200][BAND_DENSE][BAND_8_BIT] = {58, 5, 0.1717, 512},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_16_BIT] = {5, 2, 0.7340, 512},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_8_BIT] = {5, 2, 0.4661, 512},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {78, 15, 0.2293, 512},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_8_BIT] = {77, 9, 0.3159, 512},
    [CHIP_H100][BAND_DENSE][BAND_16_BIT] = {204, 24, 0.1911, 16384},
    [CHIP_H100][BAND_DENSE][BAND_8_BIT] = {162, 24, 0.1318, 11616},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {52, 9, 0.3904, 2048},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_8_BIT] = {12, 3, 0.1464, 2048},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {104, 16, 0.6806, 1440},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_8_BIT] = {23, 6, 0.4349, 2048},
};

static const struct band_errors memory_errors[CHIP_GENERATIONS][BAND_EXPERTS][BAND_WIDTHS] = {
    [CHIP_A100][BAND_DENSE][BAND_16_BIT] = {121, 7, 0.1226, 512},
    [CHIP_A100][BAND_MANY_EXPERTS][BAND_16_BIT] = {3, 2, 0.3320, 8},
    [CHIP_B200][BAND_DENSE][BAND_16_BIT] = {12, 3, 0.3444, 8},
    [CHIP_B200][BAND_DENSE][BAND_8_BIT] = {3, 2, 0.3239, 8},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_16_BIT] = {1, 1, 0.3952, 4},
    [CHIP_B200][BAND_FEW_EXPERTS][BAND_8_BIT] = {1, 1, 0.3961, 4},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_16_BIT] = {19, 4, 0.4949, 64},
    [CHIP_B200][BAND_MANY_EXPERTS][BAND_8_BIT] = {2, 1, 0.3317, 32},
    [CHIP_H100][BAND_DENSE][BAND_16_BIT] = {32, 8, 0.2578, 440},
    [CHIP_H100][BAND_DENSE][BAND_8_BIT] = {27, 6, 0.5692, 512},
    [CHIP_H100][BAND_FEW_EXPERTS][BAND_16_BIT] = {1, 1, 0.4723, 32},
    [CHIP_H100][BAND_MANY_EXPERTS][BAND_16_BIT] = {10, 5, 0.2550, 512},
};

#endif
