#include "planner/answers/session.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/named_file.h"
#include "planner/answers/settings.h"

enum { MAX_CLUSTERS = 64 };

static bool read_model(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    return named_file_find(reader, node, CATALOGUE_MODEL, target);
}

static bool read_cluster_path(const struct fields_reader *reader, const struct yaml_node *node,
                              void *target) {
    return named_file_find(reader, node, CATALOGUE_TOPOLOGY, target);
}

static bool read_cluster_devices(const struct fields_reader *reader, const struct yaml_node *node,
                                 void *target) {
    struct session_cluster *cluster = target;
    return wish_read_devices(reader, node, &cluster->devices_from, &cluster->devices_to);
}

static bool read_cluster(const struct fields_reader *reader, const struct yaml_node *node,
                         struct session_cluster *cluster) {
    static const struct field fields[] = {
        {.key = "cluster",
         .type = FIELD_CUSTOM,
         .offset = offsetof(struct session_cluster, path),
         .required = true,
         .read = read_cluster_path},
        {.key = "precision",
         .type = FIELD_CHOICE,
         .offset = offsetof(struct session_cluster, precision),
         .present_offset = offsetof(struct session_cluster, precision_given),
         .choices = precision_names},
        {.key = "stack",
         .type = FIELD_CUSTOM,
         .offset = offsetof(struct session_cluster, stack),
         .read = stack_read},
        {.key = "devices", .type = FIELD_CUSTOM, .read = read_cluster_devices},
        {.key = "price",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct session_cluster, price_per_second),
         .present_offset = offsetof(struct session_cluster, price_given),
         .unit = UNIT_MONEY_PER_SECOND,
         .maximum = CLUSTER_HIGHEST_PRICE},
        {.key = "energy_price",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct session_cluster, energy_price_per_joule),
         .present_offset = offsetof(struct session_cluster, energy_price_given),
         .unit = UNIT_MONEY_PER_JOULE,
         .maximum = CLUSTER_HIGHEST_ENERGY_PRICE},
        {.key = NULL}};
    cluster->node = node;
    return node->kind == YAML_MAPPING ? fields_read(reader, node, fields, "a cluster", cluster)
                                      : named_file_find(reader, node, CATALOGUE_TOPOLOGY, &cluster->path);
}

static bool read_clusters(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    struct session *session = target;
    if (node->kind != YAML_SEQUENCE || node->child_count == 0 || node->child_count > MAX_CLUSTERS) {
        yaml_error(reader->document, node, reader->error, "clusters must be a list of 1 to %d", MAX_CLUSTERS);
        return node->kind == YAML_SCALAR && !yaml_is_null(node)
                   ? error_hint(reader->error, "a list of one: clusters: [%s]", node->text)
                   : false;
    }
    session->clusters = ARENA_ARRAY(reader->arena, struct session_cluster, node->child_count);
    for (const struct yaml_node *item = node->children; item; item = item->next)
        if (!read_cluster(reader, item, &session->clusters[session->cluster_count++]))
            return false;
    return true;
}

static bool read_batch(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    struct problem_asked *asked = target;
    struct error why = {0};
    if (node->kind != YAML_SCALAR) {
        return yaml_error(reader->document, node, reader->error,
                          "global_batch: a number of sequences, or of tokens, was expected");
    }
    return problem_parse_batch("global_batch", node->text, &asked->global_batch, &asked->global_batch_tokens,
                               &why) ||
           yaml_error(reader->document, node, reader->error, "%s", why.what);
}

static bool read_training(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    static const struct field fields[] = {{.key = "tokens",
                                           .type = FIELD_NUMBER,
                                           .offset = offsetof(struct problem_asked, tokens),
                                           .unit = UNIT_TOKENS,
                                           .minimum = 1,
                                           .maximum = 1e18},
                                          {.key = "sequence",
                                           .type = FIELD_INTEGER,
                                           .offset = offsetof(struct problem_asked, sequence),
                                           .unit = UNIT_TOKENS,
                                           .minimum = 1,
                                           .maximum = INT32_MAX},
                                          {.key = "global_batch", .type = FIELD_CUSTOM, .read = read_batch},
                                          TRAINING_FIELDS(struct problem_asked),
                                          {.key = NULL}};
    struct problem_asked *asked = target;
    if (!fields_read(reader, node, fields, "training", asked))
        return false;
    asked->attention_given = yaml_get(node, "attention") != NULL;
    asked->settings = settings_format(node, reader->arena);
    return true;
}

static bool read_want(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    return wish_read(reader, node, target);
}

static bool read_search(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    return layout_request_read(reader, node, target);
}

static bool read_session(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    static const struct field fields[] = {
        {.key = "model",
         .type = FIELD_CUSTOM,
         .offset = offsetof(struct session, asked.model),
         .required = true,
         .read = read_model},
        {.key = "clusters", .type = FIELD_CUSTOM, .required = true, .read = read_clusters},
        {.key = "training",
         .type = FIELD_CUSTOM,
         .offset = offsetof(struct session, asked),
         .read = read_training},
        {.key = "energy_price",
         .type = FIELD_NUMBER,
         .offset = offsetof(struct session, asked.energy_price_per_joule),
         .present_offset = offsetof(struct session, asked.energy_price_given),
         .unit = UNIT_MONEY_PER_JOULE,
         .maximum = CLUSTER_HIGHEST_ENERGY_PRICE},
        {.key = "want", .type = FIELD_CUSTOM, .offset = offsetof(struct session, wish), .read = read_want},
        {.key = "search",
         .type = FIELD_CUSTOM,
         .offset = offsetof(struct session, asked.layout),
         .read = read_search},
        {.key = NULL}};
    struct session *session = target;
    session->root = node;
    return fields_read(reader, node, fields, "session", session);
}

bool session_read(const char *path, struct arena *arena, struct session *session, struct error *error) {
    static const struct field fields[] = {
        {.key = "session", .type = FIELD_CUSTOM, .required = true, .read = read_session}, {.key = NULL}};
    struct yaml_document *document = ARENA_NEW(arena, struct yaml_document);
    const struct fields_reader reader = {.document = document, .arena = arena, .error = error};
    *session = (struct session){.asked = problem_asked_nothing(), .document = document};
    session->asked.top = 1;
    if (!yaml_read_file(path, arena, document, error)) {
        if (access(path, F_OK) != 0)
            error_hint(error, "a session goes by the path of its file; examples/sessions has some");
        return false;
    }
    return fields_read(&reader, document->root, fields, "a session file", session);
}

/* The member of `mapping` with that key, else the mapping itself. */
static const struct yaml_node *member(const struct yaml_node *mapping, const char *key) {
    const struct yaml_node *found = yaml_get(mapping, key);
    return found ? found : mapping;
}

/* Puts an error that names no file at a node. */
static bool place(const struct session *session, const struct yaml_node *node, struct error *error) {
    if (*error->file)
        return false;
    struct error placed = {0};
    yaml_error(session->document, node, &placed, "%s", error->what);
    memcpy(placed.hint, error->hint, sizeof placed.hint);
    *error = placed;
    return false;
}

/* Where what a problem was refused for stands in the file. */
static const struct yaml_node *blamed(const struct session *session, const struct session_cluster *cluster,
                                      enum problem_part part) {
    const struct yaml_node *root = session->root, *training = member(root, "training");
    switch (part) {
    case PROBLEM_MODEL:
        return member(root, "model");
    case PROBLEM_BATCH:
        return member(training, "global_batch");
    case PROBLEM_PRECISION:
        return cluster->precision_given ? member(cluster->node, "precision") : cluster->node;
    case PROBLEM_DEVICES:
        return cluster->devices_from ? member(cluster->node, "devices")
                                     : member(member(root, "want"), "devices");
    case PROBLEM_LAYOUT:
        return member(root, "search");
    case PROBLEM_ENERGY_PRICE:
        return cluster->energy_price_given ? member(cluster->node, "energy_price")
                                           : member(root, "energy_price");
    case PROBLEM_CLUSTER:
        break;
    }
    return cluster->node;
}

bool session_pose(const struct session *session, size_t index, struct arena *arena, struct problem *problem,
                  struct wish *wish, struct error *error) {
    const struct session_cluster *cluster = &session->clusters[index];
    struct problem_asked asked = session->asked;
    enum wish_key key;
    *wish = session->wish;
    asked.cluster = cluster->path;
    if (cluster->precision_given)
        asked.precision = cluster->precision;
    if (cluster->stack)
        asked.stack = cluster->stack;
    if (cluster->energy_price_given) {
        asked.energy_price_given = true;
        asked.energy_price_per_joule = cluster->energy_price_per_joule;
    }
    asked.price_given = cluster->price_given;
    asked.price_per_second = cluster->price_per_second;
    if (cluster->devices_from) {
        wish->devices_from = cluster->devices_from;
        wish->devices_to = cluster->devices_to;
    }
    asked.devices_from = wish->devices_from;
    asked.devices_to = wish->devices_to;
    if (!problem_pose(&asked, arena, problem, error))
        return place(session, blamed(session, cluster, problem->fault), error);
    return wish_apply(wish, problem, &key, error) || session_blame_wish(session, index, key, error);
}

/* Whether another entry is of the same cluster, precision and stack. */
static bool has_namesake(const struct session *session, const struct session_cluster *cluster) {
    for (size_t i = 0; i < session->cluster_count; i++) {
        const struct session_cluster *other = &session->clusters[i];
        bool same_precision = other->precision_given == cluster->precision_given &&
                              (!cluster->precision_given || other->precision == cluster->precision);
        if (other != cluster && strcmp(other->path, cluster->path) == 0 && same_precision &&
            other->stack == cluster->stack)
            return true;
    }
    return false;
}

static const char *add_word(const char *words, const char *word, struct arena *arena) {
    return arena_print(arena, "%s%s%s", words, *words ? " " : "", word);
}

const char *session_variant(const struct session *session, size_t index, struct arena *arena) {
    const struct session_cluster *cluster = &session->clusters[index];
    const char *words = cluster->precision_given ? precision_names[cluster->precision] : "";
    char text[32];
    if (cluster->stack)
        words = add_word(words, cluster->stack->name, arena);
    if (!has_namesake(session, cluster))
        return words;
    if (cluster->devices_from) {
        const char *to = cluster->devices_to == cluster->devices_from
                             ? ""
                             : arena_print(arena, "..%" PRId64, cluster->devices_to);
        words = add_word(words, arena_print(arena, "on %" PRId64 "%s", cluster->devices_from, to), arena);
    }
    if (cluster->price_given) {
        units_format(cluster->price_per_second, UNIT_MONEY_PER_SECOND, text, sizeof text);
        words = add_word(words, arena_print(arena, "at %s", text), arena);
    }
    if (cluster->energy_price_given) {
        units_format(cluster->energy_price_per_joule, UNIT_MONEY_PER_JOULE, text, sizeof text);
        words = add_word(words, arena_print(arena, "at %s", text), arena);
    }
    return words;
}

bool session_want_error(const struct session *session, struct error *error, const char *what) {
    error_set(error, "%s", what);
    return place(session, member(session->root, "want"), error);
}

bool session_blame_wish(const struct session *session, size_t index, enum wish_key key, struct error *error) {
    const struct session_cluster *cluster = &session->clusters[index];
    const struct yaml_node *want = member(session->root, "want");
    return place(session,
                 key == WISH_DEVICES    ? blamed(session, cluster, PROBLEM_DEVICES)
                 : key < WISH_KEY_COUNT ? member(want, wish_names[key])
                                        : want,
                 error);
}

bool session_blame_search(const struct session *session, size_t index, struct error *error) {
    return yaml_get(session->root, "search") ? place(session, member(session->root, "search"), error)
                                             : session_blame_wish(session, index, WISH_DEVICES, error);
}
