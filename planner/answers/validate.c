#include "planner/answers/validate.h"

#include "planner/kernels/chip.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cluster.h"

/* Clusters that several runs share, read once. */
struct known_cluster {
    const char *path;
    struct cluster cluster;
    struct known_cluster *next;
};

static const struct cluster *find_cluster(struct known_cluster **known, const char *path, struct arena *arena,
                                          struct error *error) {
    struct known_cluster *entry;

    for (entry = *known; entry != NULL; entry = entry->next)
        if (strcmp(entry->path, path) == 0)
            return &entry->cluster;
    entry = ARENA_NEW(arena, struct known_cluster);
    if (!chip_read_cluster(path, arena, &entry->cluster, error))
        return NULL;
    entry->path = path;
    entry->next = *known;
    *known = entry;
    return &entry->cluster;
}

/* Free recompute, but not of all. */
static void spare_full_recompute(struct layout_request *request) {
    if (request->keys[LAYOUT_RECOMPUTE].count > 0)
        return;
    request->keys[LAYOUT_RECOMPUTE].count = 2;
    request->keys[LAYOUT_RECOMPUTE].values[0] = RECOMPUTE_NONE;
    request->keys[LAYOUT_RECOMPUTE].values[1] = RECOMPUTE_SELECTIVE;
}

/* Where selective recompute's modules weren't published they are those of the stack's users. False where they
 * were: nothing is changed. */
static bool fix_recompute_modules(const struct run *run, struct layout_request *request) {
    if (request->keys[LAYOUT_RECOMPUTE_MODULES].count > 0)
        return false;
    layout_request_fix(request, LAYOUT_RECOMPUTE_MODULES,
                       training_usual_modules(&run->training, &run->model));
    return true;
}

/* The run's own layout, completed: the best plan that fits without full recompute. Where there is none: the
 * run did fit, so what it saved memory with and didn't publish is granted before it is said to recompute all,
 * and then that selective recompute repeats more; what it needs is then predicted as for any other. Else what
 * came nearest. */
static bool find_plan(const struct run *run, const struct search_problem *problem, struct arena *arena,
                      struct plan *plan, struct error *error) {
    struct search_problem usual = *problem, thrifty, further = *problem;
    const struct search_problem *tried[3] = {&usual};
    size_t count = 1;
    struct search_result result = {0};
    const struct layout *layout = NULL;

    if (!training_check_precision(run->training.precision, problem->cluster, error))
        return false;
    further.training.thrifty = true;
    thrifty = further;
    fix_recompute_modules(run, &usual.request);
    if (fix_recompute_modules(run, &thrifty.request))
        tried[count++] = &thrifty; /* else it asks what the last one does */
    tried[count++] = &further;
    spare_full_recompute(&usual.request);
    usual.plans_only = thrifty.plans_only = true; /* what came nearest is the last one's */
    for (size_t i = 0; i < count && result.plan_count == 0; i++)
        if (!search_run(tried[i], arena, &result, error))
            return false;
    if (result.plan_count > 0)
        layout = &result.plans[0].layout;
    else if (result.nearest.found)
        layout = &result.nearest.layout;
    else
        return error_set(error, "no layout agrees with what was published");
    search_evaluate(problem, layout, arena, plan, NULL);
    return true;
}

static double memory_of_kind(const struct memory_use *memory, enum memory_kind kind) {
    switch (kind) {
    case MEMORY_ALLOCATED:
        return memory->allocated_bytes;
    case MEMORY_RESERVED:
        return memory->allocator_bytes;
    case MEMORY_DEVICE:
        break;
    }
    return memory->device_bytes;
}

/* A key's only value, or 0. */
static int64_t fixed(const struct layout_request *request, enum layout_key key) {
    return request->keys[key].count == 1 ? request->keys[key].values[0] : 0;
}

/* Experts of a layer; more of them are fine-grained. */
enum { MOST_COARSE_EXPERTS = 16 };

/* Megatron-Core splits experts over as many devices as all else unless told (model_parallel_config.py), and
 * its README (transformer/moe) tells those with fine-grained experts not to. */
static void fix_expert_tensor_parallel(const struct run *run, struct layout_request *request) {
    const struct model_experts *experts = &run->model.experts;
    int64_t tp = fixed(request, LAYOUT_TP), ep = fixed(request, LAYOUT_EP);
    int64_t stage = run->devices / (fixed(request, LAYOUT_PP) > 0 ? fixed(request, LAYOUT_PP) : 1);
    int64_t etp = experts->count > MOST_COARSE_EXPERTS ? 1 : tp;
    if (request->keys[LAYOUT_ETP].count > 0 || !run->training.stack->transformer_engine ||
        experts->count == 0 || tp == 0 || ep == 0)
        return;
    if (stage % (ep * etp) == 0 && experts->ffn_hidden % etp == 0)
        layout_request_fix(request, LAYOUT_ETP, etp);
}

/* What a publication leaves out it left at the default, or found not worth a word: the optimizer stays on the
 * device, stages have the layers of the rule; 1F1B of which no number of chunks is known may have been the
 * interleaved kind. */
static struct layout_request published(const struct run *run) {
    struct layout_request request = run->layout;

    if (request.keys[LAYOUT_OFFLOAD].count == 0)
        layout_request_fix(&request, LAYOUT_OFFLOAD, OFFLOAD_NONE);
    if (request.keys[LAYOUT_ORDER].count == 0)
        layout_request_fix(&request, LAYOUT_ORDER, ORDER_TP_CP_DP_PP);
    if (request.keys[LAYOUT_RECOMPUTE_LAYERS].count == 0)
        layout_request_fix(&request, LAYOUT_RECOMPUTE_LAYERS, 0);
    if (request.keys[LAYOUT_FIRST_STAGE_LAYERS].count == 0)
        layout_request_fix(&request, LAYOUT_FIRST_STAGE_LAYERS, 0);
    if (request.keys[LAYOUT_LAST_STAGE_LAYERS].count == 0)
        layout_request_fix(&request, LAYOUT_LAST_STAGE_LAYERS, 0);
    if (request.keys[LAYOUT_VPP].count == 0 && request.keys[LAYOUT_SCHEDULE].count == 1 &&
        request.keys[LAYOUT_SCHEDULE].values[0] == SCHEDULE_1F1B)
        request.keys[LAYOUT_SCHEDULE].values[request.keys[LAYOUT_SCHEDULE].count++] = SCHEDULE_INTERLEAVED;
    fix_expert_tensor_parallel(run, &request);
    return request;
}

static void predict(const struct run *run, const struct cluster *cluster, struct arena *arena,
                    struct validated_run *validated) {
    const struct search_problem problem = {.model = &run->model,
                                           .cluster = cluster,
                                           .training = run->training,
                                           .request = published(run),
                                           .devices = run->devices,
                                           .top = 1};
    const struct run_measured *measured = &run->measured;
    struct arena *scratch = arena_create();
    struct error error = {0};
    struct plan plan = {.model = &run->model};

    if (!find_plan(run, &problem, scratch, &plan, &error)) {
        validated->why = arena_copy_string(arena, error.what);
    } else {
        validated->layout = plan.layout;
        validated->fits = plan.memory.per_device_bytes <= plan.memory.capacity_bytes;
        validated->fits_without_margin = plan.memory.device_bytes <= plan.memory.capacity_bytes;
        validated->predicted_step = plan.step.seconds;
        validated->predicted_memory = memory_of_kind(&plan.memory, measured->memory_kind);
        validated->checked_memory = plan.memory.per_device_bytes;
        if (measured->step_seconds > 0)
            validated->step_error = plan.step.seconds / measured->step_seconds - 1;
        if (measured->memory_bytes > 0)
            validated->memory_error = validated->predicted_memory / measured->memory_bytes - 1;
    }
    arena_destroy(scratch);
}

static int compare_doubles(const void *a, const void *b) {
    const double *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

/* `errors` is sorted by size. */
static struct error_summary summarize(double *errors, size_t count) {
    struct error_summary summary = {.runs = count};
    double sum = 0, absolute_sum = 0;

    if (count == 0)
        return summary;
    for (size_t i = 0; i < count; i++) {
        sum += errors[i];
        errors[i] = fabs(errors[i]);
        absolute_sum += errors[i];
    }
    qsort(errors, count, sizeof *errors, compare_doubles);
    summary.bias = sum / (double)count;
    summary.mean_absolute = absolute_sum / (double)count;
    summary.median_absolute = (errors[(count - 1) / 2] + errors[count / 2]) / 2;
    summary.largest = errors[count - 1];
    return summary;
}

/* Of the runs of one file; of all with NULL. */
static void summarize_runs(const struct validation *validation, const char *file, struct arena *arena,
                           struct error_summary *step, struct error_summary *memory) {
    double *step_errors = ARENA_ARRAY(arena, double, validation->run_count);
    double *memory_errors = ARENA_ARRAY(arena, double, validation->run_count);
    size_t steps = 0, memories = 0;

    for (size_t i = 0; i < validation->run_count; i++) {
        const struct validated_run *validated = &validation->runs[i];

        if (validated->why != NULL || (file != NULL && validated->file != file))
            continue;
        if (validated->run->measured.step_seconds > 0)
            step_errors[steps++] = validated->step_error;
        if (validated->run->measured.memory_bytes > 0)
            memory_errors[memories++] = validated->memory_error;
    }
    *step = summarize(step_errors, steps);
    *memory = summarize(memory_errors, memories);
}

/* "seqsel-a100" of "tests/measured/seqsel-a100.yaml". */
static const char *short_name(const char *path, struct arena *arena) {
    const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');

    return arena_print(arena, "%.*s", (int)(dot != NULL && dot != name ? dot - name : (long)strlen(name)),
                       name);
}

/* Names of files, the whole path where two would be the same. */
static void name_files(const char *const *paths, size_t count, struct arena *arena,
                       struct validated_file *files) {
    for (size_t i = 0; i < count; i++)
        files[i].name = short_name(paths[i], arena);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(files[i].name, files[j].name) == 0) {
                files[i].name = arena_copy_string(arena, paths[i]);
                files[j].name = arena_copy_string(arena, paths[j]);
            }
}

static void append_runs(const struct run_file *file, const char *name, struct arena *arena,
                        struct validation *validation) {
    struct validated_run *runs =
        ARENA_ARRAY(arena, struct validated_run, validation->run_count + file->count);

    if (validation->run_count > 0)
        memcpy(runs, validation->runs, validation->run_count * sizeof *runs);
    for (size_t i = 0; i < file->count; i++) {
        runs[validation->run_count + i].run = &file->runs[i];
        runs[validation->run_count + i].file = name;
    }
    validation->runs = runs;
    validation->run_count += file->count;
}

static void count_fit(const struct validated_run *validated, struct validation *validation) {
    const bool predicted = validated->why == NULL, fits = predicted && validated->fits;

    if (validated->run->measured.out_of_memory) {
        validation->ran_out_but_fit += fits;
        validation->ran_out_and_refused += predicted && !fits;
        return;
    }
    validation->ran++;
    validation->tight += predicted && !fits && validated->fits_without_margin;
    validation->refused += predicted && !fits && !validated->fits_without_margin;
}

/* Leaves out what names a file that was named before, in other words or the same; pipes are read as often as
 * they are named. Returns how many paths are left. */
static size_t drop_repeated(const char *const *paths, size_t count, struct arena *arena, const char **left) {
    struct stat *files = ARENA_ARRAY(arena, struct stat, count);
    size_t kept = 0;

    for (size_t i = 0; i < count; i++) {
        struct stat *file = &files[kept];
        bool repeated = false;

        if (stat(paths[i], file) != 0)
            *file = (struct stat){.st_mode = 0};
        for (size_t j = 0; j < kept && S_ISREG(file->st_mode) && !repeated; j++)
            repeated = files[j].st_dev == file->st_dev && files[j].st_ino == file->st_ino;
        if (!repeated)
            left[kept++] = paths[i];
    }
    return kept;
}

bool validate_files(const char *const *asked, size_t asked_count, const struct progress *progress,
                    struct arena *arena, struct validation *validation, struct error *error) {
    const char **paths = ARENA_ARRAY(arena, const char *, asked_count);
    const size_t count = drop_repeated(asked, asked_count, arena, paths);
    struct known_cluster *known = NULL;
    struct run_file file;

    *validation =
        (struct validation){.files = ARENA_ARRAY(arena, struct validated_file, count), .file_count = count};
    name_files(paths, count, arena, validation->files);
    for (size_t i = 0; i < count; i++) { /* all are read before any is predicted */
        if (!run_file_read(paths[i], arena, &file, error))
            return false;
        append_runs(&file, validation->files[i].name, arena, validation);
    }
    for (size_t i = 0; i < validation->run_count; i++) {
        struct validated_run *validated = &validation->runs[i];
        const struct cluster *cluster = find_cluster(&known, validated->run->cluster_path, arena, error);

        if (cluster == NULL)
            return false;
        validated->cluster = cluster;
        predict(validated->run, cluster, arena, validated);
        count_fit(validated, validation);
        progress_update(progress, (double)(i + 1) / (double)validation->run_count);
    }
    for (size_t i = 0; i < count; i++)
        summarize_runs(validation, validation->files[i].name, arena, &validation->files[i].step,
                       &validation->files[i].memory);
    summarize_runs(validation, NULL, arena, &validation->step, &validation->memory);
    return true;
}
