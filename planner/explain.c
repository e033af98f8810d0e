#include "planner/explain.h"

#include <stdarg.h>
#include <stdio.h>

enum { MAX_DEPTH = 16, MAX_DETAIL = 512 };

struct explain {
    struct arena *arena;
    struct explain_term root;
    struct explain_term *open[MAX_DEPTH]; /* the root, then each term not closed yet */
    size_t depth;                         /* of the innermost open term */
    size_t too_deep;                      /* opened beyond MAX_DEPTH: their parts go to the last kept term */
};

struct explain *explain_create(struct arena *arena) {
    struct explain *explain = ARENA_NEW(arena, struct explain);
    explain->arena = arena;
    explain->root.label = "root";
    explain->open[0] = &explain->root;
    return explain;
}

const struct explain_term *explain_root(const struct explain *explain) {
    return &explain->root;
}

static struct explain_term *append(struct explain *explain, const char *label) {
    struct explain_term *parent = explain->open[explain->depth];
    struct explain_term *term = ARENA_NEW(explain->arena, struct explain_term);
    term->label = arena_copy_string(explain->arena, label);
    if (parent->last == NULL)
        parent->first = term;
    else
        parent->last->next = term;
    parent->last = term;
    return term;
}

static const char *print_detail(struct explain *explain, const char *format, va_list arguments) {
    if (format == NULL)
        return NULL;
    char text[MAX_DETAIL];
    vsnprintf(text, sizeof text, format, arguments);
    return arena_copy_string(explain->arena, text);
}

const char *explain_text(struct explain *explain, double value, enum unit unit) {
    char text[32];
    return explain == NULL ? ""
                           : arena_copy_string(explain->arena, units_format(value, unit, text, sizeof text));
}

void explain_add(struct explain *explain, const char *label, double value, enum unit unit,
                 const char *detail_format, ...) {
    if (explain == NULL)
        return;
    struct explain_term *term = append(explain, label);
    term->value = value;
    term->unit = unit;
    va_list arguments;
    va_start(arguments, detail_format);
    term->detail = print_detail(explain, detail_format, arguments);
    va_end(arguments);
}

void explain_open(struct explain *explain, const char *label) {
    if (explain == NULL)
        return;
    if (explain->depth + 1 == MAX_DEPTH) {
        explain->too_deep++;
        return;
    }
    struct explain_term *term = append(explain, label);
    explain->open[++explain->depth] = term;
}

void explain_close(struct explain *explain, double value, enum unit unit, const char *detail_format, ...) {
    if (explain == NULL)
        return;
    if (explain->too_deep > 0) {
        explain->too_deep--;
        return;
    }
    if (explain->depth == 0)
        return;
    struct explain_term *term = explain->open[explain->depth--];
    term->value = value;
    term->unit = unit;
    va_list arguments;
    va_start(arguments, detail_format);
    term->detail = print_detail(explain, detail_format, arguments);
    va_end(arguments);
}
