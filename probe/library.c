#include "probe/library.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* The dynamic linker's own words are all that tells a missing library from one that lacks another. */
static bool is_absent(const char *name, const char *reason) {
    size_t length = strlen(name);
    return strncmp(reason, name, length) == 0 && strstr(reason + length, "No such file") != NULL;
}

/* The first that can be loaded; NULL with `why` set, empty where none is there. */
static void *open_first(const char *const *names, const char **opened, char *why, size_t why_size) {
    why[0] = '\0';
    for (; *names != NULL; names++) {
        void *library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
        if (library != NULL) {
            *opened = *names;
            return library;
        }
        const char *reason = dlerror();
        if (why[0] == '\0' && reason != NULL && !is_absent(*names, reason))
            snprintf(why, why_size, "%s", reason);
    }
    return NULL;
}

enum library_state library_load(const char *const *names, const struct library_symbol *symbols, size_t count,
                                void *table, char *why, size_t why_size) {
    const char *opened = NULL;
    void *library = open_first(names, &opened, why, why_size);
    if (library == NULL) {
        enum library_state state = why[0] != '\0' ? LIBRARY_UNFIT : LIBRARY_ABSENT;
        if (state == LIBRARY_ABSENT)
            snprintf(why, why_size, "no %s", names[0]);
        return state;
    }
    for (size_t i = 0; i < count; i++) {
        void *address = dlsym(library, symbols[i].name);
        if (address == NULL && !symbols[i].optional) {
            snprintf(why, why_size, "%s lacks %s", opened, symbols[i].name);
            return LIBRARY_UNFIT;
        }
        /* ISO C has no conversion from an object's address to a function's; POSIX gives both the same form.
         */
        memcpy((char *)table + symbols[i].offset, &address, sizeof address);
    }
    return LIBRARY_READY;
}
