/* A YAML document as a tree that remembers where every value stood, over libyaml.
 *
 * JSON is read too, as far as it is YAML. The reader bounds what a hostile file can cost: size of the file
 * (64 MiB), nesting (64), nodes after alias expansion (4 million). Duplicate keys, several documents, tags,
 * merge keys and keys that aren't scalars are errors. Everything returned belongs to the arena. */
#ifndef CLUSTERPLAN_YAML_TREE_H
#define CLUSTERPLAN_YAML_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/error.h"

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

struct yaml_node {
    enum yaml_kind kind;
    bool quoted;                /* a scalar in quotes: a string, never a number, null or bool */
    unsigned line, column;      /* from 1 */
    const char *text;           /* YAML_SCALAR: UTF-8 without NUL inside */
    struct yaml_node *key;      /* of a mapping's member: the scalar that names it; else NULL */
    struct yaml_node *children; /* first member of a sequence or mapping, in the file's order */
    struct yaml_node *next;     /* the member after this one */
    size_t child_count;
};

struct yaml_document {
    const char *file; /* as the user named it */
    const char *text; /* the whole file, for error_print's line */
    size_t size;
    struct yaml_node *root;
};

/* Reads a file. False with `error` set when it is missing, unreadable, a directory or device, empty, too
 * large, binary, or not YAML. */
bool yaml_read_file(const char *path, struct arena *arena, struct yaml_document *document,
                    struct error *error);

/* The same of a text in memory; `name` stands for the file in messages. */
bool yaml_read_text(const char *name, const char *text, struct arena *arena, struct yaml_document *document,
                    struct error *error);

/* The member of a mapping with that key, or NULL (also when `node` is NULL or no mapping). */
struct yaml_node *yaml_get(const struct yaml_node *node, const char *key);

/* True for an unquoted scalar that is null, ~ or empty. */
bool yaml_is_null(const struct yaml_node *node);

/* Describes an error at a node. Always returns false. */
bool yaml_error(const struct yaml_document *document, const struct yaml_node *node, struct error *error,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
