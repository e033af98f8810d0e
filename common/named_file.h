/* Cluster and model files that another file names. */
#ifndef CLUSTERPLAN_NAMED_FILE_H
#define CLUSTERPLAN_NAMED_FILE_H

#include <stdbool.h>

#include "common/catalogue.h"
#include "common/fields.h"

/* The path of the file that `node` names: beside the file that is read where it is there, else as
 * catalogue_find has it on the command line. False with the reader's error set at the node when there is
 * none. The path belongs to the reader's arena. */
bool named_file_find(const struct fields_reader *reader, const struct yaml_node *node,
                     enum catalogue_kind kind, const char **path);

#endif
