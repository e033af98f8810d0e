/* The whole text of a file or of a pipe, read once. */
#ifndef CLUSTERPLAN_TEXT_FILE_H
#define CLUSTERPLAN_TEXT_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/error.h"

struct text_file {
    char *text;  /* ends with a NUL; the arena's */
    size_t size; /* bytes, without the NUL */
};

/* Reads a regular file or a pipe (/dev/stdin, what a shell's <(...) names), without a byte order mark. A pipe
 * that is open for writing is waited for; one that nobody has opened, for two seconds. False with the error
 * set, naming the file: it can't be read, is a directory or a device, is empty, or is larger than
 * `most_bytes`, whole MiB. */
bool text_file_read(const char *path, size_t most_bytes, struct arena *arena, struct text_file *file,
                    struct error *error);

#endif
