#include "probe/placement.h"

#include <mpi.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/units.h"
#include "probe/identity.h"

enum {
    VERSION_MAX_BYTES = 32,
    OPTION_MAX_BYTES = 32,
    NAME_MAX_BYTES = 256,
    BOOT_MAX_BYTES = 48,
    WORDS_MAX_BYTES = 512
};

/* What each rank says first. Its layout is that of all versions, so that any two can tell that they differ.
 */
struct hello {
    char version[VERSION_MAX_BYTES];
    char host[NAME_MAX_BYTES];
};

/* What each rank says of itself then. */
struct card {
    char host[NAME_MAX_BYTES];
    char boot[BOOT_MAX_BYTES];
    char wrong[WORDS_MAX_BYTES]; /* with its options; empty: nothing */
    char hint[WORDS_MAX_BYTES];
    char instead[OPTION_MAX_BYTES]; /* of its wish; empty: it is to measure */
    int32_t shared_leader;          /* lowest rank that shares memory with this one */
    cpu_set_t cores;                /* that this rank may run on, as the system numbers them */
    struct node_place place;
    char settings[IDENTITY_SETTINGS_BYTES];
};

static void find_cores(cpu_set_t *cores) {
    if (sched_getaffinity(0, sizeof *cores, cores) == 0)
        return;
    long online = sysconf(_SC_NPROCESSORS_ONLN); /* more of them than the set has room for */
    CPU_ZERO(cores);
    for (long core = 0; core < online && core < CPU_SETSIZE; core++)
        CPU_SET((size_t)core, cores);
}

static void read_first_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "r");
    line[0] = '\0';
    if (file != NULL) {
        if (fgets(line, (int)size, file) != NULL)
            line[strcspn(line, "\n")] = '\0';
        fclose(file);
    }
}

static void fill_hello(struct hello *hello) {
    char name[MPI_MAX_PROCESSOR_NAME] = "";
    int length;
    memset(hello, 0, sizeof *hello);
    snprintf(hello->version, sizeof hello->version, "%s", CLUSTERPLAN_VERSION);
    /* Several Slurm daemons on one machine share its host name, but not this. */
    const char *slurm_name = getenv("SLURMD_NODENAME");
    if (slurm_name != NULL && slurm_name[0] != '\0')
        snprintf(hello->host, sizeof hello->host, "%s", slurm_name);
    else if (MPI_Get_processor_name(name, &length) == MPI_SUCCESS && name[0] != '\0')
        snprintf(hello->host, sizeof hello->host, "%s", name);
    else
        snprintf(hello->host, sizeof hello->host, "unnamed");
}

static void describe_difference(const char *own, const char *first, struct error *wrong) {
    if (own[0] == '\0')
        error_set(wrong, "not given %s, as rank 0 was", first);
    else if (first[0] == '\0')
        error_set(wrong, "given %s, as rank 0 was not", own);
    else
        error_set(wrong, "given %s, but rank 0 was given %s", own, first);
    error_hint(wrong, "all ranks take the same options");
}

/* Holds the options of a rank that is to measure against those of rank 0, which would silently be followed.
 * Called by all ranks, which have the same table. */
static void compare_options(struct arena *arena, struct placement_wish *wish) {
    int rank, measures = wish->instead == NULL && wish->wrong.what[0] == '\0';
    int first_measures = measures;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Bcast(&first_measures, 1, MPI_INT, 0, MPI_COMM_WORLD);
    for (size_t i = 0; first_measures && i < wish->given_count; i++) {
        int bytes = (int)strlen(wish->given[i]) + 1;
        MPI_Bcast(&bytes, 1, MPI_INT, 0, MPI_COMM_WORLD);
        char *first = ARENA_ARRAY(arena, char, (size_t)bytes);
        if (rank == 0)
            memcpy(first, wish->given[i], (size_t)bytes);
        MPI_Bcast(first, bytes, MPI_CHAR, 0, MPI_COMM_WORLD);
        if (measures && strcmp(first, wish->given[i]) != 0) {
            describe_difference(wish->given[i], first, &wish->wrong);
            measures = 0;
        }
    }
}

static void fill_card(const char *host, const struct placement_wish *wish, struct card *card) {
    memset(card, 0, sizeof *card);
    snprintf(card->host, sizeof card->host, "%s", host);
    read_first_line("/proc/sys/kernel/random/boot_id", card->boot, sizeof card->boot);
    snprintf(card->wrong, sizeof card->wrong, "%.*s", WORDS_MAX_BYTES - 1, wish->wrong.what);
    snprintf(card->hint, sizeof card->hint, "%.*s", WORDS_MAX_BYTES - 1, wish->wrong.hint);
    snprintf(card->instead, sizeof card->instead, "%s", wish->instead != NULL ? wish->instead : "");
    MPI_Comm shared;
    int rank, leader;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &shared);
    MPI_Allreduce(&rank, &leader, 1, MPI_INT, MPI_MIN, shared);
    MPI_Comm_free(&shared);
    card->shared_leader = leader;
    find_cores(&card->cores);
    node_locate(&card->place);
    identity_list_settings((const char *const *)environ, card->settings);
}

static const char *binding_words(const struct card *card, struct arena *arena) {
    const struct node_place *place = &card->place;
    int cores = CPU_COUNT(&card->cores);
    const char *words = arena_print(arena, "%d core%s", cores, units_plural(cores));
    if (place->package >= 0)
        words = arena_print(arena, "%s of package %d", words, (int)place->package);
    if (place->numa >= 0)
        words = arena_print(arena, "%s, NUMA node %d", words, (int)place->numa);
    return words;
}

static void add_rank(struct arena *arena, struct placement *placement, const struct card *card,
                     int32_t rank) {
    struct placement_host *host = &placement->hosts[placement->host_of[rank]];
    if (host->rank_count == 0) {
        host->name = arena_copy_string(arena, card->host);
        host->boot = arena_copy_string(arena, card->boot);
    }
    placement->local_of[rank] = host->rank_count;
    placement->places[rank] = card->place;
    placement->bindings[rank] = binding_words(card, arena);
    placement->settings[rank] = arena_copy_string(arena, card->settings);
    host->ranks[host->rank_count++] = rank;
}

static int compare_cards(const void *left, const void *right) {
    const struct card *one = *(const struct card *const *)left, *other = *(const struct card *const *)right;
    int order = strcmp(one->host, other->host);
    return order != 0 ? order : (one > other) - (one < other);
}

/* Numbers the hosts in the order of their first ranks, by sorting: there may be hundreds of thousands of
 * ranks. Gives each host room for its ranks. */
static void number_hosts(const struct card *cards, struct arena *arena, struct placement *placement) {
    size_t ranks = (size_t)placement->ranks;
    const struct card **sorted = ARENA_ARRAY(arena, const struct card *, ranks);
    int32_t *first_of = ARENA_ARRAY(arena, int32_t, ranks), *count_of = ARENA_ARRAY(arena, int32_t, ranks);
    for (size_t i = 0; i < ranks; i++)
        sorted[i] = &cards[i];
    qsort(sorted, ranks, sizeof *sorted, compare_cards);
    for (size_t i = 0, begin = 0; i < ranks; i++) {
        begin = strcmp(sorted[i]->host, sorted[begin]->host) == 0 ? begin : i;
        first_of[sorted[i] - cards] = (int32_t)(sorted[begin] - cards);
        count_of[sorted[begin] - cards]++;
    }
    int32_t *room = ARENA_ARRAY(arena, int32_t, ranks);
    for (size_t rank = 0; rank < ranks; rank++) {
        bool leads = first_of[rank] == (int32_t)rank;
        if (leads) {
            placement->hosts[placement->host_count].ranks = room;
            room += count_of[rank];
        }
        placement->host_of[rank] =
            leads ? (int32_t)placement->host_count++ : placement->host_of[first_of[rank]];
    }
}

/* Ranks with the same host name must share memory and a kernel; else two machines have one name. */
static bool check_card(const struct placement *placement, const struct card *cards, int32_t rank,
                       struct error *error) {
    const struct card *card = &cards[rank];
    const struct placement_host *host = &placement->hosts[placement->host_of[rank]];
    if (!cluster_is_host_name(card->host)) {
        error_set(error,
                  "rank %d runs on a host named \"%s\"; blanks, commas, colons, control characters and "
                  "letters beyond ASCII can't be written down",
                  rank, card->host);
        return error_hint(error, "hostname sets it; under Slurm the probe takes SLURMD_NODENAME");
    }
    if (host->rank_count > 0) {
        const struct card *leader = &cards[host->ranks[0]];
        if (strcmp(leader->boot, card->boot) != 0 || leader->shared_leader != card->shared_leader) {
            error_set(error, "two machines have the same name, %s", card->host);
            return error_hint(error, "every host needs a host name of its own");
        }
    }
    return true;
}

static bool check_versions(const struct hello *hellos, int ranks, struct error *error) {
    for (int rank = 1; rank < ranks; rank++) {
        if (strcmp(hellos[rank].version, hellos[0].version) != 0) {
            return error_set(error, "clusterprobe %s runs on host %s, but %s on host %s", hellos[0].version,
                             hellos[0].host, hellos[rank].version, hellos[rank].host);
        }
    }
    return true;
}

/* The first rank whose options are wrong speaks for all: mostly they have the same. */
static bool check_options(const struct card *cards, int32_t ranks, struct error *error) {
    for (int32_t rank = 0; rank < ranks; rank++) {
        const struct card *card = &cards[rank];
        if (card->wrong[0] != '\0') {
            if (rank == 0)
                error_set(error, "%s", card->wrong);
            else
                error_set(error, "rank %d on host %s: %s", rank, card->host, card->wrong);
            return error_hint(error, "%s", card->hint);
        }
    }
    return true;
}

/* All are to measure, or to do the same instead. */
static bool check_wishes(const struct card *cards, int32_t ranks, struct error *error) {
    for (int32_t rank = 1; rank < ranks; rank++) {
        if (strcmp(cards[rank].instead, cards[0].instead) == 0)
            continue;
        int32_t one = cards[0].instead[0] != '\0' ? 0 : rank, other = rank - one;
        bool both = cards[other].instead[0] != '\0';
        error_set(error, "rank %d on host %s was given %s, and rank %d on host %s was %s%s", one,
                  cards[one].host, cards[one].instead, other, cards[other].host, both ? "given " : "not",
                  cards[other].instead);
        return error_hint(error, "%s goes without mpirun", cards[one].instead);
    }
    return true;
}

/* Of two hosts of one machine, or one host twice: whose cores are whose. `confined` counts for each rank
 * those, itself included, that may run nowhere else than where it may. */
static void compare_cores(const struct card *cards, struct placement_host *host,
                          const struct placement_host *other, int32_t *confined) {
    for (int32_t i = 0; i < host->rank_count; i++) {
        for (int32_t j = 0; j < other->rank_count; j++) {
            const cpu_set_t *one = &cards[host->ranks[i]].cores, *theirs = &cards[other->ranks[j]].cores;
            cpu_set_t both;
            CPU_AND(&both, one, theirs);
            confined[host->ranks[i]] += CPU_EQUAL(&both, theirs) ? 1 : 0;
            host->unbound = host->unbound || (host == other && i != j && CPU_COUNT(&both) > 0);
        }
    }
}

static void judge_cores(const struct card *cards, struct arena *arena, struct placement *placement) {
    int32_t *confined = ARENA_ARRAY(arena, int32_t, (size_t)placement->ranks);
    for (size_t i = 0; i < placement->host_count; i++) {
        for (size_t j = 0; j < placement->host_count; j++) {
            if (strcmp(placement->hosts[i].boot, placement->hosts[j].boot) != 0)
                continue;
            placement->share_machine = placement->share_machine || i != j;
            compare_cores(cards, &placement->hosts[i], &placement->hosts[j], confined);
        }
    }
    for (int32_t rank = 0; rank < placement->ranks; rank++)
        placement->crowded = placement->crowded || confined[rank] > CPU_COUNT(&cards[rank].cores);
}

static bool arrange(const struct card *cards, struct arena *arena, struct placement *placement,
                    struct error *error) {
    placement->hosts = ARENA_ARRAY(arena, struct placement_host, (size_t)placement->ranks);
    placement->host_of = ARENA_ARRAY(arena, int32_t, (size_t)placement->ranks);
    placement->local_of = ARENA_ARRAY(arena, int32_t, (size_t)placement->ranks);
    placement->places = ARENA_ARRAY(arena, struct node_place, (size_t)placement->ranks);
    placement->bindings = ARENA_ARRAY(arena, const char *, (size_t)placement->ranks);
    placement->settings = ARENA_ARRAY(arena, const char *, (size_t)placement->ranks);
    number_hosts(cards, arena, placement);
    for (int32_t rank = 0; rank < placement->ranks; rank++) {
        if (!check_card(placement, cards, rank, error))
            return false;
        add_rank(arena, placement, &cards[rank], rank);
    }
    judge_cores(cards, arena, placement);
    return true;
}

/* What rank 0 found, on all ranks. */
static bool tell(bool good) {
    int state = good ? 1 : 0;
    MPI_Bcast(&state, 1, MPI_INT, 0, MPI_COMM_WORLD);
    return state != 0;
}

bool placement_gather(struct arena *arena, struct placement_wish *wish, struct placement *placement,
                      bool *crowded, const char **leader, struct error *error) {
    int rank, ranks;
    struct hello hello, *hellos = NULL;
    struct card card, *cards = NULL;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    memset(placement, 0, sizeof *placement);
    placement->ranks = ranks;
    if (rank == 0) {
        hellos = ARENA_ARRAY(arena, struct hello, (size_t)ranks);
        cards = ARENA_ARRAY(arena, struct card, (size_t)ranks);
    }
    fill_hello(&hello);
    MPI_Gather(&hello, (int)sizeof hello, MPI_BYTE, hellos, (int)sizeof hello, MPI_BYTE, 0, MPI_COMM_WORLD);
    if (!tell(rank != 0 || check_versions(hellos, ranks, error)))
        return false;
    compare_options(arena, wish);
    fill_card(hello.host, wish, &card);
    MPI_Gather(&card, (int)sizeof card, MPI_BYTE, cards, (int)sizeof card, MPI_BYTE, 0, MPI_COMM_WORLD);
    if (!tell(rank != 0 || (check_options(cards, ranks, error) && check_wishes(cards, ranks, error) &&
                            (wish->instead != NULL || arrange(cards, arena, placement, error)))))
        return false;
    *crowded = tell(placement->crowded);
    MPI_Bcast(hello.host, (int)sizeof hello.host, MPI_BYTE, 0, MPI_COMM_WORLD);
    *leader = arena_copy_string(arena, hello.host);
    return true;
}
