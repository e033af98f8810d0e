/* A tree is built from libyaml's events with a stack of the collections that are still open, so that nesting
 * costs no recursion. An alias becomes a node of its own that shares the children of what it names: memory
 * stays small, and what a reader would walk through is counted as if it had been copied. */
#include "common/yaml_tree.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "common/text_file.h"
#include "common/yaml_error.h"

enum {
    MOST_BYTES = 64 * 1024 * 1024,
    MOST_NESTING = 64,
    MOST_NODES = 4 * 1000 * 1000, /* keys too */
    MOST_ANCHORS = 100            /* they are looked up one by one */
};

struct anchor {
    const char *name;
    const struct yaml_node *node;
    bool closed;     /* false while its collection is still open: an alias inside would have no end */
    size_t nodes;    /* with all below it, aliases expanded */
    unsigned height; /* collections in one another, itself included */
};

/* A collection that is still open. */
struct frame {
    struct yaml_node *node;
    struct yaml_node **tail; /* where the next member goes */
    struct yaml_node *key;   /* of a mapping: read, its value not yet */
    size_t nodes_before;     /* in the document when it opened */
    unsigned height;         /* of its highest member */
    struct anchor *anchor;   /* NULL: it has none */
};

struct builder {
    struct yaml_document *document;
    struct arena *arena;
    struct error *error;
    struct frame frames[MOST_NESTING];
    unsigned depth;
    struct anchor anchors[MOST_ANCHORS];
    size_t anchor_count;
    size_t nodes; /* aliases expanded */
};

static struct yaml_node *node_create(struct builder *builder, enum yaml_kind kind, const yaml_mark_t *mark) {
    struct yaml_node *node = ARENA_NEW(builder->arena, struct yaml_node);

    node->kind = kind;
    node->line = (unsigned)mark->line + 1;
    node->column = (unsigned)mark->column + 1;
    return node;
}

/* Takes `node` as a key into the innermost open mapping. */
static bool take_key(struct builder *builder, struct frame *frame, struct yaml_node *node) {
    if (node->kind != YAML_SCALAR)
        return yaml_error(builder->document, node, builder->error, "a key must be a plain word");
    if (!node->quoted && strcmp(node->text, "<<") == 0)
        return yaml_error(builder->document, node, builder->error, "merge keys aren't supported");
    frame->key = node;
    return true;
}

/* Puts `node`, worth `nodes` of them, where the document stands: the root, a key, or a member. */
static bool take_node(struct builder *builder, struct yaml_node *node, size_t nodes) {
    struct frame *frame;

    builder->nodes += nodes;
    if (builder->nodes > MOST_NODES)
        return yaml_error(builder->document, node, builder->error, "more than %d values, aliases expanded",
                          MOST_NODES);
    if (builder->depth == 0) {
        builder->document->root = node;
        return true;
    }
    frame = &builder->frames[builder->depth - 1];
    if (frame->node->kind == YAML_MAPPING && frame->key == NULL)
        return take_key(builder, frame, node);
    node->key = frame->key;
    frame->key = NULL;
    *frame->tail = node;
    frame->tail = &node->next;
    frame->node->child_count++;
    return true;
}

static struct anchor *anchor_find(struct builder *builder, const char *name) {
    for (size_t i = 0; i < builder->anchor_count; i++)
        if (strcmp(builder->anchors[i].name, name) == 0)
            return &builder->anchors[i];
    return NULL;
}

/* Remembers `node` under its anchor; a name given again means the newer from here on. No name: NULL. */
static bool anchor_add(struct builder *builder, const yaml_char_t *name, const struct yaml_node *node,
                       struct anchor **anchor) {
    *anchor = NULL;
    if (name == NULL)
        return true;
    *anchor = anchor_find(builder, (const char *)name);
    if (*anchor == NULL) {
        if (builder->anchor_count == MOST_ANCHORS)
            return yaml_error(builder->document, node, builder->error, "more than %d anchors", MOST_ANCHORS);
        *anchor = &builder->anchors[builder->anchor_count++];
        (*anchor)->name = arena_copy_string(builder->arena, (const char *)name);
    }
    (*anchor)->node = node;
    (*anchor)->closed = false;
    return true;
}

static bool take_scalar(struct builder *builder, const yaml_event_t *event) {
    const yaml_char_t *text = event->data.scalar.value;
    struct yaml_node *node = node_create(builder, YAML_SCALAR, &event->start_mark);
    struct anchor *anchor;

    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = arena_copy_string(builder->arena, (const char *)text);
    if (event->data.scalar.tag != NULL)
        return yaml_error(builder->document, node, builder->error, "tags (!...) aren't supported");
    if (strlen(node->text) != event->data.scalar.length)
        return yaml_error(builder->document, node, builder->error, "a NUL character in a text");
    if (!anchor_add(builder, event->data.scalar.anchor, node, &anchor))
        return false;
    if (anchor != NULL) {
        anchor->closed = true;
        anchor->nodes = 1;
        anchor->height = 0;
    }
    return take_node(builder, node, 1);
}

static bool open_collection(struct builder *builder, enum yaml_kind kind, const yaml_event_t *event) {
    bool mapping = kind == YAML_MAPPING;
    const yaml_char_t *tag = mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    const yaml_char_t *name = mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    struct yaml_node *node = node_create(builder, kind, &event->start_mark);
    size_t nodes_before = builder->nodes;
    struct anchor *anchor;

    if (tag != NULL)
        return yaml_error(builder->document, node, builder->error, "tags (!...) aren't supported");
    if (builder->depth == MOST_NESTING)
        return yaml_error(builder->document, node, builder->error, "nested more than %d deep", MOST_NESTING);
    if (!anchor_add(builder, name, node, &anchor) || !take_node(builder, node, 1))
        return false;
    builder->frames[builder->depth++] =
        (struct frame){.node = node, .tail = &node->children, .nodes_before = nodes_before, .anchor = anchor};
    return true;
}

static int compare_keys(const void *left, const void *right) {
    const struct yaml_node *a = (*(const struct yaml_node *const *)left)->key;
    const struct yaml_node *b = (*(const struct yaml_node *const *)right)->key;
    int order = strcmp(a->text, b->text);

    if (order == 0)
        order = a->line != b->line ? (a->line > b->line) - (a->line < b->line)
                                   : (a->column > b->column) - (a->column < b->column);
    return order;
}

static bool check_keys_differ(struct builder *builder, const struct yaml_node *mapping) {
    const struct yaml_node **members;
    size_t count = 0;

    if (mapping->child_count < 2)
        return true;
    members = ARENA_ARRAY(builder->arena, const struct yaml_node *, mapping->child_count);
    for (const struct yaml_node *member = mapping->children; member != NULL; member = member->next)
        members[count++] = member;
    qsort(members, count, sizeof(const struct yaml_node *), compare_keys);
    for (size_t i = 1; i < count; i++) {
        const struct yaml_node *first = members[i - 1]->key, *second = members[i]->key;

        if (strcmp(first->text, second->text) == 0) {
            yaml_error(builder->document, second, builder->error, "the key \"%.80s\" is given twice",
                       second->text);
            return error_hint(builder->error, "it stands in line %u already", first->line);
        }
    }
    return true;
}

static bool close_collection(struct builder *builder) {
    struct frame *frame = &builder->frames[--builder->depth];
    unsigned height = frame->height + 1;

    if (frame->node->kind == YAML_MAPPING && !check_keys_differ(builder, frame->node))
        return false;
    if (frame->anchor != NULL && frame->anchor->node == frame->node) {
        frame->anchor->closed = true;
        frame->anchor->nodes = builder->nodes - frame->nodes_before;
        frame->anchor->height = height;
    }
    if (builder->depth > 0 && frame[-1].height < height)
        frame[-1].height = height;
    return true;
}

static bool take_alias(struct builder *builder, const yaml_event_t *event) {
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = anchor_find(builder, name);
    struct yaml_node *node = node_create(builder, YAML_SCALAR, &event->start_mark);
    struct frame *frame = builder->depth > 0 ? &builder->frames[builder->depth - 1] : NULL;

    if (anchor == NULL)
        return yaml_error(builder->document, node, builder->error, "no anchor &%.80s before this alias",
                          name);
    if (!anchor->closed)
        return yaml_error(builder->document, node, builder->error, "*%.80s stands inside what it names",
                          name);
    if (builder->depth + anchor->height > MOST_NESTING)
        return yaml_error(builder->document, node, builder->error,
                          "nested more than %d deep, aliases expanded", MOST_NESTING);
    node->kind = anchor->node->kind;
    node->quoted = anchor->node->quoted;
    node->text = anchor->node->text;
    node->children = anchor->node->children;
    node->child_count = anchor->node->child_count;
    if (frame != NULL && frame->height < anchor->height)
        frame->height = anchor->height;
    return take_node(builder, node, anchor->nodes);
}

/* True with `done` set after the only document's end. */
static bool take_event(struct builder *builder, const yaml_event_t *event, bool *done) {
    struct yaml_node here = {.line = (unsigned)event->start_mark.line + 1,
                             .column = (unsigned)event->start_mark.column + 1};

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (builder->document->root != NULL)
            return yaml_error(builder->document, &here, builder->error, "a second document in the file");
        return true;
    case YAML_SCALAR_EVENT:
        return take_scalar(builder, event);
    case YAML_ALIAS_EVENT:
        return take_alias(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_collection(builder, YAML_SEQUENCE, event);
    case YAML_MAPPING_START_EVENT:
        return open_collection(builder, YAML_MAPPING, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_collection(builder);
    case YAML_STREAM_END_EVENT:
        *done = true;
        return true;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        break;
    }
    return true;
}

static bool build_tree(struct builder *builder) {
    const struct yaml_document *document = builder->document;
    yaml_parser_t parser;
    bool good = true, done = false;

    if (!yaml_parser_initialize(&parser))
        return yaml_error_at(document, 0, 0, builder->error, "not enough memory to read it");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const yaml_char_t *)document->text, document->size);
    while (good && !done) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            good = yaml_error_of_parser(document, &parser, builder->error);
        } else {
            good = take_event(builder, &event, &done);
            yaml_event_delete(&event);
        }
    }
    yaml_parser_delete(&parser);
    if (good && document->root == NULL)
        return yaml_error_at(document, 0, 0, builder->error,
                             "the file holds nothing but comments and blanks");
    return good;
}

/* Reads the document whose file, text and size are set. */
static bool read_document(struct arena *arena, struct yaml_document *document, struct error *error) {
    struct builder *builder;

    if (document->size > MOST_BYTES)
        return yaml_error_at(document, 0, 0, error, "the file is larger than 64 MiB, the most that is read");
    if (document->size == 0)
        return yaml_error_at(document, 0, 0, error, "the file is empty");
    if (memchr(document->text, '\0', document->size) != NULL) {
        document->text = NULL; /* no line of it is worth showing */
        return yaml_error_at(document, 0, 0, error, "the file is binary: text was expected");
    }
    builder = ARENA_NEW(arena, struct builder);
    builder->document = document;
    builder->arena = arena;
    builder->error = error;
    return build_tree(builder);
}

bool yaml_read_file(const char *path, struct arena *arena, struct yaml_document *document,
                    struct error *error) {
    struct text_file file;

    *document = (struct yaml_document){.file = arena_copy_string(arena, path)};
    if (!text_file_read(path, MOST_BYTES, arena, &file, error))
        return false;
    document->text = file.text;
    document->size = file.size;
    return read_document(arena, document, error);
}

bool yaml_read_text(const char *name, const char *text, struct arena *arena, struct yaml_document *document,
                    struct error *error) {
    *document = (struct yaml_document){
        .file = arena_copy_string(arena, name), .text = arena_copy_string(arena, text), .size = strlen(text)};
    return read_document(arena, document, error);
}

struct yaml_node *yaml_get(const struct yaml_node *node, const char *key) {
    if (node == NULL || node->kind != YAML_MAPPING)
        return NULL;
    for (struct yaml_node *member = node->children; member != NULL; member = member->next)
        if (strcmp(member->key->text, key) == 0)
            return member;
    return NULL;
}

bool yaml_is_null(const struct yaml_node *node) {
    return node->kind == YAML_SCALAR && !node->quoted &&
           (node->text[0] == '\0' || strcmp(node->text, "~") == 0 || strcasecmp(node->text, "null") == 0);
}
