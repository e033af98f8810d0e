#include "common/fields.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_LIST = 400 }; /* characters of a list of names in a hint */

static const double LARGEST_INTEGER = 0x1p53; /* beyond, a double skips integers */

static bool value_error(const struct fields_reader *reader, const struct yaml_node *node,
                        const struct field *field, const char *what) {
    return yaml_error(reader->document, node, reader->error, "%s: %s", field->key, what);
}

/* "a, b, c", cut where there is no more room. */
static void list_names(const char *const *names, char *list, size_t size) {
    size_t used = 0;

    list[0] = '\0';
    for (; *names != NULL && used < size; names++)
        used += (size_t)snprintf(list + used, size - used, "%s%s", used == 0 ? "" : ", ", *names);
}

/* A hint: the name that was meant, else all there are. */
static void hint_names(struct error *error, const char *word, const char *const *names, const char *what) {
    const char *nearest = error_nearest(word, names);
    char list[LONGEST_LIST];

    if (nearest != NULL) {
        error_hint(error, "did you mean \"%s\"?", nearest);
        return;
    }
    list_names(names, list, sizeof list);
    error_hint(error, "%s: %s", what, list);
}

static bool is_scalar(const struct fields_reader *reader, const struct yaml_node *node,
                      const struct field *field) {
    if (node->kind == YAML_SCALAR)
        return true;
    return value_error(reader, node, field,
                       node->kind == YAML_MAPPING ? "a single value was expected, not a mapping"
                                                  : "a single value was expected, not a list");
}

/* Nothing that rings the bell, starts an escape sequence or turns the direction of what follows where the
 * text is printed. Texts may have several lines, names only one. */
static bool is_printable(const char *text, bool one_line) {
    size_t length = 1;
    for (; *text != '\0' && length > 0; text += length)
        length = (*text == '\n' || *text == '\t') && !one_line ? 1 : error_shown_bytes(text);
    return length > 0;
}

static bool read_text(const struct fields_reader *reader, const struct yaml_node *node,
                      const struct field *field, const char **target) {
    if (yaml_is_null(node)) {
        if (field->none_allowed)
            return true;
        return value_error(reader, node, field, "a text was expected, and nothing is given");
    }
    if (!is_printable(node->text, field->required || field->one_line))
        return value_error(reader, node, field, "a text has no control characters");
    if (field->required && node->text[strspn(node->text, " ")] == '\0')
        return value_error(reader, node, field, "a text was expected, and nothing is given");
    *target = arena_copy_string(reader->arena, node->text);
    return true;
}

static const char *const truth_words[] = {"false", "true", "no", "yes", "off", "on"}; /* by turns */
enum { TRUTH_WORDS = sizeof truth_words / sizeof truth_words[0] };

/* The place of a word among them; -1: it is none. */
static int find_truth(const char *word) {
    for (int i = 0; i < TRUTH_WORDS; i++)
        if (strcasecmp(word, truth_words[i]) == 0)
            return i;
    return -1;
}

static bool read_bool(const struct fields_reader *reader, const struct yaml_node *node,
                      const struct field *field, bool *target) {
    int place = node->quoted ? -1 : find_truth(node->text);
    if (place < 0)
        return value_error(reader, node, field, "true or false was expected");
    *target = place % 2 == 1;
    return true;
}

static bool ends_in_digit(const char *text) {
    size_t length = strlen(text);

    return length > 0 && strchr("0123456789.", text[length - 1]) != NULL;
}

static bool out_of_range(const struct fields_reader *reader, const struct yaml_node *node,
                         const struct field *field, double value, double minimum, double maximum) {
    enum unit unit = field->type == FIELD_INTEGER && field->unit == UNIT_NONE ? UNIT_COUNT : field->unit;
    char least[64], most[64], what[256];

    units_format(minimum, unit, least, sizeof least);
    units_format(maximum, unit, most, sizeof most);
    if (field->minimum == 0 && field->maximum == 0)
        snprintf(what, sizeof what, "%s is %s", node->text, value < 0 ? "negative" : "too large");
    else
        snprintf(what, sizeof what, "%s is not between %s and %s", node->text, least, most);
    value_error(reader, node, field, what);
    return value > 0 && value <= FIELDS_LARGEST_NUMBER && units_is_bare(node->text, unit)
               ? error_hint(reader->error, "without a unit that is %s",
                            units_format(value, unit, most, sizeof most))
               : false;
}

/* Reads and checks a number; whole ones take counts' suffixes when the field names no unit. */
static bool read_number(const struct fields_reader *reader, const struct yaml_node *node,
                        const struct field *field, double *target) {
    bool whole = field->type == FIELD_INTEGER, default_range = field->minimum == 0 && field->maximum == 0;
    double minimum = field->minimum, maximum = field->maximum, value = 0;
    enum unit unit = whole && field->unit == UNIT_NONE ? UNIT_COUNT : field->unit;
    char why[256];

    if (field->none_allowed && (yaml_is_null(node) || (!node->quoted && strcmp(node->text, "none") == 0))) {
        *target = 0;
        return true;
    }
    if (yaml_is_null(node))
        return value_error(reader, node, field, "a number was expected, and nothing is given");
    /* JSON can't give a unit without quotes; a bare number has no need of them. */
    if (node->quoted && (unit == UNIT_NONE || ends_in_digit(node->text)))
        return value_error(reader, node, field, "a number was expected, not a text in quotes");
    if (!units_parse(node->text, unit, &value, why, sizeof why))
        return value_error(reader, node, field, why);
    if (default_range)
        maximum = whole ? LARGEST_INTEGER : FIELDS_LARGEST_NUMBER;
    if (value < minimum || value > maximum)
        return out_of_range(reader, node, field, value, minimum, maximum);
    if (field->positive && value <= 0)
        return value_error(reader, node, field, "must be above zero");
    if (whole && rint(value) != value)
        return value_error(reader, node, field, "a whole number was expected");
    *target = value;
    return true;
}

/* Whether a word of a choice is meant: the same, or both yes or both no in other words. */
static bool is_meant(const char *choice, const struct yaml_node *node) {
    int chosen = find_truth(choice), said = node->quoted ? -1 : find_truth(node->text);
    return strcmp(choice, node->text) == 0 || (chosen >= 0 && said >= 0 && chosen % 2 == said % 2);
}

static bool read_choice(const struct fields_reader *reader, const struct yaml_node *node,
                        const struct field *field, int *target) {
    for (int i = 0; field->choices[i] != NULL; i++)
        if (is_meant(field->choices[i], node)) {
            *target = i;
            return true;
        }
    yaml_error(reader->document, node, reader->error, "%s: unknown value \"%.80s\"", field->key, node->text);
    hint_names(reader->error, node->text, field->choices, "it takes");
    return false;
}

static bool read_words(const struct fields_reader *reader, const struct yaml_node *node,
                       const struct field *field, int64_t *target) {
    struct yaml_node word = *node;
    int64_t words = 0;
    char text[LONGEST_LIST];
    if ((size_t)snprintf(text, sizeof text, "%s", node->text) >= sizeof text)
        return value_error(reader, node, field, "words joined by '+' were expected");
    for (char *at = text; at != NULL;) {
        char *plus = strchr(at, '+');
        int choice = 0;
        if (plus != NULL)
            *plus = '\0';
        word.text = at;
        if (!read_choice(reader, &word, field, &choice))
            return false;
        words |= (int64_t)1 << choice;
        at = plus != NULL ? plus + 1 : NULL;
    }
    *target = words;
    return true;
}

bool fields_read_value(const struct fields_reader *reader, const struct yaml_node *node,
                       const struct field *field, void *target) {
    double number = 0;

    if (field->type == FIELD_CUSTOM)
        return field->read(reader, node, target);
    if (!is_scalar(reader, node, field))
        return false;
    switch (field->type) {
    case FIELD_TEXT:
        return read_text(reader, node, field, target);
    case FIELD_BOOL:
        return read_bool(reader, node, field, target);
    case FIELD_INTEGER:
        if (!read_number(reader, node, field, &number))
            return false;
        *(int64_t *)target = (int64_t)number;
        return true;
    case FIELD_NUMBER:
        return read_number(reader, node, field, target);
    case FIELD_CHOICE:
        return read_choice(reader, node, field, target);
    case FIELD_WORDS:
        return read_words(reader, node, field, target);
    case FIELD_CUSTOM:
        break;
    }
    return false;
}

static const struct field *field_find(const struct field *fields, const char *key) {
    for (; fields->key != NULL; fields++)
        if (strcmp(fields->key, key) == 0)
            return fields;
    return NULL;
}

/* The only keys of the files that the programs read. */
static bool begins_a_file(const char *key) {
    return strcmp(key, "model") == 0 || strcmp(key, "cluster") == 0 || strcmp(key, "session") == 0 ||
           strcmp(key, "runs") == 0;
}

static bool unknown_key(const struct fields_reader *reader, const struct yaml_node *key,
                        const struct field *fields, const char *where) {
    const char **names;
    size_t count = 0;

    while (fields[count].key != NULL)
        count++;
    names = ARENA_ARRAY(reader->arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++)
        names[i] = fields[i].key;
    yaml_error(reader->document, key, reader->error, "unknown key \"%.80s\" in %s", key->text, where);
    if (count == 1 && error_nearest(key->text, names) == NULL)
        return begins_a_file(key->text)
                   ? error_hint(reader->error, "\"%s:\" begins a file of another kind; here it is \"%s:\"",
                                key->text, names[0])
                   : error_hint(reader->error, "all of it stands below \"%s:\"", names[0]);
    hint_names(reader->error, key->text, names, "known keys");
    return false;
}

/* Names all that is missing, so that nobody has to find out one by one. */
static bool check_required(const struct fields_reader *reader, const struct yaml_node *node,
                           const struct field *fields, const char *where) {
    const char *missing = NULL, *example = NULL;
    bool several = false;

    for (const struct field *field = fields; field->key != NULL; field++) {
        if (!field->required || yaml_get(node, field->key) != NULL)
            continue;
        several = missing != NULL;
        missing = missing == NULL ? arena_print(reader->arena, "\"%s\"", field->key)
                                  : arena_print(reader->arena, "%s, \"%s\"", missing, field->key);
        example = example == NULL ? field->example : example;
    }
    if (missing == NULL)
        return true;
    yaml_error(reader->document, node, reader->error, "%s lacks the key%s %s", where, several ? "s" : "",
               missing);
    return example != NULL ? error_hint(reader->error, "such as %s", example) : false;
}

bool fields_read(const struct fields_reader *reader, const struct yaml_node *node, const struct field *fields,
                 const char *where, void *target) {
    char *members = target;

    if (node->kind != YAML_MAPPING)
        return yaml_error(reader->document, node, reader->error, "%s must be a mapping of keys to values",
                          where);
    for (const struct yaml_node *member = node->children; member != NULL; member = member->next) {
        const struct field *field = field_find(fields, member->key->text);

        if (field == NULL)
            return unknown_key(reader, member->key, fields, where);
        if (!fields_read_value(reader, member, field, members + field->offset))
            return false;
        if (field->present_offset != 0)
            *(bool *)(members + field->present_offset) = true;
    }
    return check_required(reader, node, fields, where);
}
