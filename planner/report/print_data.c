#include "planner/report/print_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

/* As many digits as every decimal number survives in a double: 0.41 stays 0.41 and shows no binary noise. */
enum { DIGITS = 15 };

/* Above it not every integer is a double. */
#define LARGEST_WHOLE 9007199254740992.0 /* 2^53 */

bool print_format_parse(const char *text, enum print_format *format, struct error *error) {
    static const char *const names[] = {"table", "yaml", "json", NULL};
    if (!text) {
        *format = FORMAT_TABLE;
        return true;
    }
    for (int i = 0; names[i]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *format = (enum print_format)i;
            return true;
        }
    }
    error_set(error, "--format takes table, yaml or json, not \"%s\"", text);
    const char *nearest = error_nearest(text, names);
    return nearest ? error_hint(error, "did you mean \"%s\"?", nearest) : false;
}

json_t *print_data_number(double value) {
    if (!isfinite(value))
        return json_null();
    if (value == floor(value) && fabs(value) <= LARGEST_WHOLE)
        return json_integer((json_int_t)value);
    return json_real(value);
}

json_t *print_data_text(const char *text) {
    if (!text)
        return json_null();
    json_t *string = json_string(text);
    if (string)
        return string;
    char *copy = strdup(text);
    if (!copy)
        return json_null();
    for (char *c = copy; *c; c++)
        if (*c & '\x80')
            *c = '?';
    string = json_string(copy);
    free(copy);
    return string;
}

static int write_stream(void *stream, unsigned char *bytes, size_t size) {
    return fwrite(bytes, 1, size, stream) == size;
}

static void emit_scalar(yaml_emitter_t *emitter, const char *text, bool plain) {
    yaml_event_t event;
    yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)strlen(text), plain,
                                 true, YAML_ANY_SCALAR_STYLE);
    yaml_emitter_emit(emitter, &event);
}

/* True when a YAML reader, of 1.1 or 1.2, might take the unquoted text for something else than a string. */
static bool text_is_ambiguous(const char *text) {
    static const char *const words[] = {"true", "false", "yes",  "no", "on", "off",
                                        "y",    "n",     "null", "~",  "<<", "="};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    char *end;
    strtod(text, &end);
    bool number = *end == '\0';
    bool date_or_number = text[strspn(text, "0123456789+-_:.,eExXoO ")] == '\0';
    bool infinity_or_nan = strcasecmp(text, ".inf") == 0 || strcasecmp(text, ".nan") == 0;
    return number || date_or_number || infinity_or_nan;
}

static void emit_value(yaml_emitter_t *emitter, json_t *value);

static void emit_mapping(yaml_emitter_t *emitter, json_t *object) {
    yaml_event_t event;
    yaml_mapping_start_event_initialize(&event, NULL, NULL, true, YAML_BLOCK_MAPPING_STYLE);
    yaml_emitter_emit(emitter, &event);
    const char *key;
    json_t *member;
    json_object_foreach(object, key, member) {
        emit_scalar(emitter, key, !text_is_ambiguous(key));
        emit_value(emitter, member);
    }
    yaml_mapping_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
}

static void emit_sequence(yaml_emitter_t *emitter, json_t *array) {
    yaml_event_t event;
    yaml_sequence_start_event_initialize(&event, NULL, NULL, true, YAML_BLOCK_SEQUENCE_STYLE);
    yaml_emitter_emit(emitter, &event);
    for (size_t i = 0; i < json_array_size(array); i++)
        emit_value(emitter, json_array_get(array, i));
    yaml_sequence_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
}

static void emit_value(yaml_emitter_t *emitter, json_t *value) {
    char number[40];
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        emit_mapping(emitter, value);
        break;
    case JSON_ARRAY:
        emit_sequence(emitter, value);
        break;
    case JSON_STRING:
        emit_scalar(emitter, json_string_value(value), !text_is_ambiguous(json_string_value(value)));
        break;
    case JSON_INTEGER:
        snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        emit_scalar(emitter, number, true);
        break;
    case JSON_REAL:
        snprintf(number, sizeof number, "%.*g", DIGITS, json_real_value(value));
        /* "1e+20" without a point is a string to YAML 1.1. */
        if (!strchr(number, '.') && strchr(number, 'e'))
            snprintf(number, sizeof number, "%.1e", json_real_value(value));
        emit_scalar(emitter, number, true);
        break;
    case JSON_TRUE:
        emit_scalar(emitter, "true", true);
        break;
    case JSON_FALSE:
        emit_scalar(emitter, "false", true);
        break;
    case JSON_NULL:
        emit_scalar(emitter, "null", true);
        break;
    }
}

static void print_yaml(json_t *document, FILE *stream) {
    yaml_emitter_t emitter;
    yaml_event_t event;
    if (!yaml_emitter_initialize(&emitter))
        return;
    yaml_emitter_set_output(&emitter, write_stream, stream);
    yaml_emitter_set_unicode(&emitter, true);
    yaml_emitter_set_width(&emitter, -1); /* never break a line */
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    yaml_emitter_emit(&emitter, &event);
    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, true);
    yaml_emitter_emit(&emitter, &event);
    emit_value(&emitter, document);
    yaml_document_end_event_initialize(&event, true);
    yaml_emitter_emit(&emitter, &event);
    yaml_stream_end_event_initialize(&event);
    yaml_emitter_emit(&emitter, &event);
    yaml_emitter_delete(&emitter);
}

void print_data(json_t *document, enum print_format format, FILE *stream) {
    if (format == FORMAT_JSON) {
        json_dumpf(document, stream, JSON_INDENT(2) | JSON_REAL_PRECISION(DIGITS));
        fputc('\n', stream);
    } else {
        print_yaml(document, stream);
    }
    json_decref(document);
}
