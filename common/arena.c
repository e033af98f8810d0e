#include "common/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pieces come from blocks; a piece larger than a block gets one of its own. */
enum { BLOCK_BYTES = 64 * 1024 };

struct block {
    struct block *next;
    size_t size, used; /* bytes of `memory` */
    alignas(max_align_t) unsigned char memory[];
};

struct arena {
    struct block *blocks; /* the one in use first */
};

_Noreturn void arena_out_of_memory(void) {
    fputs("error: out of memory\n", stderr);
    exit(2);
}

static void *zeroed(size_t size) {
    void *memory = calloc(1, size);

    if (memory == NULL)
        arena_out_of_memory();
    return memory;
}

struct arena *arena_create(void) {
    return zeroed(sizeof(struct arena));
}

void arena_destroy(struct arena *arena) {
    if (arena == NULL)
        return;
    while (arena->blocks != NULL) {
        struct block *next = arena->blocks->next;

        free(arena->blocks);
        arena->blocks = next;
    }
    free(arena);
}

static struct block *block_create(size_t size) {
    struct block *block;

    if (size > SIZE_MAX - sizeof *block)
        arena_out_of_memory();
    block = zeroed(sizeof *block + size);
    block->size = size;
    return block;
}

void *arena_allocate(struct arena *arena, size_t count, size_t size) {
    const size_t alignment = alignof(max_align_t);
    struct block *block = arena->blocks;
    size_t bytes;

    if (size > 0 && count > (SIZE_MAX - alignment) / size)
        arena_out_of_memory();
    bytes = (count * size + alignment - 1) / alignment * alignment;
    if (bytes == 0)
        bytes = alignment;
    if (bytes > BLOCK_BYTES) {
        block = block_create(bytes);
        /* Behind the block in use, whose rest is still free. */
        if (arena->blocks == NULL) {
            arena->blocks = block;
        } else {
            block->next = arena->blocks->next;
            arena->blocks->next = block;
        }
    } else if (block == NULL || block->size - block->used < bytes) {
        block = block_create(BLOCK_BYTES);
        block->next = arena->blocks;
        arena->blocks = block;
    }
    block->used += bytes;
    return block->memory + block->used - bytes;
}

char *arena_copy_string(struct arena *arena, const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = arena_allocate(arena, size, 1);

    memcpy(copy, text, size);
    return copy;
}

char *arena_print(struct arena *arena, const char *format, ...) {
    va_list arguments;
    int length;
    char *text;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return arena_copy_string(arena, "");
    text = arena_allocate(arena, (size_t)length + 1, 1);
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}
