#include "common/cluster_fields.h"

/* Rows: key, how it is read, and what it may hold. */
#define TEXT(key_, type_, member_)                                                                           \
    { .key = (key_), .type = FIELD_TEXT, .offset = offsetof(type_, member_) }
#define TEXT_REQUIRED(key_, type_, member_)                                                                  \
    { .key = (key_), .type = FIELD_TEXT, .offset = offsetof(type_, member_), .required = true }
#define WHOLE(key_, type_, member_)                                                                          \
    { .key = (key_), .type = FIELD_INTEGER, .offset = offsetof(type_, member_), .unit = UNIT_COUNT }
#define NUMBER(key_, type_, member_, unit_)                                                                  \
    { .key = (key_), .type = FIELD_NUMBER, .offset = offsetof(type_, member_), .unit = (unit_) }
/* For what can be left out, but isn't 0 where it stands: 0 is how the struct says "unknown". */
#define NUMBER_POSITIVE(key_, type_, member_, unit_)                                                         \
    {                                                                                                        \
        .key = (key_), .type = FIELD_NUMBER, .offset = offsetof(type_, member_), .unit = (unit_),            \
        .positive = true                                                                                     \
    }
#define NUMBER_REQUIRED(key_, type_, member_, unit_)                                                         \
    {                                                                                                        \
        .key = (key_), .type = FIELD_NUMBER, .offset = offsetof(type_, member_), .unit = (unit_),            \
        .required = true, .positive = true                                                                   \
    }
/* Outside of what hardware can have a unit was forgotten, or mistaken. */
#define IN_RANGE(key_, type_, member_, unit_, least_, most_, required_)                                      \
    {                                                                                                        \
        .key = (key_), .type = FIELD_NUMBER, .offset = offsetof(type_, member_), .unit = (unit_),            \
        .required = (required_), .minimum = (least_), .maximum = (most_)                                     \
    }
#define MEMORY(key_, type_, member_, required_)                                                              \
    IN_RANGE(key_, type_, member_, UNIT_BYTES, 1e6, 1e18, required_)
#define BANDWIDTH(key_, type_, member_, required_)                                                           \
    IN_RANGE(key_, type_, member_, UNIT_BYTES_PER_SECOND, 1e4, 1e17, required_)
#define CUSTOM(key_, offset_, read_)                                                                         \
    { .key = (key_), .type = FIELD_CUSTOM, .offset = (offset_), .read = (read_) }
#define CUSTOM_REQUIRED(key_, offset_, read_, example_)                                                      \
    {                                                                                                        \
        .key = (key_), .type = FIELD_CUSTOM, .offset = (offset_), .read = (read_), .required = true,         \
        .example = (example_)                                                                                \
    }
#define END                                                                                                  \
    { .key = NULL }

static const char *const source_kinds[] = {
    [SOURCE_DATASHEET] = "datasheet", [SOURCE_MEASURED] = "measured", NULL};
static const char *const parallelisms[] = {[PARALLELISM_ANY] = "any", [PARALLELISM_DATA] = "data", NULL};
static const char *const fp8_scalings[] = {
    [FP8_SCALING_DEFAULT] = "default", [FP8_SCALING_TENSOR] = "tensor", [FP8_SCALING_BLOCK] = "block", NULL};
static const char *const matmul_forms[] = {[MATMUL_TILED] = "tiled", [MATMUL_SMOOTH] = "smooth", NULL};

const struct field cluster_fields[] = {
    TEXT_REQUIRED("name", struct cluster, name),
    CUSTOM_REQUIRED("source", offsetof(struct cluster, source), read_source,
                    "source: {kind: datasheet, from: \"who says so\"}"),
    {.key = "nodes",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct cluster, nodes),
     .unit = UNIT_COUNT,
     .minimum = 1,
     .maximum = 1e9},
    IN_RANGE("energy_price", struct cluster, energy_price_per_joule, UNIT_MONEY_PER_JOULE, 0,
             CLUSTER_HIGHEST_ENERGY_PRICE, false),
    CUSTOM_REQUIRED("node", offsetof(struct cluster, node), read_node, "node: {devices: 8}"),
    CUSTOM_REQUIRED(
        "device", offsetof(struct cluster, device), read_device,
        "device: {name: A100, memory: 80 GB, memory_bandwidth: 2 TB/s, peak: {bf16: 312 TFLOP/s}}"),
    CUSTOM_REQUIRED("network", 0, read_network,
                    "network: [{name: ethernet, devices: all, bandwidth: 100 Gb/s, latency: 10 us}]"),
    {.key = "parallelism",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct cluster, parallelism),
     .choices = parallelisms},
    CUSTOM("store", offsetof(struct cluster, store), read_store),
    CUSTOM("hosts", 0, read_hosts),
    CUSTOM("classes", 0, read_classes),
    CUSTOM("measurements", 0, read_measurements),
    TEXT("matrix", struct cluster, matrix_file),
    END,
};

const struct field source_fields[] = {
    {.key = "kind",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct cluster_source, kind),
     .required = true,
     .choices = source_kinds},
    TEXT("from", struct cluster_source, from),
    TEXT("date", struct cluster_source, date),
    TEXT("program", struct cluster_source, program),
    TEXT("mpi", struct cluster_source, mpi),
    TEXT("libraries", struct cluster_source, libraries),
    TEXT("command", struct cluster_source, command),
    TEXT("note", struct cluster_source, note),
    END,
};

const struct field node_fields[] = {
    {.key = "devices",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct cluster_node, devices),
     .required = true,
     .unit = UNIT_COUNT,
     .minimum = 1,
     .maximum = 1024},
    MEMORY("host_memory", struct cluster_node, host_memory_bytes, false),
    BANDWIDTH("host_link", struct cluster_node, host_link_bytes_per_second, false),
    BANDWIDTH("host_memory_bandwidth", struct cluster_node, host_memory_bytes_per_second, false),
    BANDWIDTH("storage", struct cluster_node, storage_bytes_per_second, false),
    TEXT("from", struct cluster_node, from),
    END,
};

const struct field store_fields[] = {
    TEXT_REQUIRED("name", struct cluster_store, name),
    MEMORY("capacity", struct cluster_store, capacity_bytes, true),
    CUSTOM_REQUIRED("devices", offsetof(struct cluster_store, devices), read_span,
                    "devices: 8, or devices: all"),
    BANDWIDTH("bandwidth", struct cluster_store, bytes_per_second, true),
    BANDWIDTH("total_bandwidth", struct cluster_store, total_bytes_per_second, false),
    BANDWIDTH("memory_bandwidth", struct cluster_store, memory_bytes_per_second, false),
    {.key = "broadcast", .type = FIELD_BOOL, .offset = offsetof(struct cluster_store, broadcast)},
    TEXT("from", struct cluster_store, from),
    END,
};

const struct field device_fields[] = {
    TEXT_REQUIRED("name", struct cluster_device, name),
    MEMORY("memory", struct cluster_device, memory_bytes, true),
    NUMBER("reserved", struct cluster_device, reserved_bytes, UNIT_BYTES),
    BANDWIDTH("memory_bandwidth", struct cluster_device, memory_bytes_per_second, true),
    CUSTOM_REQUIRED("peak", offsetof(struct cluster_device, peak_flops), read_peak,
                    "peak: {bf16: 312 TFLOP/s}"),
    {.key = "fp8_scaling",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct cluster_device, fp8_scaling),
     .choices = fp8_scalings},
    IN_RANGE("price", struct cluster_device, price_per_second, UNIT_MONEY_PER_SECOND, 0,
             CLUSTER_HIGHEST_PRICE, false),
    IN_RANGE("power", struct cluster_device, power_watts, UNIT_WATTS, 1, 1e5, false),
    NUMBER_POSITIVE("mtbf", struct cluster_device, mtbf_seconds, UNIT_SECONDS),
    TEXT("from", struct cluster_device, from),
    CUSTOM("product", 0, read_product),
    CUSTOM("matmul", offsetof(struct cluster_device, kernels), read_kernels),
    CUSTOM("attention", offsetof(struct cluster_device, kernels.attention), read_attention),
    CUSTOM("attention_fp8", offsetof(struct cluster_device, kernels.attention_fp8), read_attention_fp8),
    END,
};

const struct field product_fields[] = {
    {.key = "edge",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct cluster_device, product_edge),
     .required = true,
     .unit = UNIT_COUNT,
     .minimum = 1,
     .maximum = 1e6},
    NUMBER_REQUIRED("rate", struct cluster_device, product_flops_per_second, UNIT_FLOPS_PER_SECOND),
    END,
};

#define PEAK(key_, precision_)                                                                               \
    {                                                                                                        \
        .key = (key_), .type = FIELD_NUMBER, .offset = (precision_) * sizeof(double),                        \
        .unit = UNIT_FLOPS_PER_SECOND, .minimum = 1e6, .maximum = 1e21, .none_allowed = true                 \
    }
const struct field peak_fields[] = {
    PEAK("bf16", PRECISION_BF16),
    PEAK("fp16", PRECISION_FP16),
    PEAK("tf32", PRECISION_TF32),
    PEAK("fp8", PRECISION_FP8),
    END,
};

const struct field kernel_fields[] = {
    {.key = "multiprocessors",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct kernel_constants, multiprocessors),
     .unit = UNIT_COUNT,
     .minimum = 1,
     .maximum = 1e6},
    {.key = "memory_efficiency",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct kernel_constants, memory_efficiency),
     .positive = true,
     .maximum = 1},
    TEXT("from", struct kernel_constants, from),
    CUSTOM("bf16", offsetof(struct kernel_constants, matmul[PRECISION_BF16]), read_matmul),
    CUSTOM("fp16", offsetof(struct kernel_constants, matmul[PRECISION_FP16]), read_matmul),
    CUSTOM("tf32", offsetof(struct kernel_constants, matmul[PRECISION_TF32]), read_matmul),
    CUSTOM("fp8", offsetof(struct kernel_constants, matmul[PRECISION_FP8]), read_matmul),
    CUSTOM("grouped", 0, read_grouped),
    END,
};

const struct field matmul_fields[] = {
    {.key = "form",
     .type = FIELD_CHOICE,
     .offset = offsetof(struct matmul_constants, form),
     .required = true,
     .choices = matmul_forms},
    NUMBER("launch", struct matmul_constants, launch_seconds, UNIT_SECONDS),
    NUMBER_REQUIRED("rate", struct matmul_constants, flops_per_second, UNIT_FLOPS_PER_SECOND),
    NUMBER("peak", struct matmul_constants, peak_flops, UNIT_FLOPS_PER_SECOND),
    NUMBER("throttle", struct matmul_constants, throttle, UNIT_NONE),
    NUMBER("throttle_flops", struct matmul_constants, throttle_flops, UNIT_NONE),
    NUMBER("tile_edge", struct matmul_constants, tile_edge, UNIT_NONE),
    NUMBER("tile_time", struct matmul_constants, tile_seconds, UNIT_SECONDS),
    NUMBER("split_traffic", struct matmul_constants, split_traffic, UNIT_NONE),
    NUMBER("output_time", struct matmul_constants, output_seconds, UNIT_SECONDS),
    NUMBER("idle_share", struct matmul_constants, idle_share, UNIT_NONE),
    NUMBER("operand_time", struct matmul_constants, operand_seconds, UNIT_SECONDS),
    END,
};

const struct field grouped_fields[] = {
    NUMBER("rate", struct kernel_constants, grouped_rate, UNIT_NONE),
    NUMBER("launch", struct kernel_constants, grouped_launch_seconds, UNIT_SECONDS),
    NUMBER("exposed", struct kernel_constants, grouped_exposed, UNIT_NONE),
    END,
};

const struct field attention_fields[] = {
    NUMBER("launch", struct attention_constants, launch_seconds, UNIT_SECONDS),
    NUMBER_REQUIRED("rate", struct attention_constants, flops_per_second, UNIT_FLOPS_PER_SECOND),
    NUMBER("peak", struct attention_constants, peak_flops, UNIT_FLOPS_PER_SECOND),
    NUMBER("diagonal_tokens", struct attention_constants, diagonal_tokens, UNIT_NONE),
    NUMBER("longest_row_share", struct attention_constants, longest_row_share, UNIT_NONE),
    NUMBER("softmax_dims", struct attention_constants, softmax_dims, UNIT_NONE),
    NUMBER("throttle", struct attention_constants, throttle, UNIT_NONE),
    NUMBER("throttle_flops", struct attention_constants, throttle_flops, UNIT_NONE),
    NUMBER("backward_launch", struct attention_constants, backward_launch_seconds, UNIT_SECONDS),
    NUMBER("backward_rate", struct attention_constants, backward_flops_per_second, UNIT_FLOPS_PER_SECOND),
    NUMBER("backward_diagonal_tokens", struct attention_constants, backward_diagonal_tokens, UNIT_NONE),
    NUMBER("wide_rate", struct attention_constants, wide_rate, UNIT_NONE),
    NUMBER("wide_backward_rate", struct attention_constants, wide_backward_rate, UNIT_NONE),
    END,
};

const struct field level_fields[] = {
    TEXT_REQUIRED("name", struct network_level, name),
    CUSTOM_REQUIRED("devices", offsetof(struct network_level, devices), read_span,
                    "devices: 8, or devices: all"),
    BANDWIDTH("bandwidth", struct network_level, bandwidth_bytes_per_second, true),
    {.key = "ports",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct network_level, ports),
     .unit = UNIT_COUNT,
     .minimum = 1,
     .maximum = 1024},
    IN_RANGE("latency", struct network_level, latency_seconds, UNIT_SECONDS, 0, 1, false),
    {.key = "oversubscription",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct network_level, oversubscription),
     .minimum = 1,
     .maximum = 1e6},
    {.key = "efficiency",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct network_level, efficiency),
     .positive = true,
     .maximum = 1},
    {.key = "mesh", .type = FIELD_BOOL, .offset = offsetof(struct network_level, mesh)},
    TEXT("from", struct network_level, from),
    CUSTOM("collectives", offsetof(struct network_level, collectives), read_collectives),
    END,
};

#define OPERATION(key_, operation_)                                                                          \
    CUSTOM(key_, (operation_) * sizeof(struct collective_constants), read_collective)
const struct field collectives_fields[] = {
    OPERATION("all_reduce", COLLECTIVE_ALL_REDUCE),         OPERATION("all_gather", COLLECTIVE_ALL_GATHER),
    OPERATION("reduce_scatter", COLLECTIVE_REDUCE_SCATTER), OPERATION("all_to_all", COLLECTIVE_ALL_TO_ALL),
    OPERATION("send_receive", COLLECTIVE_SEND_RECEIVE),     END,
};

const struct field collective_fields[] = {
    NUMBER("latency", struct collective_constants, latency_seconds, UNIT_SECONDS),
    NUMBER("latency_per_member", struct collective_constants, latency_per_member_seconds, UNIT_SECONDS),
    BANDWIDTH("bandwidth", struct collective_constants, bandwidth_bytes_per_second, true),
    /* Below 1, or a group of one would have no bandwidth left; below 0 where small groups are faster. */
    {.key = "small_group_loss",
     .type = FIELD_NUMBER,
     .offset = offsetof(struct collective_constants, small_group_loss),
     .minimum = -100,
     .maximum = 0.999},
    NUMBER("ramp", struct collective_constants, ramp_seconds, UNIT_SECONDS),
    NUMBER("fit_error", struct collective_constants, fit_error, UNIT_NONE),
    TEXT("from", struct collective_constants, from),
    CUSTOM("corrections", 0, read_corrections),
    END,
};

const struct field correction_fields[] = {
    {.key = "members",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct collective_correction, members),
     .required = true,
     .unit = UNIT_COUNT,
     .minimum = 2,
     .maximum = 1e9},
    NUMBER_REQUIRED("message", struct collective_correction, message_bytes, UNIT_BYTES),
    IN_RANGE("factor", struct collective_correction, factor, UNIT_NONE, 1e-3, 1e3, true),
    END,
};

const struct field host_fields[] = {
    TEXT_REQUIRED("name", struct cluster_host, name),
    TEXT("class", struct cluster_host, class_name),
    TEXT("place", struct cluster_host, place),
    NUMBER_POSITIVE("bandwidth_factor", struct cluster_host, bandwidth_factor, UNIT_NONE),
    NUMBER_POSITIVE("latency_factor", struct cluster_host, latency_factor, UNIT_NONE),
    NUMBER_POSITIVE("compute_factor", struct cluster_host, compute_factor, UNIT_NONE),
    TEXT("note", struct cluster_host, note),
    END,
};

const struct field class_fields[] = {
    TEXT_REQUIRED("name", struct node_class, name),
    {.key = "nodes",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct node_class, nodes),
     .unit = UNIT_COUNT,
     .maximum = 1e9},
    TEXT("cpu", struct node_class, cpu),
    WHOLE("packages", struct node_class, packages),
    WHOLE("cores", struct node_class, cores),
    WHOLE("threads", struct node_class, threads),
    WHOLE("numa_nodes", struct node_class, numa_nodes),
    NUMBER("memory", struct node_class, memory_bytes, UNIT_BYTES),
    NUMBER("l3", struct node_class, l3_bytes, UNIT_BYTES),
    NUMBER("l2", struct node_class, l2_bytes, UNIT_BYTES),
    CUSTOM("parts", 0, read_parts),
    END,
};

const struct field part_fields[] = {
    TEXT_REQUIRED("kind", struct node_part, kind),
    TEXT_REQUIRED("name", struct node_part, name),
    TEXT("pci", struct node_part, pci),
    {.key = "numa",
     .type = FIELD_INTEGER,
     .offset = offsetof(struct node_part, numa),
     .minimum = -1,
     .maximum = 1e6},
    NUMBER("rate", struct node_part, rate_bytes_per_second, UNIT_BYTES_PER_SECOND),
    NUMBER("memory", struct node_part, memory_bytes, UNIT_BYTES),
    WHOLE("links", struct node_part, links),
    NUMBER("link_rate", struct node_part, link_rate_bytes_per_second, UNIT_BYTES_PER_SECOND),
    TEXT("near", struct node_part, near),
    TEXT("note", struct node_part, note),
    END,
};

#define MEASUREMENT_FIELDS(unit_)                                                                            \
    TEXT_REQUIRED("level", struct measurement, level), TEXT_REQUIRED("what", struct measurement, what),      \
        TEXT("transport", struct measurement, transport), TEXT("between", struct measurement, between),      \
        NUMBER("message", struct measurement, message_bytes, UNIT_BYTES),                                    \
        WHOLE("members", struct measurement, members), WHOLE("count", struct measurement, count),            \
        NUMBER_REQUIRED("median", struct measurement, median, unit_),                                        \
        NUMBER("minimum", struct measurement, minimum, unit_),                                               \
        NUMBER("maximum", struct measurement, maximum, unit_),                                               \
        NUMBER("spread", struct measurement, spread, unit_), END
const struct field time_fields[] = {MEASUREMENT_FIELDS(UNIT_SECONDS)};
const struct field rate_fields[] = {MEASUREMENT_FIELDS(UNIT_BYTES_PER_SECOND)};

const struct network_level level_defaults = {.oversubscription = 1};
const struct node_part part_defaults = {.numa = -1};
