#include "planner/report/print_words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "common/terminal.h"

enum { QUANTITY = 32, MILLION = 1000000, FEW = 10 };

/* Shorter ones are given in hours, minutes or seconds. */
static const double FEWEST_DAYS = 1;

const char *print_quantity(struct arena *arena, double value, enum unit unit) {
    char text[QUANTITY];
    return arena_copy_string(arena, units_format(value, unit, text, sizeof text));
}

/* Three significant digits, but no more than one behind the point. */
const char *print_percent(struct arena *arena, double share) {
    double value = share * 100;
    if (value > 0 && value < 0.1)
        return "<0.1 %";
    return arena_print(arena, value < 99.95 ? "%.1f %%" : "%.0f %%", value);
}

/* 24576 as "24,576". */
const char *print_count(struct arena *arena, int64_t number) {
    char digits[QUANTITY], grouped[2 * QUANTITY];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRId64, number), out = 0;
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-')
            grouped[out++] = ',';
        grouped[out++] = digits[i];
    }
    grouped[out] = '\0';
    return arena_copy_string(arena, grouped);
}

/* A number of things: in full as long as that is short. */
const char *print_amount(struct arena *arena, double number) {
    if (number < FEW)
        return arena_print(arena, "%.2g", number);
    return number < MILLION ? print_count(arena, llround(number)) : print_quantity(arena, number, UNIT_COUNT);
}

const char *print_days(struct arena *arena, double days) {
    if (!isfinite(days))
        return "never";
    if (days < 1)
        return arena_print(arena, "%.2g", days);
    return days < 1000 ? arena_print(arena, "%.1f", days) : print_count(arena, llround(days));
}

const char *print_duration(struct arena *arena, double seconds) {
    double days = seconds / SECONDS_A_DAY;
    return days < FEWEST_DAYS ? print_quantity(arena, seconds, UNIT_SECONDS)
                              : arena_print(arena, "%s days", print_days(arena, days));
}

const char *print_factor(struct arena *arena, double factor) {
    return factor < 999.5 ? arena_print(arena, "%.3g", factor) : print_amount(arena, factor);
}

const char *print_excess(struct arena *arena, double excess) {
    if (excess < 1)
        return print_percent(arena, excess);
    return arena_print(arena, "a factor of %s", print_factor(arena, excess + 1));
}

const char *print_tokens(struct arena *arena, double tokens) {
    return arena_print(arena, "%s token%s", print_amount(arena, tokens), tokens == 1 ? "" : "s");
}

const char *print_shortened(struct arena *arena, const char *text, size_t columns) {
    static const char dots[] = "...";
    size_t kept = columns + 1 - sizeof dots, ahead = (kept + 1) / 2, wide;
    const char *head = text, *tail = text;
    if (terminal_text_columns(text) <= columns)
        return text;
    for (;; ahead -= wide) {
        size_t bytes = terminal_character(head, &wide);
        if (wide > ahead)
            break;
        head += bytes;
    }
    while (terminal_text_columns(tail) > kept / 2)
        tail += terminal_character(tail, &wide);
    return arena_print(arena, "%.*s%s%s", (int)(head - text), text, dots, tail);
}
