/* Time of collectives over groups of ranks laid on a cluster's network levels. */
#ifndef CLUSTERPLAN_COLLECTIVE_H
#define CLUSTERPLAN_COLLECTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cluster.h"
#include "planner/explain.h"

/* Ranks first, first + stride, ... in device order. All groups of the same shape run at the same time and
 * share the links. */
struct rank_group {
    int64_t size, stride;
};

struct collective {
    enum collective_operation operation;
    double bytes; /* all-reduce, all-gather, reduce-scatter: the whole buffer; all-to-all: what one rank
                     holds; send/receive: the message */
    struct rank_group
        group; /* send/receive: a chain, in which each sends to the next; the slowest pair counts */
};

/* One algorithm of an operation: its latency and its bus bandwidth. */
struct collective_way {
    double latency_seconds, bandwidth_bytes_per_second;
};
/* How long an operation over a group takes, as a function of the bytes: made once, asked for many sizes. */
struct collective_curve {
    struct collective_way ways[2]; /* the quicker is taken: ring, tree */
    size_t way_count;              /* 0: nothing is sent */
    double bus_share;              /* bytes of bus volume a byte */
    bool fitted;                   /* by constants of its own: one way, and the next two */
    double ramp_seconds, ramp_sharing;
    struct collective_correction_lists corrections;
    const char *level, *from; /* as in struct collective_estimate */
};

/* The time of one collective, with the figures behind it for `explain`. */
struct collective_estimate {
    double seconds;
    double bandwidth_bytes_per_second; /* bus bandwidth at infinite size, sharing included */
    double latency_seconds;
    const char *level; /* the outermost level the group spans */
    const char *from;  /* "measured", "fitted", "datasheet": where the constants came from */
    double correction; /* the measured factor on the time of the constants; 1: none */
    int64_t beside[2]; /* sizes of the groups it is of, where this one was not measured; 0: none */
};

void collective_estimate(const struct cluster *cluster, const struct collective *collective,
                         struct collective_estimate *estimate);

/* Where its time comes from, in words: "measured, x 1.12 at this size", with "between groups of 8 and 12".
 * `text` is room for it. */
enum { COLLECTIVE_ORIGIN_TEXT = 128 };
const char *collective_origin(const struct collective_estimate *estimate, char text[COLLECTIVE_ORIGIN_TEXT]);

/* Seconds of a collective, without the figures behind them. 0 for a group of one or no bytes. */
double collective_seconds(const struct cluster *cluster, const struct collective *collective);

/* collective_seconds in two steps. The first takes longer and doesn't depend on the bytes, so its curve can
 * be kept. */
void collective_curve_of(const struct cluster *cluster, const struct collective *collective,
                         struct collective_curve *curve);
double collective_curve_seconds(const struct collective_curve *curve, double bytes);

/* Seconds that so many bytes take at least when more are sent together: by bandwidth alone, no latency. */
double collective_curve_least_seconds(const struct collective_curve *curve, double bytes);

/* Change an operation's constants to links that carry `factor` times as much, and a level's to ways that take
 * `factor` times as long. The ramp between small and large messages goes with the root of latency x transfer
 * time. */
void collective_scale_bandwidth(struct collective_constants *constants, double factor);
void collective_scale_latency(struct network_level *level, double factor);

/* Bus volume of a collective in bytes, as nccl-tests defines it. */
double collective_bus_bytes(const struct collective *collective);

#endif
