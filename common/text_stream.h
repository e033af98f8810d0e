/* Texts that are printed piece by piece. */
#ifndef CLUSTERPLAN_TEXT_STREAM_H
#define CLUSTERPLAN_TEXT_STREAM_H

#include <stdio.h>

#include "common/arena.h"

struct text_stream {
    FILE *stream; /* to print to */
    char *text;
    size_t size;
};

/* Ends the program when there is no memory, as the arena does; so does the next. */
void text_stream_open(struct text_stream *text);

/* All that was printed; it belongs to the arena. Closes the stream. */
const char *text_stream_take(struct text_stream *text, struct arena *arena);

#endif
