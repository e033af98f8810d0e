/* What is wanted of a training: how soon, how cheap, how fast a step, on how many devices.
 *
 * Flags of size (wish_options) and a session's `want:` (session.h) fill it. */
#ifndef CLUSTERPLAN_WISH_H
#define CLUSTERPLAN_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/fields.h"
#include "common/options.h"
#include "planner/answers/problem.h"

enum wish_key {
    WISH_DEADLINE,
    WISH_BUDGET,
    WISH_STEP_TIME,
    WISH_HEADROOM,
    WISH_DEVICES,
    WISH_SPARE,
    WISH_OBJECTIVE,
    WISH_KEY_COUNT
};
extern const char *const wish_names[WISH_KEY_COUNT + 1]; /* as in `want:`, "deadline" ...; ends with NULL */

/* What is best among counts of devices that meet the rest. */
enum objective { OBJECTIVE_DEVICES, OBJECTIVE_TIME, OBJECTIVE_COST };
extern const char *const objective_names[]; /* "devices" "time" "cost", NULL */

struct wish {
    double deadline_seconds, budget, step_seconds; /* at most; 0: not wished */
    double headroom_bytes;                         /* of a device's memory, that stay free */
    int64_t devices_from, devices_to;              /* 0: any number */
    int64_t spare_nodes;                           /* paid for, not computing */
    enum objective objective;
    bool objective_given; /* the default may be a wish too */
};

/* The flags as they were given; NULL where they were not. */
struct wish_flags {
    const char *deadline, *budget, *step_time, *spare, *objective;
};

enum { WISH_OPTIONS = 5 };

/* Writes WISH_OPTIONS entries that set `flags`; returns the place after them. */
struct option_entry *wish_options(struct wish_flags *flags, struct option_entry *entries);

/* Reads the flags; the devices are the problem's. */
bool wish_flags_read(const struct wish_flags *flags, struct wish *wish, struct error *error);

/* Reads a session's `want:`. */
bool wish_read(const struct fields_reader *reader, const struct yaml_node *node, struct wish *wish);

/* Reads "64" or "8..512" from a file. */
bool wish_read_devices(const struct fields_reader *reader, const struct yaml_node *node, int64_t *from,
                       int64_t *to);

/* True when something but the devices is wished. */
bool wish_is_some(const struct wish *wish);

/* False with the error set where a wish has no sense for the problem, or two contradict each other; `key`
 * says which is to blame. Takes the headroom off the problem's devices. */
bool wish_apply(const struct wish *wish, struct problem *problem, enum wish_key *key, struct error *error);

/* The longest step with which so many devices meet the wishes, and which of them makes it so: infinite where
 * none does. Call problem_set_devices first. */
double wish_step_limit(const struct wish *wish, const struct problem *problem, enum wish_key *key);

/* The longest step of a training that takes no longer than `seconds` and costs no more than `money`; infinite
 * where both are. */
double wish_step_of(const struct wish *wish, const struct problem *problem, double seconds, double money);

/* Adds the spare nodes to what a plan pays for. */
void wish_pay_spares(const struct wish *wish, struct plan *plan);

/* By how much a plan misses a wish, as a share of what was wished: 0.05 is 5 % too long or too dear; not
 * above 0 where it meets it, and -infinity where nothing was wished. */
double wish_excess(const struct wish *wish, const struct plan *plan, enum wish_key key);

/* The wish that a plan misses by most, or meets most narrowly. */
double wish_worst_excess(const struct wish *wish, const struct plan *plan, enum wish_key *key);

#endif
