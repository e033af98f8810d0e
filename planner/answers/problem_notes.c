/* What a report says it took for granted. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "planner/answers/problem.h"
#include "planner/kernels/chip.h"
#include "planner/kernels/matmul.h"
#include "planner/kernels/reference_device.h"

/* A step of more is taken for a slip: the largest that was reported has 60M tokens. */
#define BATCH_ODD_TOKENS 1e9

void problem_note(struct problem *problem, const char *format, ...) {
    if (problem->note_count == PROBLEM_MAX_NOTES)
        return;
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    problem->notes[problem->note_count++] = arena_copy_string(problem->arena, text);
}

static void note_batch(struct problem *problem) {
    const struct training *training = &problem->search.training;
    const char *plural = units_plural(training->global_batch);
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

/* "15" for "15T": the days and the cost would be those of one step. */
static void note_tokens(struct problem *problem) {
    const struct training *training = &problem->search.training;
    double step_tokens = (double)training->global_batch * (double)training->sequence;
    if (training->tokens > 0 && training->tokens < step_tokens) {
        char text[32];
        problem_note(problem,
                     "the training's %s tokens are less than one step has; \"15T\" is 15 trillion (--tokens)",
                     units_format(training->tokens, UNIT_TOKENS, text, sizeof text));
    }
}

/* What config.json names is a maximum, not what a model is trained with. */
static void note_sequence(struct problem *problem) {
    const struct model *model = &problem->model;
    int64_t planned = problem->search.training.sequence;
    if (!model->sequence_is_limit || problem->asked_sequence)
        return;
    if (planned < model->sequence) {
        problem_note(problem,
                     "sequences of %" PRId64 ", as pre-training has them; the longest that config.json names "
                     "is %" PRId64 " (--sequence)",
                     planned, model->sequence);
    } else {
        problem_note(problem, "sequences of %" PRId64 ", the longest that config.json names (--sequence)",
                     planned);
    }
}

static void note_model(struct problem *problem) {
    const struct model *model = &problem->model;
    if (model->shape_derived)
        problem_note(problem, "shape derived: %s", model->derivation);
    if (model->vocab_assumed)
        problem_note(problem, "vocabulary of %" PRId64 " assumed: the model file gives none", model->vocab);
    note_sequence(problem);
    if (model->side_by_side)
        problem_note(problem,
                     "attention and MLP stand side by side in this model: modelled one behind the other");
    if (model->text_alone)
        problem_note(problem, "the language model alone: config.json's vision part is left out");
    if (model->learned_positions && problem->search.training.sequence > model->learned_positions) {
        problem_note(problem, "sequence is longer than the %" PRId64 " learned positions of the model",
                     model->learned_positions);
    }
}

static double attention_share(const struct problem *problem) {
    return problem->counts.attention_flops_per_token / problem->counts.flops_per_token;
}

/* Whether it is mostly attention, half of which is counted and not done. */
static bool skips_much(const struct problem *problem) {
    const double mostly = 0.5;
    return attention_share(problem) > mostly && problem->search.training.attention == ATTENTION_FLASH;
}

/* An MFU near 1 is read as a mistake. */
static void note_attention(struct problem *problem) {
    if (skips_much(problem)) {
        problem_note(
            problem,
            "MFU counts attention in full, as is usual: %.0f %% of the FLOPs, of which flash attention "
            "skips the half that the causal mask hides",
            100 * attention_share(problem));
    }
}

void problem_note_no_host(struct problem *problem) {
    const struct cluster *cluster = &problem->cluster;
    if (cluster->node.host_memory_bytes <= 0 && cluster->store.name == NULL) {
        problem_note(problem,
                     "nothing is offloaded: %s gives no host_memory and host_link (node: {devices: %" PRId64
                     ", host_memory: 64 GB, host_link: 25 GB/s})",
                     cluster->name, cluster->node.devices);
    }
}

void problem_note_mfu(struct problem *problem, double mfu) {
    if (mfu > 1 && !skips_much(problem)) {
        problem_note(
            problem,
            "an MFU above 100 %% can't be: in the file of %s the kernels' rates, or the product that was "
            "measured, don't go with the device's peak",
            problem->cluster.name);
    }
}

static void note_network(struct problem *problem) {
    const struct cluster_source *source = &problem->cluster.source;
    if (source->kind == SOURCE_MEASURED) {
        problem_note(problem, "network measured%s%s", source->date ? " on " : "",
                     source->date ? source->date : "");
    } else {
        problem_note(problem, "network as the datasheet says%s%s", source->from ? ": " : "",
                     source->from ? source->from : "");
    }
    if (source->kind == SOURCE_DATASHEET && source->note)
        problem_note(problem, "%s: %s", problem->cluster.name, source->note);
    if (problem->cluster.parallelism == PARALLELISM_DATA)
        problem_note(problem, "%s splits by data alone: no tp, cp, pp or ep", problem->cluster.name);
}

/* Whose kernels are taken for the device's, where its file gives none. */
static void note_kernels(struct problem *problem) {
    const struct cluster_device *device = &problem->cluster.device;
    const struct matmul_constants *reference = &reference_device.kernels.matmul[PRECISION_BF16];
    const char *precision = precision_names[problem->search.training.precision];
    double share =
        reference->flops_per_second / (1 + reference->throttle) / reference_device.peak_flops[PRECISION_BF16];
    if (!matmul_is_fitted(device, problem->search.training.precision)) {
        problem_note(
            problem,
            "no kernel of %s was measured in %s: extrapolated from the %s by peak, of which its large "
            "bf16 products reach %.0f %%",
            device->name, precision, reference_device.name, 100 * share);
    } else if (device->kernels.chip_watts > 0) {
        problem_note(problem,
                     "kernels of %s: those of the %s, which has the same chip, by peak or, where that leaves "
                     "less, by its %.0f W to the 0.456, as A100-PCIe was measured",
                     device->name, device->kernels.chip_device, device->kernels.chip_watts);
    } else if (device->kernels.chip_device && strcmp(device->kernels.chip_device, device->name) != 0) {
        problem_note(problem, "kernels of %s: those of the %s, which has the same chip, by peak",
                     device->name, device->kernels.chip_device);
    }
}

/* Datasheets print peaks with sparsity first, which no training reaches. */
enum { SPARSE_PERCENT = 150 };

static void note_peak(struct problem *problem) {
    const struct cluster_device *device = &problem->cluster.device;
    const struct chip *chip = chip_of(device->name);
    if (chip && 100 * device->peak_flops[PRECISION_BF16] > SPARSE_PERCENT * chip->dense_flops) {
        problem_note(problem,
                     "the peak of %s, %.4g TFLOP/s in bf16, is taken as it is given; without sparsity, as "
                     "trainings run, %s has %.4g",
                     device->name, 1e-12 * device->peak_flops[PRECISION_BF16], chip->name,
                     1e-12 * chip->dense_flops);
    }
}

/* The probe saw no GPU, so what it found in a node are messages from a core to another. */
static void note_host_links(struct problem *problem) {
    const struct cluster *cluster = &problem->cluster;
    const struct network_level *level = &cluster->levels[0];
    bool inside = level->devices == 0 ? cluster->nodes == 1 : level->devices <= cluster->node.devices;
    if (inside && cluster->node.devices > 1 && level->from && strcmp(level->from, "measured") == 0)
        problem_note(
            problem,
            "links in a node (%s) as measured between host memories, where the probe saw no GPU; those "
            "of %s may be far faster",
            level->name, cluster->device.name);
}

static void note_device(struct problem *problem) {
    const struct cluster_device *device = &problem->cluster.device;
    if (device->from && strcmp(device->from, "base") == 0) {
        problem_note(problem, "the device is not measured: it is the base's %s", device->name);
        note_host_links(problem);
    }
    if (device->from && strstr(device->from, "measured:"))
        problem_note(problem, "figures of the device %s: %s", device->name, device->from);
    if (device->kernels.measured_share > 0) {
        problem_note(problem, "matrix products at %.3g of their usual rate, as one of %" PRId64 " reached",
                     device->kernels.measured_share, device->product_edge);
    }
    note_kernels(problem);
    note_peak(problem);
}

/* What the cluster file lacks for days and costs. */
static void note_prices(struct problem *problem) {
    const struct cluster *cluster = &problem->cluster;
    if (problem->search.training.tokens <= 0)
        return;
    if (cluster->device.price_per_second <= 0) {
        problem_note(problem, cluster->energy_price_per_joule > 0
                                  ? "the cost is that of energy alone: the cluster file gives no price"
                                  : "no cost: the cluster file gives no price");
    }
    if (cluster->energy_price_per_joule > 0)
        problem_note(problem, "energy: the devices at their power all the time, without hosts and cooling");
    if (cluster->device.mtbf_seconds <= 0 || cluster->node.storage_bytes_per_second <= 0)
        problem_note(problem, "days without interruptions: the cluster file gives no mtbf, or no storage");
}

static void note_schedules(struct problem *problem) {
    const struct stack *stack = problem->search.training.stack;
    char missing[128] = "";
    if (problem->search.request.keys[LAYOUT_SCHEDULE].count > 0 ||
        problem->cluster.parallelism == PARALLELISM_DATA)
        return;
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
    note_tokens(problem);
    note_model(problem);
    bool attention_said = training->attention == training_default_attention(training->stack);
    problem_note(problem, "stack %s (%s)%s%s", training->stack->name, training->stack->what,
                 attention_said ? "" : ", attention ",
                 attention_said ? "" : attention_kernel_names[training->attention]);
    note_attention(problem);
    note_schedules(problem);
    note_network(problem);
    note_device(problem);
    note_prices(problem);
}
