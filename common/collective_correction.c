#include "common/collective_correction.h"

#include <math.h>

static bool comes_before(const struct collective_correction *one, const struct collective_correction *other) {
    return one->members != other->members ? one->members < other->members
                                          : one->message_bytes < other->message_bytes;
}

bool collective_corrections_sorted(const struct collective_correction *corrections, size_t count,
                                   size_t *first) {
    for (size_t i = 1; i < count; i++) {
        if (!comes_before(&corrections[i - 1], &corrections[i])) {
            *first = i;
            return false;
        }
    }
    return true;
}

/* Where `value` lies between two others, as logarithms: 0 to 1. */
static double share_between(double value, double low, double high) {
    return log(value / low) / log(high / low);
}

bool collective_is_power_of_two(int64_t members) {
    return (members & (members - 1)) == 0;
}

/* Whether there are two groups and more of powers of two, and as many others. */
static bool kinds_are_apart(const struct collective_correction *corrections, size_t count) {
    size_t groups[2] = {0, 0};
    for (size_t i = 0; i < count; i++)
        if (i == 0 || corrections[i].members != corrections[i - 1].members)
            groups[collective_is_power_of_two(corrections[i].members) ? 1 : 0]++;
    return groups[0] >= 2 && groups[1] >= 2;
}

void collective_corrections_of(const struct collective_correction *corrections, size_t count, int64_t members,
                               struct collective_correction_lists *lists) {
    bool apart = kinds_are_apart(corrections, count), power_of_two = collective_is_power_of_two(members);
    *lists = (struct collective_correction_lists){.weight = 0};
    for (size_t begin = 0, end; begin < count; begin = end) {
        int64_t here = corrections[begin].members;
        for (end = begin; end < count && corrections[end].members == here; end++) {
        }
        if (apart && collective_is_power_of_two(here) != power_of_two)
            continue;
        size_t side = here < members ? 0 : 1;
        if (side == 0 || lists->counts[1] == 0) {
            lists->lists[side] = corrections + begin;
            lists->counts[side] = end - begin;
        }
    }
    if (lists->counts[0] == 0) {
        lists->weight = 1;
    } else if (lists->counts[1] > 0) {
        lists->weight = share_between((double)members, (double)lists->lists[0]->members,
                                      (double)lists->lists[1]->members);
    }
}

static double factor_in(const struct collective_correction *list, size_t count, double bytes) {
    size_t above = 0;
    while (above < count && list[above].message_bytes < bytes)
        above++;
    if (above == 0 || above == count)
        return list[above == 0 ? 0 : count - 1].factor;
    const struct collective_correction *low = &list[above - 1], *high = &list[above];
    double share = share_between(bytes, low->message_bytes, high->message_bytes);
    return low->factor + share * (high->factor - low->factor);
}

double collective_corrections_factor(const struct collective_correction_lists *lists, double message_bytes) {
    double factors[2] = {1, 1};
    if (lists->counts[0] + lists->counts[1] == 0)
        return 1;
    for (int side = 0; side < 2; side++)
        if (lists->counts[side] > 0)
            factors[side] = factor_in(lists->lists[side], lists->counts[side], message_bytes);
    return factors[0] + lists->weight * (factors[1] - factors[0]);
}

double collective_corrections_least(const struct collective_correction_lists *lists) {
    double least = HUGE_VAL;
    for (int side = 0; side < 2; side++)
        for (size_t i = 0; i < lists->counts[side]; i++)
            least = fmin(least, lists->lists[side][i].factor);
    return isfinite(least) ? least : 1;
}
