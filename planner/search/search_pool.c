#include "planner/search/search_pool.h"

#include <math.h>
#include <string.h>

int candidate_compare(const struct candidate *a, const struct candidate *b) {
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? -1 : 1;
    for (int key = 0; key < LAYOUT_KEY_COUNT; key++) {
        int64_t left = layout_get(&a->layout, (enum layout_key)key);
        int64_t right = layout_get(&b->layout, (enum layout_key)key);
        if (left != right)
            return left < right ? -1 : 1;
    }
    return 0;
}

bool layout_same_split(const struct layout *a, const struct layout *b) {
    return a->tp == b->tp && a->pp == b->pp && a->cp == b->cp && a->ep == b->ep && a->etp == b->etp &&
           a->dp == b->dp && (a->offload == OFFLOAD_NONE) == (b->offload == OFFLOAD_NONE);
}

bool layout_alike(const struct layout *a, const struct layout *b) {
    return layout_same_split(a, b) && a->vpp == b->vpp && a->recompute == b->recompute &&
           a->recompute_layers == b->recompute_layers && a->first_stage_layers == b->first_stage_layers &&
           a->last_stage_layers == b->last_stage_layers && a->schedule == b->schedule;
}

double search_pool_limit(const struct search_pool *pool) {
    if (pool->room == 0)
        return -HUGE_VAL;
    return pool->count < pool->room ? HUGE_VAL : pool->candidates[pool->count - 1].seconds;
}

double search_pool_limit_of(const struct search_pool *pool, const struct layout *layout) {
    for (size_t i = 0; pool->alike != NULL && i < pool->count; i++)
        if (pool->alike(&pool->candidates[i].layout, layout))
            return pool->candidates[i].seconds;
    return search_pool_limit(pool);
}

static void remove_at(struct search_pool *pool, size_t place) {
    pool->count--;
    memmove(pool->candidates + place, pool->candidates + place + 1,
            (pool->count - place) * sizeof pool->candidates[0]);
}

void search_pool_add(struct search_pool *pool, const struct candidate *candidate) {
    size_t place;
    if (pool->room == 0 || candidate->seconds > search_pool_limit(pool))
        return;
    for (size_t i = 0; pool->alike != NULL && i < pool->count; i++) {
        if (!pool->alike(&pool->candidates[i].layout, &candidate->layout))
            continue;
        if (candidate_compare(candidate, &pool->candidates[i]) >= 0)
            return;
        remove_at(pool, i);
        break;
    }
    if (pool->count == pool->room) {
        if (candidate_compare(candidate, &pool->candidates[pool->count - 1]) >= 0)
            return;
        pool->count--;
    }
    place = pool->count;
    while (place > 0 && candidate_compare(candidate, &pool->candidates[place - 1]) < 0)
        place--;
    memmove(pool->candidates + place + 1, pool->candidates + place,
            (pool->count - place) * sizeof pool->candidates[0]);
    pool->candidates[place] = *candidate;
    pool->count++;
}
