/* What the user fixed of a layout: read from --layout and from files, and written for people. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/yaml_tree.h"
#include "planner/inputs/layout.h"

/* What `offload` was before it had choices: true for the optimizer, false for none. */
static bool read_old_offload(const struct yaml_node *node, int64_t *value) {
    if (node->kind != YAML_SCALAR || (strcmp(node->text, "true") != 0 && strcmp(node->text, "false") != 0))
        return false;
    *value = node->text[0] == 't' ? OFFLOAD_OPTIMIZER : OFFLOAD_NONE;
    return true;
}

static bool read_value(const struct fields_reader *reader, const struct yaml_node *node, enum layout_key key,
                       int64_t *value) {
    const struct field field = layout_key_field(key);
    bool flag = false;
    int choice = 0;
    if (key == LAYOUT_OFFLOAD && read_old_offload(node, value))
        return true;
    switch (field.type) {
    case FIELD_BOOL:
        if (!fields_read_value(reader, node, &field, &flag))
            return false;
        *value = flag;
        return true;
    case FIELD_CHOICE:
        if (!fields_read_value(reader, node, &field, &choice))
            return false;
        *value = choice;
        return true;
    default:
        return fields_read_value(reader, node, &field, value);
    }
}

/* Inserts `value` in rising order, once. */
static bool add_value(const struct fields_reader *reader, const struct yaml_node *node, enum layout_key key,
                      int64_t value, struct layout_request *request) {
    int64_t *values = request->keys[key].values;
    const size_t most = key == LAYOUT_RECOMPUTE_MODULES ? LAYOUT_MAX_MODULE_SETS : LAYOUT_MAX_CHOICES;
    size_t count = request->keys[key].count, place = 0;
    while (place < count && values[place] < value)
        place++;
    if (place < count && values[place] == value)
        return true;
    if (count == most) {
        return yaml_error(reader->document, node, reader->error, "'%s' has more than %zu choices",
                          layout_key_names[key], most);
    }
    memmove(values + place + 1, values + place, (count - place) * sizeof values[0]);
    values[place] = value;
    request->keys[key].count++;
    return true;
}

static bool read_choice(const struct fields_reader *reader, const struct yaml_node *node, enum layout_key key,
                        struct layout_request *request) {
    int64_t value = 0;
    if (!read_value(reader, node, key, &value)) {
        if (node->kind == YAML_SCALAR && strstr(node->text, "..") != NULL)
            error_hint(reader->error, "a key takes one value or a list, not a range: %s=2,4,8",
                       layout_key_names[key]);
        return false;
    }
    return add_value(reader, node, key, value, request);
}

/* LAYOUT_KEY_COUNT when there is no such key. */
static enum layout_key find_key(const char *name) {
    enum layout_key key = LAYOUT_TP;
    while (key < LAYOUT_KEY_COUNT && strcmp(layout_key_names[key], name) != 0)
        key++;
    return key;
}

static bool unknown_key(const struct fields_reader *reader, const struct yaml_node *node, const char *name) {
    const char *nearest = error_nearest(name, layout_key_names);
    char list[256] = "";

    yaml_error(reader->document, node, reader->error, "'%s' is not a key of a layout", name);
    if (nearest != NULL)
        return error_hint(reader->error, "did you mean '%s'?", nearest);
    for (int i = 0; i < LAYOUT_KEY_COUNT; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", layout_key_names[i]);
    }
    return error_hint(reader->error, "known keys: %s", list);
}

static bool read_choices(const struct fields_reader *reader, const struct yaml_node *node, const char *name,
                         struct layout_request *request) {
    const enum layout_key key = find_key(name);
    if (key == LAYOUT_KEY_COUNT)
        return unknown_key(reader, node->key, name);
    if (node->kind == YAML_SCALAR)
        return read_choice(reader, node, key, request);
    if (node->kind == YAML_MAPPING || node->children == NULL) {
        return yaml_error(reader->document, node, reader->error, "'%s' must be a value or a list of values",
                          name);
    }
    for (const struct yaml_node *item = node->children; item != NULL; item = item->next)
        if (!read_choice(reader, item, key, request))
            return false;
    return true;
}

/* Modules alone say that recompute is selective. */
static void imply_selective(struct layout_request *request) {
    if (request->keys[LAYOUT_RECOMPUTE_MODULES].count > 0 && request->keys[LAYOUT_RECOMPUTE].count == 0)
        layout_request_fix(request, LAYOUT_RECOMPUTE, RECOMPUTE_SELECTIVE);
}

bool layout_request_read(const struct fields_reader *reader, const struct yaml_node *node,
                         struct layout_request *request) {
    if (node->kind != YAML_MAPPING)
        return yaml_error(reader->document, node, reader->error, "a layout must be a mapping");
    for (const struct yaml_node *member = node->children; member != NULL; member = member->next) {
        if (strcmp(member->key->text, "overlap") != 0) {
            if (!read_choices(reader, member, member->key->text, request))
                return false;
            continue;
        }
        if (member->kind != YAML_MAPPING) {
            return yaml_error(reader->document, member, reader->error,
                              "'overlap' must be a mapping of tp, dp and pp");
        }
        for (const struct yaml_node *part = member->children; part != NULL; part = part->next) {
            char name[64];
            snprintf(name, sizeof name, "overlap.%s", part->key->text);
            if (!read_choices(reader, part, name, request))
                return false;
        }
    }
    imply_selective(request);
    return true;
}

/* Line breaks too: a layout that a report shows goes over several lines. */
static const char blanks[] = " \t\r\n";

static bool hint_pairs(struct error *error) {
    return error_hint(error, "blanks stand between keys, commas between choices: \"tp=4,8 pp=16\"");
}

/* Reads "key=value,value" of `length` bytes at `offset` of `line`, one of the text's. */
static bool parse_pair(const struct fields_reader *reader, const char *line, unsigned line_number,
                       size_t offset, size_t length, struct layout_request *request) {
    char pair[256];
    struct yaml_node node = {
        .kind = YAML_SCALAR, .line = line_number, .column = (unsigned)offset + 1, .text = pair};
    if (length >= sizeof pair) {
        return yaml_error(reader->document, &node, reader->error, "more than %zu characters without a blank",
                          sizeof pair - 1);
    }
    memcpy(pair, line + offset, length);
    pair[length] = '\0';
    char *equals = strchr(pair, '=');
    if (equals == NULL) {
        yaml_error(reader->document, &node, reader->error, "'%s' is not key=value", pair);
        return hint_pairs(reader->error);
    }
    *equals = '\0';
    const enum layout_key key = find_key(pair);
    if (key == LAYOUT_KEY_COUNT)
        return unknown_key(reader, &node, pair);
    if (request->keys[key].count > 0)
        return yaml_error(reader->document, &node, reader->error, "'%s' is given twice", pair);
    for (char *value = equals + 1; value != NULL;) {
        char *comma = strchr(value, ',');
        if (comma != NULL)
            *comma = '\0';
        node.text = value;
        node.column = (unsigned)(offset + (size_t)(value - pair)) + 1;
        if (*value == '\0') {
            yaml_error(reader->document, &node, reader->error, "'%s' lacks a value", pair);
            return hint_pairs(reader->error);
        }
        if (strchr(value, '=') != NULL) {
            yaml_error(reader->document, &node, reader->error,
                       "'%s' stands where a value of '%s' was expected", value, pair);
            return hint_pairs(reader->error);
        }
        if (!read_choice(reader, &node, key, request))
            return false;
        value = comma != NULL ? comma + 1 : NULL;
    }
    return true;
}

bool layout_request_parse(const char *text, struct layout_request *request, struct error *error) {
    const struct yaml_document document = {.file = "--layout", .text = text, .size = strlen(text)};
    const struct fields_reader reader = {&document, NULL, error};
    if (document.size >= UINT_MAX)
        return error_set(error, "--layout is too long");
    const char *line = text;
    unsigned line_number = 1;
    for (const char *at = text; *at != '\0';) {
        const size_t length = strcspn(at, blanks);
        if (length > 0 && !parse_pair(&reader, line, line_number, (size_t)(at - line), length, request))
            return false;
        at += length;
        if (*at == '\n') {
            line = at + 1;
            line_number++;
        }
        at += *at != '\0';
    }
    imply_selective(request);
    return true;
}

void layout_request_fix(struct layout_request *request, enum layout_key key, int64_t value) {
    request->keys[key].count = 1;
    request->keys[key].values[0] = value;
}

const char *layout_request_flag(const struct layout_request *request, enum layout_key key, int64_t value,
                                struct arena *arena) {
    struct layout_request asked = *request;
    const char *pairs = "";
    layout_request_fix(&asked, key, value);
    for (enum layout_key each = LAYOUT_TP; each < LAYOUT_KEY_COUNT; each++)
        for (size_t i = 0; i < asked.keys[each].count; i++) {
            char word[LAYOUT_VALUE_SIZE];
            layout_format_value(each, asked.keys[each].values[i], word, sizeof word);
            pairs = i > 0 ? arena_print(arena, "%s,%s", pairs, word)
                          : arena_print(arena, "%s%s%s=%s", pairs, *pairs ? " " : "", layout_key_names[each],
                                        word);
        }
    return arena_print(arena, strchr(pairs, ' ') ? "--layout \"%s\"" : "--layout %s", pairs);
}

bool layout_request_allows(const struct layout_request *request, enum layout_key key, int64_t value) {
    if (request->keys[key].count == 0)
        return true;
    for (size_t i = 0; i < request->keys[key].count; i++)
        if (request->keys[key].values[i] == value)
            return true;
    return false;
}

/* Whether a key says anything about this layout. */
static bool key_matters(const struct layout *layout, enum layout_key key) {
    switch (key) {
    case LAYOUT_VPP:
        return layout->vpp > 1;
    case LAYOUT_CP:
        return layout->cp > 1;
    case LAYOUT_EP:
    case LAYOUT_ETP:
        return layout->ep > 1 || layout->etp > 1;
    case LAYOUT_SEQUENCE_PARALLEL:
    case LAYOUT_OVERLAP_TP:
        return layout->tp > 1;
    case LAYOUT_ZERO_GROUP:
    case LAYOUT_RECOMPUTE_LAYERS:
    case LAYOUT_RECOMPUTE_MODULES:
    case LAYOUT_FIRST_STAGE_LAYERS:
    case LAYOUT_LAST_STAGE_LAYERS:
        return layout_get(layout, key) > 0;
    case LAYOUT_SCHEDULE:
    case LAYOUT_OVERLAP_PP:
        return layout->pp > 1;
    case LAYOUT_ORDER:
        return layout->pp > 1 && layout->dp > 1 && layout->order != ORDER_TP_CP_DP_PP;
    case LAYOUT_OVERLAP_DP:
        return layout->dp > 1 || layout->cp > 1;
    case LAYOUT_OFFLOAD:
        return layout->offload != OFFLOAD_NONE;
    default:
        return true;
    }
}

char *layout_format(const struct layout *layout, char *buffer, size_t size) {
    size_t used = 0;
    if (size > 0)
        buffer[0] = '\0';
    for (enum layout_key key = LAYOUT_TP; key < LAYOUT_KEY_COUNT && used < size; key++) {
        if (!key_matters(layout, key))
            continue;
        char value[LAYOUT_VALUE_SIZE];
        const int written =
            snprintf(buffer + used, size - used, "%s%s=%s", used > 0 ? " " : "", layout_key_names[key],
                     layout_format_value(key, layout_get(layout, key), value, sizeof value));
        used += (size_t)written;
    }
    return buffer;
}
