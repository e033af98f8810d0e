#include "planner/answers/problem.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/catalogue.h"
#include "common/units.h"
#include "planner/answers/problem_batch.h"
#include "planner/kernels/chip.h"
#include "planner/kernels/matmul.h"
#include "planner/numbers.h"

/* No training holds less of a parameter than 2 bytes of weight, 2 of gradient, and what its optimizer keeps;
 * all may be spread over all devices. */
static const double LEAST_BYTES_PER_PARAMETER_NO_OPTIMIZER = 4;

enum { DEFAULT_TOP = 5 };

/* What pre-training takes where only the longest sequence of a model is known: no more than this. Llama 3
 * took 8,192 (arXiv 2407.21783), DeepSeek-V3 and Qwen3 4,096 (arXiv 2412.19437, 2505.09388), and more at the
 * end. */
enum { USUAL_SEQUENCE = 8192 };

/* Devices come in whole nodes, or are part of one. */
static bool check_devices(const struct cluster *cluster, int64_t devices, struct error *error) {
    int64_t per_node = cluster->node.devices, there = cluster_devices(cluster);
    if (there && devices > there)
        return error_set(error, "%s has %" PRId64 " devices, not %" PRId64, cluster->name, there, devices);
    if (devices > PROBLEM_MAX_DEVICES) {
        error_set(error, "%s has %" PRId64 " devices, and no more than %d are planned", cluster->name, there,
                  PROBLEM_MAX_DEVICES);
        return error_hint(error, "--devices says how many of them to take");
    }
    if (devices > per_node && devices % per_node != 0) {
        int64_t nodes = devices / per_node;
        error_set(error, "a node of %s has %" PRId64 " devices, and %" PRId64 " are no whole nodes",
                  cluster->name, per_node, devices);
        return error_hint(error, "take %" PRId64 " or %" PRId64, nodes * per_node, (nodes + 1) * per_node);
    }
    return true;
}

/* The keys that are a number of devices. */
static const enum layout_key ways[] = {LAYOUT_TP, LAYOUT_CP, LAYOUT_PP, LAYOUT_DP};
enum { WAYS = sizeof ways / sizeof *ways };

int64_t problem_layout_devices(const struct layout_request *request) {
    int64_t devices = 1;
    for (size_t i = 0; i < WAYS; i++) {
        if (request->keys[ways[i]].count != 1)
            return 0;
        devices *= request->keys[ways[i]].values[0];
        if (devices > PROBLEM_MAX_DEVICES)
            return 0;
    }
    return devices;
}

int64_t problem_devices_step(const struct problem *problem) {
    int64_t per_node = problem->cluster.node.devices, split = 1;
    for (size_t i = 0; i < WAYS && split <= PROBLEM_MAX_DEVICES; i++)
        if (problem->search.request.keys[ways[i]].count == 1)
            split *= problem->search.request.keys[ways[i]].values[0];
    return per_node / greatest_common_divisor(per_node, split) * split;
}

/* Refuses a layout of more devices than are planned. */
static bool check_layout_devices(const struct problem *problem, struct error *error) {
    const struct layout_request *request = &problem->search.request;
    double least = 1;
    for (size_t i = 0; i < WAYS; i++)
        if (request->keys[ways[i]].count > 0)
            least *= (double)request->keys[ways[i]].values[0];
    least = larger(least, (double)problem_devices_step(problem));
    return least <= PROBLEM_MAX_DEVICES ||
           error_set(error, "--layout takes %.15g devices or more, and no more than %d are planned", least,
                     PROBLEM_MAX_DEVICES);
}

static bool set_devices(const struct problem_asked *asked, struct problem *problem, struct error *error) {
    problem->fault = PROBLEM_DEVICES;
    problem->devices_from = asked->devices_from;
    problem->devices_to = asked->devices_to;
    if (asked->devices_from) {
        return check_devices(&problem->cluster, problem->devices_from, error) &&
               check_devices(&problem->cluster, problem->devices_to, error);
    }
    return true;
}

bool problem_default_devices(struct problem *problem, struct error *error) {
    if (problem->devices_from)
        return true;
    int64_t devices = problem_layout_devices(&problem->search.request);
    if (devices)
        problem_note(problem, "%" PRId64 " device%s, as the layout says", devices, units_plural(devices));
    else if ((devices = cluster_devices(&problem->cluster)) != 0)
        problem_note(problem, "%" PRId64 " device%s, all that %s has", devices, units_plural(devices),
                     problem->cluster.name);
    problem->devices_from = problem->devices_to = devices;
    return devices == 0 ? check_layout_devices(problem, error)
                        : check_devices(&problem->cluster, devices, error);
}

static int64_t default_sequence(const struct model *model) {
    return model->sequence_is_limit && model->sequence > USUAL_SEQUENCE ? USUAL_SEQUENCE : model->sequence;
}

static bool set_training(const struct problem_asked *asked, struct problem *problem, struct error *error) {
    struct training *training = &problem->search.training;
    *training =
        (struct training){.sequence = asked->sequence ? asked->sequence : default_sequence(&problem->model),
                          .tokens = asked->tokens,
                          .precision = asked->precision,
                          .gradients = asked->gradients,
                          .optimizer = asked->optimizer,
                          .cuda_graphs = asked->cuda_graphs,
                          .routing = asked->routing,
                          .recipe = asked->recipe,
                          .stack = asked->stack};
    training->attention =
        asked->attention_given ? asked->attention : training_default_attention(asked->stack);
    problem->settings = asked->settings;
    problem->asked_sequence = asked->sequence;
    problem->asked_batch = asked->global_batch;
    problem->asked_batch_tokens = asked->global_batch_tokens;
    problem->fault = PROBLEM_BATCH;
    if (problem->asked_batch_tokens > 0 && problem->asked_batch_tokens < (double)training->sequence) {
        return error_set(error, "a global batch of %.15g tokens is less than a sequence of %" PRId64,
                         problem->asked_batch_tokens, training->sequence);
    }
    problem->fault = PROBLEM_PRECISION;
    return training_check_precision(asked->precision, &problem->cluster, error);
}

static bool read_files(const struct problem_asked *asked, struct problem *problem, struct error *error) {
    problem->fault = PROBLEM_MODEL;
    const char *model = catalogue_find(CATALOGUE_MODEL, asked->model, problem->arena, error);
    if (!model || !model_read(model, problem->arena, &problem->model, error))
        return false;
    problem->fault = PROBLEM_CLUSTER;
    const char *cluster = catalogue_find(CATALOGUE_TOPOLOGY, asked->cluster, problem->arena, error);
    if (!cluster || !chip_read_cluster(cluster, problem->arena, &problem->cluster, error))
        return false;
    return true;
}

/* What was asked in place of the cluster file's prices. */
static bool set_prices(const struct problem_asked *asked, struct problem *problem, struct error *error) {
    struct cluster *cluster = &problem->cluster;
    if (asked->price_given)
        cluster->device.price_per_second = asked->price_per_second;
    if (asked->energy_price_given)
        cluster->energy_price_per_joule = asked->energy_price_per_joule;
    problem->fault = PROBLEM_ENERGY_PRICE;
    return cluster->energy_price_per_joule <= 0 || cluster->device.power_watts > 0 ||
           error_set(error, "an energy price needs the power of a device, and %s gives none", cluster->name);
}

struct problem_asked problem_asked_nothing(void) {
    return (struct problem_asked){.precision = PRECISION_BF16, .stack = stack_default(), .top = DEFAULT_TOP};
}

/* What a cluster that splits by data alone leaves free. */
static bool keep_parallelism(struct problem *problem, struct error *error) {
    static const enum layout_key keys[] = {LAYOUT_TP, LAYOUT_CP, LAYOUT_PP, LAYOUT_EP, LAYOUT_ETP};
    struct layout_request *request = &problem->search.request;
    if (problem->cluster.parallelism != PARALLELISM_DATA)
        return true;
    problem->fault = PROBLEM_LAYOUT;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!layout_request_allows(request, keys[i], 1)) {
            return error_set(error, "%s splits by data alone: %s must be 1", problem->cluster.name,
                             layout_key_names[keys[i]]);
        }
        layout_request_fix(request, keys[i], 1);
    }
    return true;
}

bool problem_pose(const struct problem_asked *asked, struct arena *arena, struct problem *problem,
                  struct error *error) {
    memset(problem, 0, sizeof *problem);
    problem->arena = arena;
    problem->search.model = &problem->model;
    problem->search.cluster = &problem->cluster;
    problem->search.request = asked->layout;
    problem->search.exhaustive = problem->search.simulates_all = asked->exhaustive;
    problem->search.weighs_offload = asked->layout.keys[LAYOUT_OFFLOAD].count == 0;
    problem->search.top = asked->top;
    if (!read_files(asked, problem, error) || !set_prices(asked, problem, error) ||
        !set_training(asked, problem, error) || !set_devices(asked, problem, error))
        return false;
    slow_hosts_find(&problem->cluster, arena, &problem->slow);
    model_count(&problem->model, problem->search.training.sequence, &problem->counts);
    return keep_parallelism(problem, error);
}

void problem_share_costs(struct problem *problem) {
    struct search_problem *search = &problem->search;
    if (search->context == NULL)
        search->context =
            cost_context_create(problem->arena, search->model, search->cluster, &search->training);
}

int64_t problem_fewest_devices(const struct problem *problem) {
    const struct cluster *cluster = &problem->cluster;
    const struct layout_request *request = &problem->search.request;
    const struct cluster_store *store = &cluster->store;
    double in_node = (double)cluster->node.devices, parameters = problem->counts.parameters;
    double device_bytes = in_node * cluster->device.memory_bytes, all_bytes = device_bytes;
    double least = LEAST_BYTES_PER_PARAMETER_NO_OPTIMIZER + optimizer_kept_bytes(&problem->search.training);
    double on_devices = least, anywhere = least * parameters;
    if (layout_request_allows(request, LAYOUT_OFFLOAD, OFFLOAD_OPTIMIZER) ||
        layout_request_allows(request, LAYOUT_OFFLOAD, OFFLOAD_OPTIMIZER_ACTIVATIONS))
        on_devices = LEAST_BYTES_PER_PARAMETER_NO_OPTIMIZER;
    if (layout_request_allows(request, LAYOUT_OFFLOAD, OFFLOAD_WEIGHTS) ||
        layout_request_allows(request, LAYOUT_OFFLOAD, OFFLOAD_WEIGHTS_ACTIVATIONS))
        on_devices = 0;
    if (on_devices < least)
        all_bytes += cluster->node.host_memory_bytes;
    if (on_devices < least && store->name != NULL && store->devices > 0)
        all_bytes += store->capacity_bytes * fmax(1, in_node / (double)store->devices);
    if (on_devices < least && store->name != NULL && store->devices == 0)
        anywhere = fmax(0, anywhere - store->capacity_bytes);
    double nodes = fmax(ceil(on_devices * parameters / device_bytes), ceil(anywhere / all_bytes));
    return (int64_t)fmax(nodes, 1) * cluster->node.devices;
}

bool problem_keep_free(struct problem *problem, double bytes, struct error *error) {
    const double least = 1e6; /* less is a unit forgotten: "8" for "8 GB" */
    struct cluster *cluster = &problem->cluster;
    if (bytes > 0 && bytes < least) {
        char text[32];
        error_set(error, "headroom: %s, less than 1 MB, is none",
                  units_format(bytes, UNIT_BYTES, text, sizeof text));
        return error_hint(error, "a number without a unit is in bytes; \"8 GB\" has one");
    }
    if (bytes >= cluster->device.memory_bytes) {
        return error_set(error, "headroom: a device of %s has no more than %.4g GB in all", cluster->name,
                         cluster->device.memory_bytes / 1e9);
    }
    if (bytes > 0) {
        problem_note(problem, "%.4g GB of each device's %.4g GB stay free, as wished", bytes / 1e9,
                     cluster->device.memory_bytes / 1e9);
    }
    cluster->device.memory_bytes -= bytes;
    return true;
}

void problem_set_count(struct problem *problem, int64_t devices) {
    size_t taken = slow_hosts_taken(&problem->slow, &problem->cluster, devices);
    problem->search.devices = devices;
    problem->search.cluster = slow_hosts_cluster(&problem->slow, &problem->cluster, taken, problem->arena);
}

void problem_set_devices(struct problem *problem, int64_t from, int64_t to) {
    problem->devices_from = from;
    problem->devices_to = to;
    problem_set_count(problem, from);
    problem->search.training.global_batch = problem_batch(problem);
}
