/* What the figures of a run are of: those of other hosts, ranks or MPI must not be mixed with them. No MPI.
 */
#ifndef CLUSTERPLAN_PROBE_IDENTITY_H
#define CLUSTERPLAN_PROBE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"

enum identity_part {
    IDENTITY_RANKS,    /* which ranks on which hosts of which program */
    IDENTITY_MPI,      /* name, version and build of the library */
    IDENTITY_BINDING,  /* which cores each rank may use */
    IDENTITY_SETTINGS, /* variables that choose MPI's cards, transports and algorithms, of each rank */
    IDENTITY_PARTS
};
extern const char *const identity_names[IDENTITY_PARTS];

/* Each part is one line of text, without its end. */
struct identity {
    const char *parts[IDENTITY_PARTS];
};

enum { IDENTITY_SETTINGS_BYTES = 512 };

/* The variables of this process that choose how MPI moves messages, sorted: "OMPI_MCA_btl=tcp,self
 * UCX_TLS=rc". What doesn't fit is told from others by a sum at the end. */
void identity_list_settings(const char *const *variables, char settings[IDENTITY_SETTINGS_BYTES]);

/* What is said of each of `count` ranks, those next to each other with the same words together: "ranks 0 to
 * 3: 1 core; rank 4: 2 cores". Empty words are left out; "none" where all are. Belongs to the arena. */
const char *identity_list_ranks(const char *const *words, size_t count, struct arena *arena);

/* A line as it can stand in a journal: blanks for control characters. Belongs to the arena. */
const char *identity_one_line(const char *text, struct arena *arena);

/* Where two lists of identity_list_ranks begin to differ: the first item that isn't the same, in either. */
size_t identity_difference(const char *one, const char *other);

#endif
