#include "common/named_file.h"

#include <string.h>
#include <sys/stat.h>

enum found { FOUND_NOTHING, FOUND_FOLDER, FOUND_FILE };

static enum found look_for(const char *path) {
    struct stat status;

    if (stat(path, &status) != 0)
        return FOUND_NOTHING;
    return S_ISDIR(status.st_mode) ? FOUND_FOLDER : FOUND_FILE;
}

bool named_file_find(const struct fields_reader *reader, const struct yaml_node *node,
                     enum catalogue_kind kind, const char **path) {
    const char *file = reader->document->file, *slash = strrchr(file, '/');
    enum found beside = FOUND_NOTHING, here = FOUND_NOTHING;
    struct error why = {0};

    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return yaml_error(reader->document, node, reader->error, "a name or a path was expected");
    if (slash != NULL && node->text[0] != '/' && node->text[0] != '\0') {
        *path = arena_print(reader->arena, "%.*s/%s", (int)(slash - file), file, node->text);
        *path = catalogue_file(kind, *path, reader->arena);
        beside = look_for(*path);
        if (beside == FOUND_FILE)
            return true;
    }
    *path = catalogue_find(kind, node->text, reader->arena, &why);
    if (*path != NULL)
        here = look_for(*path);
    if (here == FOUND_FILE)
        return true;
    if (beside == FOUND_FOLDER || here == FOUND_FOLDER)
        return yaml_error(reader->document, node, reader->error, "a directory, where a %s file was expected",
                          kind == CATALOGUE_MODEL ? "model" : "cluster");
    yaml_error(reader->document, node, reader->error, "%s",
               *path != NULL ? "there is no such file, beside this one or from here" : why.what);
    return why.hint[0] != '\0' ? error_hint(reader->error, "%s", why.hint) : false;
}
