#include "common/named_file.h"

#include <string.h>
#include <unistd.h>

bool named_file_find(const struct fields_reader *reader, const struct yaml_node *node,
                     enum catalogue_kind kind, const char **path) {
    const char *file = reader->document->file, *slash = strrchr(file, '/');
    struct error why = {0};

    if (node->kind != YAML_SCALAR || yaml_is_null(node))
        return yaml_error(reader->document, node, reader->error, "a name or a path was expected");
    if (slash != NULL && node->text[0] != '/') {
        *path = arena_print(reader->arena, "%.*s/%s", (int)(slash - file), file, node->text);
        *path = catalogue_file(kind, *path, reader->arena);
        if (access(*path, F_OK) == 0)
            return true;
    }
    *path = catalogue_find(kind, node->text, reader->arena, &why);
    if (*path != NULL && access(*path, F_OK) == 0)
        return true;
    yaml_error(reader->document, node, reader->error, "%s",
               *path != NULL ? "there is no such file, beside this one or from here" : why.what);
    return why.hint[0] != '\0' ? error_hint(reader->error, "%s", why.hint) : false;
}
