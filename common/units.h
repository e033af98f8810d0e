/* Quantities as people write them ("80 GB", "400 Gb/s", "13T", "1.00 $/h"), in SI base units inside.
 *
 * Only this module converts. A bare number is in base units. Decimal prefixes k M G T P E; binary
 * prefixes Ki Mi Gi Ti Pi for bytes; b is a bit and B a byte (so "400 Gb/s" is 50e9 bytes a second). */
#ifndef CLUSTERPLAN_UNITS_H
#define CLUSTERPLAN_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unit {
    UNIT_NONE,             /* a plain number: 0.85, 1e-3 */
    UNIT_COUNT,            /* 32768, "13T", "200B" (billion), "60M" */
    UNIT_BYTES,            /* "80 GB" (1e9), "80 GiB" (2^30) */
    UNIT_BYTES_PER_SECOND, /* "25 GB/s", "400 Gb/s" */
    UNIT_FLOPS_PER_SECOND, /* "312 TFLOP/s" (TFLOPS and TFLOP/s alike) */
    UNIT_SECONDS,          /* "2 us", "90 d", "50000 h", "1.42 s", "15 min" */
    UNIT_TOKENS,           /* as a count, "tokens" may follow: "60M tokens" */
    UNIT_MONEY,            /* "63 M$", "21.5 M$", "100 $" */
    UNIT_MONEY_PER_SECOND, /* "1.00 $/h" is 1/3600 */
    UNIT_MONEY_PER_JOULE,  /* "0.10 $/kWh" is 0.10 / 3.6e6 */
    UNIT_JOULES,           /* "3.6 MJ", "14.6 GWh" */
    UNIT_WATTS,            /* "400 W", "1.2 kW" */
    UNIT_HERTZ             /* "1410 MHz" */
};

/* For what is counted in days or hours itself. */
#define SECONDS_A_DAY   86400.0
#define SECONDS_AN_HOUR 3600.0

/* Reads all of `text`. On failure returns false and writes into `why` what is wrong, naming the units
 * that fit ("bandwidth takes B/s, GB/s, Gb/s ..."). NaN, infinity and overflow are failures; signs pass. */
bool units_parse(const char *text, enum unit unit, double *value, char *why, size_t why_size);

/* Whether `text` is a number alone where `unit` measures: the unit may have been forgotten. */
bool units_is_bare(const char *text, enum unit unit);

/* For people: three to four significant digits and the fitting prefix, "74.5 GB", "1.42 s", "25 GB/s".
 * Returns `buffer`. */
char *units_format(double value, enum unit unit, char *buffer, size_t size);

/* The end of a noun after so many: "s", or "" after one. */
const char *units_plural(int64_t count);

/* For files: reads back as exactly the same double, and with a unit wherever one fits. Returns `buffer`. */
char *units_write(double value, enum unit unit, char *buffer, size_t size);

/* To six significant digits of the unit it is shown in, which is more than a measurement knows: what
 * units_write then writes is short. */
double units_round(double value, enum unit unit);

#endif
