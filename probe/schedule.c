/* The circle method: member N-1 stands still, the others sit on a circle that turns by one each round; in
 * round r those meet whose places add up to r modulo N-1. With odd N a ghost takes the still place. */
#include "probe/schedule.h"

#include <math.h>

int64_t schedule_round_count(int64_t members) {
    if (members < 2)
        return 0;
    return members % 2 == 0 ? members - 1 : members;
}

static void add_pair(int64_t one, int64_t other, struct schedule_pair *pairs, size_t *count) {
    pairs[*count].first = one < other ? one : other;
    pairs[*count].second = one < other ? other : one;
    *count += 1;
}

size_t schedule_round(int64_t members, int64_t round, struct schedule_pair *pairs) {
    size_t count = 0;
    int64_t circle = schedule_round_count(members);
    bool ghost = members % 2 != 0;
    for (int64_t one = 0; one < circle; one++) {
        int64_t other = (round - one % circle + circle) % circle;
        if (one < other)
            add_pair(one, other, pairs, &count);
        else if (one == other && !ghost)
            add_pair(one, members - 1, pairs, &count);
    }
    return count;
}

size_t schedule_neighbours(int64_t members, int64_t distance, bool odd, struct schedule_pair *pairs) {
    size_t count = 0;
    for (int64_t one = 0; one + distance < members; one++)
        if ((one / distance % 2 != 0) == odd)
            add_pair(one, one + distance, pairs, &count);
    return count;
}

/* Rounds of neighbours: two (even and odd blocks) for each power of two below `members`. */
static int64_t neighbour_rounds(int64_t members) {
    int64_t rounds = 0;
    for (int64_t distance = 1; distance < members; distance *= 2)
        rounds += 2;
    return rounds;
}

static int64_t slots_of_round(const struct schedule_plan *plan) {
    int64_t pairs = plan->members / 2;
    return (pairs + plan->at_once - 1) / plan->at_once;
}

void schedule_make(int64_t members, double slot_seconds, double budget_seconds, struct schedule_plan *plan) {
    *plan = (struct schedule_plan){.members = members, .at_once = 1, .rounds = schedule_round_count(members)};
    if (members < 2)
        return;
    double affordable = fmax(1, floor(budget_seconds / slot_seconds));
    double all_pairs = (double)plan->rounds * (double)(members / 2);
    if (all_pairs <= affordable) {
        plan->at_once = 1;
    } else if ((double)plan->rounds <= affordable) {
        double slots_a_round = floor(affordable / (double)plan->rounds);
        plan->at_once = (int64_t)ceil((double)(members / 2) / slots_a_round);
    } else {
        plan->sampled = true;
        plan->at_once = members / 2;
        plan->neighbours = neighbour_rounds(members);
        plan->rounds = (int64_t)fmax(0, affordable - (double)plan->neighbours);
    }
    plan->slots = plan->neighbours + plan->rounds * slots_of_round(plan);
}

size_t schedule_slot(const struct schedule_plan *plan, int64_t slot, struct schedule_pair *pairs) {
    if (slot < plan->neighbours)
        return schedule_neighbours(plan->members, (int64_t)1 << (slot / 2), slot % 2 != 0, pairs);
    slot -= plan->neighbours;
    int64_t slots = slots_of_round(plan);
    int64_t round = slot / slots;
    if (plan->sampled)
        round = round * schedule_round_count(plan->members) / plan->rounds;
    size_t count = schedule_round(plan->members, round, pairs);
    size_t begin = (size_t)(slot % slots * plan->at_once), end = begin + (size_t)plan->at_once;
    if (end > count)
        end = count;
    for (size_t i = begin; i < end; i++)
        pairs[i - begin] = pairs[i];
    return end > begin ? end - begin : 0;
}
