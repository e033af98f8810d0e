#include "probe/notes.h"

#include "probe/phases.h"
#include "probe/result.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"

const char *notes_add(struct arena *arena, const char *notes, const char *note) {
    fprintf(stderr, "clusterprobe: note: %s\n", note);
    return notes == NULL ? note : arena_print(arena, "%s; %s", notes, note);
}

const char *notes_of_placement(const struct placement *placement, struct arena *arena) {
    const char *notes = NULL;
    bool unbound = false;
    for (size_t i = 0; i < placement->host_count; i++)
        unbound = unbound || placement->hosts[i].unbound;
    if (placement->ranks == 1) {
        notes = notes_add(arena, notes,
                          "one rank: no link is measured, only the node itself and its memory; "
                          "start it as mpirun -np 2 clusterprobe");
    }
    if (placement->crowded) {
        notes = notes_add(
            arena, notes,
            "oversubscribed: more ranks than cores that they may run on; latency and bandwidth are noisy, "
            "and worse than the machine can do");
    } else if (unbound) {
        notes = notes_add(
            arena, notes,
            "ranks are not bound to cores of their own; mpirun --bind-to core steadies the figures");
    }
    if (placement->share_machine)
        notes = notes_add(arena, notes, "several hosts are one machine (containers or namespaces)");
    return notes;
}

const char *notes_of_memory(const struct campaign *campaign, const char *notes) {
    const double tolerance = 0.02;
    size_t hosts = campaign->placement->host_count, differ = 0, first = 0;
    char ours[48], theirs[48];
    for (size_t i = hosts; i-- > 0;) {
        const struct node_summary *node = &campaign->nodes[i];
        if (fabs(node->hwloc_memory_bytes - node->memory_bytes) > tolerance * node->memory_bytes) {
            differ++;
            first = i;
        }
    }
    if (differ == 0)
        return notes;
    units_format(campaign->nodes[first].hwloc_memory_bytes, UNIT_BYTES, theirs, sizeof theirs);
    units_format(campaign->nodes[first].memory_bytes, UNIT_BYTES, ours, sizeof ours);
    return notes_add(campaign->arena, notes,
                     arena_print(campaign->arena, "hwloc counts %s of memory and the kernel %s on %s%s",
                                 theirs, ours, campaign->placement->hosts[first].name,
                                 differ > 1 ? arena_print(campaign->arena, " and %zu other host%s",
                                                          differ - 1, differ > 2 ? "s" : "")
                                            : ""));
}

const char *notes_of_libraries(const struct campaign *campaign) {
    const struct gpu_summary *gpu = &campaign->gpus[0];
    const char *nvml = campaign->nodes[0].nvml;
    if (nvml[0] == '\0')
        return NULL;
    const char *words = arena_print(campaign->arena, "%s; %s", nvml, gpu->words);
    return gpu->blas[0] == '\0'
               ? words
               : arena_print(campaign->arena, "%s; %s; %s; MPI %s buffers of GPUs", words, gpu->blas,
                             gpu->nccl, gpu->mpi_takes_buffers ? "takes" : "takes no");
}

/* A GPU of another name than the first that the job has; NULL: none. */
static const char *find_unlike(const struct node_summary *node, bool some) {
    const char *first;
    node_gpus(node, &first);
    for (int64_t i = 0; i < node->part_count; i++) {
        const struct node_summary_part *part = &node->parts[i];
        if (part->kind == PART_GPU && (part->usable || !some) && strcmp(part->name, first) != 0)
            return part->name;
    }
    return NULL;
}

/* Ranks without a GPU of their own, where there are GPUs. */
static const char *note_ranks_without(const struct campaign *campaign, const char *notes) {
    int32_t without = 0, first = 0;
    for (int32_t rank = campaign->placement->ranks; rank-- > 0;) {
        if (!campaign->gpus[rank].usable) {
            without++;
            first = rank;
        }
    }
    if (without == 0)
        return notes;
    return notes_add(campaign->arena, notes,
                     arena_print(campaign->arena,
                                 "%d of %d ranks have no GPU of their own, so none is measured with others; "
                                 "rank %d: %s",
                                 without, campaign->placement->ranks, first, campaign->gpus[first].words));
}

const char *notes_of_gpus(const struct campaign *campaign, const char *notes) {
    const char *name;
    struct arena *arena = campaign->arena;
    const struct node_summary *node = &campaign->nodes[0];
    const char *host = campaign->placement->hosts[0].name;
    int64_t usable = node_gpus(node, &name), all = node_all_gpus(node), mig = 0;
    const char *unlike = find_unlike(node, usable < all);
    for (int64_t i = 0; i < node->part_count; i++)
        mig += node->parts[i].mig;
    if (usable < all) {
        notes = notes_add(arena, notes,
                          arena_print(arena, "the job may use %lld of the %lld GPUs of %s", (long long)usable,
                                      (long long)all, host));
    }
    if (unlike != NULL)
        notes = notes_add(arena, notes, arena_print(arena, "unlike GPUs in one node: %s, %s", name, unlike));
    if (mig > 0) {
        notes = notes_add(
            arena, notes,
            arena_print(arena, "%lld of the GPUs of %s are cut into instances (MIG)", (long long)mig, host));
    }
    return all > 0 && node->nvml[0] != '\0' ? note_ranks_without(campaign, notes) : notes;
}

const char *notes_of_refusals(const struct campaign *campaign, const char *notes) {
    static const char *const what[TRANSPORT_COUNT] = {[TRANSPORT_HOST] = "a collective was not measured",
                                                      [TRANSPORT_DEVICE] = "a GPU was not measured",
                                                      [TRANSPORT_NCCL] = "NCCL was given up"};
    for (int t = 0; t < TRANSPORT_COUNT; t++) {
        if (campaign->refused[t] != NULL) {
            notes = notes_add(campaign->arena, notes,
                              arena_print(campaign->arena, "%s: %s", what[t], campaign->refused[t]));
        }
    }
    return notes;
}

const char *notes_of_fit(const struct campaign *campaign, const char *notes) {
    struct result_held_out held_out;
    result_held_out(campaign, &held_out);
    if (held_out.sizes > 0) {
        notes =
            notes_add(campaign->arena, notes,
                      arena_print(campaign->arena,
                                  "%zu time%s of collectives at sizes that no fit saw %s predicted within "
                                  "%.0f %% in the median, nine in ten within %.0f %%",
                                  held_out.sizes, units_plural((int64_t)held_out.sizes),
                                  held_out.sizes == 1 ? "is" : "are", 100 * held_out.sizes_error,
                                  100 * held_out.sizes_nine_in_ten));
    }
    if (held_out.groups > 0) {
        notes = notes_add(campaign->arena, notes,
                          arena_print(campaign->arena,
                                      "%zu in groups that no fit saw within %.0f %% in the median, nine in "
                                      "ten within %.0f %%",
                                      held_out.groups, 100 * held_out.groups_error,
                                      100 * held_out.groups_nine_in_ten));
    }
    return notes;
}

const char *notes_of_noise(const struct campaign *campaign, const char *notes) {
    static const struct {
        enum task_kind kind;
        const char *words;
    } figures[] = {{TASK_STREAM, "bandwidths"}, {TASK_LATENCY, "latencies"}};
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        struct analysis_noise noise;
        if (analysis_is_noisy(campaign->records, figures[i].kind, &noise)) {
            notes = notes_add(campaign->arena, notes,
                              arena_print(campaign->arena,
                                          "noisy: in %zu of %zu %s the middle half of the samples "
                                          "spreads over a quarter of the median and more",
                                          noise.noisy, noise.all, figures[i].words));
        }
    }
    return notes;
}

const char *notes_of_slow_links(const struct campaign *campaign, const char *notes) {
    size_t shorter = 0, all = 0;
    int64_t least = CAMPAIGN_STREAM_BYTES;
    char usual[48], shortest[48];
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->kind != TASK_STREAM)
            continue;
        all++;
        shorter += record->sent_bytes < record->bytes ? 1 : 0;
        least = record->sent_bytes < least ? record->sent_bytes : least;
    }
    if (shorter == 0)
        return notes;
    units_format(CAMPAIGN_STREAM_BYTES, UNIT_BYTES, usual, sizeof usual);
    units_format((double)least, UNIT_BYTES, shortest, sizeof shortest);
    return notes_add(
        campaign->arena, notes,
        arena_print(campaign->arena,
                    "%zu of %zu bandwidths are of messages shorter than %s, down to %s, as links are "
                    "slow",
                    shorter, all, usual, shortest));
}

/* Levels that could not be loaded, as too few of the hosts are sound: the file then says 1. */
static const char *note_unloaded(const struct campaign *campaign, const char *notes) {
    const size_t hosts_min = 4; /* of two pairs */
    size_t levels = campaign->placement->host_count >= hosts_min ? campaign->levels.count : 0;
    for (size_t level = 0; level < levels; level++) {
        double best[ANALYSIS_LOADS];
        analysis_find_loaded(campaign->records, (int32_t)level, best);
        if (!(best[0] > 0)) {
            notes =
                notes_add(campaign->arena, notes,
                          arena_print(campaign->arena,
                                      "no oversubscription of the %s was measured: it has no two pairs of "
                                      "hosts that could load it at once",
                                      result_level_name(campaign, level)));
        }
    }
    return notes;
}

/* Levels whose loss under load may be that of the cores which their hosts share: the file then says 1. */
static const char *note_untold(const struct campaign *campaign, const char *notes) {
    size_t levels = campaign->placement->share_machine ? campaign->levels.count : 0;
    for (size_t level = 0; level < levels; level++) {
        double untold, alone = phases_usual(campaign, level).bandwidth;
        analysis_oversubscription(campaign->records, (int32_t)level, alone, true, &untold);
        if (untold > 1) {
            notes =
                notes_add(campaign->arena, notes,
                          arena_print(campaign->arena,
                                      "oversubscription of the %s is not told: %.3g at most, but its hosts "
                                      "share the cores of one machine, which alone may slow streams so",
                                      result_level_name(campaign, level), untold));
        }
    }
    return notes;
}

/* Pairs of hosts of which a bandwidth is known. The plan may meet some twice, and the time may end it. */
static size_t measured_pairs(const struct campaign *campaign) {
    const struct placement *placement = campaign->placement;
    size_t hosts = placement->host_count, cells = hosts * hosts, count = 0;
    struct arena *scratch = arena_create();
    bool *met = ARENA_ARRAY(scratch, bool, cells);
    for (size_t r = 0; r < campaign->records->count; r++) {
        const struct record *record = &campaign->records->items[r];
        if (record->phase != PHASE_PAIRS || record->kind != TASK_STREAM)
            continue;
        size_t from = (size_t)placement->host_of[record->from], to = (size_t)placement->host_of[record->to];
        bool *known = &met[from < to ? from * hosts + to : to * hosts + from];
        count += *known ? 0 : 1;
        *known = true;
    }
    arena_destroy(scratch);
    return count;
}

static const char *note_pairs(const struct campaign *campaign, const char *notes) {
    const struct schedule_plan *plan = &campaign->plan;
    struct arena *arena = campaign->arena;
    size_t hosts = campaign->placement->host_count, all = hosts * (hosts - 1) / 2;
    size_t measured = measured_pairs(campaign);
    if (measured < all) {
        notes = notes_add(arena, notes,
                          arena_print(arena, "%zu of %zu pairs of hosts were measured%s", measured, all,
                                      plan->sampled ? ", sampled: neighbours at the distances 1, 2, 4 ... in "
                                                      "the hosts' order, then rounds spread evenly"
                                                    : ""));
    }
    if (!plan->sampled && plan->at_once > 1) {
        notes = notes_add(
            arena, notes,
            arena_print(arena, "up to %lld pairs of hosts were measured at once", (long long)plan->at_once));
    }
    return notes;
}

const char *notes_of_plan(const struct campaign *campaign, const char *notes) {
    struct arena *arena = campaign->arena;
    notes = note_pairs(campaign, notes);
    if (campaign->unclear_links > 0) {
        notes =
            notes_add(arena, notes,
                      arena_print(arena,
                                  "%zu direction%s of pairs looked slow, but other work on the machine or "
                                  "the network, or the time limit, left it unclear",
                                  campaign->unclear_links, units_plural((int64_t)campaign->unclear_links)));
    }
    if (campaign->quick)
        notes = notes_add(arena, notes, "--quick: no messages by size, no load, no collectives");
    else if (campaign_seconds_left(campaign) > 0)
        notes = note_unloaded(campaign, notes);
    notes = note_untold(campaign, notes);
    if (campaign_seconds_left(campaign) <= 0)
        notes = notes_add(arena, notes, "the time limit ended it before all was measured");
    return notes;
}
