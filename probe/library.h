/* Vendor libraries that are loaded where they are, so that one program runs on nodes with and without them.
 */
#ifndef CLUSTERPLAN_PROBE_LIBRARY_H
#define CLUSTERPLAN_PROBE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* A function to look up, and where its address goes in the caller's table of function pointers. */
struct library_symbol {
    const char *name;
    size_t offset;
    bool optional; /* where the library lacks it, its pointer stays NULL */
};

enum library_state {
    LIBRARY_READY,
    LIBRARY_ABSENT, /* none of the names was found */
    LIBRARY_UNFIT   /* found, but it can't be loaded or lacks a function; or, for the callers, doesn't work */
};

/* Loads the first of `names` (NULL-terminated) that can be, and fills `table`. It stays loaded. `why` says
 * what is wrong when not ready: "libnccl.so.2 lacks ncclSend". */
enum library_state library_load(const char *const *names, const struct library_symbol *symbols, size_t count,
                                void *table, char *why, size_t why_size);

#endif
