#include "planner/answers/run_file.h"

#include <inttypes.h>
#include <string.h>

#include "common/fields.h"
#include "common/named_file.h"
#include "planner/answers/problem.h"

static const char *const memory_kind_names[] = {
    [MEMORY_ALLOCATED] = "allocated", [MEMORY_RESERVED] = "reserved", [MEMORY_DEVICE] = "device", NULL};
static const char *const confidence_names[] = {
    [CONFIDENCE_A] = "A", [CONFIDENCE_A_MINUS] = "A-", [CONFIDENCE_B] = "B", NULL};

static bool read_cluster(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    struct run *run = target;

    if (!named_file_find(reader, node, CATALOGUE_TOPOLOGY, &run->cluster_path))
        return false;
    run->cluster = arena_copy_string(reader->arena, node->text);
    return true;
}

static bool read_model(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    const char *path;

    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return model_read_node(reader, node, target);
    return named_file_find(reader, node, CATALOGUE_MODEL, &path) &&
           model_read(path, reader->arena, target, reader->error);
}

static bool read_layout(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    return layout_request_read(reader, node, target);
}

static bool read_training(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    static const struct field fields[] = {{.key = "sequence",
                                           .type = FIELD_INTEGER,
                                           .offset = offsetof(struct training, sequence),
                                           .required = true,
                                           .unit = UNIT_TOKENS,
                                           .minimum = 1,
                                           .maximum = 1 << 30},
                                          {.key = "global_batch",
                                           .type = FIELD_INTEGER,
                                           .offset = offsetof(struct training, global_batch),
                                           .required = true,
                                           .unit = UNIT_COUNT,
                                           .minimum = 1,
                                           .maximum = 1 << 30},
                                          TRAINING_FIELDS(struct training),
                                          {.key = NULL}};
    struct training *training = target;

    training->stack = stack_default();
    if (!fields_read(reader, node, fields, "training", training))
        return false;
    if (yaml_get(node, "attention") == NULL)
        training->attention = training_default_attention(training->stack);
    return true;
}

static bool read_measured(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    static const struct field fields[] = {
        {.key = "step_time",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct run_measured, step_seconds),
         .unit = UNIT_SECONDS,
         .positive = true},
        {.key = "step_time_note", .type = FIELD_TEXT, .offset = offsetof(struct run_measured, step_note)},
        {.key = "peak_memory",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct run_measured, memory_bytes),
         .unit = UNIT_BYTES,
         .positive = true},
        {.key = "peak_memory_kind",
         .type = FIELD_CHOICE,
         .offset = offsetof(struct run_measured, memory_kind),
         .choices = memory_kind_names},
        {.key = "peak_memory_note", .type = FIELD_TEXT, .offset = offsetof(struct run_measured, memory_note)},
        {.key = "out_of_memory", .type = FIELD_BOOL, .offset = offsetof(struct run_measured, out_of_memory)},
        {.key = NULL}};
    struct run_measured *measured = target;

    if (!fields_read(reader, node, fields, "measured", measured))
        return false;
    if (measured->out_of_memory && (measured->step_seconds > 0 || measured->memory_bytes > 0))
        return yaml_error(reader->document, node, reader->error,
                          "a run that is out_of_memory has no step_time and no peak_memory");
    if (!measured->out_of_memory && measured->step_seconds <= 0 && measured->memory_bytes <= 0)
        return yaml_error(reader->document, node, reader->error,
                          "a run needs a measured step_time or peak_memory, or out_of_memory");
    return true;
}

static bool read_assumed(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    const char ***assumed = target;
    size_t count = 0;

    if (node->kind != YAML_SEQUENCE)
        return yaml_error(reader->document, node, reader->error, "assumed must be a list");
    *assumed = ARENA_ARRAY(reader->arena, const char *, node->child_count + 1);
    for (const struct yaml_node *item = node->children; item != NULL; item = item->next) {
        if (item->kind != YAML_SCALAR)
            return yaml_error(reader->document, item, reader->error, "assumed takes words");
        (*assumed)[count++] = arena_copy_string(reader->arena, item->text);
    }
    return true;
}

static const struct field run_fields[] = {
    {.key = "id", .type = FIELD_TEXT, .offset = offsetof(struct run, id), .required = true},
    {.key = "source", .type = FIELD_TEXT, .offset = offsetof(struct run, source)},
    {.key = "cluster", .type = FIELD_CUSTOM, .required = true, .read = read_cluster},
    {.key = "devices",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct run, devices),
     .required = true,
     .unit = UNIT_COUNT,
     .minimum = 1,
     .maximum = PROBLEM_MAX_DEVICES},
    {.key = "model",
     .type = FIELD_CUSTOM,
     .offset = offsetof(struct run, model),
     .required = true,
     .read = read_model},
    {.key = "training",
     .type = FIELD_CUSTOM,
     .offset = offsetof(struct run, training),
     .required = true,
     .read = read_training},
    {.key = "layout", .type = FIELD_CUSTOM, .offset = offsetof(struct run, layout), .read = read_layout},
    {.key = "measured",
     .type = FIELD_CUSTOM,
     .offset = offsetof(struct run, measured),
     .required = true,
     .read = read_measured},
    {.key = "confidence",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct run, confidence),
     .choices = confidence_names},
    {.key = "assumed", .type = FIELD_CUSTOM, .offset = offsetof(struct run, assumed), .read = read_assumed},
    {.key = "note", .type = FIELD_TEXT, .offset = offsetof(struct run, note)},
    {.key = NULL}};

/* Where the layout fixes the split, it must take the run's devices. */
static bool check_devices(const struct fields_reader *reader, const struct yaml_node *node,
                          const struct run *run) {
    static const enum layout_key keys[] = {LAYOUT_TP, LAYOUT_CP, LAYOUT_PP, LAYOUT_DP};
    double devices = 1;

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (run->layout.keys[keys[i]].count != 1)
            return true;
        devices *= (double)run->layout.keys[keys[i]].values[0];
    }
    if (devices >= (double)run->devices && devices <= (double)run->devices)
        return true;
    return yaml_error(reader->document, yaml_get(node, "layout"), reader->error,
                      "tp x cp x pp x dp is %.0f, but the run has %" PRId64 " devices", devices,
                      run->devices);
}

static bool check_id(const struct fields_reader *reader, const struct yaml_node *node,
                     const struct run_file *file, size_t index) {
    for (size_t i = 0; i < index; i++)
        if (strcmp(file->runs[i].id, file->runs[index].id) == 0)
            return yaml_error(reader->document, yaml_get(node, "id"), reader->error,
                              "the run of line %u has the same id", file->runs[i].line);
    return true;
}

static bool read_runs(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    struct run_file *file = target;
    size_t index = 0;

    if (node->kind != YAML_SEQUENCE || node->child_count == 0)
        return yaml_error(reader->document, node, reader->error, "runs must be a list of one run or more");
    file->count = node->child_count;
    file->runs = ARENA_ARRAY(reader->arena, struct run, file->count);
    for (const struct yaml_node *item = node->children; item != NULL; item = item->next, index++) {
        file->runs[index].line = item->line;
        if (!fields_read(reader, item, run_fields, "a run", &file->runs[index]) ||
            !check_devices(reader, item, &file->runs[index]) || !check_id(reader, item, file, index))
            return false;
    }
    return true;
}

bool run_file_read(const char *path, struct arena *arena, struct run_file *file, struct error *error) {
    static const struct field fields[] = {
        {.key = "runs", .type = FIELD_CUSTOM, .required = true, .read = read_runs}, {.key = NULL}};
    struct yaml_document document;
    const struct fields_reader reader = {.document = &document, .arena = arena, .error = error};
    struct run_file found = {.path = arena_copy_string(arena, path)};

    if (!yaml_read_file(path, arena, &document, error) ||
        !fields_read(&reader, document.root, fields, "a run file", &found))
        return false;
    *file = found;
    return true;
}
