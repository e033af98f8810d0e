#include "probe/show.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/units.h"

enum { MAP_HOSTS_MAX = 80, WORD = 48, MATRIX_FIELDS = 14 };

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
        fprintf(stream, "%s: %lld node%s, %s, %lld cores, %s memory, %zu GPUs, %zu NICs\n", class->name,
                (long long)class->nodes, class->nodes == 1 ? "" : "s",
                class->cpu != NULL ? class->cpu : "unnamed processor", (long long)class->cores,
                units_format(class->memory_bytes, UNIT_BYTES, memory, sizeof memory), gpus, nics);
    }
}

static void show_deviations(const struct cluster *cluster, FILE *stream) {
    char rate[WORD];
    for (size_t i = 0; i < cluster->host_count; i++) {
        if (cluster->hosts[i].note != NULL) {
            fprintf(stream, "host %s: %s\n", cluster->hosts[i].name, cluster->hosts[i].note);
        }
    }
    for (size_t i = 0; i < cluster->measurement_count; i++) {
        const struct measurement *m = &cluster->measurements[i];
        if (strcmp(m->what, "slow_link_bandwidth") == 0) {
            fprintf(stream, "link %s: only %s\n", m->between != NULL ? m->between : "?",
                    units_format(m->median, UNIT_BYTES_PER_SECOND, rate, sizeof rate));
        }
    }
}

void show_cluster(const struct cluster *cluster, FILE *stream) {
    fprintf(stream, "%s: %lld node%s, %lld devices (%s) a node\n", cluster->name, (long long)cluster->nodes,
            cluster->nodes == 1 ? "" : "s", (long long)cluster->node.devices, cluster->device.name);
    if (cluster->source.note != NULL) {
        fprintf(stream, "note: %s\n", cluster->source.note);
    }
    show_levels(cluster, stream);
    show_classes(cluster, stream);
    show_deviations(cluster, stream);
}

static size_t host_index(const struct cluster *cluster, const char *name) {
    size_t host = 0;
    while (host < cluster->host_count && strcmp(cluster->hosts[host].name, name) != 0) {
        host++;
    }
    return host;
}

/* Fills rates[from * hosts + to] out of the rows "pairs,bandwidth,from,rank,to,rank,...,median at 11". */
static void read_rates(const struct cluster *cluster, FILE *file, double *rates) {
    char *line = NULL;
    size_t size = 0, hosts = cluster->host_count;
    while (getline(&line, &size, file) > 0) {
        char *fields[MATRIX_FIELDS] = {line}, *rest = line;
        size_t count = 0;
        for (char *field; count < MATRIX_FIELDS && (field = strsep(&rest, ",")) != NULL; count++) {
            fields[count] = field;
        }
        if (count < MATRIX_FIELDS || strcmp(fields[0], "pairs") != 0 || strcmp(fields[1], "bandwidth") != 0) {
            continue;
        }
        size_t from = host_index(cluster, fields[2]), to = host_index(cluster, fields[4]);
        double rate = strtod(fields[11], NULL);
        if (from < hosts && to < hosts && isfinite(rate)) {
            /* Links that looked slow were measured again. */
            rates[from * hosts + to] = fmax(rates[from * hosts + to], rate);
        }
    }
    free(line);
}

static char shade(double rate, double fastest) {
    if (!(rate > 0)) {
        return ' ';
    }
    int lost = (int)floor(10 * (1 - rate / fastest) + 0.5);
    return lost <= 0 ? '.' : (char)('0' + (lost > 9 ? 9 : lost));
}

bool show_heat_map(const struct cluster *cluster, const char *matrix_path, struct arena *arena, FILE *stream,
                   struct error *error) {
    size_t hosts = cluster->host_count;
    double fastest = 0;
    char rate[WORD];
    if (matrix_path == NULL || hosts < 2) {
        return true;
    }
    if (hosts > MAP_HOSTS_MAX) {
        fprintf(stream, "pairs of %zu hosts: see %s\n", hosts, matrix_path);
        return true;
    }
    struct stat status;
    if (stat(matrix_path, &status) == 0 && !S_ISREG(status.st_mode)) {
        return error_set(error, "%s: a directory, pipe or device, where the pairs were expected",
                         matrix_path);
    }
    FILE *file = fopen(matrix_path, "r");
    if (file == NULL) {
        return error_set(error, "can't open %s: %s", matrix_path, strerror(errno));
    }
    double *rates = ARENA_ARRAY(arena, double, hosts *hosts);
    read_rates(cluster, file, rates);
    fclose(file);
    for (size_t i = 0; i < hosts * hosts; i++) {
        fastest = fmax(fastest, rates[i]);
    }
    if (!(fastest > 0)) {
        return true;
    }
    fprintf(stream, "bandwidth from host (row) to host (column): . is %s, 1 to 9 are so many tenths less\n",
            units_format(fastest, UNIT_BYTES_PER_SECOND, rate, sizeof rate));
    for (size_t i = 0; i < hosts; i++) {
        fprintf(stream, "%16.16s ", cluster->hosts[i].name);
        for (size_t j = 0; j < hosts; j++) {
            fputc(i == j ? '-' : shade(rates[i * hosts + j], fastest), stream);
        }
        fputc('\n', stream);
    }
    return true;
}
