/* Layouts in words. Every function returns `buffer`. */
#ifndef CLUSTERPLAN_PRINT_LAYOUT_H
#define CLUSTERPLAN_PRINT_LAYOUT_H

#include "planner/inputs/layout.h"

/* "8-way tensor x 16 pipeline stages x 192-way data; 38 micro-batches of 1 sequence; ..." */
char *print_layout_words(const struct layout *layout, int64_t global_batch, char *buffer, size_t size);

/* "tp=8 pp=16 dp=192 zero=1": how the work is split and what is kept, keys of no effect left out. */
char *print_layout_short(const struct layout *layout, char *buffer, size_t size);

/* "pp=8 dp=384": the keys in which `layout` isn't as `best`. */
char *print_layout_difference(const struct layout *best, const struct layout *layout, char *buffer,
                              size_t size);

#endif
