#include "planner/report/print_layout.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void append(char *buffer, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void append(char *buffer, size_t size, const char *format, ...) {
    size_t used = strlen(buffer);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer + used, size - used, format, arguments);
    va_end(arguments);
}

static void append_split(char *buffer, size_t size, int64_t ways, const char *what) {
    if (ways > 1)
        append(buffer, size, "%s%" PRId64 "-way %s", *buffer ? " x " : "", ways, what);
}

static void append_end(char *buffer, size_t size, int64_t layers, const char *which) {
    if (layers > 0)
        append(buffer, size, "; %" PRId64 " layer%s on the %s stage", layers, units_plural(layers), which);
}

char *print_layout_words(const struct layout *layout, int64_t global_batch, char *buffer, size_t size) {
    *buffer = '\0';
    append_split(buffer, size, layout->tp, layout->sequence_parallel ? "tensor and sequence" : "tensor");
    append_split(buffer, size, layout->cp, "context");
    append_split(buffer, size, layout->pp, "pipeline");
    append_split(buffer, size, layout->dp, "data parallel");
    if (!*buffer)
        append(buffer, size, "not split");
    if (layout->ep > 1 || layout->etp > 1) {
        append(buffer, size, "; experts over %" PRId64, layout->ep);
        append(buffer, size, layout->etp > 1 ? " x %" PRId64 " (each split)" : "", layout->etp);
    }
    int64_t micro_batches = layout_micro_batches(layout, global_batch);
    append(buffer, size, "; %" PRId64 " micro-batch%s of %" PRId64 " sequence%s", micro_batches,
           micro_batches == 1 ? "" : "es", layout->micro_batch, units_plural(layout->micro_batch));
    if (layout->pp > 1)
        append(buffer, size, " through the pipeline (%s)", schedule_names[layout->schedule]);
    if (layout->vpp > 1) {
        int64_t group = layout_micro_batch_group(layout->pp, micro_batches);
        append(buffer, size, ", %" PRId64 " chunks a stage", layout->vpp);
        if (group != layout->pp)
            append(buffer, size, ", micro-batches in groups of %" PRId64, group);
    }
    static const char *const sharded[] = {"", "optimizer", "optimizer and gradients",
                                          "optimizer, gradients and weights"};
    if (layout->zero > 0) {
        append(buffer, size, "; %s sharded over %" PRId64, sharded[layout->zero],
               layout->zero_group ? layout->zero_group : layout->dp * layout->cp);
    }
    append(buffer, size, "; %s recompute", layout->recompute ? recompute_names[layout->recompute] : "no");
    if (layout->recompute_modules != 0) {
        char modules[LAYOUT_VALUE_SIZE];
        append(buffer, size, " of %s",
               layout_format_value(LAYOUT_RECOMPUTE_MODULES, layout->recompute_modules, modules,
                                   sizeof modules));
    }
    if (layout->recompute_layers > 0) {
        char which[32] = "";
        if (layout->recompute_layers > 1)
            snprintf(which, sizeof which, " %" PRId64, layout->recompute_layers);
        append(buffer, size, " of the first%s layer%s of a%s stage", which, *which ? "s" : "",
               layout->vpp > 1 ? " virtual" : "");
    }
    append_end(buffer, size, layout->first_stage_layers, "first");
    append_end(buffer, size, layout->last_stage_layers, "last");
    static const char *const outside[] = {NULL,
                                          "activations",
                                          "optimizer",
                                          "optimizer and activations",
                                          "gradients and optimizer",
                                          "gradients, optimizer and activations",
                                          "weights, gradients and optimizer",
                                          "weights, gradients, optimizer and activations"};
    if (layout->offload)
        append(buffer, size, "; %s outside the device", outside[layout->offload]);
    return buffer;
}

/* What a key is where nobody needs to be told; order and overlap are never told. */
static int64_t plain_value(const struct layout *layout, enum layout_key key) {
    switch (key) {
    case LAYOUT_SEQUENCE_PARALLEL:
        return layout->tp > 1;
    case LAYOUT_SCHEDULE:
        return layout->vpp > 1 ? SCHEDULE_INTERLEAVED : SCHEDULE_1F1B;
    case LAYOUT_ZERO:
    case LAYOUT_RECOMPUTE:
    case LAYOUT_RECOMPUTE_LAYERS:
    case LAYOUT_RECOMPUTE_MODULES:
    case LAYOUT_FIRST_STAGE_LAYERS:
    case LAYOUT_LAST_STAGE_LAYERS:
    case LAYOUT_OFFLOAD:
        return 0;
    default:
        return key <= LAYOUT_MICRO_BATCH ? 1 : layout_get(layout, key);
    }
}

/* Keys whose value is another than `other` has, or than the plain one where `other` is NULL. */
static char *keys_unlike(const struct layout *layout, const struct layout *other, char *buffer, size_t size) {
    *buffer = '\0';
    for (int i = 0; i < LAYOUT_KEY_COUNT; i++) {
        enum layout_key key = (enum layout_key)i;
        int64_t value = layout_get(layout, key);
        char text[LAYOUT_VALUE_SIZE];
        if (layout->pp == 1 && (key == LAYOUT_FIRST_STAGE_LAYERS || key == LAYOUT_LAST_STAGE_LAYERS))
            continue; /* the one stage has them all */
        if (value != (other ? layout_get(other, key) : plain_value(layout, key))) {
            append(buffer, size, "%s%s=%s", *buffer ? " " : "", layout_key_names[i],
                   layout_format_value(key, value, text, sizeof text));
        }
    }
    return buffer;
}

char *print_layout_short(const struct layout *layout, char *buffer, size_t size) {
    return keys_unlike(layout, NULL, buffer, size);
}

char *print_layout_difference(const struct layout *best, const struct layout *layout, char *buffer,
                              size_t size) {
    return keys_unlike(layout, best, buffer, size);
}
