#include "probe/group_sizes.h"

static bool is_listed(const struct group_size *sizes, size_t listed, size_t members) {
    for (size_t i = 0; i < listed; i++)
        if (sizes[i].members == members)
            return true;
    return false;
}

static void add(struct group_size sizes[GROUP_SIZES_MAX], size_t *listed, size_t members, bool fine) {
    if (*listed < GROUP_SIZES_MAX && !is_listed(sizes, *listed, members))
        sizes[(*listed)++] = (struct group_size){members, fine};
}

/* MPI's algorithms change with the number of members (Open MPI's coll/tuned at powers of two, and for others
 * all that recursive doubling and halving do), and so does which members exchange over a shared uplink:
 * groups of five and six may differ by a factor of two. */
size_t group_sizes_list(size_t count, size_t whole, struct group_size sizes[GROUP_SIZES_MAX]) {
    static const size_t coarse_factors[] = {2, 3}, fine_factors[] = {5, 7};
    size_t listed = 0;
    for (size_t f = 0; f < sizeof coarse_factors / sizeof *coarse_factors; f++)
        for (size_t members = coarse_factors[f]; members < count; members *= 2)
            add(sizes, &listed, members, false);
    for (size_t members = 2; members < count; members++)
        if (count % members == 0 || whole % members == 0)
            add(sizes, &listed, members, false);
    for (size_t f = 0; f < sizeof fine_factors / sizeof *fine_factors; f++)
        for (size_t members = fine_factors[f]; members < count; members *= 2)
            add(sizes, &listed, members, true);
    return listed;
}

size_t group_sizes_held_out(size_t count, size_t whole) {
    static const size_t factors[] = {9, 11, 13, 15};
    struct group_size sizes[GROUP_SIZES_MAX];
    size_t listed = group_sizes_list(count, whole, sizes), largest = 0;
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++)
        for (size_t members = factors[f]; members < count; members *= 2)
            largest = members > largest && !is_listed(sizes, listed, members) ? members : largest;
    return largest;
}
