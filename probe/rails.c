#include "probe/rails.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/cluster.h"

static const struct node_summary_part *find_gpu(const struct node_summary *node, const char *pci) {
    for (int64_t i = 0; pci != NULL && pci[0] != '\0' && i < node->part_count; i++)
        if (node->parts[i].kind == PART_GPU && strcmp(node->parts[i].pci, pci) == 0)
            return &node->parts[i];
    return NULL;
}

/* Cards of a fabric where there are any, else the plain ones; of a NUMA node, or of any (-1). Returns how
 * many. */
static size_t candidates(const struct node_summary *node, int32_t numa,
                         const struct node_summary_part *found[NODE_PARTS_MAX]) {
    bool fabric = false;
    size_t count = 0;
    for (int64_t i = 0; i < node->part_count; i++) {
        const struct node_summary_part *part = &node->parts[i];
        fabric = fabric || (part->kind == PART_NIC && part->fabric && part->up != 0);
    }
    for (int64_t i = 0; i < node->part_count; i++) {
        const struct node_summary_part *part = &node->parts[i];
        if (part->kind == PART_NIC && part->up != 0 && (part->fabric || !fabric) &&
            (numa < 0 || part->numa == numa))
            found[count++] = part;
    }
    return count;
}

void rails_find_nic(const struct node_summary *node, const struct rails_rank *ranks, size_t count,
                    size_t local, char nic[RAILS_TEXT]) {
    const struct node_place *place = ranks[local].place;
    const struct node_summary_part *gpu = find_gpu(node, ranks[local].gpu_pci), *found[NODE_PARTS_MAX];
    size_t turn = 0;
    nic[0] = '\0';
    if (place->told[0] != '\0') {
        snprintf(nic, RAILS_TEXT, "%.64s (as told)", place->told);
    } else if (gpu != NULL && gpu->near[0] != '\0') {
        snprintf(nic, RAILS_TEXT, "%.80s", gpu->near);
    } else if (place->numa >= 0) {
        for (size_t i = 0; i < local && i < count; i++)
            turn += ranks[i].place->numa == place->numa ? 1 : 0;
        size_t near = candidates(node, place->numa, found);
        size_t all = near > 0 ? near : candidates(node, -1, found);
        if (all > 0) {
            snprintf(nic, RAILS_TEXT, "%.48s (%s)", found[turn % all]->name,
                     near > 0 ? "same NUMA node" : "across NUMA nodes");
        }
    }
}

/* Looks at one rail between two hosts, in one direction. Other work only takes away, so the best counts. */
struct look {
    int32_t from, to;
    double best;
    size_t count;
};

static struct look *gather(const struct records *records, struct arena *arena, size_t *count) {
    struct look *looks = ARENA_ARRAY(arena, struct look, records->count + 1);
    *count = 0;
    for (size_t r = 0; r < records->count; r++) {
        const struct record *record = &records->items[r];
        if (record->phase != PHASE_RAIL || record->summary.count == 0)
            continue;
        size_t i = 0;
        while (i < *count && (looks[i].from != record->from || looks[i].to != record->to))
            i++;
        if (i == *count)
            looks[(*count)++] = (struct look){.from = record->from, .to = record->to};
        looks[i].best = fmax(looks[i].best, record->summary.upper_quartile);
        looks[i].count++;
    }
    return looks;
}

/* The fastest rail of the same pair of hosts, in the same direction. */
static const struct look *fastest_beside(const struct look *looks, size_t count, const int32_t *host_of,
                                         const struct look *look) {
    const struct look *fastest = look;
    for (size_t i = 0; i < count; i++)
        if (host_of[looks[i].from] == host_of[look->from] && host_of[looks[i].to] == host_of[look->to] &&
            looks[i].best > fastest->best)
            fastest = &looks[i];
    return fastest;
}

size_t rails_suspects(const struct records *records, const int32_t *host_of, struct arena *arena,
                      struct rails_suspect suspects[RAILS_SLOW_MAX]) {
    size_t count, found = 0;
    const struct look *looks = gather(records, arena, &count);
    for (size_t i = 0; i < count && found < RAILS_SLOW_MAX; i++) {
        const struct look *beside = fastest_beside(looks, count, host_of, &looks[i]);
        if (looks[i].count < RAILS_LOOKS && looks[i].best < CLUSTER_SLOW_FACTOR * beside->best) {
            suspects[found++] = (struct rails_suspect){looks[i].from, looks[i].to, beside->from, beside->to,
                                                       (int32_t)looks[i].count};
        }
    }
    return found;
}

/* What one host's rail gets in one direction. */
struct rail {
    bool measured,
        sound;     /* sound: beside one partner at least it keeps up, or it wasn't looked at often enough */
    double factor; /* the best */
};

void rails_judge(const struct records *records, const int32_t *host_of, const int32_t *local_of, size_t hosts,
                 struct arena *arena, struct rails_slow slow[RAILS_SLOW_MAX], size_t *count) {
    size_t look_count;
    int32_t rails = 0;
    const struct look *looks = gather(records, arena, &look_count);
    for (size_t i = 0; i < look_count; i++)
        rails = local_of[looks[i].from] >= rails ? local_of[looks[i].from] + 1 : rails;
    struct rail *all = ARENA_ARRAY(arena, struct rail, hosts * (size_t)(rails + 1) * 2);
    for (size_t i = 0; i < look_count; i++) {
        double factor = looks[i].best / fastest_beside(looks, look_count, host_of, &looks[i])->best;
        bool sound = factor >= CLUSTER_SLOW_FACTOR || looks[i].count < RAILS_LOOKS;
        for (int sends = 0; sends < 2; sends++) {
            int32_t rank = sends ? looks[i].from : looks[i].to;
            struct rail *rail =
                &all[((size_t)host_of[rank] * (size_t)rails + (size_t)local_of[rank]) * 2 + (size_t)sends];
            rail->measured = true;
            rail->sound = rail->sound || sound;
            rail->factor = fmax(rail->factor, factor);
        }
    }
    *count = 0;
    for (size_t i = 0; i < hosts * (size_t)rails * 2 && *count < RAILS_SLOW_MAX; i++) {
        if (all[i].measured && !all[i].sound) {
            slow[(*count)++] = (struct rails_slow){i / 2 / (size_t)rails, (int32_t)(i / 2 % (size_t)rails),
                                                   i % 2 != 0, all[i].factor};
        }
    }
}

int64_t rails_ports(double alone, double together, int64_t known, int64_t ranks, int64_t devices) {
    if (!(together > 0) || !(alone > 0))
        return 1;
    int64_t ports = known > 0 ? known : (int64_t)floor(together / alone + 0.5);
    ports = ports > ranks ? ranks : ports;
    ports = ports < 1 ? 1 : ports;
    while (devices % ports != 0 && ports % devices != 0)
        ports--;
    return ports;
}
