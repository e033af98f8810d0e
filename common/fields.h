/* Mappings of a YAML tree into C structs by tables of fields: known keys, types, units, ranges, and what is
 * required. Unknown keys are errors that name the nearest known one. */
#ifndef CLUSTERPLAN_FIELDS_H
#define CLUSTERPLAN_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/error.h"
#include "common/units.h"
#include "common/yaml_tree.h"

enum field_type {
    FIELD_TEXT,    /* const char *, copied into the arena; any scalar but null */
    FIELD_BOOL,    /* bool: true or false (yes/no/on/off too) */
    FIELD_INTEGER, /* int64_t; minimum..maximum inclusive; accepts 1e6 and UNIT_COUNT suffixes when whole */
    FIELD_NUMBER,  /* double in base units of `unit`; minimum..maximum inclusive; never NaN or infinite; with
                      its unit it may stand in quotes, as JSON needs it */
    FIELD_CHOICE,  /* int: the index of the word in `choices`; of true or on any word that a FIELD_BOOL takes
                    */
    FIELD_WORDS,   /* int64_t: a bit 1 << index for each of the words of `choices` that '+' joins */
    FIELD_CUSTOM   /* `read` decides */
};

/* Nothing these programs reckon with comes near. */
#define FIELDS_LARGEST_NUMBER 1e30

struct field;
struct fields_reader {
    const struct yaml_document *document;
    struct arena *arena;
    struct error *error;
};

struct field {
    const char *key; /* NULL ends a table */
    enum field_type type;
    size_t offset;     /* of the member in the struct */
    bool required;     /* else the struct keeps what it held */
    bool none_allowed; /* FIELD_NUMBER, FIELD_INTEGER: "none" and null are read as 0; FIELD_TEXT: null keeps
                          what was there */
    bool positive;     /* FIELD_NUMBER: 0 itself is refused */
    bool one_line;     /* FIELD_TEXT: no line break, as in all that is required */
    enum unit unit;
    double minimum, maximum;    /* both 0: from 0 to 1e30 (FIELD_NUMBER) or to 2^53 (FIELD_INTEGER) */
    size_t present_offset;      /* when not 0: of a bool set true when the key is there */
    const char *const *choices; /* ends with NULL */
    const char *example;        /* what to write where it is missing; may be NULL */
    /* FIELD_CUSTOM: reads `node` into `target` (the struct's address plus offset); false with the error set.
     */
    bool (*read)(const struct fields_reader *reader, const struct yaml_node *node, void *target);
};

/* Reads every member of the mapping `node` into `target`. `where` names the mapping in messages
 * ("cluster.device"). False with the error set: `node` is no mapping, a key is unknown or missing, or a value
 * is wrong. */
bool fields_read(const struct fields_reader *reader, const struct yaml_node *node, const struct field *fields,
                 const char *where, void *target);

/* One value, by the same rules as a field of a table. */
bool fields_read_value(const struct fields_reader *reader, const struct yaml_node *node,
                       const struct field *field, void *target);

#endif
