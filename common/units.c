#include "common/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* A suffix multiplies and divides: 9 / 1e6 is the double nearest to 9e-6, 9 * 1e-6 isn't always. */
struct suffix {
    const char *name; /* NULL ends a table */
    double times, over;
};

static const struct suffix decimal_prefixes[] = {{"k", 1e3, 1},  {"K", 1e3, 1},  {"M", 1e6, 1},
                                                 {"G", 1e9, 1},  {"T", 1e12, 1}, {"P", 1e15, 1},
                                                 {"E", 1e18, 1}, {NULL, 0, 0}};
static const struct suffix byte_prefixes[] = {
    {"k", 1e3, 1},     {"K", 1e3, 1},     {"M", 1e6, 1},     {"G", 1e9, 1},     {"T", 1e12, 1},
    {"P", 1e15, 1},    {"E", 1e18, 1},    {"Ki", 0x1p10, 1}, {"Mi", 0x1p20, 1}, {"Gi", 0x1p30, 1},
    {"Ti", 0x1p40, 1}, {"Pi", 0x1p50, 1}, {NULL, 0, 0}};
/* "B" is the billion of model sizes. No count is a thousandth, so small letters are clear too. */
static const struct suffix count_prefixes[] = {
    {"k", 1e3, 1},       {"K", 1e3, 1},       {"M", 1e6, 1},         {"m", 1e6, 1},
    {"B", 1e9, 1},       {"b", 1e9, 1},       {"G", 1e9, 1},         {"g", 1e9, 1},
    {"T", 1e12, 1},      {"t", 1e12, 1},      {"P", 1e15, 1},        {"E", 1e18, 1},
    {"million", 1e6, 1}, {"billion", 1e9, 1}, {"trillion", 1e12, 1}, {NULL, 0, 0}};

static const struct suffix plain[] = {{"", 1, 1}, {NULL, 0, 0}};
static const struct suffix tokens[] = {{"", 1, 1}, {"tokens", 1, 1}, {"token", 1, 1}, {NULL, 0, 0}};
static const struct suffix bytes[] = {{"B", 1, 1}, {"bytes", 1, 1}, {"byte", 1, 1}, {NULL, 0, 0}};
static const struct suffix bytes_per_second[] = {{"B/s", 1, 1}, {"b/s", 1, 8},   {"Bps", 1, 1},
                                                 {"bps", 1, 8}, {"bit/s", 1, 8}, {NULL, 0, 0}};
static const struct suffix flops[] = {{"FLOP/s", 1, 1}, {"FLOPS", 1, 1},   {"FLOPs", 1, 1}, {"FLOPs/s", 1, 1},
                                      {"flop/s", 1, 1}, {"flops/s", 1, 1}, {"flops", 1, 1}, {NULL, 0, 0}};
static const struct suffix seconds[] = {
    {"s", 1, 1},           {"ms", 1, 1e3},        {"us", 1, 1e6},         {"\xc2\xb5s", 1, 1e6},
    {"\xce\xbcs", 1, 1e6}, {"ns", 1, 1e9},        {"sec", 1, 1},          {"second", 1, 1},
    {"seconds", 1, 1},     {"min", 60, 1},        {"minute", 60, 1},      {"minutes", 60, 1},
    {"h", 3600, 1},        {"hr", 3600, 1},       {"hour", 3600, 1},      {"hours", 3600, 1},
    {"d", 86400, 1},       {"day", 86400, 1},     {"days", 86400, 1},     {"week", 604800, 1},
    {"weeks", 604800, 1},  {"year", 31557600, 1}, {"years", 31557600, 1}, {NULL, 0, 0}};
static const struct suffix money[] = {{"$", 1, 1}, {"USD", 1, 1}, {NULL, 0, 0}};
static const struct suffix money_per_second[] = {
    {"$/h", 1, 3600},  {"$/hour", 1, 3600}, {"USD/h", 1, 3600},   {"$/s", 1, 1},
    {"$/d", 1, 86400}, {"$/day", 1, 86400}, {"$/y", 1, 31557600}, {NULL, 0, 0}};
static const struct suffix money_per_joule[] = {{"$/kWh", 1, 3.6e6}, {"USD/kWh", 1, 3.6e6},
                                                {"$/MWh", 1, 3.6e9}, {"USD/MWh", 1, 3.6e9},
                                                {"$/J", 1, 1},       {NULL, 0, 0}};
static const struct suffix joules[] = {{"J", 1, 1}, {"Wh", 3600, 1}, {NULL, 0, 0}};
static const struct suffix watts[] = {{"W", 1, 1}, {NULL, 0, 0}};
static const struct suffix hertz[] = {{"Hz", 1, 1}, {NULL, 0, 0}};

/* What people are shown, smallest first. */
static const struct suffix shown_counts[] = {
    {"", 1, 1}, {"M", 1e6, 1}, {"B", 1e9, 1}, {"T", 1e12, 1}, {NULL, 0, 0}};
static const struct suffix shown_bytes[] = {{" B", 1, 1},    {" kB", 1e3, 1},  {" MB", 1e6, 1},
                                            {" GB", 1e9, 1}, {" TB", 1e12, 1}, {" PB", 1e15, 1},
                                            {NULL, 0, 0}};
static const struct suffix shown_bytes_per_second[] = {{" B/s", 1, 1},     {" kB/s", 1e3, 1},
                                                       {" MB/s", 1e6, 1},  {" GB/s", 1e9, 1},
                                                       {" TB/s", 1e12, 1}, {NULL, 0, 0}};
static const struct suffix shown_flops[] = {
    {" FLOP/s", 1, 1},     {" kFLOP/s", 1e3, 1},  {" MFLOP/s", 1e6, 1},  {" GFLOP/s", 1e9, 1},
    {" TFLOP/s", 1e12, 1}, {" PFLOP/s", 1e15, 1}, {" EFLOP/s", 1e18, 1}, {NULL, 0, 0}};
static const struct suffix shown_seconds[] = {{" ns", 1, 1e9},  {" us", 1, 1e6}, {" ms", 1, 1e3},
                                              {" s", 1, 1},     {" min", 60, 1}, {" h", 3600, 1},
                                              {" d", 86400, 1}, {NULL, 0, 0}};
static const struct suffix shown_money[] = {
    {" $", 1, 1}, {" k$", 1e3, 1}, {" M$", 1e6, 1}, {" B$", 1e9, 1}, {NULL, 0, 0}};
static const struct suffix shown_money_per_second[] = {{" $/h", 1, 3600}, {NULL, 0, 0}};
static const struct suffix shown_money_per_joule[] = {{" $/kWh", 1, 3.6e6}, {NULL, 0, 0}};
static const struct suffix shown_joules[] = {{" Wh", 3600, 1},    {" kWh", 3.6e6, 1},  {" MWh", 3.6e9, 1},
                                             {" GWh", 3.6e12, 1}, {" TWh", 3.6e15, 1}, {NULL, 0, 0}};
static const struct suffix shown_watts[] = {{" W", 1, 1}, {" kW", 1e3, 1}, {" MW", 1e6, 1}, {NULL, 0, 0}};
static const struct suffix shown_hertz[] = {
    {" Hz", 1, 1}, {" kHz", 1e3, 1}, {" MHz", 1e6, 1}, {" GHz", 1e9, 1}, {NULL, 0, 0}};

static const struct kind {
    const char *takes;             /* for messages */
    const struct suffix *bases;    /* one of these, */
    const struct suffix *prefixes; /* with one of these in front, or none; NULL: none */
    const struct suffix *shown;
} kinds[] = {
    [UNIT_NONE] = {"a plain number such as 0.85 or 1e-3", plain, NULL, plain},
    [UNIT_COUNT] = {"a count such as 32768, 60M, 200B (billion) or 13T", plain, count_prefixes, shown_counts},
    [UNIT_BYTES] = {"B, kB, MB, GB, TB, or KiB, MiB, GiB, TiB", bytes, byte_prefixes, shown_bytes},
    [UNIT_BYTES_PER_SECOND] = {"B/s, MB/s, GB/s, GiB/s, TB/s, or Mb/s, Gb/s (bits)", bytes_per_second,
                               byte_prefixes, shown_bytes_per_second},
    [UNIT_FLOPS_PER_SECOND] = {"GFLOP/s, TFLOP/s or PFLOP/s", flops, decimal_prefixes, shown_flops},
    [UNIT_SECONDS] = {"ns, us, ms, s, min, h, d, weeks or years", seconds, NULL, shown_seconds},
    [UNIT_TOKENS] = {"a count such as 8192, 60M, 300B or 13T, with or without \"tokens\"", tokens,
                     count_prefixes, shown_counts},
    [UNIT_MONEY] = {"$, k$, M$ or B$", money, count_prefixes, shown_money},
    [UNIT_MONEY_PER_SECOND] = {"$/h, $/d or $/s", money_per_second, NULL, shown_money_per_second},
    [UNIT_MONEY_PER_JOULE] = {"$/kWh or $/MWh", money_per_joule, NULL, shown_money_per_joule},
    [UNIT_JOULES] = {"J, kWh or MWh", joules, decimal_prefixes, shown_joules},
    [UNIT_WATTS] = {"W, kW or MW", watts, decimal_prefixes, shown_watts},
    [UNIT_HERTZ] = {"Hz, kHz, MHz or GHz", hertz, decimal_prefixes, shown_hertz},
};

/* Below this a whole count is shown digit by digit: 24576 devices, not 24.6k. */
static const double LONGEST_PLAIN_COUNT = 1e6;
/* Below this the largest unit's numbers are shown digit by digit. */
static const double LONGEST_SHOWN = 1e15;
/* Below this a number of the smallest unit is written with an exponent. */
static const double LEAST_SHOWN = 1e-3;
/* Seconds stay seconds up to two of the next unit: 95 s, 119 min, 47 h. */
static const double MINUTES_FROM_SECONDS = 120, HOURS_FROM_SECONDS = 7200, DAYS_FROM_SECONDS = 172800;

enum {
    QUOTED = 40,     /* characters of the user's text in a message */
    MOST_DIGITS = 15 /* of another base than ten, for their decimal value to be told */
};

static const char *skip_blanks(const char *text) {
    return text + strspn(text, " \t");
}

/* The end of a decimal number at `text`, or `text` where there is none: no hexadecimal, nan or infinity. */
static const char *number_end(const char *text) {
    const char *digits = "0123456789", *p = text + (*text == '+' || *text == '-' ? 1 : 0);
    size_t whole = strspn(p, digits), fraction = 0;

    p += whole;
    if (*p == '.') {
        fraction = strspn(p + 1, digits);
        p += 1 + fraction;
    }
    if (whole + fraction == 0)
        return text;
    if (*p == 'e' || *p == 'E') { /* an exponent only with digits: "2 E" is a prefix */
        const char *exponent = p + 1 + (p[1] == '+' || p[1] == '-' ? 1 : 0);
        size_t length = strspn(exponent, digits);

        if (length > 0)
            p = exponent + length;
    }
    return p;
}

/* Finds the `length` characters at `name` in the table. */
static const struct suffix *suffix_find(const struct suffix *table, const char *name, size_t length) {
    for (; table != NULL && table->name != NULL; table++)
        if (strlen(table->name) == length && strncmp(table->name, name, length) == 0)
            return table;
    return NULL;
}

/* Splits `text` into a prefix and a base of `kind`, "T" and "FLOP/s", and applies both to `value`. */
static bool apply_unit(const struct kind *kind, const char *text, double *value) {
    size_t length = strlen(text);

    for (const struct suffix *base = kind->bases; base->name != NULL; base++) {
        const struct suffix *prefix = NULL;
        size_t base_length = strlen(base->name), prefix_length;

        if (base_length > length || strcmp(text + length - base_length, base->name) != 0)
            continue;
        for (prefix_length = length - base_length; prefix_length > 0 && text[prefix_length - 1] == ' ';)
            prefix_length--;
        if (prefix_length > 0) {
            prefix = suffix_find(kind->prefixes, text, prefix_length);
            if (prefix == NULL)
                continue;
            *value *= prefix->times;
        }
        *value = *value * base->times / base->over;
        return true;
    }
    return false;
}

bool units_is_bare(const char *text, enum unit unit) {
    bool measure = unit != UNIT_NONE && unit != UNIT_COUNT && unit != UNIT_TOKENS;
    const char *start = skip_blanks(text), *end = number_end(start);

    return measure && end != start && *skip_blanks(end) == '\0';
}

/* Whether the digits of `text`, from `start` to `end`, mean another number to other readers of YAML or to
 * people: "010" is 8 in YAML 1.1 and 10 in YAML 1.2. Then `why` says what to write. */
static bool is_ambiguous(const char *text, const char *start, const char *end, char *why, size_t why_size) {
    static const struct {
        const char *prefixes, *digits;
        int base;
    } others[] = {{"xX", "0123456789abcdefABCDEF", 16}, {"oO", "01234567", 8}, {"bB", "01", 2}};
    const char *digits = start + strspn(start, "+-"), *rest = skip_blanks(end);

    for (size_t i = 0; digits[0] == '0' && i < sizeof others / sizeof others[0]; i++) {
        size_t length = digits[1] == '\0' ? 0 : strspn(digits + 2, others[i].digits);

        if (length == 0 || length > MOST_DIGITS || strchr(others[i].prefixes, digits[1]) == NULL)
            continue;
        snprintf(why, why_size, "\"%.*s\" isn't decimal: write %lld", QUOTED, text,
                 strtoll(digits + 2, NULL, others[i].base));
        return true;
    }
    if (digits[0] == '0' && isdigit((unsigned char)digits[1])) {
        const char *first = digits + strspn(digits, "0");

        snprintf(why, why_size, "\"%.*s\" begins with 0, which some readers take for octal: write %s%.*s",
                 QUOTED, text, *start == '-' ? "-" : "", QUOTED,
                 isdigit((unsigned char)*first) ? first : first - 1);
        return true;
    }
    if (isdigit((unsigned char)rest[strspn(rest, "_,'")])) {
        snprintf(why, why_size, "\"%.*s\": digits stand together, such as 1000, with a point before decimals",
                 QUOTED, text);
        return true;
    }
    return false;
}

bool units_parse(const char *text, enum unit unit, double *value, char *why, size_t why_size) {
    const struct kind *kind = &kinds[unit];
    const char *start = skip_blanks(text), *end = number_end(start), *rest = skip_blanks(end);
    char suffix[QUOTED + 1];
    char *parsed_to;
    double number;
    size_t length;

    if (end == start) {
        snprintf(why, why_size, "\"%.*s\" isn't a number; it takes %s", QUOTED, text, kind->takes);
        return false;
    }
    if (is_ambiguous(text, start, end, why, why_size))
        return false;
    number = strtod(start, &parsed_to);
    length = strlen(rest);
    while (length > 0 && (rest[length - 1] == ' ' || rest[length - 1] == '\t'))
        length--;
    snprintf(suffix, sizeof suffix, "%.*s", (int)(length < QUOTED ? length : QUOTED), rest);
    /* A bare number is in base units, whatever the unit. */
    if (parsed_to != end || length > QUOTED || (length > 0 && !apply_unit(kind, suffix, &number))) {
        snprintf(why, why_size, "the unit \"%s\" doesn't fit; it takes %s", suffix, kind->takes);
        return false;
    }
    if (!isfinite(number)) {
        snprintf(why, why_size, "\"%.*s\" is too large", QUOTED, text);
        return false;
    }
    *value = number;
    return true;
}

static const struct suffix *shown_time(double size) {
    const struct suffix *table = shown_seconds;
    size_t index = size < 1e-6 ? 0 : size < 1e-3 ? 1 : size < 1 ? 2 : 3;

    if (size == 0)
        index = 3;
    else if (size >= DAYS_FROM_SECONDS)
        index = 6;
    else if (size >= HOURS_FROM_SECONDS)
        index = 5;
    else if (size >= MINUTES_FROM_SECONDS)
        index = 4;
    return &table[index];
}

/* The suffix to show a value of this size with. */
static const struct suffix *shown_suffix(double size, enum unit unit) {
    const struct suffix *best = kinds[unit].shown;

    if (unit == UNIT_SECONDS)
        return shown_time(size);
    for (const struct suffix *next = best + 1; best->name != NULL && next->name != NULL; next++)
        if (size >= next->times / next->over)
            best = next;
    return best;
}

char *units_format(double value, enum unit unit, char *buffer, size_t size) {
    /* From here on three digits round up to the next prefix. */
    const double rounds_up = 0.9995;
    const struct suffix *suffix = shown_suffix(fabs(value), unit);
    const struct suffix *next = suffix + 1;
    double shown;

    if (next->name != NULL && fabs(value) >= rounds_up * next->times / next->over && unit != UNIT_SECONDS)
        suffix = next;
    shown = value * suffix->over / suffix->times;
    if (unit == UNIT_MONEY_PER_SECOND)
        snprintf(buffer, size, "%.2f%s", shown, suffix->name);
    else if (fabs(shown) >= 999.5 && fabs(shown) < LONGEST_SHOWN)
        snprintf(buffer, size, "%.0f%s", shown, suffix->name);
    else
        snprintf(buffer, size, "%.3g%s", shown, suffix->name);
    return buffer;
}

const char *units_plural(int64_t count) {
    return count == 1 ? "" : "s";
}

static bool reads_back(const char *text, enum unit unit, double value) {
    char why[8];
    double back;

    return units_parse(text, unit, &back, why, sizeof why) && back == value;
}

/* With this suffix and as few decimals as it takes; false when none are exact. */
static bool write_with(const struct suffix *suffix, double value, enum unit unit, char *buffer, size_t size) {
    enum { MOST_DECIMALS = 15 };
    double shown = value * suffix->over / suffix->times;

    if (fabs(shown) >= LONGEST_PLAIN_COUNT || (fabs(shown) < LEAST_SHOWN && value != 0))
        return false;
    for (int decimals = 0; decimals <= MOST_DECIMALS; decimals++) {
        snprintf(buffer, size, "%.*f%s", decimals, shown, suffix->name);
        if (reads_back(buffer, unit, value))
            return true;
    }
    return false;
}

char *units_write(double value, enum unit unit, char *buffer, size_t size) {
    enum { NAME_EVERY_DOUBLE = 17 };
    const struct suffix *smallest = kinds[unit].shown, *suffix = shown_suffix(fabs(value), unit);

    /* Where 2.039 TB/s isn't exactly the value, 2039 GB/s may be. */
    for (;; suffix--) {
        if (write_with(suffix, value, unit, buffer, size))
            return buffer;
        if (suffix == smallest)
            break;
    }
    for (int digits = 1; digits <= NAME_EVERY_DOUBLE; digits++) {
        snprintf(buffer, size, "%.*g", digits, value);
        if (reads_back(buffer, unit, value))
            break;
    }
    return buffer;
}

double units_round(double value, enum unit unit) {
    enum { DIGITS = 6 };
    const struct suffix *suffix = shown_suffix(fabs(value), unit);
    char text[64], why[8];
    double rounded;

    snprintf(text, sizeof text, "%.*g%s", DIGITS, value * suffix->over / suffix->times, suffix->name);
    return units_parse(text, unit, &rounded, why, sizeof why) ? rounded : value;
}
