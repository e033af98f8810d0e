#include "probe/result.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "probe/analysis.h"
#include "probe/rails.h"

/* Words in a GPU's name, and the shipped topology with that device; the first that fits. */
static const struct {
    const char *word, *and_word; /* and_word NULL: none */
    const char *device;          /* what the base's device name must hold */
    const char *topology;
} known_gpus[] = {
    {"A100", "40GB", "A100", "dgx-a100-40g"}, {"A100", NULL, "A100", "dgx-a100-80g"},
    {"H100", NULL, "H100", "dgx-h100"},       {"H200", NULL, "H200", "dgx-h200"},
    {"H800", NULL, "H800", "dgx-h800"},       {"GB200", NULL, "GB200", "gb200-nvl72"},
    {"B200", NULL, "B200", "dgx-b200"},       {"MI250X", NULL, "MI250X", "mi250x-frontier"},
    {"MI300X", NULL, "MI300X", "mi300x"},
};
enum { KNOWN_GPUS = sizeof known_gpus / sizeof *known_gpus };

static size_t find_gpu(const char *gpu) {
    size_t i = 0;
    while (i < KNOWN_GPUS &&
           (strstr(gpu, known_gpus[i].word) == NULL ||
            (known_gpus[i].and_word != NULL && strstr(gpu, known_gpus[i].and_word) == NULL)))
        i++;
    return i;
}

const char *result_topology_of_gpu(const char *gpu) {
    size_t found = find_gpu(gpu);
    return found < KNOWN_GPUS ? known_gpus[found].topology : NULL;
}

bool result_check_base(const struct campaign *campaign, const struct cluster *base, struct error *error) {
    const double memory_tolerance = 0.15; /* parts are sold in rounded sizes */
    const struct node_summary *node = &campaign->nodes[0];
    const char *gpu, *host = campaign->placement->hosts[0].name;
    node_gpus(node, &gpu);
    size_t found = gpu != NULL ? find_gpu(gpu) : KNOWN_GPUS;
    if (found == KNOWN_GPUS || base->device.name == NULL)
        return true;
    double memory = 0;
    for (int64_t i = 0; i < node->part_count; i++)
        memory = fmax(memory, node->parts[i].memory_bytes);
    bool same_size = memory <= 0 || fabs(memory / base->device.memory_bytes - 1) <= memory_tolerance;
    if (strstr(base->device.name, known_gpus[found].device) == NULL || !same_size) {
        error_set(error, "the base %s is of %s, but host %s has %s", base->name, base->device.name, host,
                  gpu);
        return error_hint(error, "--base %s fits", known_gpus[found].topology);
    }
    return true;
}

const char *result_level_name(const struct campaign *campaign, size_t level) {
    static const char *const inner[] = {"rack", "switch"};
    size_t count = campaign->levels.count;
    if (level + 1 == count)
        return "network";
    size_t below = count - 2 - level; /* 0: just inside the whole network */
    return below < sizeof inner / sizeof *inner ? inner[below]
                                                : arena_print(campaign->arena, "tier%zu", level + 1);
}

void result_summarize(const struct campaign *campaign, enum record_phase phase, int32_t kind, int32_t level,
                      struct summary *summary) {
    result_summarize_over(campaign, TRANSPORT_HOST, phase, kind, level, summary);
}

void result_summarize_over(const struct campaign *campaign, enum transport transport, enum record_phase phase,
                           int32_t kind, int32_t level, struct summary *summary) {
    size_t room = campaign->records->count + 1, count = 0;
    double *values[5];
    for (size_t v = 0; v < 5; v++)
        values[v] = ARENA_ARRAY(campaign->arena, double, room);
    memset(summary, 0, sizeof *summary);
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        bool typical = record->bytes == CAMPAIGN_LATENCY_BYTES || record->bytes == CAMPAIGN_STREAM_BYTES ||
                       phase == PHASE_MEMORY;
        bool wanted = record->phase == (int32_t)phase && record->kind == kind && record->level == level &&
                      record->transport == (int32_t)transport;
        if (!wanted || !typical || record->summary.count == 0 ||
            (kind == TASK_LATENCY && record->bytes != CAMPAIGN_LATENCY_BYTES))
            continue;
        const struct summary *s = &record->summary;
        values[0][count] = s->minimum;
        values[1][count] = s->lower_quartile;
        values[2][count] = s->median;
        values[3][count] = s->upper_quartile;
        values[4][count++] = s->maximum;
        summary->count += s->count;
    }
    if (count > 0) {
        summary->minimum = summary_quantile(values[0], count, 0);
        summary->lower_quartile = summary_median(values[1], count);
        summary->median = summary_median(values[2], count);
        summary->upper_quartile = summary_median(values[3], count);
        summary->maximum = summary_quantile(values[4], count, 1);
    }
}

/* Ranks of one host are not looked at for cores that they share: the note says where there are too few. */
static double oversubscription(const struct campaign *campaign, int32_t level, double alone) {
    double untold;
    bool share_cores = level >= 0 && campaign->placement->share_machine;
    return analysis_oversubscription(campaign->records, level, alone, share_cores, &untold);
}

/* What all ranks of a node carry together between two hosts; 0 when there is one rank a host. */
static double rails_bandwidth(const struct campaign *campaign, size_t level) {
    double sum = 0, best = 0;
    int32_t host = -1, repetition = 0;
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase != PHASE_RAILS || record->level != (int32_t)level)
            continue;
        int32_t from = campaign->placement->host_of[record->from];
        bool same = from == host && record->operation == repetition;
        sum = same ? sum + record->summary.median : record->summary.median;
        host = from;
        repetition = record->operation;
        best = fmax(best, sum);
    }
    return best;
}

/* The inside of a node, or of its sockets. False when it was not measured. */
static bool make_inner_level(const struct campaign *campaign, int32_t level, int64_t devices,
                             struct network_level *out) {
    const bool node = level == CAMPAIGN_LEVEL_NODE;
    const enum record_group group = node ? GROUP_HOST : GROUP_SOCKET;
    struct summary latency, stream;
    result_summarize(campaign, PHASE_SWEEP, TASK_LATENCY, level, &latency);
    result_summarize(campaign, PHASE_SWEEP, TASK_STREAM, level, &stream);
    if (latency.count == 0 || stream.count == 0)
        return false;
    *out = (struct network_level){.name = node ? "node" : campaign->sockets.name,
                                  .devices = devices,
                                  .bandwidth_bytes_per_second = stream.median,
                                  .latency_seconds = latency.median,
                                  .oversubscription = oversubscription(campaign, -1, stream.median),
                                  .from = "measured"};
    result_fit(campaign,
               &(struct result_groups){.level = level, .mpi = group, .nccl = GROUP_NONE, .host_memory = true},
               out);
    return true;
}

/* Hosts of the largest group of a level. */
static int64_t hosts_in_group(const struct levels_level *level, size_t hosts) {
    int64_t largest = 0;
    for (size_t group = 0; group < level->group_count; group++) {
        int64_t members = 0;
        for (size_t i = 0; i < hosts; i++)
            members += (size_t)level->group_of[i] == group ? 1 : 0;
        largest = members > largest ? members : largest;
    }
    return largest;
}

/* A level of the network. False when time was up before any of its pairs was measured. */
static bool make_network_level(const struct campaign *campaign, const struct analysis_matrix *matrix,
                               size_t level, int64_t devices_per_node, struct network_level *out) {
    size_t hosts = campaign->placement->host_count;
    bool outermost = level + 1 == campaign->levels.count;
    struct analysis_usual usual;
    analysis_usual(matrix, &campaign->levels, level, campaign->arena, &usual);
    double alone = usual.bandwidth;
    double together = rails_bandwidth(campaign, level), rate;
    if (!(alone > 0))
        return false;
    int64_t ports = rails_ports(alone, together, node_fast_nics(&campaign->nodes[0], &rate),
                                campaign->placement->hosts[0].rank_count, devices_per_node);
    int64_t members = hosts_in_group(&campaign->levels.level[level], hosts);
    *out = (struct network_level){.name = result_level_name(campaign, level),
                                  .devices = outermost ? 0 : members * devices_per_node,
                                  .bandwidth_bytes_per_second = fmax(alone, together) / (double)ports,
                                  .ports = ports,
                                  .latency_seconds = usual.least_latency,
                                  .oversubscription = oversubscription(campaign, (int32_t)level, alone),
                                  .from = "measured"};
    const struct result_groups groups = {(int32_t)level,
                                         outermost    ? GROUP_LEADERS
                                         : level == 0 ? GROUP_INNER
                                                      : GROUP_NONE,
                                         outermost    ? GROUP_EVERYTHING
                                         : level == 0 ? GROUP_INNER
                                                      : GROUP_NONE,
                                         true,
                                         fmax(alone, together) / alone,
                                         devices_per_node};
    result_fit(campaign, &groups, out);
    return true;
}

/* Levels of the base that lie in a node, cut to the devices there are. */
static void add_base_levels(const struct cluster *base, int64_t devices, struct cluster *cluster) {
    for (size_t i = 0; i < base->level_count; i++) {
        bool inside = base->levels[i].devices != 0 && base->levels[i].devices <= base->node.devices;
        if (!inside && (cluster->level_count > 0 || i + 1 < base->level_count))
            continue;
        struct network_level *level = &cluster->levels[cluster->level_count++];
        *level = base->levels[i];
        level->devices = level->devices == 0 || level->devices > devices ? devices : level->devices;
        level->from = "base";
    }
}

/* What joins the nodes of the base; nothing where it is of one node. */
static void add_base_network(const struct cluster *base, struct cluster *cluster) {
    const struct network_level *outermost = &base->levels[base->level_count - 1];
    if (outermost->devices == 0 || outermost->devices > base->node.devices) {
        struct network_level *level = &cluster->levels[cluster->level_count++];
        *level = *outermost;
        level->from = "base";
    }
}

static void make_levels(const struct campaign *campaign, const struct cluster *base, bool gpus,
                        struct cluster *cluster) {
    int64_t devices = cluster->node.devices;
    size_t hosts = campaign->placement->host_count;
    /* GPUs talk over links of their own, which messages between host memories don't show. */
    size_t sockets = campaign->sockets.name != NULL ? campaign->sockets.groups : 0;
    bool divides = !gpus && sockets > 1 && devices % (int64_t)sockets == 0 && devices > (int64_t)sockets;
    if (divides && make_inner_level(campaign, CAMPAIGN_LEVEL_SOCKET, devices / (int64_t)sockets,
                                    &cluster->levels[cluster->level_count]))
        cluster->level_count++;
    if (gpus ||
        !make_inner_level(campaign, CAMPAIGN_LEVEL_NODE, devices, &cluster->levels[cluster->level_count])) {
        add_base_levels(base, devices, cluster);
        result_add_gpu_level(campaign, &cluster->levels[cluster->level_count - 1]);
    } else {
        cluster->level_count++;
    }
    if (hosts > 1) {
        struct analysis_matrix matrix;
        size_t inside = cluster->level_count;
        campaign_gather(campaign, campaign->arena, &matrix);
        for (size_t level = 0; level < campaign->levels.count && cluster->level_count < CLUSTER_MAX_LEVELS;
             level++) {
            struct network_level *out = &cluster->levels[cluster->level_count];
            cluster->level_count += make_network_level(campaign, &matrix, level, devices, out) ? 1 : 0;
        }
        if (cluster->level_count == inside)
            add_base_network(base, cluster); /* time was up before any pair of nodes was measured */
    }
    cluster->levels[cluster->level_count - 1].devices = 0;
}

static const char *file_stem(const char *path, struct arena *arena) {
    const char *slash = strrchr(path, '/');
    char *name = arena_copy_string(arena, slash != NULL ? slash + 1 : path);
    char *dot = strrchr(name, '.');
    if (dot != NULL && dot != name)
        *dot = '\0';
    return name;
}

static const char *today(struct arena *arena) {
    char text[40];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return arena_copy_string(arena, text);
}

void result_make(const struct campaign *campaign, const struct cluster *base,
                 const struct result_source *source, struct cluster *cluster) {
    const char *gpu;
    struct arena *arena = campaign->arena;
    int64_t gpus = node_gpus(&campaign->nodes[0], &gpu);
    memset(cluster, 0, sizeof *cluster);
    cluster->name = file_stem(source->output, arena);
    cluster->source = (struct cluster_source){.kind = SOURCE_MEASURED,
                                              .date = today(arena),
                                              .program = "clusterprobe " CLUSTERPLAN_VERSION,
                                              .mpi = source->mpi,
                                              .command = source->command,
                                              .libraries = source->libraries,
                                              .note = source->note};
    cluster->nodes = (int64_t)campaign->placement->host_count;
    cluster->node = base->node;
    cluster->node.devices = gpus > 0 ? gpus : base->node.devices;
    cluster->node.host_memory_bytes = campaign->nodes[0].memory_bytes;
    cluster->node.from = arena_print(arena, "base: %s; measured: host_memory%s",
                                     gpus > 0 ? "links" : "devices, links", gpus > 0 ? ", devices" : "");
    cluster->device = base->device;
    cluster->device.from = "base";
    result_add_device(campaign, cluster);
    cluster->source.from = arena_print(arena, "base %s", base->name);
    make_levels(campaign, base, gpus > 0, cluster);
    result_add_nodes(campaign, cluster);
    result_add_measurements(campaign, cluster);
    result_round(cluster);
}
