#include "common/text_stream.h"

#include <stdlib.h>

void text_stream_open(struct text_stream *text) {
    *text = (struct text_stream){.text = NULL};
    text->stream = open_memstream(&text->text, &text->size);
    if (text->stream == NULL)
        arena_out_of_memory();
}

const char *text_stream_take(struct text_stream *text, struct arena *arena) {
    if (fclose(text->stream) != 0)
        arena_out_of_memory();
    const char *copy = arena_copy_string(arena, text->text);
    free(text->text);
    return copy;
}
