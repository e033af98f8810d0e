#include "probe/show.h"

#include <string.h>

#include "common/terminal.h"
#include "common/units.h"

enum { WORD = 48 };

static void show_levels(const struct cluster *cluster, FILE *stream) {
    char rate[WORD], latency[WORD], members[WORD];
    fprintf(stream, "%-10s %10s %6s %14s %12s %8s  %s\n", "level", "devices", "ports", "bandwidth", "latency",
            "oversub", "from");
    for (size_t i = 0; i < cluster->level_count; i++) {
        const struct network_level *level = &cluster->levels[i];
        snprintf(members, sizeof members, "%lld", (long long)level->devices);
        units_format(level->bandwidth_bytes_per_second, UNIT_BYTES_PER_SECOND, rate, sizeof rate);
        units_format(level->latency_seconds, UNIT_SECONDS, latency, sizeof latency);
        int64_t ports = level->ports > 0 ? level->ports : cluster->node.devices;
        fprintf(stream, "%-10.10s %10s %6lld %14s %12s %8.2f  %s\n", level->name,
                level->devices == 0 ? "all" : members, (long long)ports, rate, latency,
                level->oversubscription, level->from != NULL ? level->from : "-");
    }
}

static void show_classes(const struct cluster *cluster, FILE *stream) {
    char memory[WORD];
    for (size_t i = 0; i < cluster->class_count; i++) {
        const struct node_class *class = &cluster->classes[i];
        size_t gpus = 0, nics = 0;
        for (size_t p = 0; p < class->part_count; p++) {
            gpus += strcmp(class->parts[p].kind, "gpu") == 0 ? 1 : 0;
            nics += strcmp(class->parts[p].kind, "nic") == 0 ? 1 : 0;
        }
        fprintf(stream, "%s: %lld node%s, %s, %lld core%s, %s memory, %zu GPU%s, %zu NIC%s\n", class->name,
                (long long)class->nodes, units_plural(class->nodes),
                class->cpu != NULL ? class->cpu : "unnamed processor", (long long)class->cores,
                units_plural(class->cores),
                units_format(class->memory_bytes, UNIT_BYTES, memory, sizeof memory), gpus,
                units_plural((int64_t)gpus), nics, units_plural((int64_t)nics));
    }
}

/* What is usual at a level of that name; 0: there is none. */
static double usual_bandwidth(const struct cluster *cluster, const char *level) {
    for (size_t i = 0; i < cluster->level_count; i++)
        if (strcmp(cluster->levels[i].name, level) == 0)
            return cluster->levels[i].bandwidth_bytes_per_second;
    return 0;
}

static void show_deviations(const struct cluster *cluster, FILE *stream) {
    char rate[WORD];
    for (size_t i = 0; i < cluster->host_count; i++)
        if (cluster->hosts[i].note != NULL)
            fprintf(stream, "host %s: %s\n", cluster->hosts[i].name, cluster->hosts[i].note);
    for (size_t i = 0; i < cluster->measurement_count; i++) {
        const struct measurement *m = &cluster->measurements[i];
        if (strcmp(m->what, "slow_link_bandwidth") == 0) {
            double usual = usual_bandwidth(cluster, m->level);
            fprintf(stream, "link %s: only %s", m->between != NULL ? m->between : "?",
                    units_format(m->median, UNIT_BYTES_PER_SECOND, rate, sizeof rate));
            if (usual > 0)
                fprintf(stream, ", %.2f of what is usual in the %s", m->median / usual, m->level);
            fputc('\n', stream);
        }
    }
}

void show_cluster(const struct cluster *cluster, FILE *stream) {
    fprintf(stream, "%s: ", cluster->name);
    if (cluster->nodes > 0)
        fprintf(stream, "%lld node%s, ", (long long)cluster->nodes, units_plural(cluster->nodes));
    else
        fputs("as many nodes as asked, ", stream);
    fprintf(stream, "%lld device%s (%s) a node\n", (long long)cluster->node.devices,
            units_plural(cluster->node.devices), cluster->device.name);
    if (cluster->source.note != NULL) {
        fputs("note: ", stream);
        terminal_print_wrapped(cluster->source.note, strlen("note: "), stream);
    }
    show_levels(cluster, stream);
    show_classes(cluster, stream);
    show_deviations(cluster, stream);
}
