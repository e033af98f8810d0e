/* The writer walks the tables of cluster_fields.h: what the reader would read into a struct is written from
 * it, in the same order, and left out where the struct holds what a missing key means. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#include "common/cluster.h"
#include "common/cluster_fields.h"

enum { LINE_WIDTH = 110 };

struct writer {
    yaml_emitter_t emitter;
    const char *problem; /* the first; NULL while all is well */
};

enum style { BLOCK, FLOW };

static void emit(struct writer *writer, yaml_event_t *event, int initialized) {
    if (writer->problem != NULL) {
        if (initialized)
            yaml_event_delete(event);
        return;
    }
    if (!initialized) {
        writer->problem = "a text in it isn't UTF-8";
        return;
    }
    errno = 0;
    if (!yaml_emitter_emit(&writer->emitter, event))
        writer->problem = errno != 0 ? strerror(errno) : writer->emitter.problem;
}

static void emit_scalar(struct writer *writer, const char *text, yaml_scalar_style_t style) {
    yaml_event_t event;

    emit(writer, &event,
         yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), true,
                                      true, style));
}

static void emit_plain(struct writer *writer, const char *text) {
    emit_scalar(writer, text, YAML_PLAIN_SCALAR_STYLE);
}

/* Quoted unless it is plainly a word that no YAML reader takes for anything else. */
static void emit_text(struct writer *writer, const char *text) {
    static const char *const taken[] = {"true", "false", "yes", "no",   "on",   "off", "null",
                                        "none", "all",   "y",   "n",    "True", "Yes", "No",
                                        "On",   "Off",   "NO",  "Null", "Y",    "N",   NULL};
    const char *letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    bool plain = text[0] != '\0' && strchr(letters, text[0]) != NULL && strlen(text) < 40;

    for (const char *c = text; plain && *c != '\0'; c++)
        plain = strchr(letters, *c) != NULL || strchr("0123456789_-.", *c) != NULL;
    for (size_t i = 0; plain && taken[i] != NULL; i++)
        plain = strcmp(text, taken[i]) != 0;
    emit_scalar(writer, text, plain ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE);
}

static void open_mapping(struct writer *writer, enum style style) {
    yaml_event_t event;

    emit(writer, &event,
         yaml_mapping_start_event_initialize(
             &event, NULL, NULL, true, style == FLOW ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE));
}

static void close_mapping(struct writer *writer) {
    yaml_event_t event;

    emit(writer, &event, yaml_mapping_end_event_initialize(&event));
}

static void open_sequence(struct writer *writer) {
    yaml_event_t event;

    emit(writer, &event,
         yaml_sequence_start_event_initialize(&event, NULL, NULL, true, YAML_BLOCK_SEQUENCE_STYLE));
}

static void close_sequence(struct writer *writer) {
    yaml_event_t event;

    emit(writer, &event, yaml_sequence_end_event_initialize(&event));
}

static void write_custom(struct writer *writer, const struct field *field, const char *value);

static void write_text(struct writer *writer, const struct field *field, const char *value) {
    const char *text;

    memcpy(&text, value, sizeof text);
    if (text == NULL)
        return;
    emit_plain(writer, field->key);
    emit_text(writer, text);
}

static void write_integer(struct writer *writer, const struct field *field, const char *value,
                          const char *missing) {
    int64_t number, left_out = 0;
    char text[32];

    memcpy(&number, value, sizeof number);
    if (missing != NULL)
        memcpy(&left_out, missing, sizeof left_out);
    if (number == left_out)
        return;
    emit_plain(writer, field->key);
    snprintf(text, sizeof text, "%lld", (long long)number);
    emit_plain(writer, text);
}

static void write_number(struct writer *writer, const struct field *field, const char *value,
                         const char *missing) {
    double number, left_out = 0;
    char text[64];

    memcpy(&number, value, sizeof number);
    if (missing != NULL)
        memcpy(&left_out, missing, sizeof left_out);
    if (!isfinite(number) && writer->problem == NULL)
        writer->problem = "a figure in it isn't a number";
    if (number >= left_out && number <= left_out && !field->none_allowed && !field->required)
        return;
    emit_plain(writer, field->key);
    if (field->none_allowed && number >= 0 && number <= 0)
        emit_plain(writer, "none");
    else
        emit_plain(writer, units_write(number, field->unit, text, sizeof text));
}

static void write_choice(struct writer *writer, const struct field *field, const char *value) {
    int index;

    memcpy(&index, value, sizeof index);
    if (index == 0 && !field->required)
        return;
    emit_plain(writer, field->key);
    emit_plain(writer, field->choices[index]);
}

/* Left out where it is false, which is what a missing one means. */
static void write_flag(struct writer *writer, const struct field *field, const char *value) {
    bool flag;

    memcpy(&flag, value, sizeof flag);
    if (!flag)
        return;
    emit_plain(writer, field->key);
    emit_plain(writer, "true");
}

/* One mapping. `defaults`: the struct as it is when every key is left out; NULL: zeroed. */
static void write_mapping(struct writer *writer, const struct field *fields, enum style style,
                          const void *source, const void *defaults) {
    open_mapping(writer, style);
    for (const struct field *field = fields; field->key != NULL; field++) {
        const char *value = (const char *)source + field->offset;
        const char *missing = defaults != NULL ? (const char *)defaults + field->offset : NULL;

        switch (field->type) {
        case FIELD_TEXT:
            write_text(writer, field, value);
            break;
        case FIELD_INTEGER:
            write_integer(writer, field, value, missing);
            break;
        case FIELD_NUMBER:
            write_number(writer, field, value, missing);
            break;
        case FIELD_CHOICE:
            write_choice(writer, field, value);
            break;
        case FIELD_CUSTOM:
            write_custom(writer, field, value);
            break;
        case FIELD_BOOL:
            write_flag(writer, field, value);
            break;
        case FIELD_WORDS: /* of layouts alone */
            break;
        }
    }
    close_mapping(writer);
}

static void write_source(struct writer *writer, const char *key, const void *value) {
    emit_plain(writer, key);
    write_mapping(writer, source_fields, BLOCK, value, NULL);
}

static void write_node(struct writer *writer, const char *key, const void *value) {
    emit_plain(writer, key);
    write_mapping(writer, node_fields, FLOW, value, NULL);
}

static void write_store(struct writer *writer, const char *key, const void *value) {
    const struct cluster_store *store = value;

    if (store->name == NULL)
        return;
    emit_plain(writer, key);
    write_mapping(writer, store_fields, BLOCK, store, NULL);
}

static void write_device(struct writer *writer, const char *key, const void *value) {
    emit_plain(writer, key);
    write_mapping(writer, device_fields, BLOCK, value, NULL);
}

static void write_peak(struct writer *writer, const char *key, const void *value) {
    emit_plain(writer, key);
    write_mapping(writer, peak_fields, FLOW, value, NULL);
}

static void write_product(struct writer *writer, const char *key, const void *value) {
    const struct cluster_device *device = value;

    if (device->product_edge == 0)
        return;
    emit_plain(writer, key);
    write_mapping(writer, product_fields, FLOW, value, NULL);
}

static bool kernels_known(const struct kernel_constants *kernels) {
    bool known = kernels->multiprocessors != 0 || kernels->memory_efficiency > 0 || kernels->from != NULL ||
                 kernels->grouped_rate > 0 || kernels->grouped_launch_seconds > 0;

    for (size_t i = 0; i < PRECISION_COUNT; i++)
        known = known || kernels->matmul[i].known;
    return known;
}

static void write_kernels(struct writer *writer, const char *key, const void *value) {
    if (!kernels_known(value))
        return;
    emit_plain(writer, key);
    write_mapping(writer, kernel_fields, BLOCK, value, NULL);
}

static void write_matmul(struct writer *writer, const char *key, const void *value) {
    const struct matmul_constants *constants = value;

    if (!constants->known)
        return;
    emit_plain(writer, key);
    write_mapping(writer, matmul_fields, FLOW, value, NULL);
}

static void write_grouped(struct writer *writer, const char *key, const void *value) {
    const struct kernel_constants *kernels = value;

    if (kernels->grouped_rate <= 0 && kernels->grouped_launch_seconds <= 0)
        return;
    emit_plain(writer, key);
    write_mapping(writer, grouped_fields, FLOW, value, NULL);
}

static void write_attention(struct writer *writer, const char *key, const void *value) {
    const struct attention_constants *constants = value;

    if (!constants->known)
        return;
    emit_plain(writer, key);
    write_mapping(writer, attention_fields, FLOW, value, NULL);
}

static void write_span(struct writer *writer, const char *key, const void *value) {
    const int64_t *span = value;
    char text[32];

    snprintf(text, sizeof text, "%lld", (long long)*span);
    emit_plain(writer, key);
    emit_plain(writer, *span == 0 ? "all" : text);
}

static bool collectives_known(const struct collective_constants *constants) {
    for (size_t i = 0; i < COLLECTIVE_COUNT; i++)
        if (constants[i].known)
            return true;
    return false;
}

static void write_collectives(struct writer *writer, const char *key, const void *value) {
    if (!collectives_known(value))
        return;
    emit_plain(writer, key);
    write_mapping(writer, collectives_fields, BLOCK, value, NULL);
}

static void write_collective(struct writer *writer, const char *key, const void *value) {
    const struct collective_constants *constants = value;

    if (!constants->known)
        return;
    emit_plain(writer, key);
    write_mapping(writer, collective_fields, constants->correction_count > 0 ? BLOCK : FLOW, value, NULL);
}

/* `count` items of `size` bytes from `items` on, each a mapping; nothing where there is none. */
static void write_list(struct writer *writer, const char *key, const struct field *fields, enum style style,
                       const void *items, size_t count, size_t size, const void *defaults) {
    if (count == 0)
        return;
    emit_plain(writer, key);
    open_sequence(writer);
    for (size_t i = 0; i < count; i++)
        write_mapping(writer, fields, style, (const char *)items + i * size, defaults);
    close_sequence(writer);
}

static void write_corrections(struct writer *writer, const char *key, const void *value) {
    const struct collective_constants *constants = value;

    write_list(writer, key, correction_fields, FLOW, constants->corrections, constants->correction_count,
               sizeof *constants->corrections, NULL);
}

static void write_network(struct writer *writer, const char *key, const void *value) {
    const struct cluster *cluster = value;

    emit_plain(writer, key);
    open_sequence(writer);
    for (size_t i = 0; i < cluster->level_count; i++) {
        const struct network_level *level = &cluster->levels[i];

        write_mapping(writer, level_fields, collectives_known(level->collectives) ? BLOCK : FLOW, level,
                      &level_defaults);
    }
    close_sequence(writer);
}

static void write_hosts(struct writer *writer, const char *key, const void *value) {
    const struct cluster *cluster = value;

    write_list(writer, key, host_fields, FLOW, cluster->hosts, cluster->host_count, sizeof *cluster->hosts,
               NULL);
}

static void write_classes(struct writer *writer, const char *key, const void *value) {
    const struct cluster *cluster = value;

    write_list(writer, key, class_fields, BLOCK, cluster->classes, cluster->class_count,
               sizeof *cluster->classes, NULL);
}

static void write_parts(struct writer *writer, const char *key, const void *value) {
    const struct node_class *class = value;

    write_list(writer, key, part_fields, FLOW, class->parts, class->part_count, sizeof *class->parts,
               &part_defaults);
}

static void write_measurements(struct writer *writer, const char *key, const void *value) {
    const struct cluster *cluster = value;

    if (cluster->measurement_count == 0)
        return;
    emit_plain(writer, key);
    open_sequence(writer);
    for (size_t i = 0; i < cluster->measurement_count; i++) {
        const struct measurement *measurement = &cluster->measurements[i];
        bool rate = measurement_unit(measurement->what) == UNIT_BYTES_PER_SECOND;

        write_mapping(writer, rate ? rate_fields : time_fields, FLOW, measurement, NULL);
    }
    close_sequence(writer);
}

static void write_custom(struct writer *writer, const struct field *field, const char *value) {
    static const struct {
        bool (*read)(const struct fields_reader *, const struct yaml_node *, void *);
        void (*write)(struct writer *, const char *key, const void *value);
    } pairs[] = {
        {read_source, write_source},
        {read_node, write_node},
        {read_store, write_store},
        {read_device, write_device},
        {read_peak, write_peak},
        {read_product, write_product},
        {read_kernels, write_kernels},
        {read_matmul, write_matmul},
        {read_grouped, write_grouped},
        {read_attention, write_attention},
        {read_attention_fp8, write_attention},
        {read_network, write_network},
        {read_span, write_span},
        {read_collectives, write_collectives},
        {read_collective, write_collective},
        {read_corrections, write_corrections},
        {read_hosts, write_hosts},
        {read_classes, write_classes},
        {read_parts, write_parts},
        {read_measurements, write_measurements},
    };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].read == field->read)
            pairs[i].write(writer, field->key, value);
}

/* The whole document. NULL, or what went wrong. */
static const char *write_document(const struct cluster *cluster, FILE *file) {
    struct writer writer = {.problem = NULL};
    yaml_event_t event;

    if (!yaml_emitter_initialize(&writer.emitter))
        return strerror(ENOMEM);
    yaml_emitter_set_output_file(&writer.emitter, file);
    yaml_emitter_set_unicode(&writer.emitter, true);
    yaml_emitter_set_width(&writer.emitter, LINE_WIDTH);
    emit(&writer, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(&writer, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, true));
    open_mapping(&writer, BLOCK);
    emit_plain(&writer, "cluster");
    write_mapping(&writer, cluster_fields, BLOCK, cluster, NULL);
    close_mapping(&writer);
    emit(&writer, &event, yaml_document_end_event_initialize(&event, true));
    emit(&writer, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&writer.emitter);
    return writer.problem;
}

/* Writes to an open file and closes it; on a disk the bytes have arrived when this returns. */
static bool write_and_close(const struct cluster *cluster, FILE *file, const char *path,
                            struct error *error) {
    const char *problem = write_document(cluster, file);
    struct stat status;

    if (problem == NULL && fflush(file) != 0)
        problem = strerror(errno);
    if (problem == NULL && fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
        fsync(fileno(file)) != 0)
        problem = strerror(errno);
    if (fclose(file) != 0 && problem == NULL)
        problem = strerror(errno);
    return problem == NULL || error_set(error, "can't write %s: %s", path, problem);
}

/* Through a temporary file beside `path`, renamed when it is whole. */
static bool replace_file(const struct cluster *cluster, const char *path, struct error *error) {
    char temporary[PATH_MAX];
    FILE *file = NULL;
    int length = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    int descriptor;

    if (length < 0 || (size_t)length >= sizeof temporary)
        return error_set(error, "can't write %s: %s", path, strerror(ENAMETOOLONG));
    descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (descriptor >= 0)
        file = fdopen(descriptor, "w");
    if (file == NULL)
        return error_set(error, "can't write %s: %s", path, strerror(errno));
    if (!write_and_close(cluster, file, path, error)) {
        unlink(temporary);
        return false;
    }
    if (rename(temporary, path) != 0) {
        error_set(error, "can't write %s: %s", path, strerror(errno));
        unlink(temporary);
        return false;
    }
    return true;
}

bool cluster_write(const struct cluster *cluster, const char *path, struct error *error) {
    char target[PATH_MAX];
    struct stat status;
    FILE *file;

    /* A symbolic link stays, and what it points at is replaced. */
    if (realpath(path, target) == NULL)
        return replace_file(cluster, path, error);
    if (stat(target, &status) == 0 && S_ISREG(status.st_mode))
        return replace_file(cluster, target, error);
    /* A terminal, pipe or device can't be replaced. */
    file = fopen(target, "w");
    if (file == NULL)
        return error_set(error, "can't write %s: %s", path, strerror(errno));
    return write_and_close(cluster, file, path, error);
}
