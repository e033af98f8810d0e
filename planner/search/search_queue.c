#include "planner/search/search_queue.h"

#include <stdbool.h>

static bool is_before(const struct queued_frame *a, const struct queued_frame *b) {
    return a->seconds < b->seconds || (a->seconds == b->seconds && a->index < b->index);
}

/* Puts an item in at `place` or below it, where those below are heaps. */
static void sink(struct search_queue *queue, size_t place, struct queued_frame item) {
    struct queued_frame *items = queue->items;
    for (size_t below = 2 * place + 1; below < queue->count; below = 2 * place + 1) {
        if (below + 1 < queue->count && is_before(&items[below + 1], &items[below]))
            below++;
        if (!is_before(&items[below], &item))
            break;
        items[place] = items[below];
        place = below;
    }
    items[place] = item;
}

void search_queue_add(struct search_queue *queue, struct queued_frame item) {
    size_t place = queue->count++;
    for (; place > 0 && is_before(&item, &queue->items[(place - 1) / 2]); place = (place - 1) / 2)
        queue->items[place] = queue->items[(place - 1) / 2];
    queue->items[place] = item;
}

struct queued_frame search_queue_take(struct search_queue *queue) {
    struct queued_frame first = queue->items[0];
    queue->count--;
    if (queue->count > 0)
        sink(queue, 0, queue->items[queue->count]);
    return first;
}
