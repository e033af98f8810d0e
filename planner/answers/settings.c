#include "planner/answers/settings.h"

#include <stddef.h>
#include <string.h>

static const struct field fields[] = {TRAINING_DETAIL_FIELDS(struct problem_asked), {.key = NULL}};

/* Whether an option is called as the key is: "--global-batch" and "global_batch". */
static bool is_named(const char *option, const char *key) {
    for (; *option != '\0' && *key != '\0'; option++, key++)
        if (*option != *key && !(*option == '-' && *key == '_'))
            return false;
    return *option == *key;
}

/* "gradients=16-bit", or no blank behind the colon: all of it would be a key. */
static bool check_key(const struct yaml_document *document, const struct yaml_node *key,
                      struct error *error) {
    size_t length = strcspn(key->text, "=:");
    if (key->text[length] == '\0')
        return true;
    yaml_error(document, key, error, "'%s' is no key with a value", key->text);
    return error_hint(error, "a colon and a blank stand between them: \"%.*s: %s\"", (int)length, key->text,
                      key->text + length + 1);
}

static const char *value_of(const struct yaml_node *member) {
    return member->kind == YAML_SCALAR ? member->text : "...";
}

/* A key of a session's `training:` that the command line has a flag for. */
static bool check_flag(const struct yaml_document *document, const struct yaml_node *member,
                       struct error *error) {
    struct problem_flags ignored;
    struct option_entry options[PROBLEM_OPTIONS];
    const char *value = value_of(member), *quote = strchr(value, ' ') ? "\"" : "";
    problem_options(&ignored, options);
    for (size_t i = 0; i < PROBLEM_OPTIONS; i++) {
        if (!is_named(options[i].name, member->key->text) || !options[i].value ||
            options[i].value == &ignored.training)
            continue;
        yaml_error(document, member->key, error, "\"%s\" has a flag of its own", member->key->text);
        return error_hint(error, "--%s %s%s%s", options[i].name, quote, value, quote);
    }
    return true;
}

static bool check_layout(const struct yaml_document *document, const struct yaml_node *member,
                         struct error *error) {
    for (int key = 0; key < LAYOUT_KEY_COUNT; key++) {
        if (strcmp(layout_key_names[key], member->key->text) != 0)
            continue;
        yaml_error(document, member->key, error, "\"%s\" is a key of the layout", member->key->text);
        return error_hint(error, "--layout \"%s=%s\"", member->key->text, value_of(member));
    }
    return true;
}

/* Refuses, with advice, what is said in another way or elsewhere. */
static bool check_keys(const struct yaml_document *document, struct error *error) {
    for (const struct yaml_node *member = document->root->children; member; member = member->next)
        if (!check_key(document, member->key, error) || !check_flag(document, member, error) ||
            !check_layout(document, member, error))
            return false;
    return true;
}

bool settings_read(const char *text, struct arena *arena, struct problem_asked *asked, struct error *error) {
    struct yaml_document document;
    const char *mapping = text[strspn(text, " ")] == '{' ? text : arena_print(arena, "{%s}", text);
    if (!yaml_read_text("--training", mapping, arena, &document, error) || !check_keys(&document, error) ||
        !fields_read(&(struct fields_reader){&document, arena, error}, document.root, fields, "--training",
                     asked))
        return false;
    asked->settings = settings_format(document.root, arena);
    return true;
}

static bool is_setting(const char *key) {
    for (const struct field *field = fields; field->key != NULL; field++)
        if (strcmp(field->key, key) == 0)
            return true;
    return false;
}

static const char *format_members(const struct yaml_node *mapping, bool only_settings, struct arena *arena);

/* A value as flow mappings hold it. */
static const char *format_value(const struct yaml_node *value, struct arena *arena) {
    return value->kind == YAML_MAPPING ? arena_print(arena, "{%s}", format_members(value, false, arena))
                                       : value->text;
}

static const char *add_member(const char *line, int key_length, const char *key, const char *value,
                              struct arena *arena) {
    return arena_print(arena, "%s%s%.*s: %s", line, *line ? ", " : "", key_length, key, value);
}

/* "kind: muon, moments: 16-bit": all members of a mapping, or only settings; "" for none. */
static const char *format_members(const struct yaml_node *mapping, bool only_settings, struct arena *arena) {
    const char *line = "";
    for (const struct yaml_node *member = mapping->children; member; member = member->next) {
        if (only_settings && !is_setting(member->key->text))
            continue;
        line = add_member(line, (int)strlen(member->key->text), member->key->text,
                          format_value(member, arena), arena);
    }
    return line;
}

/* The members of `mapping` (NULL: none) with `value` for `key`; a dot leads into a mapping below it. */
static const char *format_with(const struct yaml_node *mapping, const char *key, const char *value,
                               struct arena *arena) {
    const char *line = "", *dot = strchr(key, '.');
    const struct yaml_node *below = NULL;
    int length = dot ? (int)(dot - key) : (int)strlen(key);
    for (const struct yaml_node *member = mapping ? mapping->children : NULL; member; member = member->next) {
        const char *name = member->key->text;
        if ((int)strlen(name) == length && strncmp(name, key, (size_t)length) == 0)
            below = member;
        else
            line = add_member(line, (int)strlen(name), name, format_value(member, arena), arena);
    }
    if (dot)
        value = arena_print(arena, "{%s}", format_with(below, dot + 1, value, arena));
    return add_member(line, length, key, value, arena);
}

const char *settings_with(const char *settings, const char *key, const char *value, struct arena *arena) {
    struct yaml_document document = {.root = NULL};
    struct error ignored;
    if (settings)
        yaml_read_text("--training", arena_print(arena, "{%s}", settings), arena, &document, &ignored);
    return format_with(document.root, key, value, arena);
}

const char *settings_format(const struct yaml_node *training, struct arena *arena) {
    const char *line = format_members(training, true, arena);
    return *line ? line : NULL;
}
