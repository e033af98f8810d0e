#include "probe/text_list.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char more[] = "...";

static bool is_full(const char *text, size_t used) {
    return used >= strlen(more) && strcmp(text + used - strlen(more), more) == 0;
}

void text_list_add(char *text, size_t size, const char *separator, const char *format, ...) {
    size_t used = strlen(text), gap = used > 0 ? strlen(separator) : 0;
    size_t rest = strlen(separator) + sizeof more; /* kept for saying that more follow */
    va_list arguments, again;
    if (is_full(text, used))
        return;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    bool fits = length >= 0 && used + gap + (size_t)length + rest <= size;
    snprintf(text + used, size - used, "%s%s", gap > 0 ? separator : "", fits ? "" : more);
    if (fits)
        vsnprintf(text + used + gap, size - used - gap, format, again);
    va_end(again);
    va_end(arguments);
}
