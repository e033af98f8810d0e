/* A cluster as clusterplan plans on it and clusterprobe writes it: nodes of devices, joined by network
 * levels.
 *
 * All quantities are in SI base units. Strings and arrays belong to the arena the cluster was read into. */
#ifndef CLUSTERPLAN_CLUSTER_H
#define CLUSTERPLAN_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/collective_correction.h"
#include "common/error.h"
#include "common/kernel_constants.h"
#include "common/precision.h"
#include "common/units.h"

enum { CLUSTER_MAX_LEVELS = 8 };

/* Dollars a second of one device and a joule, against forgotten units: 1,000 $/h, 100 $/kWh. */
#define CLUSTER_HIGHEST_PRICE        (1000 / SECONDS_AN_HOUR)
#define CLUSTER_HIGHEST_ENERGY_PRICE (100 / 3.6e6)

enum cluster_source_kind { SOURCE_DATASHEET, SOURCE_MEASURED };

struct cluster_source {
    enum cluster_source_kind kind;
    const char *from;                           /* where the figures stand; NULL when not given */
    const char *date, *program, *mpi, *command; /* of a measurement; NULL when not given */
    const char *libraries;                      /* of the GPUs, found or not; NULL when not given */
    const char *note; /* what to know before trusting it: "oversubscribed ..."; NULL when nothing */
};

struct cluster_node {
    int64_t devices;                     /* in one node */
    double host_memory_bytes;            /* 0: unknown */
    double host_link_bytes_per_second;   /* one device to its host's memory, one direction; 0: unknown */
    double host_memory_bytes_per_second; /* of the whole host, at which it updates parameters; 0: unknown */
    double storage_bytes_per_second;     /* what a node writes checkpoints at; 0: unknown */
    const char *from;                    /* "measured", "base", or NULL for the cluster's source */
};

/* Memory beyond device and host: drives of a node, or a service that streams weights to a whole cluster. */
struct cluster_store {
    const char *name;               /* NULL: there is none */
    double capacity_bytes;          /* of one */
    int64_t devices;                /* that one serves; 0: all */
    double bytes_per_second;        /* one device to it, one direction */
    double total_bytes_per_second;  /* to all its devices at once, one direction; 0: no less than they take */
    double memory_bytes_per_second; /* at which it updates parameters by itself; 0: it only keeps */
    bool broadcast;   /* sends weights once for all replicas and sums their gradients on the way */
    const char *from; /* as in struct cluster_node */
};

/* How a cluster can be split: in every way, or by data alone. */
enum cluster_parallelism { PARALLELISM_ANY, PARALLELISM_DATA };

/* What fp8 operands share a scale by where a recipe doesn't say: each tensor its own, which its largest
 * element gives, or each 32 elements (MXFP8). By default as the device's chip has it (chip.h), else each
 * tensor. */
enum fp8_scaling { FP8_SCALING_DEFAULT, FP8_SCALING_TENSOR, FP8_SCALING_BLOCK };

struct cluster_device {
    const char *name;
    double memory_bytes;   /* what the part has */
    double reserved_bytes; /* what a framework never gets */
    double memory_bytes_per_second;
    double peak_flops[PRECISION_COUNT]; /* dense; 0: the device lacks the format */
    enum fp8_scaling fp8_scaling;
    /* A product of square bf16 matrices that was measured: edge in elements, rate; 0: none was. */
    int64_t product_edge;
    double product_flops_per_second;
    struct kernel_constants kernels; /* fitted constants of the matrix-product and attention models */
    double price_per_second;         /* money units (dollars); 0: unknown */
    double power_watts;              /* 0: unknown */
    double mtbf_seconds;             /* mean time of one device between interruptions; 0: unknown */
    double pace; /* of its speed, at which it goes in a job that takes a host that computes slowly; 0: all */
    const char *from; /* as in struct cluster_node */
};

enum collective_operation {
    COLLECTIVE_ALL_REDUCE,
    COLLECTIVE_ALL_GATHER,
    COLLECTIVE_REDUCE_SCATTER,
    COLLECTIVE_ALL_TO_ALL,
    COLLECTIVE_SEND_RECEIVE,
    COLLECTIVE_COUNT
};
extern const char *const collective_names[COLLECTIVE_COUNT + 1]; /* "all_reduce" ...; ends with NULL */

/* T = latency + latency_per_member (n-1) + V / (bandwidth (1 - small_group_loss / n)) + ramp sqrt(V / 1 MB)
 * for n members and bus volume V in bytes (as nccl-tests defines it). Of a level beyond the node they hold
 * for a group of whole nodes, which has all the nodes' ports to itself; of all-to-all the bandwidth is what
 * each rank reaches while all of them send, of send/receive what one pair reaches while the rest is idle.
 * Where there are corrections the time is so many times as long (collective_correction.h). */
struct collective_constants {
    bool known;
    double latency_seconds, latency_per_member_seconds;
    double bandwidth_bytes_per_second; /* bus bandwidth reached by large messages */
    double small_group_loss;
    double ramp_seconds;
    double fit_error; /* median |fitted / measured - 1| of the times they were fitted to; 0: not given */
    const char *from; /* "measured", "fitted", "base" */
    struct collective_correction *corrections; /* of that time, sorted */
    size_t correction_count;
};

struct network_level {
    const char *name;
    int64_t devices;                   /* that one group of the level joins; 0: all */
    double bandwidth_bytes_per_second; /* of one port, one direction */
    int64_t ports;                     /* a node has at this level; 0: one a device */
    double latency_seconds;            /* half a round trip of a small message */
    double oversubscription;           /* >= 1 */
    double efficiency; /* share of the bandwidth that collectives of large messages reach; 0: unknown */
    bool mesh; /* no switch: what it joins has a link of its own to each other one, bandwidth is of all */
    struct collective_constants collectives[COLLECTIVE_COUNT];
    const char *from;
};

/* A PCI device of a node class. */
struct node_part {
    const char *kind;                  /* "gpu" or "nic" */
    const char *name;                  /* "NVIDIA A100-SXM4-80GB", "mlx5_0", "eth0" */
    const char *pci;                   /* "0000:07:00.0"; NULL when it has none */
    int64_t numa;                      /* nearest NUMA node; -1 unknown */
    double rate_bytes_per_second;      /* NIC port rate; 0 unknown */
    double memory_bytes;               /* GPU memory; 0 unknown */
    int64_t links;                     /* of a GPU: its NVLinks that are up; 0 none or unknown */
    double link_rate_bytes_per_second; /* of all of them together, one direction; 0 unknown */
    const char *near; /* of a GPU: its nearest NIC and how near, "mlx5_0 (same switch)"; NULL unknown */
    const char *note; /* what is unusual about it; NULL nothing */
};

/* What hwloc saw of a group of equal nodes. */
struct node_class {
    const char *name;
    int64_t nodes;
    const char *cpu;
    int64_t packages, cores, threads, numa_nodes;
    double memory_bytes, l3_bytes, l2_bytes;
    struct node_part *parts;
    size_t part_count;
};

/* A host or link with less than this share of the usual bandwidth is slow: the probe looks into it, the
 * planner reckons with it. Less of a loss is everyday variation. */
#define CLUSTER_SLOW_FACTOR 0.8

/* The same for computing: parts of one kind differ by a few per cent. */
#define CLUSTER_SLOW_COMPUTE 0.9

struct cluster_host {
    const char *name;
    const char *class_name;
    /* Groups it belongs to, from the outermost level inwards: "rack1/switch3"; NULL unknown. */
    const char *place;
    /* Of its links and its devices or cores, over what is usual; 1: as the others; 0: not measured. Bandwidth
     * and latency: the median of its links over that of all; computing: the rate over that of its class. */
    double bandwidth_factor, latency_factor, compute_factor;
    const char *note; /* how it deviates; NULL when it doesn't */
};

/* One figure, with how well it is known. */
struct measurement {
    const char *level;     /* name of the network level, or "node" */
    const char *what;      /* "latency", "bandwidth", "all_reduce" ... */
    const char *transport; /* what carried it: "nccl", "mpi-gpu"; NULL: MPI from and to host memory */
    const char *between;   /* "host1:0 host2:0", or the group; NULL for the level as a whole */
    double message_bytes;
    int64_t members;
    int64_t count;
    /* Seconds, or bytes a second (measurement_unit); spread: the interquartile range. */
    double median, minimum, maximum, spread;
};

struct cluster {
    const char *name;
    const char *file; /* read from; NULL for one made in memory */
    struct cluster_source source;
    int64_t nodes;                 /* how many there are; 0: as many as asked */
    double energy_price_per_joule; /* of what the devices draw, beside their price; 0: in it, or unknown */
    struct cluster_node node;
    enum cluster_parallelism parallelism;
    struct cluster_store store;
    struct cluster_device device;
    struct network_level levels[CLUSTER_MAX_LEVELS]; /* from the device outwards; the last joins all */
    size_t level_count;
    struct cluster_host *hosts;
    size_t host_count;
    struct node_class *classes;
    size_t class_count;
    struct measurement *measurements;
    size_t measurement_count;
    const char *matrix_file; /* CSV with the pair matrix beside the cluster file; NULL when there is none */
};

/* Whether a host may have this name: graphic ASCII characters, but commas and colons, which end a name in the
 * matrix and in `between`. */
bool cluster_is_host_name(const char *name);

/* What a measurement of `what` counts in: UNIT_BYTES_PER_SECOND for every bandwidth, else UNIT_SECONDS. */
enum unit measurement_unit(const char *what);

/* Reads a cluster file, whole or not at all; checks that its levels nest, ports and peaks make sense. */
bool cluster_read(const char *path, struct arena *arena, struct cluster *cluster, struct error *error);

/* Writes it beside `path` and renames, so that a full disk or a signal leaves what was there. What
 * cluster_read reads back is the same struct (but for `file`). */
bool cluster_write(const struct cluster *cluster, const char *path, struct error *error);

/* True for NVIDIA's Hopper and what came since, and for other devices with fp8, which came with it. */
bool cluster_device_is_recent(const struct cluster_device *device);

/* NVIDIA's generation, or the one whose number formats another device shares: fp8 came with Hopper, its
 * scales by blocks with Blackwell. */
enum device_generation { GENERATION_AMPERE, GENERATION_HOPPER, GENERATION_BLACKWELL };
enum device_generation cluster_device_generation(const struct cluster_device *device);

/* Whether its host is a Grace, by the device's name. */
bool cluster_device_has_grace(const struct cluster_device *device);

/* Devices there are: nodes times devices a node; 0 when as many as asked. */
int64_t cluster_devices(const struct cluster *cluster);

/* The level that joins a group of `span` consecutive devices: the first whose group is at least as large. */
size_t cluster_level_of_span(const struct cluster *cluster, int64_t span);

#endif
