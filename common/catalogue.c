#include "common/catalogue.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const folders[] = {
    [CATALOGUE_TOPOLOGY] = "topologies", [CATALOGUE_MODEL] = "examples/models"};
static const char *const kind_names[] = {[CATALOGUE_TOPOLOGY] = "cluster", [CATALOGUE_MODEL] = "model"};
static const char *const extensions[] = {".yaml", ".yml", ".json", NULL};

enum { MAX_ROOTS = 4, SHORTEST_WORD = 3 };

/* The extension of a file name that a catalogue holds, or NULL. */
static const char *known_extension(const char *name) {
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot != NULL && dot != name && extensions[i] != NULL; i++)
        if (strcmp(dot, extensions[i]) == 0)
            return dot;
    return NULL;
}

/* The folder the running program stands in, or NULL. */
static char *program_folder(struct arena *arena) {
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (length <= 0)
        return NULL;
    path[length] = '\0';
    slash = strrchr(path, '/');
    if (slash != NULL)
        *slash = '\0';
    return arena_copy_string(arena, path);
}

static bool is_under(const char *path, const char *folder) {
    size_t length = strlen(folder);

    return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Where a catalogue may stand, the first first; `roots` ends with NULL. */
static void find_roots(struct arena *arena, const char *roots[MAX_ROOTS + 1]) {
    const char *chosen = getenv("CLUSTERPLAN_DATA");
    const char *folder = program_folder(arena);
    size_t count = 0;

    if (chosen != NULL && chosen[0] != '\0')
        roots[count++] = chosen;
    if (folder != NULL && is_under(folder, CLUSTERPLAN_BUILD_DIR))
        roots[count++] = CLUSTERPLAN_SOURCE_DIR;
    else if (folder != NULL)
        roots[count++] = arena_print(arena, "%s/../share/clusterplan", folder);
    roots[count++] = CLUSTERPLAN_DATA_DIR;
    roots[count] = NULL;
}

static bool is_folder(const char *path) {
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool is_file(const char *path) {
    struct stat status;

    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

const char *catalogue_file(enum catalogue_kind kind, const char *path, struct arena *arena) {
    size_t length = strlen(path);
    const char *config;

    if (kind != CATALOGUE_MODEL || !is_folder(path))
        return path;
    config = arena_print(arena, "%s%sconfig.json", path, path[length - 1] == '/' ? "" : "/");
    return is_file(config) ? config : path;
}

/* The path of a shipped name, or NULL. */
static const char *find_shipped(enum catalogue_kind kind, const char *name, struct arena *arena) {
    const char *roots[MAX_ROOTS + 1];

    find_roots(arena, roots);
    for (size_t i = 0; roots[i] != NULL; i++)
        for (size_t j = 0; extensions[j] != NULL; j++) {
            const char *path = arena_print(arena, "%s/%s/%s%s", roots[i], folders[kind], name, extensions[j]);

            if (is_file(path))
                return path;
        }
    return NULL;
}

/* The name behind an owner's: "llama-3-8b" of "meta-llama/llama-3-8b". */
static const char *last_part(const char *name) {
    const char *slash = strrchr(name, '/');

    return slash != NULL ? slash + 1 : name;
}

/* Rather than a name: but for "owner/name" of what ships under about that name. */
static bool is_path(enum catalogue_kind kind, const char *name, struct arena *arena) {
    if (known_extension(name) != NULL || is_file(name))
        return true;
    return strchr(name, '/') != NULL &&
           (is_folder(name) || error_nearest(last_part(name), catalogue_names(kind, arena)) == NULL);
}

/* The shipped names that a word of some letters is a part of, as a list; "" for none. */
static const char *names_with(enum catalogue_kind kind, const char *word, struct arena *arena) {
    const char *list = "";

    for (const char *const *name = catalogue_names(kind, arena);
         strlen(word) >= SHORTEST_WORD && *name != NULL; name++)
        if (strcasestr(*name, word) != NULL)
            list = arena_print(arena, "%s%s%s", list, list[0] != '\0' ? ", " : "", *name);
    return list;
}

/* What may have been meant by a name that there isn't. */
static void hint_name(enum catalogue_kind kind, const char *name, struct arena *arena, struct error *error) {
    enum catalogue_kind other = kind == CATALOGUE_MODEL ? CATALOGUE_TOPOLOGY : CATALOGUE_MODEL;
    const char *nearest = error_nearest(last_part(name), catalogue_names(kind, arena));
    const char *names = names_with(kind, name, arena);

    if (is_folder(name))
        error_hint(error, "\"%s\" is a folder%s: name a file in it by its path", name,
                   kind == CATALOGUE_MODEL ? " without a config.json" : "");
    else if (name[0] != '\0' && find_shipped(other, name, arena) != NULL)
        error_hint(error, "\"%s\" is a %s", name, kind_names[other]);
    else if (nearest != NULL)
        error_hint(error, "did you mean \"%s\"?", nearest);
    else if (names[0] != '\0')
        error_hint(error, "there %s %s", strchr(names, ',') != NULL ? "are" : "is", names);
    else
        error_hint(error, "%s",
                   kind == CATALOGUE_MODEL
                       ? "\"clusterplan models\" lists what ships; for any other a file that says "
                         "\"parameters: 7B\" will do"
                       : "\"clusterplan topologies\" lists what ships; any other takes a file of a few lines "
                         "(docs/formats.md)");
}

const char *catalogue_find(enum catalogue_kind kind, const char *name, struct arena *arena,
                           struct error *error) {
    const char *path = catalogue_file(kind, name, arena);

    if (path != name || is_path(kind, name, arena))
        return arena_copy_string(arena, path);
    path = name[0] != '\0' ? find_shipped(kind, name, arena) : NULL;
    if (path != NULL)
        return path;
    error_set(error, "no %s is named \"%s\", and there is no such file", kind_names[kind], name);
    hint_name(kind, name, arena, error);
    return NULL;
}

struct names {
    struct arena *arena;
    const char **items; /* room for one more, which stays NULL */
    size_t count, room;
};

static void add_name(struct names *names, const char *name) {
    if (names->count + 1 >= names->room) {
        size_t room = names->room > 0 ? 2 * names->room : 32;
        const char **items = ARENA_ARRAY(names->arena, const char *, room);

        if (names->count > 0)
            memcpy(items, names->items, names->count * sizeof *items);
        names->items = items;
        names->room = room;
    }
    names->items[names->count++] = name;
}

static void add_folder(struct names *names, const char *folder) {
    DIR *stream = opendir(folder);
    const struct dirent *entry;

    if (stream == NULL)
        return;
    while ((entry = readdir(stream)) != NULL) {
        const char *extension = known_extension(entry->d_name);

        if (extension != NULL)
            add_name(names,
                     arena_print(names->arena, "%.*s", (int)(extension - entry->d_name), entry->d_name));
    }
    closedir(stream);
}

static int compare_names(const void *a, const void *b) {
    const char *const *left = a, *const *right = b;

    return strcmp(*left, *right);
}

const char *const *catalogue_names(enum catalogue_kind kind, struct arena *arena) {
    struct names names = {.arena = arena};
    const char *roots[MAX_ROOTS + 1];
    size_t kept = 0;

    find_roots(arena, roots);
    for (size_t i = 0; roots[i] != NULL; i++)
        add_folder(&names, arena_print(arena, "%s/%s", roots[i], folders[kind]));
    if (names.count == 0)
        return ARENA_ARRAY(arena, const char *, 1);
    qsort(names.items, names.count, sizeof *names.items, compare_names);
    for (size_t i = 0; i < names.count; i++) /* one name may stand in several catalogues */
        if (i == 0 || strcmp(names.items[i], names.items[kept - 1]) != 0)
            names.items[kept++] = names.items[i];
    names.items[kept] = NULL;
    return names.items;
}

bool catalogue_list(enum catalogue_kind kind, struct arena *arena, struct catalogue_list *list,
                    struct error *error) {
    *list = (struct catalogue_list){.names = catalogue_names(kind, arena)};
    while (list->names[list->count] != NULL)
        list->count++;
    if (list->count == 0) {
        error_set(error, "no %ss ship with this program", kind_names[kind]);
        return error_hint(error, "CLUSTERPLAN_DATA names the folder that holds %s", folders[kind]);
    }
    list->paths = ARENA_ARRAY(arena, const char *, list->count);
    for (size_t i = 0; i < list->count; i++) {
        list->paths[i] = catalogue_find(kind, list->names[i], arena, error);
        if (list->paths[i] == NULL)
            return false;
    }
    return true;
}
