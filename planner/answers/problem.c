#include "planner/answers/problem.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/catalogue.h"
#include "common/units.h"
#include "planner/kernels/matmul.h"
#include "planner/kernels/reference_device.h"

/* What a step trains on when nobody says: as large language models of some hundred billion parameters did
 * (GPT-3 3.2M tokens, arXiv 2005.14165 Table 2.1; Llama 3 405B 4M at first, arXiv 2407.21783 section 3.4.1),
 * and on many devices as much for each as the largest runs have had (Llama 3 405B: 16M tokens on 16,384 GPUs;
 * the GPT-4 leak: 60M on 25,000). */
#define DEFAULT_BATCH_TOKENS            4194304.0
#define DEFAULT_BATCH_TOKENS_PER_DEVICE 2048.0

/* A batch given in tokens may be rounded this far to one that splits well: "60M" is said of 58 to 62. */
#define BATCH_ROUNDING 0.03

/* A step of more is taken for a slip: the largest that was reported has 60M tokens. */
#define BATCH_ODD_TOKENS 1e9

/* The default batch: the largest step there is between numbers like 2^k and 3 x 2^k. */
#define DEFAULT_BATCH_ROUNDING 0.25

/* No training holds less of a parameter than 2 bytes of weight, 2 of gradient, and 12 of the optimizer's fp32
 * weight and two moments; all may be spread over all devices. */
#define LEAST_BYTES_PER_PARAMETER              16.0
#define LEAST_BYTES_PER_PARAMETER_NO_OPTIMIZER 4.0

enum { DEFAULT_TOP = 5 };

void problem_note(struct problem *problem, const char *format, ...) {
    if (problem->note_count == PROBLEM_MAX_NOTES) {
        return;
    }
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    problem->notes[problem->note_count++] = arena_copy_string(problem->arena, text);
}

/* Devices come in whole nodes, or are part of one. */
static bool check_devices(const struct cluster *cluster, int64_t devices, struct error *error) {
    int64_t per_node = cluster->node.devices, there = cluster_devices(cluster);
    if (there && devices > there) {
        return error_set(error, "%s has %" PRId64 " devices, not %" PRId64, cluster->name, there, devices);
    }
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

int64_t problem_layout_devices(const struct layout_request *request) {
    static const enum layout_key keys[] = {LAYOUT_TP, LAYOUT_CP, LAYOUT_PP, LAYOUT_DP};
    int64_t devices = 1;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (request->keys[keys[i]].count != 1) {
            return 0;
        }
        devices *= request->keys[keys[i]].values[0];
        if (devices > PROBLEM_MAX_DEVICES) {
            return 0;
        }
    }
    return devices;
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
    if (problem->devices_from) {
        return true;
    }
    int64_t devices = problem_layout_devices(&problem->search.request);
    if (devices) {
        problem_note(problem, "%" PRId64 " devices, as the layout says", devices);
    } else if ((devices = cluster_devices(&problem->cluster)) != 0) {
        problem_note(problem, "%" PRId64 " devices, all that %s has", devices, problem->cluster.name);
    }
    problem->devices_from = problem->devices_to = devices;
    return devices == 0 || check_devices(&problem->cluster, devices, error);
}

static bool set_training(const struct problem_asked *asked, struct problem *problem, struct error *error) {
    struct training *training = &problem->search.training;
    *training = (struct training){.sequence = asked->sequence ? asked->sequence : problem->model.sequence,
                                  .tokens = asked->tokens,
                                  .precision = asked->precision,
                                  .selective = asked->selective,
                                  .gradients = asked->gradients,
                                  .cuda_graphs = asked->cuda_graphs,
                                  .routing = asked->routing,
                                  .recipe = asked->recipe,
                                  .stack = asked->stack};
    training->attention = training->stack->fused_attention ? ATTENTION_FLASH : ATTENTION_UNFUSED;
    if (asked->attention_given) {
        training->attention = asked->attention;
    }
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
    if (!model || !model_read(model, problem->arena, &problem->model, error)) {
        return false;
    }
    problem->fault = PROBLEM_CLUSTER;
    const char *cluster = catalogue_find(CATALOGUE_TOPOLOGY, asked->cluster, problem->arena, error);
    if (!cluster || !cluster_read(cluster, problem->arena, &problem->cluster, error)) {
        return false;
    }
    matmul_adopt_measured(&problem->cluster.device);
    return true;
}

/* What was asked in place of the cluster file's prices. */
static bool set_prices(const struct problem_asked *asked, struct problem *problem, struct error *error) {
    struct cluster *cluster = &problem->cluster;
    if (asked->price_given) {
        cluster->device.price_per_second = asked->price_per_second;
    }
    if (asked->energy_price_given) {
        cluster->energy_price_per_joule = asked->energy_price_per_joule;
    }
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
    if (problem->cluster.parallelism != PARALLELISM_DATA) {
        return true;
    }
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
    problem->search.exhaustive = asked->exhaustive;
    problem->search.weighs_offload = asked->layout.keys[LAYOUT_OFFLOAD].count == 0;
    problem->search.top = asked->top;
    if (!read_files(asked, problem, error) || !set_prices(asked, problem, error) ||
        !set_training(asked, problem, error) || !set_devices(asked, problem, error)) {
        return false;
    }
    slow_hosts_find(&problem->cluster, arena, &problem->slow);
    model_count(&problem->model, problem->search.training.sequence, &problem->counts);
    return keep_parallelism(problem, error);
}

bool problem_only_streams(const struct problem *problem) {
    return problem->cluster.parallelism == PARALLELISM_DATA && problem->cluster.store.name != NULL;
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
    double on_devices = LEAST_BYTES_PER_PARAMETER, anywhere = LEAST_BYTES_PER_PARAMETER * parameters;
    if (layout_request_allows(request, LAYOUT_OFFLOAD, OFFLOAD_OPTIMIZER) ||
        layout_request_allows(request, LAYOUT_OFFLOAD, OFFLOAD_OPTIMIZER_ACTIVATIONS))
        on_devices = LEAST_BYTES_PER_PARAMETER_NO_OPTIMIZER;
    if (layout_request_allows(request, LAYOUT_OFFLOAD, OFFLOAD_WEIGHTS) ||
        layout_request_allows(request, LAYOUT_OFFLOAD, OFFLOAD_WEIGHTS_ACTIVATIONS))
        on_devices = 0;
    if (on_devices < LEAST_BYTES_PER_PARAMETER)
        all_bytes += cluster->node.host_memory_bytes;
    if (on_devices < LEAST_BYTES_PER_PARAMETER && store->name != NULL && store->devices > 0)
        all_bytes += store->capacity_bytes * fmax(1, in_node / (double)store->devices);
    if (on_devices < LEAST_BYTES_PER_PARAMETER && store->name != NULL && store->devices == 0)
        anywhere = fmax(0, anywhere - store->capacity_bytes);
    double nodes = fmax(ceil(on_devices * parameters / device_bytes), ceil(anywhere / all_bytes));
    return (int64_t)fmax(nodes, 1) * cluster->node.devices;
}

bool problem_keep_free(struct problem *problem, double bytes, struct error *error) {
    struct cluster *cluster = &problem->cluster;
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

/* The multiple of `unit` nearest to `sequences`, at least one. */
static double nearest_multiple(double sequences, double unit) {
    return fmax(round(sequences / unit), 1) * unit;
}

static int64_t greatest_common_divisor(int64_t a, int64_t b) {
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The data-parallel split that a layout fixes, by itself or by all else of one number of devices; 0: none. */
static int64_t fixed_data_parallel(const struct problem *problem) {
    static const enum layout_key others[] = {LAYOUT_TP, LAYOUT_CP, LAYOUT_PP};
    const struct layout_request *request = &problem->search.request;
    int64_t devices = problem->devices_to;
    if (request->keys[LAYOUT_DP].count == 1) {
        return request->keys[LAYOUT_DP].values[0];
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (request->keys[others[i]].count != 1 || devices % request->keys[others[i]].values[0] != 0) {
            return 0;
        }
        devices /= request->keys[others[i]].values[0];
    }
    return problem->devices_from == problem->devices_to ? devices : 0;
}

/* What data-parallel splits and pipelines are made from: the split that the layout fixes, times the
 * micro-batch, else the devices; of a range their least common multiple, unless that is absurd. */
static int64_t batch_unit(const struct problem *problem) {
    const struct layout_request *request = &problem->search.request;
    int64_t from = problem->devices_from, to = problem->devices_to;
    int64_t data_parallel = fixed_data_parallel(problem);
    if (data_parallel) {
        size_t choices = request->keys[LAYOUT_MICRO_BATCH].count;
        return data_parallel * (choices ? request->keys[LAYOUT_MICRO_BATCH].values[choices - 1] : 1);
    }
    if (from == 0 || to == 0) {
        return 1;
    }
    int64_t multiple = from / greatest_common_divisor(from, to) * to;
    return multiple <= PROBLEM_MAX_DEVICES ? multiple : to;
}

/* The multiple of `unit` times as large a power of two as leaves one within `rounding` of `wanted`; 0 where
 * even `unit` leaves none. */
static double multiple_near(double unit, double wanted, double rounding) {
    double best = 0;
    for (; unit <= 2 * wanted; unit *= 2) {
        double candidate = nearest_multiple(wanted, unit);
        if (fabs(candidate - wanted) <= rounding * wanted) {
            best = candidate;
        }
    }
    return best;
}

static int64_t divisor_count(int64_t number) {
    int64_t count = 1;
    for (int64_t prime = 2; prime <= number / prime; prime++) {
        int64_t power = 1;
        for (; number % prime == 0; number /= prime) {
            power++;
        }
        count *= power;
    }
    return number > 1 ? 2 * count : count;
}

struct batch_choice {
    double sequences, wanted, rounding;
    int64_t unit, common; /* what splits are made from; how many of its divisors divide `sequences` too */
};

/* Takes a multiple of `divisor` where more splits divide it than what was taken. */
static void try_divisor(int64_t divisor, struct batch_choice *choice) {
    double batch = multiple_near((double)divisor, choice->wanted, choice->rounding);
    int64_t common = batch > 0 ? divisor_count(greatest_common_divisor((int64_t)batch, choice->unit)) : 0;
    if (common > choice->common) {
        choice->sequences = batch;
        choice->common = common;
    }
}

/* Sequences near to `tokens` that as many splits as possible divide. Of those that as many do, the multiple
 * of the largest divisor of the unit. */
static int64_t batch_that_splits(const struct problem *problem, double tokens, double rounding) {
    double wanted = tokens / (double)problem->search.training.sequence;
    struct batch_choice choice = {round(wanted), wanted, rounding, batch_unit(problem), 0};
    for (int64_t part = 1; part <= choice.unit / part; part++) { /* the largest divisors first */
        if (choice.unit % part == 0) {
            try_divisor(choice.unit / part, &choice);
        }
    }
    for (int64_t divisor = (int64_t)sqrt((double)choice.unit); divisor > 0; divisor--) {
        if (choice.unit % divisor == 0) {
            try_divisor(divisor, &choice);
        }
    }
    return (int64_t)fmax(choice.sequences, 1);
}

void problem_set_count(struct problem *problem, int64_t devices) {
    size_t taken = slow_hosts_taken(&problem->slow, &problem->cluster, devices);
    problem->search.devices = devices;
    problem->search.cluster = slow_hosts_cluster(&problem->slow, &problem->cluster, taken, problem->arena);
}

void problem_set_devices(struct problem *problem, int64_t from, int64_t to) {
    struct training *training = &problem->search.training;
    problem->devices_from = from;
    problem->devices_to = to;
    problem_set_count(problem, from);
    if (problem->asked_batch) {
        training->global_batch = problem->asked_batch;
    } else if (problem->asked_batch_tokens > 0) {
        training->global_batch = batch_that_splits(problem, problem->asked_batch_tokens, BATCH_ROUNDING);
    } else {
        double tokens = fmax(DEFAULT_BATCH_TOKENS, DEFAULT_BATCH_TOKENS_PER_DEVICE * (double)to);
        training->global_batch = batch_that_splits(problem, tokens, DEFAULT_BATCH_ROUNDING);
    }
}

static void note_batch(struct problem *problem) {
    const struct training *training = &problem->search.training;
    const char *plural = training->global_batch == 1 ? "" : "s";
    char text[32];
    units_format((double)training->global_batch * (double)training->sequence, UNIT_TOKENS, text, sizeof text);
    if (problem->asked_batch_tokens > 0) {
        problem_note(problem, "global batch taken as %" PRId64 " sequence%s, %s, which split well",
                     training->global_batch, plural, text);
    } else if (!problem->asked_batch) {
        problem_note(problem, "global batch of %" PRId64 " sequence%s, %s, is the default (--global-batch)",
                     training->global_batch, plural, text);
    } else if ((double)training->global_batch * (double)training->sequence > BATCH_ODD_TOKENS) {
        problem_note(problem,
                     "global batch of %" PRId64 " sequences has %s a step; tokens are given as "
                     "\"4M tokens\"",
                     training->global_batch, text);
    }
}

static void note_model(struct problem *problem) {
    const struct model *model = &problem->model;
    if (model->shape_derived) {
        problem_note(problem, "shape derived: %s", model->derivation);
    }
    if (model->vocab_assumed) {
        problem_note(problem, "vocabulary of %" PRId64 " assumed: the model file gives none", model->vocab);
    }
    if (model->sequence_is_limit && problem->search.training.sequence == model->sequence) {
        problem_note(problem, "sequences of %" PRId64 ", the longest that config.json names (--sequence)",
                     model->sequence);
    }
    if (model->window && model->window < problem->search.training.sequence) {
        problem_note(problem,
                     "every layer attends to the whole sequence: windows of %" PRId64
                     " tokens are not modelled",
                     model->window);
    }
    if (model->learned_positions && problem->search.training.sequence > model->learned_positions) {
        problem_note(problem, "sequence is longer than the %" PRId64 " learned positions of the model",
                     model->learned_positions);
    }
}

/* An MFU near 1 is read as a mistake. */
static void note_attention(struct problem *problem) {
    const double mostly = 0.5,
                 share = problem->counts.attention_flops_per_token / problem->counts.flops_per_token;
    if (share > mostly && problem->search.training.attention == ATTENTION_FLASH) {
        problem_note(
            problem,
            "MFU counts attention in full, as is usual: %.0f %% of the FLOPs, of which flash attention "
            "skips the half that the causal mask hides",
            100 * share);
    }
}

static void note_cluster(struct problem *problem) {
    const struct cluster *cluster = &problem->cluster;
    const struct cluster_source *source = &cluster->source;
    if (source->kind == SOURCE_MEASURED) {
        problem_note(problem, "network measured%s%s", source->date ? " on " : "",
                     source->date ? source->date : "");
    } else {
        problem_note(problem, "network as the datasheet says%s%s", source->from ? ": " : "",
                     source->from ? source->from : "");
    }
    if (cluster->device.from && strcmp(cluster->device.from, "base") == 0) {
        problem_note(problem, "the device is not measured: it is the base's %s", cluster->device.name);
    }
    if (source->kind == SOURCE_DATASHEET && source->note) {
        problem_note(problem, "%s: %s", cluster->name, source->note);
    }
    if (cluster->parallelism == PARALLELISM_DATA) {
        problem_note(problem, "%s splits by data alone: no tp, cp, pp or ep", cluster->name);
    }
    if (cluster->device.from && strstr(cluster->device.from, "measured:")) {
        problem_note(problem, "figures of the device %s: %s", cluster->device.name, cluster->device.from);
    }
    if (cluster->device.kernels.measured_share > 0) {
        problem_note(problem, "matrix products at %.3g of their usual rate, as one of %" PRId64 " reached",
                     cluster->device.kernels.measured_share, cluster->device.product_edge);
    }
    if (!matmul_is_fitted(&cluster->device, problem->search.training.precision)) {
        const struct matmul_constants *reference = &reference_device.kernels.matmul[PRECISION_BF16];
        double share = reference->flops_per_second / (1 + reference->throttle) /
                       reference_device.peak_flops[PRECISION_BF16];
        problem_note(
            problem,
            "no kernel of %s was measured in %s: extrapolated from the %s by peak, of which its large "
            "bf16 products reach %.0f %%",
            cluster->device.name, precision_names[problem->search.training.precision], reference_device.name,
            100 * share);
    }
    if (problem->search.training.tokens > 0 && cluster->device.price_per_second <= 0) {
        problem_note(problem, cluster->energy_price_per_joule > 0
                                  ? "the cost is that of energy alone: the cluster file gives no price"
                                  : "no cost: the cluster file gives no price");
    }
    if (problem->search.training.tokens > 0 && cluster->energy_price_per_joule > 0) {
        problem_note(problem, "energy: the devices at their power all the time, without hosts and cooling");
    }
    bool interruptions = cluster->device.mtbf_seconds > 0 && cluster->node.storage_bytes_per_second > 0;
    if (problem->search.training.tokens > 0 && !interruptions) {
        problem_note(problem, "days without interruptions: the cluster file gives no mtbf, or no storage");
    }
}

static void note_schedules(struct problem *problem) {
    const struct stack *stack = problem->search.training.stack;
    char missing[128] = "";
    if (problem->search.request.keys[LAYOUT_SCHEDULE].count > 0 ||
        problem->cluster.parallelism == PARALLELISM_DATA) {
        return;
    }
    for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++) {
        if (!(stack->schedules & 1U << schedule)) {
            size_t used = strlen(missing);
            snprintf(missing + used, sizeof missing - used, "%s%s", used ? ", " : "",
                     schedule_names[schedule]);
        }
    }
    if (*missing) {
        problem_note(problem, "schedules that %s lacks are left out (--layout schedule=... tries them): %s",
                     stack->name, missing);
    }
}

void problem_note_assumptions(struct problem *problem) {
    const struct training *training = &problem->search.training;
    note_batch(problem);
    note_model(problem);
    bool attention_said =
        training->attention == (training->stack->fused_attention ? ATTENTION_FLASH : ATTENTION_UNFUSED);
    problem_note(problem, "stack %s (%s)%s%s", training->stack->name, training->stack->what,
                 attention_said ? "" : ", attention ",
                 attention_said ? "" : attention_kernel_names[training->attention]);
    note_attention(problem);
    note_schedules(problem);
    note_cluster(problem);
}
