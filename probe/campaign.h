/* The whole of a measurement, led by rank 0: phase after phase, within a time limit. What a phase measured
 * decides what the next ones do; everything ends up in records. */
#ifndef CLUSTERPLAN_PROBE_CAMPAIGN_H
#define CLUSTERPLAN_PROBE_CAMPAIGN_H

#include <stdbool.h>

#include "common/arena.h"
#include "common/error.h"
#include "probe/analysis.h"
#include "probe/gpu.h"
#include "probe/levels.h"
#include "probe/node.h"
#include "probe/placement.h"
#include "probe/progress.h"
#include "probe/rails.h"
#include "probe/records.h"
#include "probe/schedule.h"
#include "probe/sockets.h"
#include "probe/speeds.h"
#include "probe/task.h"

struct campaign {
    const struct placement *placement;
    struct arena *arena;
    struct records *records;
    struct progress progress;
    double begin, limit_seconds; /* clock_seconds() of the start; --time-limit */
    double aim_seconds;          /* from the start: beyond this nothing is measured only to be better known */
    double later_seconds;        /* that the phases after the present one are expected to take */
    bool quick;                  /* --quick: what finds slow hosts and links, and no more */
    const struct node_source *node_source;
    struct node_summary *nodes;            /* of each host */
    struct gpu_summary *gpus;              /* of each rank; all zero with --host-only */
    bool gpu_each;                         /* each rank has a GPU of its own */
    bool device_buffers;                   /* and MPI takes addresses in its memory */
    const char *refused[TRANSPORT_COUNT];  /* what could not be measured after all, and why; NULL: nothing */
    size_t *class_of;                      /* of each host: which are equal */
    struct speeds_host *speeds;            /* of each host */
    uint8_t *speed_verdicts[SPEEDS_KINDS]; /* enum analysis_verdict of each host */
    int32_t *speed_ranks;                  /* those that compute or copy at present */
    struct sockets sockets;                /* of the first host */
    struct schedule_plan plan;             /* of the pairs of hosts */
    double pace;                           /* of the time usually given to a pair of hosts */
    struct levels levels;                  /* of the network, by host; count 0 with one host */
    struct analysis_host *hosts;           /* how each deviates; with two hosts or more */
    struct analysis_links slow_links;      /* of sound hosts */
    uint8_t *verdicts;      /* enum analysis_verdict of each direction of a pair; with two hosts or more */
    uint8_t *late_verdicts; /* enum analysis_verdict of each host; with two hosts or more */
    size_t unclear_links;   /* that looked slow while too much else went on to tell */
    bool by_bandwidth;      /* the levels show in bandwidth, not in latency */
    bool failed;            /* MPI is only good for aborting now */
    /* What runs at present: a rank takes part at most once. */
    struct task *tasks;
    int32_t *ranks;
    struct report *reports;
};

/* Starts the clock and describes the nodes. False as below; also, without `failed`, for bad hwloc XML. */
bool campaign_describe(struct campaign *campaign, struct error *error);

/* Runs all phases. False with the error set and `failed` true when a rank, host or link gave up: the error
 * names it. False without `failed` when the journal can't be written. */
bool campaign_run(struct campaign *campaign, struct error *error);

/* For the phases. One measurement between two ranks, and what to know of it. */
struct campaign_pair {
    int32_t from, to;
};

/* Levels inside a host, beside those of the network, which count from 0. */
enum { CAMPAIGN_LEVEL_NODE = -1, CAMPAIGN_LEVEL_SOCKET = -2 };
enum { CAMPAIGN_LATENCY_BYTES = 8, CAMPAIGN_STREAM_BYTES = 4 << 20 };

/* Measures all `count` pairs at the same time, but for those measured before. `key`: phase, kind, bytes and
 * level; `together`: their timed parts begin together. */
bool campaign_measure(struct campaign *campaign, const struct record *key, const struct campaign_pair *pairs,
                      size_t count, double seconds, bool together, struct error *error);

/* One pair alone, and what was seen, now or in an earlier run. */
bool campaign_measure_one(struct campaign *campaign, const struct record *key,
                          const struct campaign_pair *pair, double seconds, struct summary *seen,
                          struct error *error);

/* The pairs of hosts measured so far, with the verdicts on them. */
void campaign_gather(const struct campaign *campaign, struct arena *arena, struct analysis_matrix *matrix);

/* Each of `count` ranks alone, at the same time: its memory (TASK_MEMORY) or its GPU (TASK_GPU_...). */
bool campaign_alone(struct campaign *campaign, enum task_kind kind, const int32_t *ranks, size_t count,
                    double seconds, int32_t number, struct error *error);

/* One operation by a group that was formed. What NCCL refuses is noted in `refused`, and is no error; the
 * result's summary is empty then. `trial`: only whether NCCL works among them. */
bool campaign_form(struct campaign *campaign, enum transport transport, bool trial, const int32_t *ranks,
                   size_t count, struct error *error);
bool campaign_collective(struct campaign *campaign, const struct record *key, const int32_t *ranks,
                         size_t count, double seconds, struct record *result, struct error *error);

/* Seconds left until the limit; the last ones are kept for the end. */
double campaign_seconds_left(const struct campaign *campaign);

/* The network card of a rank, in words; empty: unknown. */
void campaign_nic(const struct campaign *campaign, int32_t rank, char nic[RAILS_TEXT]);

/* The leading rank of a host. */
int32_t campaign_leader(const struct campaign *campaign, size_t host);

#endif
