#include "common/yaml_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the line break at `p`, by YAML 1.1 as libyaml counts lines; 0 where there is none. */
static size_t break_length(const char *p, const char *end) {
    size_t left = (size_t)(end - p);

    if (*p == '\n')
        return 1;
    if (*p == '\r')
        return left > 1 && p[1] == '\n' ? 2 : 1;
    if (left > 1 && memcmp(p, "\xc2\x85", 2) == 0) /* next line */
        return 2;
    if (left > 2 && (memcmp(p, "\xe2\x80\xa8", 3) == 0 || memcmp(p, "\xe2\x80\xa9", 3) == 0)) /* separators */
        return 3;
    return 0;
}

static void copy_source_line(const struct yaml_document *document, unsigned line, struct error *error) {
    const char *p = document->text, *end = document->text + document->size;
    size_t length = 0;

    while (line > 1 && p < end) {
        size_t size = break_length(p, end);

        p += size > 0 ? size : 1;
        line -= size > 0;
    }
    while (p + length < end && break_length(p + length, end) == 0)
        length++;
    error_set_source(error, p, length);
}

bool yaml_error_at(const struct yaml_document *document, unsigned line, unsigned column, struct error *error,
                   const char *what) {
    error_set(error, "%s", what);
    snprintf(error->file, sizeof error->file, "%s", document->file);
    error->line = line;
    error->column = column;
    if (line > 0 && document->text != NULL)
        copy_source_line(document, line, error);
    return false;
}

bool yaml_error(const struct yaml_document *document, const struct yaml_node *node, struct error *error,
                const char *format, ...) {
    char what[sizeof error->what];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return yaml_error_at(document, node == NULL ? 0 : node->line, node == NULL ? 0 : node->column, error,
                         what);
}

/* The line that the byte at `offset` stands in. */
static unsigned line_of_byte(const struct yaml_document *document, size_t offset) {
    const char *p = document->text, *end = p + document->size;
    unsigned line = 1;

    while (p < end && p < document->text + offset) {
        size_t size = break_length(p, end);

        p += size > 0 ? size : 1;
        line += size > 0;
    }
    return line;
}

/* Advice on what libyaml says in words of its own. */
static void hint_parser_error(const yaml_parser_t *parser, const struct yaml_document *document,
                              struct error *error) {
    size_t column = parser->problem_mark.column;
    size_t indent = strspn(error->source_line, " \t");

    if (parser->error != YAML_SCANNER_ERROR) {
        if (parser->context != NULL && strstr(parser->context, "block mapping") != NULL)
            error_hint(error, "keys of one mapping stand below one another; this one's first is in line %zu",
                       parser->context_mark.line + 1);
        return;
    }
    if (document->text[strspn(document->text, " \t\r\n")] == '{')
        error_hint(error, "JSON is read as YAML: that allows no \\u escape of a surrogate pair and no key "
                          "over 1024 characters");
    else if (column < indent && error->source_line[column] == '\t')
        error_hint(error, "YAML is indented with blanks, not with tabs");
    else if (parser->problem != NULL && strstr(parser->problem, "mapping values") != NULL)
        error_hint(error, "a text that holds \": \" needs quotes");
}

bool yaml_error_of_parser(const struct yaml_document *document, const yaml_parser_t *parser,
                          struct error *error) {
    const char *problem = parser->problem == NULL ? "libyaml gives no reason" : parser->problem;
    const char *context = parser->context == NULL ? "" : parser->context;
    char what[256];

    if (parser->error == YAML_MEMORY_ERROR)
        return yaml_error_at(document, 0, 0, error, "not enough memory to read it");
    if (parser->error == YAML_READER_ERROR) { /* it knows the byte only */
        snprintf(what, sizeof what, "not UTF-8 text: %s", problem);
        return yaml_error_at(document, line_of_byte(document, parser->problem_offset), 0, error, what);
    }
    snprintf(what, sizeof what, "not YAML: %s%s%s", problem, context[0] == '\0' ? "" : ", ", context);
    yaml_error_at(document, (unsigned)parser->problem_mark.line + 1,
                  (unsigned)parser->problem_mark.column + 1, error, what);
    if (parser->context != NULL && parser->context_mark.line < parser->problem_mark.line &&
        (error->source_line[0] == '\0' || strstr(problem, "end of stream") != NULL)) {
        yaml_error_at(document, (unsigned)parser->context_mark.line + 1,
                      (unsigned)parser->context_mark.column + 1, error, what);
        return error_hint(error, "what begins here has no end");
    }
    hint_parser_error(parser, document, error);
    return false;
}
