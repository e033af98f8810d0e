#include "probe/result.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "probe/analysis.h"
#include "probe/rails.h"
#include "probe/text_list.h"

static const char *const kind_words[] = {[TASK_MEMORY] = "memory_bandwidth",
                                         [TASK_LATENCY] = "latency",
                                         [TASK_STREAM] = "bandwidth",
                                         [TASK_EXCHANGE] = "exchange_bandwidth",
                                         [TASK_GPU_MEMORY] = "gpu_memory_bandwidth",
                                         [TASK_GPU_LINK] = "host_link_bandwidth",
                                         [TASK_GPU_PRODUCT] = "matrix_product",
                                         [TASK_COMPUTE] = "compute"};
static const char *const transport_words[TRANSPORT_COUNT] = {"mpi", "mpi-gpu", "nccl"};
static const char *const phase_words[PHASE_COUNT] = {"memory", "local",      "pairs", "sweep",   "loaded",
                                                     "rails",  "collective", "rail",  "held_out"};

static const char *note_of_part(const struct node_summary *node, const struct node_summary_part *part) {
    const char *name;
    bool some = node_gpus(node, &name) < node_all_gpus(node);
    if (part->kind == PART_GPU && some && !part->usable)
        return "not this job's";
    if (part->kind == PART_NIC && part->up == 0)
        return "link down";
    return part->mig ? "cut into instances (MIG)" : NULL;
}

static void make_class(const struct campaign *campaign, const struct node_summary *node,
                       struct node_class *out) {
    struct arena *arena = campaign->arena;
    *out = (struct node_class){.cpu = node->cpu[0] != '\0' ? node->cpu : NULL,
                               .packages = node->packages,
                               .cores = node->cores,
                               .threads = node->threads,
                               .numa_nodes = node->numa_nodes,
                               .memory_bytes = node->memory_bytes,
                               .l3_bytes = node->l3_bytes,
                               .l2_bytes = node->l2_bytes,
                               .part_count = (size_t)node->part_count};
    out->parts = ARENA_ARRAY(arena, struct node_part, out->part_count);
    for (size_t i = 0; i < out->part_count; i++) {
        const struct node_summary_part *part = &node->parts[i];
        out->parts[i] = (struct node_part){.kind = part->kind == PART_GPU ? "gpu" : "nic",
                                           .name = part->name,
                                           .pci = part->pci[0] != '\0' ? part->pci : NULL,
                                           .numa = part->numa,
                                           .rate_bytes_per_second = part->rate_bytes_per_second,
                                           .memory_bytes = part->memory_bytes,
                                           .links = part->links,
                                           .link_rate_bytes_per_second = part->link_bytes_per_second,
                                           .near = part->near[0] != '\0' ? part->near : NULL,
                                           .note = note_of_part(node, part)};
    }
}

/* "rack1/switch3": the groups of the levels inside the outermost. */
static const char *place_of(const struct campaign *campaign, size_t host) {
    char text[128] = "";
    for (size_t level = campaign->levels.count; level-- > 0;) {
        if (level + 1 < campaign->levels.count) {
            text_list_add(text, sizeof text, "/", "%s%d", result_level_name(campaign, level),
                          (int)campaign->levels.level[level].group_of[host]);
        }
    }
    return text[0] != '\0' ? arena_copy_string(campaign->arena, text) : NULL;
}

static void add_note(char *text, size_t size, const char *more) {
    if (more[0] != '\0')
        text_list_add(text, size, "; ", "%s", more);
}

/* Rails of the host that are slow. */
static void note_rails(const struct campaign *campaign, size_t host, char *text, size_t size) {
    struct rails_slow slow[RAILS_SLOW_MAX];
    size_t count;
    rails_judge(campaign->records, campaign->placement->host_of, campaign->placement->local_of,
                campaign->placement->host_count, campaign->arena, slow, &count);
    for (size_t i = 0; i < count; i++) {
        char nic[RAILS_TEXT];
        if (slow[i].host == host) {
            campaign_nic(campaign, campaign->placement->hosts[host].ranks[slow[i].rail], nic);
            text_list_add(text, size, "; ", "rail %d%s%s %s at %.2f of the fastest beside it", slow[i].rail,
                          nic[0] != '\0' ? ", " : "", nic, slow[i].sends ? "sends" : "receives",
                          slow[i].factor);
        }
    }
}

/* How fast the host computes: its GPUs, or else its cores and memory. That it is slow is only claimed where
 * it was confirmed. */
static void describe_speeds(const struct campaign *campaign, size_t index, struct cluster_host *out,
                            char *text, size_t size) {
    double factor = 0;
    for (int kind = 0; kind < SPEEDS_KINDS; kind++) {
        const struct speeds_host *speeds = &campaign->speeds[index];
        bool slow = campaign->speed_verdicts[kind][index] == VERDICT_SLOW && speeds->looks_slow[kind];
        if (slow) {
            text_list_add(text, size, "; ", "%s at %.2f of the usual rate", speeds_words[kind],
                          speeds->factor[kind]);
        }
        if (slow || (kind == SPEEDS_COMPUTE && !speeds->looks_slow[kind]))
            factor = factor > 0 ? fmin(factor, speeds->factor[kind]) : speeds->factor[kind];
    }
    double of_gpus = result_gpu_factor(campaign, index);
    out->compute_factor = of_gpus > 0 ? of_gpus : factor;
}

static void describe_host(const struct campaign *campaign, size_t index, const struct node_summary *usual,
                          struct cluster_host *out) {
    const struct node_summary *node = &campaign->nodes[index];
    char text[768] = "", difference[256];
    if (campaign->hosts != NULL) {
        const struct analysis_host *host = &campaign->hosts[index];
        bool one_way = host->sends > 0 && host->receives > 0;
        double factor = one_way ? fmin(host->sends, host->receives) : fmax(host->sends, host->receives);
        bool confirmed = host->note[0] != '\0';
        /* That a host is slow is only claimed where it was confirmed. */
        out->bandwidth_factor = confirmed || factor >= CLUSTER_SLOW_FACTOR ? factor : 0;
        bool late = campaign->late_verdicts[index] == VERDICT_SLOW;
        out->latency_factor = late || host->latency * CLUSTER_SLOW_FACTOR <= 1 ? host->latency : 0;
        add_note(text, sizeof text, host->note);
    }
    describe_speeds(campaign, index, out, text, sizeof text);
    node_difference(node, usual, difference, sizeof difference);
    add_note(text, sizeof text, difference);
    result_note_gpus(campaign, index, difference, sizeof difference);
    add_note(text, sizeof text, difference);
    note_rails(campaign, index, text, sizeof text);
    out->name = campaign->placement->hosts[index].name;
    out->place = place_of(campaign, index);
    out->note = text[0] != '\0' ? arena_copy_string(campaign->arena, text) : NULL;
}

void result_add_nodes(const struct campaign *campaign, struct cluster *cluster) {
    size_t hosts = campaign->placement->host_count, largest = 0;
    struct arena *arena = campaign->arena;
    size_t *first = ARENA_ARRAY(arena, size_t, hosts);
    const size_t *class_of = campaign->class_of;
    cluster->classes = ARENA_ARRAY(arena, struct node_class, hosts);
    cluster->hosts = ARENA_ARRAY(arena, struct cluster_host, hosts);
    cluster->host_count = hosts;
    for (size_t i = 0; i < hosts; i++) {
        size_t class = class_of[i];
        if (class == cluster->class_count) {
            first[class] = i;
            make_class(campaign, &campaign->nodes[i], &cluster->classes[class]);
            cluster->classes[class].name = arena_print(arena, "class%zu", class);
            cluster->class_count++;
        }
        cluster->classes[class].nodes++;
        largest = cluster->classes[class].nodes > cluster->classes[largest].nodes ? class : largest;
    }
    for (size_t i = 0; i < hosts; i++) {
        cluster->hosts[i].class_name = cluster->classes[class_of[i]].name;
        describe_host(campaign, i, &campaign->nodes[first[largest]], &cluster->hosts[i]);
    }
}

static bool is_collective(const struct record *record) {
    return record->kind == TASK_COLLECTIVE;
}

static const char *level_of(const struct campaign *campaign, const struct record *record) {
    if (is_collective(record)) {
        bool inner = record->level == GROUP_INNER;
        if (record->level == GROUP_SOCKET)
            return campaign->sockets.name;
        return record->level == GROUP_HOST
                   ? "node"
                   : result_level_name(campaign, inner ? 0 : campaign->levels.count - 1);
    }
    if (record->level == CAMPAIGN_LEVEL_SOCKET)
        return campaign->sockets.name;
    if (record->phase == PHASE_MEMORY || record->phase == PHASE_LOCAL || record->level < 0)
        return "node";
    return result_level_name(campaign, (size_t)record->level);
}

static const char *ends_of(const struct campaign *campaign, const struct record *record) {
    const struct placement *placement = campaign->placement;
    const char *from = placement->hosts[placement->host_of[record->from]].name;
    if (is_collective(record))
        return arena_print(campaign->arena, "%d ranks from %s:%d on", record->members, from, record->from);
    if (record->phase == PHASE_MEMORY)
        return arena_print(campaign->arena, "%s:%d", from, record->from);
    const char *to = placement->hosts[placement->host_of[record->to]].name;
    if (record->phase == PHASE_RAIL) {
        char near[RAILS_TEXT], near_other[RAILS_TEXT];
        campaign_nic(campaign, record->from, near);
        campaign_nic(campaign, record->to, near_other);
        bool known = near[0] != '\0' && near_other[0] != '\0';
        return arena_print(campaign->arena, known ? "%s:%d %s to %s:%d %s" : "%s:%d%s to %s:%d%s", from,
                           record->from, near, to, record->to, near_other);
    }
    return arena_print(campaign->arena, "%s:%d %s:%d", from, record->from, to, record->to);
}

static const char *what_of(const struct campaign *campaign, const struct record *record) {
    if (record->phase == PHASE_LOADED || record->phase == PHASE_RAILS || record->phase == PHASE_RAIL)
        return arena_print(campaign->arena, "%s_bandwidth", phase_words[record->phase]);
    const char *what = is_collective(record) ? collective_names[record->operation] : kind_words[record->kind];
    return record->phase == PHASE_HELD_OUT ? arena_print(campaign->arena, "%s_held_out", what) : what;
}

/* NULL when nothing was measured. */
static struct measurement *add_measurement(struct cluster *cluster, const char *level, const char *what,
                                           const char *between, int64_t bytes, int64_t members,
                                           const struct summary *s) {
    if (s->count == 0)
        return NULL;
    struct measurement *out = &cluster->measurements[cluster->measurement_count++];
    *out = (struct measurement){.level = level,
                                .what = what,
                                .between = between,
                                .message_bytes = (double)bytes,
                                .members = members,
                                .count = s->count,
                                .median = s->median,
                                .minimum = s->minimum,
                                .maximum = s->maximum,
                                .spread = summary_spread(s)};
    return out;
}

static int64_t sent_bytes_of(const struct record *record) {
    return record->sent_bytes > 0 ? record->sent_bytes : record->bytes;
}

/* Of the messages of a level's streams: the shortest. */
static int64_t stream_bytes_of(const struct campaign *campaign, enum record_phase phase, int32_t level) {
    int64_t least = CAMPAIGN_STREAM_BYTES;
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase == (int32_t)phase && record->kind == TASK_STREAM && record->level == level &&
            sent_bytes_of(record) < least)
            least = sent_bytes_of(record);
    }
    return least;
}

/* Each level as a whole, from the pairs that it joins. */
static void add_level_figures(const struct campaign *campaign, struct cluster *cluster) {
    struct summary summary;
    result_summarize(campaign, PHASE_LOCAL, TASK_LATENCY, 0, &summary);
    add_measurement(cluster, "node", "latency", NULL, CAMPAIGN_LATENCY_BYTES, 2, &summary);
    result_summarize(campaign, PHASE_LOCAL, TASK_STREAM, 0, &summary);
    add_measurement(cluster, "node", "bandwidth", NULL, stream_bytes_of(campaign, PHASE_LOCAL, 0), 2,
                    &summary);
    for (size_t level = 0; level < campaign->levels.count; level++) {
        const char *name = result_level_name(campaign, level);
        result_summarize(campaign, PHASE_SWEEP, TASK_LATENCY, (int32_t)level, &summary);
        add_measurement(cluster, name, "latency", NULL, CAMPAIGN_LATENCY_BYTES, 2, &summary);
        result_summarize(campaign, PHASE_SWEEP, TASK_STREAM, (int32_t)level, &summary);
        add_measurement(cluster, name, "bandwidth", NULL,
                        stream_bytes_of(campaign, PHASE_SWEEP, (int32_t)level), 2, &summary);
    }
}

static void add_slow_links(const struct campaign *campaign, struct cluster *cluster) {
    size_t hosts = campaign->placement->host_count;
    struct analysis_matrix matrix;
    if (hosts < 2)
        return;
    campaign_gather(campaign, campaign->arena, &matrix);
    for (size_t i = 0; i < campaign->slow_links.count; i++) {
        const struct analysis_link *link = &campaign->slow_links.items[i];
        struct record key = {.phase = PHASE_PAIRS,
                             .from = campaign_leader(campaign, link->from),
                             .to = campaign_leader(campaign, link->to)};
        double rate = (double)matrix.bandwidth[link->from * hosts + link->to];
        struct summary summary = {.count = 1, .minimum = rate, .median = rate, .maximum = rate};
        size_t level = levels_joining(&campaign->levels, link->from, link->to);
        add_measurement(cluster, result_level_name(campaign, level), "slow_link_bandwidth",
                        ends_of(campaign, &key), CAMPAIGN_STREAM_BYTES, 2, &summary);
    }
}

void result_add_measurements(const struct campaign *campaign, struct cluster *cluster) {
    size_t room = campaign->records->count + 2 * LEVELS_MAX + 2 + ANALYSIS_LINKS_MAX;
    cluster->measurements = ARENA_ARRAY(campaign->arena, struct measurement, room);
    add_level_figures(campaign, cluster);
    add_slow_links(campaign, cluster);
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        /* Pairs are many: they stand in the matrix file. */
        if (record->phase != PHASE_PAIRS && record->phase != PHASE_LOCAL) {
            int64_t members = is_collective(record) || record->phase == PHASE_MEMORY
                                  ? record->members
                                  : 2 * (int64_t)record->members;
            struct measurement *added =
                add_measurement(cluster, level_of(campaign, record), what_of(campaign, record),
                                ends_of(campaign, record), sent_bytes_of(record), members, &record->summary);
            if (added != NULL && record->transport != TRANSPORT_HOST)
                added->transport = transport_words[record->transport];
        }
    }
}

/* A fit's rest that no clock would show counts as none. */
static void round_to(double *value, enum unit unit) {
    const double least_seconds = 1e-12;
    if (unit == UNIT_SECONDS && fabs(*value) < least_seconds)
        *value = 0;
    *value = units_round(*value, unit);
}

static void round_level(struct network_level *level) {
    round_to(&level->bandwidth_bytes_per_second, UNIT_BYTES_PER_SECOND);
    round_to(&level->latency_seconds, UNIT_SECONDS);
    round_to(&level->oversubscription, UNIT_NONE);
    for (size_t c = 0; c < COLLECTIVE_COUNT; c++) {
        struct collective_constants *constants = &level->collectives[c];
        round_to(&constants->latency_seconds, UNIT_SECONDS);
        round_to(&constants->latency_per_member_seconds, UNIT_SECONDS);
        round_to(&constants->ramp_seconds, UNIT_SECONDS);
        round_to(&constants->bandwidth_bytes_per_second, UNIT_BYTES_PER_SECOND);
        for (size_t i = 0; i < constants->correction_count; i++)
            round_to(&constants->corrections[i].factor, UNIT_NONE);
    }
}

void result_round(struct cluster *cluster) {
    for (size_t i = 0; i < cluster->level_count; i++)
        round_level(&cluster->levels[i]);
    for (size_t i = 0; i < cluster->host_count; i++) {
        round_to(&cluster->hosts[i].bandwidth_factor, UNIT_NONE);
        round_to(&cluster->hosts[i].latency_factor, UNIT_NONE);
        round_to(&cluster->hosts[i].compute_factor, UNIT_NONE);
    }
    round_to(&cluster->node.host_link_bytes_per_second, UNIT_BYTES_PER_SECOND);
    round_to(&cluster->device.kernels.memory_efficiency, UNIT_NONE);
    round_to(&cluster->device.product_flops_per_second, UNIT_FLOPS_PER_SECOND);
    for (size_t i = 0; i < cluster->measurement_count; i++) {
        struct measurement *m = &cluster->measurements[i];
        enum unit unit = measurement_unit(m->what);
        round_to(&m->median, unit);
        round_to(&m->minimum, unit);
        round_to(&m->maximum, unit);
        round_to(&m->spread, unit);
    }
}

static bool write_rows(const struct campaign *campaign, FILE *file) {
    const struct placement *placement = campaign->placement;
    fprintf(file, "phase,what,from_host,from_rank,to_host,to_rank,at_once,bytes,count,minimum,lower_quartile,"
                  "median,upper_quartile,maximum,transport\n");
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        const struct summary *s = &record->summary;
        fprintf(file, "%s,%s,%s,%d,%s,%d,%d,%lld,%lld,%.6g,%.6g,%.6g,%.6g,%.6g,%s\n",
                phase_words[record->phase], what_of(campaign, record),
                placement->hosts[placement->host_of[record->from]].name, record->from,
                placement->hosts[placement->host_of[record->to]].name, record->to, record->members,
                (long long)sent_bytes_of(record), (long long)s->count, s->minimum, s->lower_quartile,
                s->median, s->upper_quartile, s->maximum, transport_words[record->transport]);
    }
    return fflush(file) == 0 && !ferror(file);
}

bool result_write_matrix(const struct campaign *campaign, const char *path, struct error *error) {
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return error_set(error, "can't write %s: %s", path, strerror(errno));
    bool good = write_rows(campaign, file);
    int reason = errno;
    if (fclose(file) != 0 && good) {
        reason = errno;
        good = false;
    }
    return good || error_set(error, "can't write %s: %s", path, strerror(reason));
}
