/* Errors at a place of a YAML document, for its reader; yaml_error, of a node, is for all others. */
#ifndef CLUSTERPLAN_YAML_ERROR_H
#define CLUSTERPLAN_YAML_ERROR_H

#include <yaml.h>

#include "common/error.h"
#include "common/yaml_tree.h"

/* `line` and `column` count from 1; 0: unknown. Always returns false. */
bool yaml_error_at(const struct yaml_document *document, unsigned line, unsigned column, struct error *error,
                   const char *what);

/* What the parser stopped at, with advice where its own words say too little. Always returns false. */
bool yaml_error_of_parser(const struct yaml_document *document, const yaml_parser_t *parser,
                          struct error *error);

#endif
