/* Memory that lives as long as the run: allocated piece by piece, freed at once. */
#ifndef CLUSTERPLAN_ARENA_H
#define CLUSTERPLAN_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_create(void);
void arena_destroy(struct arena *arena); /* NULL is allowed */

/* What every allocation does that fails: the message on stderr, exit code 2. For memory that no arena owns.
 */
_Noreturn void arena_out_of_memory(void);

/* Zeroed memory aligned for any type, owned by the arena. Never NULL: a machine out of memory ends
 * the program with a message and exit code 2. A request of 0 bytes gives a valid address. */
void *arena_allocate(struct arena *arena, size_t count, size_t size);

char *arena_copy_string(struct arena *arena, const char *text);
char *arena_print(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define ARENA_NEW(arena, type)          ((type *)arena_allocate((arena), 1, sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_allocate((arena), (count), sizeof(type)))

#endif
