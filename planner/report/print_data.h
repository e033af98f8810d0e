/* Results for other programs: one document, written as YAML or as JSON with the same keys and figures. */
#ifndef CLUSTERPLAN_PRINT_DATA_H
#define CLUSTERPLAN_PRINT_DATA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/error.h"

enum print_format { FORMAT_TABLE, FORMAT_YAML, FORMAT_JSON };

/* What --format says; NULL is a table. */
bool print_format_parse(const char *text, enum print_format *format, struct error *error);

/* A number for a document: whole ones as integers, what is no number (NaN, infinity) as null. */
json_t *print_data_number(double value);

/* A string, or null for NULL. Bytes that are no UTF-8 are shown as '?'. */
json_t *print_data_text(const char *text);

/* Writes `document` as FORMAT_YAML or FORMAT_JSON and gives up the caller's reference. Failure to write is
 * left in ferror(stream). */
void print_data(json_t *document, enum print_format format, FILE *stream);

#endif
