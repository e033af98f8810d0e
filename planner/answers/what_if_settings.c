/* What the software could be told to do otherwise, one setting at a time. */
#include <string.h>

#include "planner/answers/settings.h"
#include "planner/answers/what_if.h"

/* What saves less than this share of a step is not shown. */
static const double WORTH_SHOWING = 0.001;

/* Changes the training; false where it is so already, or where it makes no sense for the plan. */
typedef bool set_training(const struct plan *today, struct training *training);

static bool set_fp8(const struct plan *today, struct training *training) {
    struct error ignored = {0};
    bool half = training->precision == PRECISION_BF16 || training->precision == PRECISION_FP16;
    training->precision = PRECISION_FP8;
    return half && training_check_precision(PRECISION_FP8, today->cluster, &ignored);
}

static bool set_half_gradients(const struct plan *today, struct training *training) {
    (void)today;
    if (training_gradient_bytes(training) <= 2)
        return false;
    training->gradients = GRADIENTS_HALF;
    return true;
}

/* Megatron-Core's precision-aware optimizer. */
static bool set_half_moments(const struct plan *today, struct training *training) {
    (void)today;
    if (training->optimizer.moments != MOMENTS_DEFAULT)
        return false;
    training->optimizer.moments = MOMENTS_HALF;
    return true;
}

static bool set_flash(const struct plan *today, struct training *training) {
    (void)today;
    if (training->attention == ATTENTION_FLASH)
        return false;
    training->attention = ATTENTION_FLASH;
    return true;
}

static bool set_overlap(const struct plan *today, struct training *training) {
    if (!layout_exchanges_tokens(&today->layout, today->model) || training->routing.overlap)
        return false;
    training->routing.overlap = true;
    return true;
}

/* DeepEP takes neither experts padded to a capacity nor devices before Hopper. */
static bool set_deepep(const struct plan *today, struct training *training) {
    if (!layout_exchanges_tokens(&today->layout, today->model) || today->model->experts.capacity_factor > 0 ||
        !cluster_device_is_recent(&today->cluster->device) ||
        training_dispatcher(training, today->model, today->cluster, &today->layout) == DISPATCHER_DEEPEP)
        return false;
    training->routing.dispatcher = DISPATCHER_DEEPEP;
    return true;
}

static bool set_graphs(const struct plan *today, struct training *training) {
    if (today->model->experts.count == 0 ||
        training_graphs(training, today->model, &today->cluster->device) != GRAPHS_NONE)
        return false;
    training->cuda_graphs = GRAPHS_LAYERS;
    return true;
}

/* Kernels through all experts are written for MXFP8 on Blackwell (Transformer Engine). */
static bool set_fused_experts(const struct plan *today, struct training *training) {
    bool mxfp8 =
        training->precision == PRECISION_FP8 && today->cluster->device.fp8_scaling == FP8_SCALING_BLOCK;
    if (today->model->experts.count == 0 || !training->stack->transformer_engine || !mxfp8 ||
        training_fuses_experts(training))
        return false;
    training->recipe.experts = EXPERTS_FUSED;
    return true;
}

/* A step in one graph has experts' rows counted on the device, which fused kernels do (Megatron-Core). */
static bool set_step_graphs(const struct plan *today, struct training *training) {
    bool counted = today->model->experts.count == 0 || today->model->experts.capacity_factor > 0 ||
                   training_fuses_experts(training);
    if (!counted || !training->stack->transformer_engine || training->cuda_graphs == GRAPHS_STEP)
        return false;
    training->cuda_graphs = GRAPHS_STEP;
    return true;
}

static const struct {
    const char *key, *value;
    set_training *set;
} settings[] = {
    {"precision", "fp8", set_fp8},
    {"gradients", "16-bit", set_half_gradients},
    {"optimizer.moments", "16-bit", set_half_moments},
    {"attention", "flash", set_flash},
    {"routing.overlap", "true", set_overlap},
    {"routing.dispatcher", "deepep", set_deepep},
    {"cuda_graphs", "true", set_graphs},
    {"cuda_graphs", "step", set_step_graphs},
    {"recipe.experts", "fused", set_fused_experts},
};
enum { TRAINING_SETTINGS = sizeof settings / sizeof *settings };

_Static_assert(TRAINING_SETTINGS + 1 <= WHAT_IF_MAX_SETTINGS, "a place for each, and for the schedule");

/* Precision and attention have flags of their own. */
static const char *flag_of(size_t setting, const struct problem *problem) {
    const char *key = settings[setting].key, *value = settings[setting].value;
    if (strcmp(key, "precision") == 0 || strcmp(key, "attention") == 0)
        return arena_print(problem->arena, "--%s %s", key, value);
    return arena_print(problem->arena, "--training \"%s\"",
                       settings_with(problem->settings, key, value, problem->arena));
}

/* Most saved first. */
static void insert(const struct what_if_setting *setting, struct what_if *what_if) {
    size_t place = what_if->setting_count;
    if (setting->gain.saved < WORTH_SHOWING)
        return;
    what_if->setting_count++;
    for (; place > 0 && what_if->settings[place - 1].gain.saved < setting->gain.saved; place--)
        what_if->settings[place] = what_if->settings[place - 1];
    what_if->settings[place] = *setting;
}

/* A schedule that the stack lacks. */
static void add_schedule(struct problem *problem, struct answer *answer, struct what_if *what_if) {
    struct search_problem search = problem->search;
    struct what_if_setting setting = {.key = "schedule"};
    struct error ignored = {0}; /* none of them splits these devices */
    size_t *count = &search.request.keys[LAYOUT_SCHEDULE].count;
    if (*count > 0 || problem->cluster.parallelism == PARALLELISM_DATA)
        return;
    for (int schedule = 0; schedule < SCHEDULE_COUNT; schedule++)
        if ((search.training.stack->schedules & 1U << schedule) == 0)
            search.request.keys[LAYOUT_SCHEDULE].values[(*count)++] = schedule;
    if (*count == 0 || !what_if_search(&search, answer, problem->arena, &setting.gain, &ignored))
        return;
    enum schedule schedule = setting.gain.plan->layout.schedule;
    setting.value = schedule_names[schedule];
    setting.flag =
        layout_request_flag(&problem->search.request, LAYOUT_SCHEDULE, (int64_t)schedule, problem->arena);
    insert(&setting, what_if);
}

bool what_if_add_settings(struct problem *problem, struct answer *answer, struct what_if *what_if,
                          struct error *error) {
    for (size_t i = 0; i < TRAINING_SETTINGS; i++) {
        struct search_problem search = problem->search;
        struct what_if_setting setting = {
            .key = settings[i].key, .value = settings[i].value, .flag = flag_of(i, problem)};
        if (!settings[i].set(answer->plans[0], &search.training))
            continue;
        if (!what_if_search(&search, answer, problem->arena, &setting.gain, error))
            return false;
        insert(&setting, what_if);
    }
    add_schedule(problem, answer, what_if);
    return true;
}
