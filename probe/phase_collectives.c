/* The collectives of a campaign: which groups, which sizes. */
#include <math.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/cluster.h"
#include "probe/group_sizes.h"
#include "probe/phases.h"

static const double COLLECTIVE_SECONDS = 0.02; /* given to one operation of one size */
static const double WARM_UP_SECONDS = 0.03;
enum {
    COLLECTIVE_SIZES = 8,
    HELD_OUT_SIZES = 3,
    FINE_SIZES = 3,
    LOOKS_MAX = 3,
    LEVELS_LISTED = 4, /* socket, host, inner group, all hosts */
    GROUPS_MAX = LEVELS_LISTED * (GROUP_SIZES_MAX + 2) + 1,
    COLLECTIVE_OPERATIONS = COLLECTIVE_SEND_RECEIVE
};
static const int64_t collective_bytes[COLLECTIVE_SIZES] = {1 << 10,   4 << 10, 16 << 10, 64 << 10,
                                                           256 << 10, 1 << 20, 4 << 20,  16 << 20};
static const int64_t held_out_bytes[HELD_OUT_SIZES] = {11 << 10, 88 << 10, 2 << 20};
/* Where MPI changes algorithms, and how it sends a message (Open MPI over TCP at 64 KiB:
 * btl_tcp_eager_limit), times step between sizes: interpolation over a factor of four is off by 5 to 9 % in
 * the median there, and over two by half of that (simulated without noise: docs/probing.md). */
static const int64_t fine_bytes[FINE_SIZES] = {8 << 10, 32 << 10, 128 << 10};
/* Of the time limit, at most: looks at times that other work seems to have lengthened, fine groups and sizes.
 * They take no longer than the first looks. Samples of a look, or two looks, agree where they differ by less
 * than the second. */
static const double SPARE_SHARE = 0.05, STEADY_SHARE = 0.05;

/* The looks at one operation of one size. */
struct looks {
    double least; /* seconds; 0: left out */
    bool known;   /* it needs no further look */
};

/* Other work makes the samples of a look differ, or one look from the next. */
static void add_look(struct looks *looks, const struct summary *seen) {
    double seconds = seen->lower_quartile;
    bool first = !(looks->least > 0), steady = seconds <= (1 + STEADY_SHARE) * seen->minimum;
    bool agrees = !first && fmax(seconds, looks->least) <= (1 + STEADY_SHARE) * fmin(seconds, looks->least);
    looks->known = agrees || (steady && (first || seconds < looks->least));
    looks->least = first ? seconds : fmin(seconds, looks->least);
}

/* What is measured of a group by one look. */
struct turn {
    const struct phases_operations *operations;
    const int32_t *ranks;
    size_t count;
    bool fine;    /* the sizes between */
    bool again;   /* those whose time isn't known yet */
    double until; /* clock_seconds() */
};

/* One operation by rising sizes, each with its `looks`. */
static bool measure_sizes(struct campaign *campaign, const struct turn *turn, const struct record *asked,
                          const int64_t *bytes, size_t sizes, struct looks *looks, struct error *error) {
    const double longest_seconds = 0.1; /* of one operation: the next size is left out where it would pass */
    struct phases_took before = {0}, last = {0};
    double least = 0; /* over a long way the smallest may take that long */
    for (size_t s = 0; s < sizes && !phases_time_is_up(campaign) && clock_seconds() < turn->until; s++) {
        bool too_long = phases_extrapolate(&before, &last, bytes[s]) > fmax(longest_seconds, 2 * least);
        if (!turn->again && (too_long || campaign->refused[asked->transport] != NULL))
            break;
        if (turn->again && (looks[s].known || !(looks[s].least > 0)))
            continue;
        struct record key = *asked, result;
        key.bytes = bytes[s];
        if (!campaign_collective(campaign, &key, turn->ranks, turn->count, COLLECTIVE_SECONDS, &result,
                                 error))
            return false;
        before = last;
        least = s == 0 ? result.summary.minimum : least;
        last =
            (struct phases_took){bytes[s], result.summary.minimum}; /* other work must not leave sizes out */
        add_look(&looks[s], &result.summary);
    }
    return true;
}

static size_t figures_of(const struct phases_operations *operations) {
    return operations->count + operations->held_out_count + operations->fine_count;
}

/* How many of the fine sizes lie below the largest that was measured. */
static size_t count_fine(const struct phases_operations *operations, const struct looks *looks) {
    size_t measured = 0, fine = 0;
    while (measured < operations->count && looks[measured].least > 0)
        measured++;
    while (measured > 0 && fine < operations->fine_count &&
           operations->fine_bytes[fine] < operations->bytes[measured - 1])
        fine++;
    return fine;
}

static bool measure_operations(struct campaign *campaign, const struct turn *turn, struct looks *looks,
                               struct error *error) {
    const struct phases_operations *operations = turn->operations;
    struct record key = {.phase = PHASE_COLLECTIVE,
                         .kind = TASK_COLLECTIVE,
                         .transport = (int32_t)operations->transport,
                         .level = (int32_t)operations->group};
    struct record held_out = key;
    held_out.phase = PHASE_HELD_OUT;
    for (int operation = operations->first; operation <= operations->last; operation++) {
        key.operation = held_out.operation = operation;
        struct looks *others = looks + operations->count, *fine = others + operations->held_out_count;
        if (!turn->fine &&
            (!measure_sizes(campaign, turn, &key, operations->bytes, operations->count, looks, error) ||
             !measure_sizes(campaign, turn, &held_out, operations->held_out_bytes, operations->held_out_count,
                            others, error)))
            return false;
        if (turn->fine && !measure_sizes(campaign, turn, &key, operations->fine_bytes,
                                         count_fine(operations, looks), fine, error))
            return false;
        looks += figures_of(operations);
    }
    return true;
}

bool phases_measure_group(struct campaign *campaign, const struct phases_operations *operations,
                          const int32_t *ranks, size_t count, struct error *error) {
    size_t figures = (size_t)(operations->last - operations->first + 1) * figures_of(operations);
    struct looks *looks = ARENA_ARRAY(campaign->arena, struct looks, figures);
    const struct turn turn = {operations, ranks, count, false, false, HUGE_VAL};
    return campaign_form(campaign, operations->transport, false, ranks, count, error) &&
           measure_operations(campaign, &turn, looks, error);
}

/* A group to measure. */
struct group {
    struct phases_operations operations;
    const int32_t *ranks;
    size_t count;
    size_t place;        /* among those of its level; 0: all of them */
    bool fine;           /* it may be left out */
    struct looks *looks; /* NULL: none yet */
};

struct groups {
    struct group items[GROUPS_MAX];
    size_t count;
};

/* What of a group is measured: what is fitted, and what is held out. */
enum part { PART_FITTED = 1, PART_HELD_OUT = 2 };

static void add_group(struct groups *groups, const int32_t *ranks, size_t count, enum record_group kind,
                      int parts, size_t place, bool fine) {
    const struct phases_operations operations = {.transport = TRANSPORT_HOST,
                                                 .group = kind,
                                                 .first = COLLECTIVE_ALL_REDUCE,
                                                 .last = COLLECTIVE_ALL_TO_ALL,
                                                 .bytes = collective_bytes,
                                                 .count = (parts & PART_FITTED) != 0 ? COLLECTIVE_SIZES : 0,
                                                 .fine_bytes = fine_bytes,
                                                 .fine_count = (parts & PART_FITTED) != 0 ? FINE_SIZES : 0,
                                                 .held_out_bytes = held_out_bytes,
                                                 .held_out_count =
                                                     (parts & PART_HELD_OUT) != 0 ? HELD_OUT_SIZES : 0};
    if (groups->count < GROUPS_MAX)
        groups->items[groups->count++] = (struct group){operations, ranks, count, place, fine, NULL};
}

static int compare_ranks(const void *left, const void *right) {
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

/* The first `members` of the ranks, in the order of the job: as a training's groups run over the hosts. Out
 * of that order, from rack to rack and back, a ring would load the uplinks at each of its steps. */
static int32_t *take_members(struct campaign *campaign, const int32_t *ranks, size_t members) {
    int32_t *taken = ARENA_ARRAY(campaign->arena, int32_t, members);
    memcpy(taken, ranks, members * sizeof *taken);
    qsort(taken, members, sizeof *taken, compare_ranks);
    return taken;
}

/* All of the `count` ranks, and some groups of them; `whole` is `count` and the slow ones. Held out are sizes
 * between, of all, and a group. */
static void list_groups(struct campaign *campaign, const int32_t *ranks, size_t count, size_t whole,
                        enum record_group kind, struct groups *groups) {
    struct group_size sizes[GROUP_SIZES_MAX];
    if (count < 2)
        return;
    add_group(groups, take_members(campaign, ranks, count), count, kind, PART_FITTED | PART_HELD_OUT, 0,
              false);
    size_t listed = group_sizes_list(count, whole, sizes), other = group_sizes_held_out(count, whole);
    for (size_t i = 0; i < listed; i++)
        add_group(groups, take_members(campaign, ranks, sizes[i].members), sizes[i].members, kind,
                  PART_FITTED, i + 1, sizes[i].fine);
    if (other > 0)
        add_group(groups, take_members(campaign, ranks, other), other, kind, PART_HELD_OUT, listed + 1,
                  false);
}

static size_t sound_hosts(const struct campaign *campaign) {
    size_t sound = 0;
    for (size_t i = 0; i < campaign->placement->host_count; i++)
        sound += campaign->hosts[i].note[0] == '\0' ? 1 : 0;
    return sound;
}

/* Groups are of sound hosts where there are two: the slow ones would set the pace of all, and the file says
 * apart how slow they are. */
static bool takes_part(const struct campaign *campaign, size_t host) {
    return campaign->hosts[host].note[0] == '\0' || sound_hosts(campaign) < 2;
}

/* Leaders ordered so that each further one is across the outermost level where possible: the first so many of
 * them then span it at every size, and evenly. */
static size_t leaders_across(const struct campaign *campaign, int32_t *ranks) {
    size_t hosts = campaign->placement->host_count, count = 0, members = 0;
    bool *taken = ARENA_ARRAY(campaign->arena, bool, hosts);
    for (size_t i = 0; i < hosts; i++) {
        taken[i] = !takes_part(campaign, i);
        members += taken[i] ? 0 : 1;
    }
    size_t outer = campaign->levels.count - 1;
    size_t groups = outer == 0 ? hosts : campaign->levels.level[outer - 1].group_count;
    while (count < members) {
        for (size_t group = 0; group < groups; group++) {
            for (size_t i = 0; i < hosts; i++) {
                size_t of = outer == 0 ? i : (size_t)campaign->levels.level[outer - 1].group_of[i];
                if (!taken[i] && of == group) {
                    taken[i] = true;
                    ranks[count++] = campaign_leader(campaign, i);
                    break;
                }
            }
        }
    }
    return count;
}

/* Those of the first innermost group that has two; `whole` counts its slow hosts too. */
static size_t leaders_inside(const struct campaign *campaign, int32_t *ranks, size_t *whole) {
    const struct levels_level *level = &campaign->levels.level[0];
    size_t count = 0;
    *whole = 0;
    for (size_t group = 0; group < level->group_count && count < 2; group++) {
        count = *whole = 0;
        for (size_t i = 0; i < campaign->placement->host_count; i++) {
            bool inside = (size_t)level->group_of[i] == group;
            *whole += inside ? 1 : 0;
            if (inside && takes_part(campaign, i))
                ranks[count++] = campaign_leader(campaign, i);
        }
    }
    return count;
}

static void list_all(struct campaign *campaign, struct groups *groups) {
    const struct placement *placement = campaign->placement;
    const struct placement_host *first = &placement->hosts[0];
    size_t room = (size_t)placement->ranks, near = 0, in_host = (size_t)first->rank_count;
    int32_t *ranks = ARENA_ARRAY(campaign->arena, int32_t, room);
    for (int32_t r = 0; campaign->sockets.name != NULL && r < first->rank_count; r++)
        if (campaign->sockets.group_of[r] == campaign->sockets.group_of[0])
            ranks[near++] = first->ranks[r];
    list_groups(campaign, ranks, near, near, GROUP_SOCKET, groups);
    list_groups(campaign, first->ranks, in_host, in_host, GROUP_HOST, groups);
    if (campaign->levels.count > 1) {
        size_t whole, count = leaders_inside(campaign, ranks, &whole);
        list_groups(campaign, ranks, count, whole, GROUP_INNER, groups);
    }
    if (campaign->levels.count > 0) {
        size_t count = leaders_across(campaign, ranks);
        list_groups(campaign, ranks, count, placement->host_count, GROUP_LEADERS, groups);
    }
    if (placement->host_count > 1 && (size_t)placement->ranks > placement->host_count) {
        int32_t *all = ARENA_ARRAY(campaign->arena, int32_t, room);
        size_t count = 0;
        for (size_t i = 0; i < room; i++)
            if (takes_part(campaign, (size_t)placement->host_of[i]))
                all[count++] = (int32_t)i;
        add_group(groups, all, count, GROUP_EVERYTHING, PART_FITTED, 0, false);
    }
}

/* The first look at each group that is, or isn't, fine. */
static bool look_at_all(struct campaign *campaign, struct groups *groups, bool fine, double until,
                        struct error *error) {
    for (size_t i = 0; i < groups->count && !phases_time_is_up(campaign) && clock_seconds() < until; i++) {
        struct group *group = &groups->items[i];
        const struct turn turn = {&group->operations, group->ranks, group->count, false, false, HUGE_VAL};
        if (group->fine != fine)
            continue;
        group->looks = ARENA_ARRAY(campaign->arena, struct looks,
                                   COLLECTIVE_OPERATIONS * figures_of(&group->operations));
        if (!campaign_form(campaign, TRANSPORT_HOST, false, group->ranks, group->count, error) ||
            !measure_operations(campaign, &turn, group->looks, error))
            return false;
    }
    return true;
}

/* Whether a look at the group again could tell more. */
static bool is_unsure(const struct group *group) {
    size_t figures = COLLECTIVE_OPERATIONS * figures_of(&group->operations);
    for (size_t i = 0; i < figures; i++)
        if (!group->looks[i].known && group->looks[i].least > 0)
            return true;
    return false;
}

/* Goes over all groups once more, the largest of each level first: to times that aren't known yet, or to the
 * sizes between. A round over all of them spreads the looks in time. */
static bool refine(struct campaign *campaign, const struct groups *groups, bool fine, double until,
                   struct error *error) {
    for (size_t place = 0; place <= GROUP_SIZES_MAX + 1; place++) {
        for (size_t i = 0; i < groups->count && clock_seconds() < until; i++) {
            const struct group *group = &groups->items[i];
            const struct turn turn = {&group->operations, group->ranks, group->count, fine, !fine, until};
            if (group->place == place && group->looks != NULL && (fine || is_unsure(group)) &&
                (!campaign_form(campaign, TRANSPORT_HOST, false, group->ranks, group->count, error) ||
                 !measure_operations(campaign, &turn, group->looks, error)))
                return false;
        }
    }
    return true;
}

bool phases_run_collectives(struct campaign *campaign, struct error *error) {
    struct groups *groups = ARENA_ARRAY(campaign->arena, struct groups, 1);
    list_all(campaign, groups);
    double begin = clock_seconds();
    if (!look_at_all(campaign, groups, false, HUGE_VAL, error))
        return false;
    double now = clock_seconds(), most = fmin(now - begin, SPARE_SHARE * campaign->limit_seconds);
    double until = now + fmin(most, phases_spare_seconds(campaign));
    /* On a busy machine one more look at each group tells more than more groups. */
    for (int looked = 1; looked < LOOKS_MAX; looked++)
        if (!refine(campaign, groups, false, until, error) ||
            (looked == 1 && !look_at_all(campaign, groups, true, until, error)))
            return false;
    return refine(campaign, groups, true, until, error);
}

static double expect_groups(size_t count) {
    struct group_size sizes[GROUP_SIZES_MAX];
    double figure = COLLECTIVE_OPERATIONS * (COLLECTIVE_SECONDS + WARM_UP_SECONDS);
    double sum = (COLLECTIVE_SIZES + HELD_OUT_SIZES) * figure;
    if (count < 2)
        return 0;
    size_t listed = group_sizes_list(count, count, sizes);
    for (size_t i = 0; i < listed; i++)
        sum += sizes[i].fine ? 0 : COLLECTIVE_SIZES * figure;
    return sum + (group_sizes_held_out(count, count) > 0 ? HELD_OUT_SIZES * figure : 0);
}

double phases_expect_collectives(const struct campaign *campaign) {
    const struct placement *placement = campaign->placement;
    double sum = expect_groups((size_t)placement->hosts[0].rank_count);
    return placement->host_count > 1 ? sum + 2 * expect_groups(placement->host_count) : sum;
}
