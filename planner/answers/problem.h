/* What is asked, made into a search problem: files read, defaults filled in and said.
 *
 * Flags (problem_flags.c) and session files (session.h) meet in struct problem_asked. */
#ifndef CLUSTERPLAN_PROBLEM_H
#define CLUSTERPLAN_PROBLEM_H

#include "common/options.h"
#include "planner/answers/slow_hosts.h"
#include "planner/search/search.h"

/* The flags of the command line as they were given; NULL where they were not. */
struct problem_flags {
    const char *model, *cluster, *devices, *sequence, *global_batch, *tokens, *precision, *layout, *top,
        *stack, *attention, *training, *price, *energy_price, *headroom;
    bool exhaustive;
};

enum { PROBLEM_OPTIONS = 16, PROBLEM_GUESSES = LAYOUT_KEY_COUNT + 6, PROBLEM_MAX_NOTES = 24 };

/* What was asked, by flags or by a session, in base units. What was not said is 0, NULL or as
 * problem_asked_nothing has it. */
struct problem_asked {
    const char *model, *cluster; /* shipped names, or paths */
    int64_t sequence;
    double tokens;
    int64_t global_batch;       /* sequences */
    double global_batch_tokens; /* where it was given in tokens */
    enum precision precision;
    const struct stack *stack;
    bool attention_given; /* else what the stack does */
    enum attention_kernel attention;
    enum gradient_format gradients;
    struct optimizer optimizer;
    enum cuda_graphs cuda_graphs;
    struct routing routing;
    struct recipe recipe;
    const char *settings; /* what was said of the last five, as --training takes it; NULL: nothing */
    struct layout_request layout;
    int64_t devices_from, devices_to;     /* the same twice for one count */
    bool price_given, energy_price_given; /* else the cluster file's */
    double price_per_second, energy_price_per_joule;
    double headroom_bytes; /* of each device's memory, that stay free */
    size_t top;
    bool exhaustive;
};

/* Bounds against typing errors. */
enum { PROBLEM_MAX_DEVICES = 16777216 };
#define PROBLEM_MOST_HEADROOM 1e15

/* A question in which nothing is said: every default. */
struct problem_asked problem_asked_nothing(void);

/* Reads the flags; false with the error set. The files they name are not read yet. Texts belong to the arena.
 */
bool problem_flags_read(const struct problem_flags *flags, struct arena *arena, struct problem_asked *asked,
                        struct error *error);

/* Reads "64" or "8..512". `what` names the flag in the error: "--devices". So it does in the next three. */
bool problem_parse_devices(const char *what, const char *text, int64_t *from, int64_t *to,
                           struct error *error);

/* "60M tokens", or a number of sequences. */
bool problem_parse_batch(const char *what, const char *text, int64_t *sequences, double *tokens,
                         struct error *error);

/* One number of `unit` in a range, its ends included. */
bool problem_parse_number(const char *what, const char *text, enum unit unit, double minimum, double maximum,
                          double *value, struct error *error);

/* The index of `text` in `names`, which ends with NULL. */
bool problem_parse_choice(const char *what, const char *text, const char *const *names, int *choice,
                          struct error *error);

/* Writes PROBLEM_OPTIONS entries that set `flags`; returns the place after them. */
struct option_entry *problem_options(struct problem_flags *flags, struct option_entry *entries);

/* The same but --top, for a command that has no use for a list of plans; `devices` is the help of --devices.
 */
struct option_entry *problem_options_of_one(struct problem_flags *flags, const char *devices,
                                            struct option_entry *entries);

/* Writes PROBLEM_GUESSES entries of options that there aren't, such as --tp; returns the place after them. */
struct option_entry *problem_guesses(struct option_entry *entries);

/* What of the asked an error is about. */
enum problem_part {
    PROBLEM_MODEL,
    PROBLEM_CLUSTER,
    PROBLEM_LAYOUT,
    PROBLEM_BATCH,
    PROBLEM_PRECISION,
    PROBLEM_DEVICES,
    PROBLEM_ENERGY_PRICE
};

struct problem {
    struct model model;
    struct model_counts counts; /* at the training's sequence */
    struct cluster cluster;
    struct search_problem search; /* points at `model` and `cluster`: don't copy a problem */
    struct slow_hosts slow;       /* of the cluster; a search for many devices sees what they leave of it */
    const struct slow_hosts_price *slow_price; /* NULL: not asked for, or no host is slow */

    /* Device counts asked: the same twice for one. 0: as few as the model fits on. */
    int64_t devices_from, devices_to;

    const char *settings;      /* that were asked, as --training takes them; NULL: none */
    int64_t asked_sequence;    /* tokens; 0: not given */
    int64_t asked_batch;       /* sequences; 0: not given */
    double asked_batch_tokens; /* 0: not given in tokens */

    const char *notes[PROBLEM_MAX_NOTES]; /* what was assumed, a sentence each without a full stop */
    size_t note_count;
    struct arena *arena;
    enum problem_part fault; /* where problem_pose failed */

    /* Of a model of which only the size is known: the answer for each of its shapes (shapes.h); NULL: not
     * asked for, or the shape is known. */
    const struct shapes *shapes;
};

/* Reads the files and puts it all together. False with the error set when a file is wrong or they don't go
 * together; `problem->fault` says which part is to blame. */
bool problem_pose(const struct problem_asked *asked, struct arena *arena, struct problem *problem,
                  struct error *error);

/* Where no devices were asked: those that the layout fixes, or all that the cluster file says there are. */
bool problem_default_devices(struct problem *problem, struct error *error);

/* Devices that a layout fixes all by itself; 0 when it doesn't. */
int64_t problem_layout_devices(const struct layout_request *request);

/* Whole nodes come in multiples of so many devices where the request says how many tensor, context, pipeline
 * or data parallelism takes, since each of these divides them. */
int64_t problem_devices_step(const struct problem *problem);

/* For searches of many counts of devices: they share what layers cost. The problem must not change but for
 * its devices and batch from here on. */
void problem_share_costs(struct problem *problem);

/* Takes so much off the memory of each device, and notes it. False with the error set where that is all. */
bool problem_keep_free(struct problem *problem, double bytes, struct error *error);

/* A count of devices, of whole nodes, below which nothing can fit. */
int64_t problem_fewest_devices(const struct problem *problem);

/* problem_flags_read, problem_pose and problem_default_devices in one. False with the error set when the
 * flags are wrong, or don't go together. */
bool problem_read(const struct problem_flags *flags, struct arena *arena, struct problem *problem,
                  struct error *error);

/* Sets how many devices the search is for, and the cluster as a job on so many sees it. */
void problem_set_count(struct problem *problem, int64_t devices);

/* Sets how many devices the search is for (a range shares one global batch), and that batch. */
void problem_set_devices(struct problem *problem, int64_t from, int64_t to);

/* Adds a sentence to the notes. */
void problem_note(struct problem *problem, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Notes about the model, the cluster and the training that every report ends with. Call it once, after
 * problem_set_devices. */
void problem_note_assumptions(struct problem *problem);

/* Where nothing fits: notes that the cluster file has no memory to offload to, if it hasn't. */
void problem_note_no_host(struct problem *problem);

/* Notes where the answer's MFU is more than can be, which a file's figures are to blame for. */
void problem_note_mfu(struct problem *problem, double mfu);

#endif
