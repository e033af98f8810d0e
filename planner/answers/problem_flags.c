/* The flags of plan, explain and size, and the readers of one value that session files share with them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "planner/answers/problem.h"
#include "planner/answers/settings.h"

enum { MAX_TOP = 1000 };

struct option_entry *problem_options(struct problem_flags *flags, struct option_entry *entries) {
    const struct option_entry options[PROBLEM_OPTIONS] = {
        {"model", 'm', "F",
         "model: a shipped name (clusterplan models), a model file, a config.json, or its folder",
         &flags->model, NULL},
        {"cluster", 'c', "F", "cluster: a shipped name (clusterplan topologies), or a cluster file",
         &flags->cluster, NULL},
        {"devices", 'n', "N",
         "how many (a few may stand idle where that is faster), or a range 8..512; "
         "default: all that the cluster file says there are, or else the fewest "
         "nodes the model fits on",
         &flags->devices, NULL},
        {"sequence", 's', "N", "tokens of a sequence; default: the model's, of a config.json 8192 at most",
         &flags->sequence, NULL},
        {"global-batch", 'b', "N",
         "sequences of a step, or \"60M tokens\"; default: 4M tokens, and on many "
         "devices 2,048 tokens for each",
         &flags->global_batch, NULL},
        {"tokens", 't', "N", "tokens of the whole training, such as 13T: gives days and cost", &flags->tokens,
         NULL},
        {"precision", 'p', "P", "bf16 (default), fp16, tf32 or fp8", &flags->precision, NULL},
        {"layout", 'l', "\"K=V ...\"", "fixes keys of the layout: \"tp=8 pp=16\"; \"tp=4,8\" gives a choice",
         &flags->layout, NULL},
        {"headroom", 0, "B", "stays free of each device's memory: \"8 GB\"", &flags->headroom, NULL},
        {"top", 'k', "K", "how many plans to show; default: 5", &flags->top, NULL},
        {"stack", 0, "S", "software that runs it; default: megatron-core", &flags->stack, NULL},
        {"attention", 0, "A", "flash or unfused; default: what the stack does", &flags->attention, NULL},
        {"training", 0, "\"K: V, ...\"",
         "how it is run, as in a session file: \"gradients: 16-bit\",\n"
         "\"recipe: {compiled: true}, optimizer: {moments: 16-bit}\"",
         &flags->training, NULL},
        {"price", 0, "M", "of a device: \"2.50 $/h\"; default: the cluster file's", &flags->price, NULL},
        {"energy-price", 0, "M",
         "of what the devices draw, beside their price: \"0.10 $/kWh\"; default: the "
         "cluster file's, or none",
         &flags->energy_price, NULL},
        {"exhaustive", 0, NULL, "cost and simulate every layout that fits: the same plans, much later", NULL,
         &flags->exhaustive},
    };
    memcpy(entries, options, sizeof options);
    return entries + PROBLEM_OPTIONS;
}

struct option_entry *problem_options_of_one(struct problem_flags *flags, const char *devices,
                                            struct option_entry *entries) {
    struct option_entry all[PROBLEM_OPTIONS], *end = problem_options(flags, all);
    for (struct option_entry *entry = all; entry < end; entry++) {
        if (strcmp(entry->name, "devices") == 0)
            entry->help = devices;
        if (strcmp(entry->name, "top") != 0)
            *entries++ = *entry;
    }
    return entries;
}

struct option_entry *problem_guesses(struct option_entry *entries) {
    static const char devices[] = "--devices N says how many in all", precision[] = "--precision fp8";
    static const struct option_entry others[] = {{"gpus", 0, NULL, devices, NULL, NULL},
                                                 {"num-gpus", 0, NULL, devices, NULL, NULL},
                                                 {"nodes", 0, NULL, devices, NULL, NULL},
                                                 {"fp8", 0, NULL, precision, NULL, NULL},
                                                 {"seq-length", 0, NULL, "--sequence N", NULL, NULL},
                                                 {"batch-size", 0, NULL, "--global-batch N", NULL, NULL}};
    for (int key = 0; key < LAYOUT_KEY_COUNT; key++)
        *entries++ = (struct option_entry){.name = layout_key_names[key],
                                           .help = "keys of the layout stand in --layout: \"tp=8 pp=16\""};
    memcpy(entries, others, sizeof others);
    return entries + sizeof others / sizeof *others;
}

/* Whether a bare number of it is in some base unit. */
static bool is_measure(enum unit unit) {
    return unit != UNIT_NONE && unit != UNIT_COUNT && unit != UNIT_TOKENS;
}

/* Counts in full, as long as that is short: "1 to 16777216". */
static char *format_limit(double value, enum unit unit, char *buffer, size_t size) {
    const double shortened = 1e12;
    if (is_measure(unit) || value >= shortened)
        return units_format(value, unit, buffer, size);
    snprintf(buffer, size, "%.15g", value);
    return buffer;
}

bool problem_parse_number(const char *what, const char *text, enum unit unit, double minimum, double maximum,
                          double *value, struct error *error) {
    char why[256];
    if (!units_parse(text, unit, value, why, sizeof why))
        return error_set(error, "%s: %s", what, why);
    if (*value < minimum || *value > maximum) {
        char least[64], most[64];
        error_set(error, "%s takes %s to %s, not \"%s\"", what,
                  format_limit(minimum, unit, least, sizeof least),
                  format_limit(maximum, unit, most, sizeof most), text);
        return units_is_bare(text, unit) ? error_hint(error, "without a unit that is %s",
                                                      units_format(*value, unit, most, sizeof most))
                                         : false;
    }
    return true;
}

static bool parse_whole(const char *what, const char *text, enum unit unit, int64_t maximum, int64_t *value,
                        struct error *error) {
    double number;
    if (!problem_parse_number(what, text, unit, 1, (double)maximum, &number, error))
        return false;
    if (number != floor(number))
        return error_set(error, "%s takes a whole number, not \"%s\"", what, text);
    *value = (int64_t)number;
    return true;
}

/* The index of `text` in `names`, which ends with NULL. */
bool problem_parse_choice(const char *what, const char *text, const char *const *names, int *choice,
                          struct error *error) {
    char list[256] = "";
    for (int i = 0; names[i]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *choice = i;
            return true;
        }
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    }
    error_set(error, "%s takes %s, not \"%s\"", what, list, text);
    const char *nearest = error_nearest(text, names);
    return nearest ? error_hint(error, "did you mean \"%s\"?", nearest) : false;
}

bool problem_parse_devices(const char *what, const char *text, int64_t *from, int64_t *to,
                           struct error *error) {
    const char *dots = strstr(text, "..");
    bool lists = *text != '\0' && strpbrk(text + 1, ",-;"); /* a sign may stand in front */
    if (lists || (dots && (dots == text || dots[2] == '\0' || dots[2] == '.')))
        return error_set(error, "%s takes one number or a range such as 8..512, not \"%.40s\"", what, text);
    if (!dots) {
        if (!parse_whole(what, text, UNIT_COUNT, PROBLEM_MAX_DEVICES, from, error))
            return false;
        *to = *from;
        return true;
    }
    char first[32];
    snprintf(first, sizeof first, "%.*s", (int)(dots - text), text);
    if (!parse_whole(what, first, UNIT_COUNT, PROBLEM_MAX_DEVICES, from, error) ||
        !parse_whole(what, dots + 2, UNIT_COUNT, PROBLEM_MAX_DEVICES, to, error))
        return false;
    if (*from > *to)
        return error_set(error, "%s %s runs backwards", what, text);
    return true;
}

bool problem_parse_batch(const char *what, const char *text, int64_t *sequences, double *tokens,
                         struct error *error) {
    if (strstr(text, "token"))
        return problem_parse_number(what, text, UNIT_TOKENS, 1, 1e15, tokens, error);
    return parse_whole(what, text, UNIT_COUNT, INT32_MAX, sequences, error);
}

static bool read_choices(const struct problem_flags *flags, struct problem_asked *asked,
                         struct error *error) {
    int precision = PRECISION_BF16, attention = 0;
    if (flags->precision &&
        !problem_parse_choice("--precision", flags->precision, precision_names, &precision, error))
        return false;
    if (flags->attention &&
        !problem_parse_choice("--attention", flags->attention, attention_kernel_names, &attention, error))
        return false;
    asked->precision = (enum precision)precision;
    asked->attention_given = flags->attention != NULL;
    asked->attention = (enum attention_kernel)attention;
    return true;
}

static bool read_training(const struct problem_flags *flags, struct arena *arena, struct problem_asked *asked,
                          struct error *error) {
    if (flags->sequence &&
        !parse_whole("--sequence", flags->sequence, UNIT_TOKENS, INT32_MAX, &asked->sequence, error))
        return false;
    if (flags->tokens &&
        !problem_parse_number("--tokens", flags->tokens, UNIT_TOKENS, 1, 1e18, &asked->tokens, error))
        return false;
    if (flags->global_batch && !problem_parse_batch("--global-batch", flags->global_batch,
                                                    &asked->global_batch, &asked->global_batch_tokens, error))
        return false;
    return (!flags->stack || stack_parse(flags->stack, &asked->stack, error)) &&
           (!flags->training || settings_read(flags->training, arena, asked, error)) &&
           read_choices(flags, asked, error);
}

static bool read_prices(const struct problem_flags *flags, struct problem_asked *asked, struct error *error) {
    asked->price_given = flags->price != NULL;
    asked->energy_price_given = flags->energy_price != NULL;
    return (!flags->price || problem_parse_number("--price", flags->price, UNIT_MONEY_PER_SECOND, 0,
                                                  CLUSTER_HIGHEST_PRICE, &asked->price_per_second, error)) &&
           (!flags->energy_price ||
            problem_parse_number("--energy-price", flags->energy_price, UNIT_MONEY_PER_JOULE, 0,
                                 CLUSTER_HIGHEST_ENERGY_PRICE, &asked->energy_price_per_joule, error));
}

static bool missing_file(const struct problem_flags *flags, struct error *error) {
    bool model_missing = !flags->model;
    error_set(error, "--%s is missing", model_missing ? "model" : "cluster");
    return error_hint(error, model_missing
                                 ? "--model gpt-3, or a file; clusterplan models lists the shipped ones"
                                 : "--cluster dgx-h100, or a file; clusterplan topologies lists the "
                                   "shipped ones");
}

/* "tp=8 pp=16", or a mapping, as in files: "{tp: 8, pp: 16}". */
static bool read_layout(const char *text, struct arena *arena, struct layout_request *request,
                        struct error *error) {
    struct yaml_document document;
    if (text[strspn(text, " ")] != '{')
        return layout_request_parse(text, request, error);
    return yaml_read_text("--layout", text, arena, &document, error) &&
           layout_request_read(&(struct fields_reader){&document, arena, error}, document.root, request);
}

bool problem_flags_read(const struct problem_flags *flags, struct arena *arena, struct problem_asked *asked,
                        struct error *error) {
    *asked = problem_asked_nothing();
    asked->model = flags->model;
    asked->cluster = flags->cluster;
    asked->exhaustive = flags->exhaustive;
    if (!flags->model || !flags->cluster)
        return missing_file(flags, error);
    int64_t top = (int64_t)asked->top;
    if (flags->headroom && !problem_parse_number("--headroom", flags->headroom, UNIT_BYTES, 0,
                                                 PROBLEM_MOST_HEADROOM, &asked->headroom_bytes, error))
        return false;
    if (!read_training(flags, arena, asked, error) || !read_prices(flags, asked, error) ||
        (flags->layout && !read_layout(flags->layout, arena, &asked->layout, error)) ||
        (flags->top && !parse_whole("--top", flags->top, UNIT_COUNT, MAX_TOP, &top, error)) ||
        (flags->devices && !problem_parse_devices("--devices", flags->devices, &asked->devices_from,
                                                  &asked->devices_to, error)))
        return false;
    asked->top = (size_t)top;
    return true;
}

bool problem_read(const struct problem_flags *flags, struct arena *arena, struct problem *problem,
                  struct error *error) {
    struct problem_asked asked;
    return problem_flags_read(flags, arena, &asked, error) && problem_pose(&asked, arena, problem, error) &&
           problem_keep_free(problem, asked.headroom_bytes, error) && problem_default_devices(problem, error);
}
