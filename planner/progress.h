/* Who wants to know how far something long is. */
#ifndef CLUSTERPLAN_PROGRESS_H
#define CLUSTERPLAN_PROGRESS_H

#include <stddef.h>

struct progress {
    void (*update)(void *data, double share); /* called now and then with the share that is done, 0 to 1 */
    void *data;
};

/* NULL: nobody wants to know. */
static inline void progress_update(const struct progress *progress, double share) {
    if (progress != NULL)
        progress->update(progress->data, share);
}

#endif
