/* Frames in the order of their bounds: a search opens the first few of many, so they are not sorted. Internal
 * to the search. */
#ifndef CLUSTERPLAN_SEARCH_QUEUE_H
#define CLUSTERPLAN_SEARCH_QUEUE_H

#include <stddef.h>

struct queued_frame {
    double seconds;
    size_t index; /* among the space's frames */
};

/* A heap: no item is before the one that is first. */
struct search_queue {
    struct queued_frame *items; /* the owner's */
    size_t count;
};

/* Adds an item, for which the owner has room. */
void search_queue_add(struct search_queue *queue, struct queued_frame item);

/* Takes out the item of the least seconds, of equals that of the least index; there must be one. */
struct queued_frame search_queue_take(struct search_queue *queue);

#endif
