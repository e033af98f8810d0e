/* The keys of a cluster file, for its reader and its writer alike: what one table row reads, it also writes.
 *
 * A row of FIELD_CUSTOM is read by one of the functions below; cluster_write.c holds the counterpart of each.
 */
#ifndef CLUSTERPLAN_CLUSTER_FIELDS_H
#define CLUSTERPLAN_CLUSTER_FIELDS_H

#include "common/cluster.h"
#include "common/fields.h"

extern const struct field cluster_fields[];     /* struct cluster */
extern const struct field source_fields[];      /* struct cluster_source */
extern const struct field node_fields[];        /* struct cluster_node */
extern const struct field store_fields[];       /* struct cluster_store */
extern const struct field device_fields[];      /* struct cluster_device */
extern const struct field product_fields[];     /* struct cluster_device, as `product:` */
extern const struct field peak_fields[];        /* double[PRECISION_COUNT] */
extern const struct field kernel_fields[];      /* struct kernel_constants, as `matmul:` */
extern const struct field matmul_fields[];      /* struct matmul_constants, one precision */
extern const struct field grouped_fields[];     /* struct kernel_constants, as `matmul: {grouped: ...}` */
extern const struct field attention_fields[];   /* struct attention_constants */
extern const struct field level_fields[];       /* struct network_level */
extern const struct field collectives_fields[]; /* struct collective_constants[COLLECTIVE_COUNT] */
extern const struct field collective_fields[];  /* struct collective_constants, one operation */
extern const struct field correction_fields[];  /* struct collective_correction */
extern const struct field host_fields[];        /* struct cluster_host */
extern const struct field class_fields[];       /* struct node_class */
extern const struct field part_fields[];        /* struct node_part */
extern const struct field time_fields[];        /* struct measurement of seconds */
extern const struct field rate_fields[];        /* struct measurement of bytes a second */

/* What a key left out means, where that isn't 0. */
extern const struct network_level level_defaults;
extern const struct node_part part_defaults;

#define CUSTOM_READER(name)                                                                                  \
    bool name(const struct fields_reader *reader, const struct yaml_node *node, void *target)
CUSTOM_READER(read_source);
CUSTOM_READER(read_node);
CUSTOM_READER(read_store);
CUSTOM_READER(read_device);
CUSTOM_READER(read_product); /* target: struct cluster_device */
CUSTOM_READER(read_peak);
CUSTOM_READER(read_kernels);
CUSTOM_READER(read_matmul);
CUSTOM_READER(read_grouped);
CUSTOM_READER(read_attention);
CUSTOM_READER(read_attention_fp8);
CUSTOM_READER(read_network);     /* target: struct cluster */
CUSTOM_READER(read_span);        /* int64_t: a count or "all" */
CUSTOM_READER(read_collectives); /* target: the array */
CUSTOM_READER(read_collective);
CUSTOM_READER(read_corrections);  /* target: struct collective_constants */
CUSTOM_READER(read_hosts);        /* target: struct cluster */
CUSTOM_READER(read_classes);      /* target: struct cluster */
CUSTOM_READER(read_parts);        /* target: struct node_class */
CUSTOM_READER(read_measurements); /* target: struct cluster */

#endif
