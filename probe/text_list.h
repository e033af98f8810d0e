/* Words one after the other in a text of a given room. No MPI. */
#ifndef CLUSTERPLAN_PROBE_TEXT_LIST_H
#define CLUSTERPLAN_PROBE_TEXT_LIST_H

#include <stddef.h>

/* Adds an item, written as by printf, to the list in `text` (room for `size` bytes), behind `separator` where
 * it isn't the first. From the first item on that doesn't fit as a whole, "..." stands for the rest. */
void text_list_add(char *text, size_t size, const char *separator, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
