/* Every figure measured so far, in memory and in a journal on disk, so that a run that dies is resumed. */
#ifndef CLUSTERPLAN_PROBE_RECORDS_H
#define CLUSTERPLAN_PROBE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/error.h"
#include "probe/identity.h"
#include "probe/summary.h"

/* What was asked when a figure was taken. */
enum record_phase {
    PHASE_MEMORY,     /* a rank alone, or its GPU: from = rank */
    PHASE_LOCAL,      /* pairs of ranks of one host */
    PHASE_PAIRS,      /* pairs of hosts, by their leading ranks */
    PHASE_SWEEP,      /* a sample of pairs alone, by message size */
    PHASE_LOADED,     /* pairs at the same time, to load a level */
    PHASE_RAILS,      /* all ranks of one host to all of another at the same time */
    PHASE_COLLECTIVE, /* a group of ranks; from = its first rank */
    PHASE_RAIL,       /* one rank of a host to its counterpart on another */
    PHASE_HELD_OUT,   /* as PHASE_COLLECTIVE, or a message as of PHASE_SWEEP, of a size that no fit sees */
    PHASE_COUNT
};

struct record {
    int32_t phase;     /* enum record_phase */
    int32_t kind;      /* enum task_kind */
    int32_t from, to;  /* ranks */
    int32_t operation; /* enum collective_operation, of collectives; of PHASE_LOADED, PHASE_RAIL and
                          PHASE_RAILS: which repetition */
    int32_t transport; /* enum transport */
    int32_t members;   /* of the group; of pairs: how many ran at the same time */
    int32_t level;     /* of PHASE_MEMORY, PHASE_PAIRS: how often it was measured before; of PHASE_LOADED,
                          PHASE_RAIL: the network level; of collectives: enum record_group */
    int64_t bytes;     /* of a message, or of a member's buffer */
    struct summary summary;
    int64_t sent_bytes; /* of a message of a stream, as was sent: less than `bytes` over a slow link */
};

/* Which ranks a collective joined: one host's; one of each host of an inner group (by NCCL, all of them); one
 * of each host; all of several hosts; none was measured; those of a socket. */
enum record_group {
    GROUP_HOST,
    GROUP_INNER,
    GROUP_LEADERS,
    GROUP_EVERYTHING,
    GROUP_NONE,
    GROUP_SOCKET,
    GROUP_COUNT
};

struct records {
    struct record *items;
    size_t count, capacity;
    size_t resumed;   /* the first ones are of an earlier run */
    size_t *index;    /* of those, by a hash of what was asked: their numbers from 1 on; 0: free */
    size_t index_end; /* its size, a power of two; 0: nothing is resumed */
    FILE *journal;    /* NULL: none is kept */
    const char *path; /* of the journal */
};

/* Opens the journal at `path`. `identity` says what the figures are of. With `resume`, figures of an earlier
 * journal of the same identity are taken over; it is an error when there is none, it is of another identity
 * or format, or holds what `ranks` ranks can't have written. Without, an earlier one that holds figures is an
 * error. False too where another run has it open. */
bool records_open(struct records *records, const char *path, const struct identity *identity, int32_t ranks,
                  bool resume, struct error *error);

/* The figure of an earlier run that is being resumed, or NULL. Of `key` counts what was asked: all above the
 * summary. */
const struct record *records_find(const struct records *records, const struct record *key);

/* Of several looks at the same collective the quickest, by its lower quartile, is kept. False with the error
 * set when memory is out or the journal can't be written: disk full, or quota. */
bool records_add(struct records *records, const struct record *record, struct error *error);

/* Brings what was added to disk, once for all that was measured at a time: file systems that many hosts share
 * take a while for each write. False as above. */
bool records_flush(struct records *records, struct error *error);

/* Closes the journal, and removes it when `done`. Frees the figures. */
void records_close(struct records *records, bool done);

#endif
