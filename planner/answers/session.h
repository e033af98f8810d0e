/* Session files: one model on several clusters, what is wanted of its training, and which layouts to try.
 *
 * Everything read belongs to the arena, which must live as long as the session. */
#ifndef CLUSTERPLAN_SESSION_H
#define CLUSTERPLAN_SESSION_H

#include "planner/answers/wish.h"

/* A member of `clusters:`: a name, or a mapping that differs in precision, devices or stack. */
struct session_cluster {
    const char *path; /* of the cluster file */
    bool precision_given;
    enum precision precision;
    const struct stack *stack;        /* NULL: the session's */
    int64_t devices_from, devices_to; /* 0: the session's */
    bool price_given;                 /* else the cluster file's */
    bool energy_price_given;          /* else the session's */
    double price_per_second, energy_price_per_joule;
    const struct yaml_node *node;
};

struct session {
    struct problem_asked asked; /* all but the cluster */
    struct wish wish;
    struct session_cluster *clusters;
    size_t cluster_count;
    const struct yaml_document *document;
    const struct yaml_node *root; /* the mapping under `session:` */
};

/* Reads a file, whole or not at all. Files it names are relative to it, or shipped. False with the error set:
 * unknown keys, no such model or cluster, ranges upside down. The files it names are read by session_pose. */
bool session_read(const char *path, struct arena *arena, struct session *session, struct error *error);

/* The problem of one cluster, with its wish; false with the error set at the line to blame. */
bool session_pose(const struct session *session, size_t cluster, struct arena *arena, struct problem *problem,
                  struct wish *wish, struct error *error);

/* What tells a cluster of the session from another entry of the same cluster: "fp8 fsdp", and
 * where that is another's too "on 64 at 2.50 $/h"; may be empty. */
const char *session_variant(const struct session *session, size_t cluster, struct arena *arena);

/* Puts an error that names no file at a wish of a cluster, or where its devices stand. Always returns false.
 */
bool session_blame_wish(const struct session *session, size_t cluster, enum wish_key key,
                        struct error *error);

/* Puts an error that names no file at `search:`, or at the devices where there is none. Always returns false.
 */
bool session_blame_search(const struct session *session, size_t cluster, struct error *error);

/* Describes an error at `want:`, or at the session where there is none. Always returns false. */
bool session_want_error(const struct session *session, struct error *error, const char *what);

#endif
