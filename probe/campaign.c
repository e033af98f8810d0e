#include "probe/campaign.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "probe/collectives.h"
#include "probe/crew.h"
#include "probe/phases.h"
#include "probe/text_list.h"

/* The longest that one message may take. Slower links than 0.4 MB a second are sent shorter ones than 4 MiB.
 */
static const double STALL_SECONDS = 10;
static const double ROLL_CALL_SECONDS = 3;

int32_t campaign_leader(const struct campaign *campaign, size_t host) {
    return campaign->placement->hosts[host].ranks[0];
}

void campaign_nic(const struct campaign *campaign, int32_t rank, char nic[RAILS_TEXT]) {
    const struct placement *placement = campaign->placement;
    const struct placement_host *host = &placement->hosts[placement->host_of[rank]];
    struct rails_rank *ranks = ARENA_ARRAY(campaign->arena, struct rails_rank, (size_t)host->rank_count);
    for (int32_t r = 0; r < host->rank_count; r++) {
        ranks[r] =
            (struct rails_rank){&placement->places[host->ranks[r]], campaign->gpus[host->ranks[r]].pci};
    }
    rails_find_nic(&campaign->nodes[placement->host_of[rank]], ranks, (size_t)host->rank_count,
                   (size_t)placement->local_of[rank], nic);
}

double campaign_seconds_left(const struct campaign *campaign) {
    return campaign->limit_seconds - (clock_seconds() - campaign->begin);
}

static const char *host_name(const struct campaign *campaign, int32_t rank) {
    return campaign->placement->hosts[campaign->placement->host_of[rank]].name;
}

/* Names hosts whose leaders don't answer any more. Returns how many there are. */
static size_t silent_hosts(const struct campaign *campaign, char *names, size_t size) {
    size_t hosts = campaign->placement->host_count, silent = 0;
    int32_t *leaders = ARENA_ARRAY(campaign->arena, int32_t, hosts);
    bool *answers = ARENA_ARRAY(campaign->arena, bool, hosts);
    for (size_t i = 0; i < hosts; i++)
        leaders[i] = campaign_leader(campaign, i);
    crew_roll_call(leaders, hosts, ROLL_CALL_SECONDS, answers);
    names[0] = '\0';
    for (size_t i = 0; i < hosts; i++) {
        if (!answers[i]) {
            silent++;
            text_list_add(names, size, ", ", "%s", campaign->placement->hosts[i].name);
        }
    }
    return silent;
}

/* Which of the tasks did not end well, and whose fault that is. Always false. */
static bool blame(struct campaign *campaign, const struct task *tasks, const struct report *reports,
                  size_t count, struct error *error) {
    char silent[256], stalled[256] = "";
    size_t silent_count = silent_hosts(campaign, silent, sizeof silent);
    bool streams = tasks[0].kind == TASK_STREAM || tasks[0].kind == TASK_EXCHANGE;
    const char *advice =
        streams ? "; where only long messages are lost, cards or switches differ in their MTU" : "";
    campaign->failed = true;
    for (size_t i = 0; i < count; i++) {
        if (reports[i].state == REPORT_DONE || reports[i].state == REPORT_REFUSED)
            continue;
        int32_t rank = reports[i].rank, peer = tasks[i].peer;
        bool is_pair = tasks[i].kind >= TASK_LATENCY && tasks[i].kind <= TASK_EXCHANGE;
        if (is_pair && tasks[i].role == ROLE_INITIATOR) {
            text_list_add(stalled, sizeof stalled, ", ", "%s (rank %d) with %s (rank %d)",
                          host_name(campaign, rank), rank, host_name(campaign, peer), peer);
        } else if (!is_pair) {
            text_list_add(stalled, sizeof stalled, ", ", "%s (rank %d)", host_name(campaign, rank), rank);
        }
    }
    if (silent_count > 0 && silent_count + 1 == campaign->placement->host_count && silent_count > 1) {
        error_set(error, "%s, where rank 0 runs, can't reach any other host; stalled: %s",
                  campaign->placement->hosts[0].name, stalled);
    } else if (silent_count > 0) {
        error_set(error, "no answer from %s; stalled: %s%s", silent, stalled, advice);
    } else {
        error_set(error, "the hosts answer, but this measurement stalled: %s%s", stalled, advice);
    }
    return false;
}

bool campaign_measure(struct campaign *campaign, const struct record *key, const struct campaign_pair *pairs,
                      size_t count, double seconds, bool together, struct error *error) {
    struct task *tasks = campaign->tasks;
    int32_t *ranks = campaign->ranks;
    struct report *reports = campaign->reports;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        struct record asked = *key;
        asked.from = pairs[i].from;
        asked.to = pairs[i].to;
        asked.members = (int32_t)count;
        if (records_find(campaign->records, &asked) != NULL)
            continue;
        tasks[used] = (struct task){.kind = key->kind,
                                    .role = ROLE_INITIATOR,
                                    .peer = pairs[i].to,
                                    .transport = key->transport,
                                    .bytes = key->bytes,
                                    .seconds = seconds,
                                    .stall_seconds = STALL_SECONDS};
        ranks[used++] = pairs[i].from;
    }
    for (size_t i = 0; i < used; i++) {
        tasks[i].together_root = ranks[0];
        tasks[i].together_count = together ? (int32_t)used : 0;
        tasks[used + i] = tasks[i];
        tasks[used + i].role = ROLE_RESPONDER;
        tasks[used + i].peer = ranks[i];
        ranks[used + i] = tasks[i].peer;
    }
    bool good = used == 0 || crew_run(tasks, ranks, 2 * used, reports) ||
                blame(campaign, tasks, reports, 2 * used, error);
    for (size_t i = 0; good && i < used; i++) {
        struct record record = *key;
        record.from = ranks[i];
        record.to = tasks[i].peer;
        record.members = (int32_t)count;
        record.summary = reports[i].summary;
        record.sent_bytes = reports[i].sent_bytes;
        good = records_add(campaign->records, &record, error);
    }
    return good && records_flush(campaign->records, error);
}

bool campaign_measure_one(struct campaign *campaign, const struct record *key,
                          const struct campaign_pair *pair, double seconds, struct summary *seen,
                          struct error *error) {
    const struct records *records = campaign->records;
    struct record asked = *key;
    asked.from = pair->from;
    asked.to = pair->to;
    asked.members = 1;
    const struct record *known = records_find(campaign->records, &asked);
    if (known != NULL) {
        *seen = known->summary;
        return true;
    }
    if (!campaign_measure(campaign, key, pair, 1, seconds, false, error))
        return false;
    *seen = records->items[records->count - 1].summary;
    return true;
}

void campaign_gather(const struct campaign *campaign, struct arena *arena, struct analysis_matrix *matrix) {
    const struct placement *placement = campaign->placement;
    analysis_gather(campaign->records, placement->host_of, placement->host_count, arena, matrix);
    if (campaign->verdicts != NULL) {
        matrix->verdict = campaign->verdicts;
        matrix->late_verdict = campaign->late_verdicts;
    }
}

/* What a rank could not measure, the first time it is told. */
static void refuse(struct campaign *campaign, enum transport transport, const struct report *report) {
    if (campaign->refused[transport] == NULL) {
        campaign->refused[transport] = arena_print(campaign->arena, "rank %d on %s: %s", report->rank,
                                                   host_name(campaign, report->rank), report->why);
    }
}

bool campaign_alone(struct campaign *campaign, enum task_kind kind, const int32_t *ranks, size_t count,
                    double seconds, int32_t number, struct error *error) {
    struct task *tasks = campaign->tasks;
    struct report *reports = campaign->reports;
    struct record record = {
        .phase = PHASE_MEMORY, .kind = (int32_t)kind, .members = (int32_t)count, .level = number};
    record.from = record.to = ranks[count - 1];
    if (records_find(campaign->records, &record) != NULL)
        return true; /* the last of them was kept, so all were */
    for (size_t i = 0; i < count; i++)
        tasks[i] = (struct task){.kind = (int32_t)kind, .seconds = seconds, .stall_seconds = STALL_SECONDS};
    if (!crew_run(tasks, ranks, count, reports))
        return blame(campaign, tasks, reports, count, error);
    for (size_t i = 0; i < count; i++) {
        record.from = record.to = ranks[i];
        record.summary = reports[i].summary;
        if (reports[i].state == REPORT_REFUSED)
            refuse(campaign, TRANSPORT_DEVICE, &reports[i]);
        else if (!records_add(campaign->records, &record, error))
            return false;
    }
    return records_flush(campaign->records, error);
}

/* The same task for all members of a group. */
static bool run_group(struct campaign *campaign, const struct task *task, const int32_t *ranks, size_t count,
                      struct report *first, struct error *error) {
    struct task *tasks = campaign->tasks;
    struct report *reports = campaign->reports;
    *first = (struct report){0};
    for (size_t i = 0; i < count; i++)
        tasks[i] = *task;
    if (!crew_run(tasks, ranks, count, reports))
        return blame(campaign, tasks, reports, count, error);
    *first = reports[0];
    return true;
}

bool campaign_form(struct campaign *campaign, enum transport transport, bool trial, const int32_t *ranks,
                   size_t count, struct error *error) {
    /* NCCL finds its way through the machine and connects all members: seconds, and more for many. */
    const double nccl_seconds = 20, nccl_member_seconds = 0.05;
    const struct task task = {
        .kind = TASK_GROUP,
        .transport = (int32_t)transport,
        .trial = trial ? 1 : 0,
        .members = (int32_t)count,
        .seconds = transport == TRANSPORT_NCCL ? nccl_seconds + nccl_member_seconds * (double)count : 0,
        .stall_seconds = STALL_SECONDS};
    struct report report;
    collectives_send_group(ranks, count);
    if (!run_group(campaign, &task, ranks, count, &report, error))
        return false;
    if (report.state == REPORT_REFUSED)
        refuse(campaign, transport, &report);
    return true;
}

/* Whether each is on another host. */
static bool are_apart(const struct campaign *campaign, const int32_t *ranks, size_t count) {
    struct arena *scratch = arena_create();
    bool *seen = ARENA_ARRAY(scratch, bool, campaign->placement->host_count);
    bool apart = true;
    for (size_t i = 0; i < count; i++) {
        int32_t host = campaign->placement->host_of[ranks[i]];
        apart = apart && !seen[host];
        seen[host] = true;
    }
    arena_destroy(scratch);
    return apart;
}

bool campaign_collective(struct campaign *campaign, const struct record *key, const int32_t *ranks,
                         size_t count, double seconds, struct record *result, struct error *error) {
    struct report report;
    *result = *key;
    result->from = ranks[0];
    result->members = (int32_t)count;
    const struct record *known = records_find(campaign->records, result);
    if (known != NULL) {
        *result = *known;
        return true;
    }
    const struct task task = {.kind = TASK_COLLECTIVE,
                              .operation = key->operation,
                              .transport = key->transport,
                              .members = (int32_t)count,
                              .apart = are_apart(campaign, ranks, count) ? 1 : 0,
                              .bytes = key->bytes,
                              .seconds = seconds,
                              .stall_seconds = STALL_SECONDS};
    if (!run_group(campaign, &task, ranks, count, &report, error))
        return false;
    result->summary = report.summary;
    if (report.state == REPORT_REFUSED) {
        refuse(campaign, (enum transport)key->transport, &report);
        return true;
    }
    return records_add(campaign->records, result, error) && records_flush(campaign->records, error);
}

/* A GPU that several ranks have measures none of them. */
static void take_apart(struct campaign *campaign) {
    const struct placement *placement = campaign->placement;
    campaign->gpu_each = campaign->device_buffers = true;
    for (int32_t rank = 0; rank < placement->ranks; rank++) {
        struct gpu_summary *gpu = &campaign->gpus[rank];
        const struct placement_host *host = &placement->hosts[placement->host_of[rank]];
        for (int32_t r = 0; gpu->usable && r < host->rank_count && host->ranks[r] < rank; r++) {
            const struct gpu_summary *other = &campaign->gpus[host->ranks[r]];
            if (other->usable && memcmp(other->uuid, gpu->uuid, sizeof gpu->uuid) == 0) {
                gpu->usable = 0;
                snprintf(gpu->words, sizeof gpu->words, "it has the GPU of rank %d", host->ranks[r]);
            }
        }
        campaign->gpu_each = campaign->gpu_each && gpu->usable;
        campaign->device_buffers = campaign->device_buffers && gpu->usable && gpu->mpi_takes_buffers;
    }
}

static bool open_gpus(struct campaign *campaign, struct error *error) {
    const struct placement *placement = campaign->placement;
    size_t ranks = (size_t)placement->ranks;
    int32_t *local = ARENA_ARRAY(campaign->arena, int32_t, ranks);
    campaign->gpus = ARENA_ARRAY(campaign->arena, struct gpu_summary, ranks);
    if (campaign->node_source->host_only || campaign->node_source->hwloc_xml != NULL)
        return true;
    for (size_t i = 0; i < placement->host_count; i++)
        for (int32_t r = 0; r < placement->hosts[i].rank_count; r++)
            local[placement->hosts[i].ranks[r]] = r;
    for (size_t rank = 0; rank < ranks; rank++)
        campaign->ranks[rank] = (int32_t)rank;
    if (!crew_open_gpus(campaign->tasks, campaign->ranks, local, ranks, campaign->reports, campaign->gpus))
        return blame(campaign, campaign->tasks, campaign->reports, ranks, error);
    take_apart(campaign);
    return true;
}

bool campaign_describe(struct campaign *campaign, struct error *error) {
    campaign->begin = clock_seconds();
    size_t room = (size_t)campaign->placement->ranks;
    campaign->tasks = ARENA_ARRAY(campaign->arena, struct task, room);
    campaign->ranks = ARENA_ARRAY(campaign->arena, int32_t, room);
    campaign->reports = ARENA_ARRAY(campaign->arena, struct report, room);
    size_t hosts = campaign->placement->host_count;
    int32_t *leaders = campaign->ranks;
    struct report *reports = campaign->reports;
    campaign->nodes = ARENA_ARRAY(campaign->arena, struct node_summary, hosts);
    for (size_t i = 0; i < hosts; i++)
        leaders[i] = campaign_leader(campaign, i);
    if (!crew_describe(campaign->tasks, leaders, hosts, campaign->node_source, reports, campaign->nodes))
        return blame(campaign, campaign->tasks, reports, hosts, error);
    for (size_t i = 0; i < hosts; i++) {
        if (campaign->nodes[i].error[0] != '\0') {
            return error_set(error, "host %s: %s", campaign->placement->hosts[i].name,
                             campaign->nodes[i].error);
        }
    }
    return open_gpus(campaign, error);
}

bool campaign_run(struct campaign *campaign, struct error *error) {
    progress_start(&campaign->progress, clock_seconds());
    bool good = phases_run(campaign, error);
    progress_clear(&campaign->progress);
    return good;
}
