#include "tests/unit/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

static void reads_what_people_write(void **state) {
    static const struct {
        const char *text;
        enum unit unit;
        double value;
    } cases[] = {
        {"0.85", UNIT_NONE, 0.85},
        {"1e-3", UNIT_NONE, 1e-3},
        {"-2", UNIT_NONE, -2},
        {"0", UNIT_COUNT, 0},
        {"0e3", UNIT_COUNT, 0},
        {"0B", UNIT_BYTES, 0},
        {"0b/s", UNIT_BYTES_PER_SECOND, 0},
        {"0.05", UNIT_NONE, 0.05},
        {"+.5", UNIT_NONE, 0.5},
        {"5.", UNIT_NONE, 5},
        {"32768", UNIT_COUNT, 32768},
        {"13T", UNIT_COUNT, 13e12},
        {"200B", UNIT_COUNT, 200e9},
        {"200b", UNIT_COUNT, 200e9},
        {"1.8T", UNIT_COUNT, 1.8e12},
        {"60 M", UNIT_COUNT, 60e6},
        {"32k", UNIT_COUNT, 32000},
        {"32K", UNIT_COUNT, 32000},
        {"175 billion", UNIT_COUNT, 175e9},
        {"1e6", UNIT_COUNT, 1e6},
        {"2E", UNIT_COUNT, 2e18},
        {"2E3", UNIT_COUNT, 2000},
        {"60M tokens", UNIT_TOKENS, 60e6},
        {"13 T tokens", UNIT_TOKENS, 13e12},
        {"8192 tokens", UNIT_TOKENS, 8192},
        {"300B", UNIT_TOKENS, 300e9},
        {"60 million tokens", UNIT_TOKENS, 60e6},
        {"80 GB", UNIT_BYTES, 80e9},
        {"80GB", UNIT_BYTES, 80e9},
        {"80 GiB", UNIT_BYTES, 80 * 0x1p30},
        {"2 TB", UNIT_BYTES, 2e12},
        {"4 KiB", UNIT_BYTES, 4096},
        {"80000000000", UNIT_BYTES, 80e9},
        {"25 GB/s", UNIT_BYTES_PER_SECOND, 25e9},
        {"400 Gb/s", UNIT_BYTES_PER_SECOND, 50e9},
        {"400 Gbps", UNIT_BYTES_PER_SECOND, 50e9},
        {"2039 GB/s", UNIT_BYTES_PER_SECOND, 2039e9},
        {"3.35 TB/s", UNIT_BYTES_PER_SECOND, 3.35e12},
        {"312 TFLOP/s", UNIT_FLOPS_PER_SECOND, 312e12},
        {"312 TFLOPS", UNIT_FLOPS_PER_SECOND, 312e12},
        {"312 TFLOPs/s", UNIT_FLOPS_PER_SECOND, 312e12},
        {"4.5 PFLOP/s", UNIT_FLOPS_PER_SECOND, 4.5e15},
        {"2 us", UNIT_SECONDS, 2e-6},
        {"9us", UNIT_SECONDS, 9e-6},
        {"2 \xc2\xb5s", UNIT_SECONDS, 2e-6},
        {"2 \xce\xbcs", UNIT_SECONDS, 2e-6},
        {"300 ns", UNIT_SECONDS, 300e-9},
        {"1.42 s", UNIT_SECONDS, 1.42},
        {"15 min", UNIT_SECONDS, 900},
        {"1.5 h", UNIT_SECONDS, 5400},
        {"90 d", UNIT_SECONDS, 7776000},
        {"90 days", UNIT_SECONDS, 7776000},
        {"50000 h", UNIT_SECONDS, 1.8e8},
        {"63 M$", UNIT_MONEY, 63e6},
        {"21.5 M$", UNIT_MONEY, 21.5e6},
        {"2 B$", UNIT_MONEY, 2e9},
        {"100 $", UNIT_MONEY, 100},
        {"100", UNIT_MONEY, 100},
        {"1.00 $/h", UNIT_MONEY_PER_SECOND, 1.0 / 3600},
        {"24 $/d", UNIT_MONEY_PER_SECOND, 24.0 / 86400},
        {"400 W", UNIT_WATTS, 400},
        {"0.36 $/kWh", UNIT_MONEY_PER_JOULE, 1e-7},
        {"36 USD/MWh", UNIT_MONEY_PER_JOULE, 1e-8},
        {"2 MWh", UNIT_JOULES, 7.2e9},
        {"1.2 kW", UNIT_WATTS, 1200},
        {"1410 MHz", UNIT_HERTZ, 1.41e9},
        {" \t80 GB ", UNIT_BYTES, 80e9},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double value = NAN;
        char why[256] = "";

        if (!units_parse(cases[i].text, cases[i].unit, &value, why, sizeof why))
            fail_msg("\"%s\": %s", cases[i].text, why);
        assert_same_double(value, cases[i].value);
    }
}

static void refuses_what_is_no_quantity(void **state) {
    static const struct {
        const char *text;
        enum unit unit;
    } cases[] = {
        {"", UNIT_COUNT},
        {" ", UNIT_COUNT},
        {"-", UNIT_COUNT},
        {".", UNIT_NONE},
        {"e5", UNIT_NONE},
        {"nan", UNIT_NONE},
        {".nan", UNIT_NONE},
        {"NaN", UNIT_SECONDS},
        {"inf", UNIT_NONE},
        {"-.inf", UNIT_NONE},
        {"infinity", UNIT_BYTES},
        {"1e999", UNIT_NONE},
        {"1e300 EB", UNIT_BYTES},
        {"0x10", UNIT_COUNT},
        {"1_000", UNIT_COUNT},
        {"1,000", UNIT_COUNT},
        {"1 000", UNIT_COUNT},
        {"1'000", UNIT_COUNT},
        {"010", UNIT_COUNT},
        {"-010", UNIT_NONE},
        {"00", UNIT_COUNT},
        {"00.5", UNIT_NONE},
        {"080 GB", UNIT_BYTES},
        {"0o10", UNIT_COUNT},
        {"0b11", UNIT_COUNT},
        {"1 2", UNIT_COUNT},
        {"1..2", UNIT_NONE},
        {"--1", UNIT_NONE},
        {"85%", UNIT_NONE},
        {"five", UNIT_COUNT},
        {"5 apples", UNIT_COUNT},
        {"13T tokens", UNIT_COUNT},
        {"80 GB/s", UNIT_BYTES},
        {"80 gb", UNIT_BYTES},
        {"80 G", UNIT_BYTES},
        {"80 GB", UNIT_BYTES_PER_SECOND},
        {"25 GB/s", UNIT_SECONDS},
        {"312 TFLOP", UNIT_FLOPS_PER_SECOND},
        {"312 TB/s", UNIT_FLOPS_PER_SECOND},
        {"312 TiFLOP/s", UNIT_FLOPS_PER_SECOND},
        {"90 m", UNIT_SECONDS},
        {"90 months", UNIT_SECONDS},
        {"2 M us", UNIT_SECONDS},
        {"5 $", UNIT_MONEY_PER_SECOND},
        {"5 $/h", UNIT_MONEY},
        {"5 EUR", UNIT_MONEY},
        {"400 Watt hours", UNIT_WATTS},
        {"0.1 $/h", UNIT_MONEY_PER_JOULE},
        {"0.1 $/kW", UNIT_MONEY_PER_JOULE},
        {"1 Hzzz", UNIT_HERTZ},
        {"80 GB 80 GB", UNIT_BYTES},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double value = 42;
        char why[256] = "";

        if (units_parse(cases[i].text, cases[i].unit, &value, why, sizeof why))
            fail_msg("\"%s\" was read as %g", cases[i].text, value);
        assert_true(strlen(why) > 10);
        assert_same_double(value, 42);
    }
}

static void says_which_units_fit(void **state) {
    double value;
    char why[256];

    (void)state;
    assert_false(units_parse("25 GB", UNIT_BYTES_PER_SECOND, &value, why, sizeof why));
    assert_string_equal(
        why, "the unit \"GB\" doesn't fit; it takes B/s, MB/s, GB/s, GiB/s, TB/s, or Mb/s, Gb/s (bits)");
    /* An eighth of what was meant, were it taken for bits. */
    assert_false(units_parse("80 Gb", UNIT_BYTES, &value, why, sizeof why));
    assert_string_equal(why,
                        "the unit \"Gb\" doesn't fit; it takes B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB");
    assert_false(units_parse("soon", UNIT_SECONDS, &value, why, sizeof why));
    assert_string_equal(why, "\"soon\" isn't a number; it takes ns, us, ms, s, min, h, d, weeks or years");
    assert_false(units_parse("1e400", UNIT_NONE, &value, why, sizeof why));
    assert_string_equal(why, "\"1e400\" is too large");
}

/* YAML 1.1 takes 010 for eight, YAML 1.2 for ten. */
static void says_what_to_write_for_a_number_that_readers_take_differently(void **state) {
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"010", "\"010\" begins with 0, which some readers take for octal: write 10"},
        {"-007 GB", "\"-007 GB\" begins with 0, which some readers take for octal: write -7 GB"},
        {"00.5 GB", "\"00.5 GB\" begins with 0, which some readers take for octal: write 0.5 GB"},
        {"0x1F", "\"0x1F\" isn't decimal: write 31"},
        {"0o17", "\"0o17\" isn't decimal: write 15"},
        {"0b101 GB", "\"0b101 GB\" isn't decimal: write 5"},
        {"1_000", "\"1_000\": digits stand together, such as 1000, with a point before decimals"},
        {"1,5 GB", "\"1,5 GB\": digits stand together, such as 1000, with a point before decimals"},
        {"1 000", "\"1 000\": digits stand together, such as 1000, with a point before decimals"},
        {"0xfffffffffffffffff",
         "the unit \"xfffffffffffffffff\" doesn't fit; it takes B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB"},
    };
    double value;
    char why[256];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(units_parse(cases[i].text, UNIT_BYTES, &value, why, sizeof why));
        assert_string_equal(why, cases[i].why);
    }
}

static void a_huge_text_is_no_danger(void **state) {
    enum { LENGTH = 1 << 20 };
    char *text = malloc(LENGTH + 1);
    char why[64];
    double value;

    (void)state;
    assert_non_null(text);
    memset(text, '9', LENGTH);
    text[LENGTH] = '\0';
    assert_false(units_parse(text, UNIT_NONE, &value, why, sizeof why));
    memset(text + 1, 'x', LENGTH - 1);
    assert_false(units_parse(text, UNIT_BYTES, &value, why, sizeof why));
    assert_true(strlen(why) < sizeof why);
    free(text);
}

static void formats_for_people(void **state) {
    static const struct {
        double value;
        enum unit unit;
        const char *text;
    } cases[] = {
        {74.51e9, UNIT_BYTES, "74.5 GB"},
        {80e9, UNIT_BYTES, "80 GB"},
        {999.9e6, UNIT_BYTES, "1 GB"},
        {512, UNIT_BYTES, "512 B"},
        {0, UNIT_BYTES, "0 B"},
        {-3e9, UNIT_BYTES, "-3 GB"},
        {1.4234, UNIT_SECONDS, "1.42 s"},
        {2e-6, UNIT_SECONDS, "2 us"},
        {0.0315, UNIT_SECONDS, "31.5 ms"},
        {95, UNIT_SECONDS, "95 s"},
        {900, UNIT_SECONDS, "15 min"},
        {7776000, UNIT_SECONDS, "90 d"},
        {0, UNIT_SECONDS, "0 s"},
        {25e9, UNIT_BYTES_PER_SECOND, "25 GB/s"},
        {3.35e12, UNIT_BYTES_PER_SECOND, "3.35 TB/s"},
        {312e12, UNIT_FLOPS_PER_SECOND, "312 TFLOP/s"},
        {24576, UNIT_COUNT, "24576"},
        {1.83e12, UNIT_COUNT, "1.83T"},
        {277.4e9, UNIT_COUNT, "277B"},
        {13e12, UNIT_TOKENS, "13T"},
        {63e6, UNIT_MONEY, "63 M$"},
        {1.0 / 3600, UNIT_MONEY_PER_SECOND, "1.00 $/h"},
        {1200, UNIT_WATTS, "1.2 kW"},
        {0.1 / 3.6e6, UNIT_MONEY_PER_JOULE, "0.1 $/kWh"},
        {7.2e9, UNIT_JOULES, "2 MWh"},
        {1.41e9, UNIT_HERTZ, "1.41 GHz"},
        {0.8512, UNIT_NONE, "0.851"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buffer[64];

        assert_string_equal(units_format(cases[i].value, cases[i].unit, buffer, sizeof buffer),
                            cases[i].text);
    }
}

static void one_is_not_several(void **state) {
    (void)state;
    assert_string_equal(units_plural(1), "");
    assert_string_equal(units_plural(0), "s");
    assert_string_equal(units_plural(2), "s");
}

static void writes_what_people_would(void **state) {
    char buffer[64];

    (void)state;
    assert_string_equal(units_write(80e9, UNIT_BYTES, buffer, sizeof buffer), "80 GB");
    assert_string_equal(units_write(25e9, UNIT_BYTES_PER_SECOND, buffer, sizeof buffer), "25 GB/s");
    assert_string_equal(units_write(9e-6, UNIT_SECONDS, buffer, sizeof buffer), "9 us");
    assert_string_equal(units_write(1.0 / 3600, UNIT_MONEY_PER_SECOND, buffer, sizeof buffer), "1 $/h");
    assert_string_equal(units_write(0.85, UNIT_NONE, buffer, sizeof buffer), "0.85");
    assert_string_equal(units_write(2039e9, UNIT_BYTES_PER_SECOND, buffer, sizeof buffer), "2039 GB/s");
    assert_string_equal(units_write(0.5 / 3600, UNIT_MONEY_PER_SECOND, buffer, sizeof buffer), "0.5 $/h");
}

/* What was measured is written with few digits and its unit, whatever its bits. */
static void what_is_rounded_is_written_short(void **state) {
    static const struct {
        double value;
        enum unit unit;
        const char *text;
    } cases[] = {
        {1.1264368918065975e-06, UNIT_SECONDS, "1.12644 us"},
        {0.0017544939999999398, UNIT_SECONDS, "1.75449 ms"},
        {1.5683e-10, UNIT_SECONDS, "0.15683 ns"},
        {2058212518.1639695, UNIT_BYTES_PER_SECOND, "2.05821 GB/s"},
        {999999999.9, UNIT_BYTES_PER_SECOND, "1 GB/s"},
        {1.00000049, UNIT_NONE, "1"},
        {0, UNIT_SECONDS, "0 s"},
    };
    char buffer[64];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(
            units_write(units_round(cases[i].value, cases[i].unit), cases[i].unit, buffer, sizeof buffer),
            cases[i].text);
}

static void every_rounded_figure_has_a_unit(void **state) {
    char buffer[64];

    (void)state;
    for (int i = 0; i < 20000; i++) {
        double seconds = 1e-9 * pow(1.001, i);
        if (seconds > 100)
            break;
        units_write(units_round(seconds, UNIT_SECONDS), UNIT_SECONDS, buffer, sizeof buffer);
        if (strchr(buffer, 's') == NULL || strlen(buffer) > strlen("1.23456 us"))
            fail_msg("%.17g is written %s", seconds, buffer);
    }
}

/* A repeatable sequence of bits: xorshift64. */
static uint64_t next_bits(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void what_is_written_reads_back_exactly(void **state) {
    enum { ROUNDS = 20000 };
    uint64_t bits = 88172645463325252u;

    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        enum unit unit = (enum unit)(next_bits(&bits) % (UNIT_HERTZ + 1));
        uint64_t pattern = next_bits(&bits);
        double value, back;
        char buffer[64], why[256];

        memcpy(&value, &pattern, sizeof value);
        if (i % 2 == 0) /* half of them of a size that occurs */
            value = (double)(pattern % 1000000) * pow(10, (double)(int)(next_bits(&bits) % 24) - 12);
        if (!isfinite(value))
            continue;
        if (!units_parse(units_write(value, unit, buffer, sizeof buffer), unit, &back, why, sizeof why))
            fail_msg("%.17g written as \"%s\": %s", value, buffer, why);
        assert_same_double(back, value);
    }
}

static void the_extremes_read_back_too(void **state) {
    static const double values[] = {0, DBL_MAX, -DBL_MAX, DBL_MIN, 4.9e-324, 1, 1e15, 9007199254740993.0};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        for (enum unit unit = UNIT_NONE; unit <= UNIT_HERTZ; unit++) {
            char buffer[64], why[256];
            double back;

            units_write(values[i], unit, buffer, sizeof buffer);
            assert_true(units_parse(buffer, unit, &back, why, sizeof why));
            assert_same_double(back, values[i]);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_people_write),
        cmocka_unit_test(refuses_what_is_no_quantity),
        cmocka_unit_test(says_which_units_fit),
        cmocka_unit_test(says_what_to_write_for_a_number_that_readers_take_differently),
        cmocka_unit_test(a_huge_text_is_no_danger),
        cmocka_unit_test(formats_for_people),
        cmocka_unit_test(one_is_not_several),
        cmocka_unit_test(writes_what_people_would),
        cmocka_unit_test(what_is_rounded_is_written_short),
        cmocka_unit_test(every_rounded_figure_has_a_unit),
        cmocka_unit_test(what_is_written_reads_back_exactly),
        cmocka_unit_test(the_extremes_read_back_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
