#include "planner/report/print_explain.h"

#include <math.h>

#include "common/terminal.h"
#include "planner/report/megatron_flags.h"
#include "planner/report/print_data.h"

static const char *unit_name(enum unit unit) {
    static const char *const names[] = {
        [UNIT_NONE] = "1",
        [UNIT_COUNT] = "1",
        [UNIT_BYTES] = "B",
        [UNIT_BYTES_PER_SECOND] = "B/s",
        [UNIT_FLOPS_PER_SECOND] = "FLOP/s",
        [UNIT_SECONDS] = "s",
        [UNIT_TOKENS] = "tokens",
        [UNIT_MONEY] = "$",
        [UNIT_MONEY_PER_SECOND] = "$/s",
        [UNIT_MONEY_PER_JOULE] = "$/J",
        [UNIT_JOULES] = "J",
        [UNIT_WATTS] = "W",
        [UNIT_HERTZ] = "Hz",
    };
    return names[unit];
}

/* Whether what stands below a term are its parts: of its unit, and together no more than it. Of an exchange
 * that is hidden in part only the rest is the term. */
static bool holds_its_parts(const struct explain_term *term) {
    double sum = 0;
    for (const struct explain_term *part = term->first; part; part = part->next)
        sum += part->unit == term->unit ? part->value : 0;
    return term->value > 0 && sum <= term->value * (1 + 1e-9);
}

/* Empty where the term is no part of what stands above it. */
static const char *share_text(const struct explain_term *term, const struct explain_term *parent,
                              struct arena *arena) {
    bool comparable = parent && parent->unit == term->unit && term->value >= 0 && holds_its_parts(parent);
    return comparable ? arena_print(arena, "%.1f %%", term->value / parent->value * 100) : "";
}

/* A heading that only gathers its parts. */
static bool is_heading(const struct explain_term *term) {
    return term->unit == UNIT_NONE && term->value == 0 && term->first;
}

static void add_terms(struct print_table *table, const struct explain_term *parent, int depth,
                      struct arena *arena) {
    for (const struct explain_term *term = parent->first; term; term = term->next) {
        char value[32];
        print_table_add(
            table, (const char *const[]){
                       arena_print(arena, "%*s%s", 2 * depth, "", term->label),
                       is_heading(term) ? "" : units_format(term->value, term->unit, value, sizeof value),
                       share_text(term, depth > 0 ? parent : NULL, arena), term->detail});
        add_terms(table, term, depth + 1, arena);
    }
}

void print_explain_table(const struct explain_term *root, const struct print_style *style,
                         struct arena *arena, FILE *stream) {
    static const struct print_column columns[] = {
        {"term", false}, {"value", true}, {"share", true}, {"how it comes about", false}};
    struct print_table *table = print_table_create(arena, columns, 4);
    add_terms(table, root, 0, arena);
    print_table_print(table, style, 0, stream);
}

json_t *print_explain_data(const struct explain_term *root) {
    json_t *parts = json_array();
    for (const struct explain_term *term = root->first; term; term = term->next) {
        json_t *data = json_object();
        json_object_set_new(data, "label", print_data_text(term->label));
        json_object_set_new(data, "value", is_heading(term) ? json_null() : print_data_number(term->value));
        json_object_set_new(data, "unit", print_data_text(unit_name(term->unit)));
        json_object_set_new(data, "detail", print_data_text(term->detail));
        json_object_set_new(data, "parts", print_explain_data(term));
        json_array_append_new(parts, data);
    }
    return parts;
}

void print_explain_flags(const struct plan *plan, const struct print_style *style, struct arena *arena,
                         FILE *stream) {
    struct megatron_flags flags;
    size_t column = 0, columns = terminal_columns(stream);
    megatron_flags(plan, arena, &flags);
    if (flags.count == 0)
        return;
    print_heading("Flags of Megatron-LM, beside those of the model", style, stream);
    for (size_t i = 0; i < flags.count; i++) {
        size_t width = terminal_text_columns(flags.flags[i]);
        bool breaks = i > 0 && column + 1 + width > columns - 2; /* a backslash ends the line */
        fputs(i == 0 ? "  " : breaks ? " \\\n  " : " ", stream);
        fputs(flags.flags[i], stream);
        column = (i == 0 || breaks ? 2 : column + 1) + width;
    }
    fputc('\n', stream);
}

json_t *print_explain_flags_data(const struct plan *plan, struct arena *arena) {
    struct megatron_flags flags;
    json_t *list = json_array();
    megatron_flags(plan, arena, &flags);
    for (size_t i = 0; i < flags.count; i++)
        json_array_append_new(list, json_string(flags.flags[i]));
    return list;
}
