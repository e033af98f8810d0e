#include "planner/answers/wish.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

const char *const wish_names[WISH_KEY_COUNT + 1] = {
    [WISH_DEADLINE] = "deadline",   [WISH_BUDGET] = "budget",   [WISH_STEP_TIME] = "step_time",
    [WISH_HEADROOM] = "headroom",   [WISH_DEVICES] = "devices", [WISH_SPARE] = "spare",
    [WISH_OBJECTIVE] = "objective", [WISH_KEY_COUNT] = NULL};
const char *const objective_names[] = {
    [OBJECTIVE_DEVICES] = "devices", [OBJECTIVE_TIME] = "time", [OBJECTIVE_COST] = "cost", NULL};

/* Bounds against typing errors. */
static const double LONGEST_SECONDS = 8.64e9 /* 100,000 days */, MOST_MONEY = 1e15, MOST_NODES = 1e6;

struct option_entry *wish_options(struct wish_flags *flags, struct option_entry *entries) {
    const struct option_entry options[WISH_OPTIONS] = {
        {"deadline", 'd', "T", "the whole training takes no longer: \"90 d\"", &flags->deadline, NULL},
        {"budget", 0, "M", "it costs no more: \"63 M$\"", &flags->budget, NULL},
        {"step-time", 0, "T", "a step takes no longer: \"30 s\"", &flags->step_time, NULL},
        {"spare", 0, "N", "nodes that are paid for and stand by", &flags->spare, NULL},
        {"objective", 'o', "O", "devices (the fewest, default), time or cost", &flags->objective, NULL},
    };
    memcpy(entries, options, sizeof options);
    return entries + WISH_OPTIONS;
}

bool wish_flags_read(const struct wish_flags *flags, struct wish *wish, struct error *error) {
    double spare = 0;
    if ((flags->deadline && !problem_parse_number("--deadline", flags->deadline, UNIT_SECONDS, 1,
                                                  LONGEST_SECONDS, &wish->deadline_seconds, error)) ||
        (flags->budget &&
         !problem_parse_number("--budget", flags->budget, UNIT_MONEY, 1, MOST_MONEY, &wish->budget, error)) ||
        (flags->step_time && !problem_parse_number("--step-time", flags->step_time, UNIT_SECONDS, 1e-6,
                                                   LONGEST_SECONDS, &wish->step_seconds, error)) ||
        (flags->spare &&
         !problem_parse_number("--spare", flags->spare, UNIT_COUNT, 0, MOST_NODES, &spare, error)))
        return false;
    wish->spare_nodes = (int64_t)spare;
    if (spare != floor(spare))
        return error_set(error, "--spare takes a whole number, not \"%s\"", flags->spare);
    int objective = OBJECTIVE_DEVICES;
    if (flags->objective &&
        !problem_parse_choice("--objective", flags->objective, objective_names, &objective, error))
        return false;
    wish->objective = (enum objective)objective;
    wish->objective_given = flags->objective != NULL;
    return true;
}

bool wish_read_devices(const struct fields_reader *reader, const struct yaml_node *node, int64_t *from,
                       int64_t *to) {
    struct error why = {0};
    if (node->kind != YAML_SCALAR) {
        return yaml_error(reader->document, node, reader->error,
                          "devices: a number or a range 8..512 was expected");
    }
    return problem_parse_devices("devices:", node->text, from, to, &why) ||
           yaml_error(reader->document, node, reader->error, "%s", why.what);
}

static bool read_devices(const struct fields_reader *reader, const struct yaml_node *node, void *target) {
    struct wish *wish = target;
    return wish_read_devices(reader, node, &wish->devices_from, &wish->devices_to);
}

bool wish_read(const struct fields_reader *reader, const struct yaml_node *node, struct wish *wish) {
    const struct field fields[] = {{.key = "deadline",
                                    .type = FIELD_NUMBER,
                                    .offset = offsetof(struct wish, deadline_seconds),
                                    .unit = UNIT_SECONDS,
                                    .minimum = 1,
                                    .maximum = LONGEST_SECONDS},
                                   {.key = "budget",
                                    .type = FIELD_NUMBER,
                                    .offset = offsetof(struct wish, budget),
                                    .unit = UNIT_MONEY,
                                    .minimum = 1,
                                    .maximum = MOST_MONEY},
                                   {.key = "step_time",
                                    .type = FIELD_NUMBER,
                                    .offset = offsetof(struct wish, step_seconds),
                                    .unit = UNIT_SECONDS,
                                    .minimum = 1e-6,
                                    .maximum = LONGEST_SECONDS},
                                   {.key = "headroom",
                                    .type = FIELD_NUMBER,
                                    .offset = offsetof(struct wish, headroom_bytes),
                                    .unit = UNIT_BYTES,
                                    .maximum = PROBLEM_MOST_HEADROOM},
                                   {.key = "devices", .type = FIELD_CUSTOM, .read = read_devices},
                                   {.key = "spare",
                                    .type = FIELD_INTEGER,
                                    .offset = offsetof(struct wish, spare_nodes),
                                    .maximum = MOST_NODES},
                                   {.key = "objective",
                                    .type = FIELD_CHOICE,
                                    .offset = offsetof(struct wish, objective),
                                    .present_offset = offsetof(struct wish, objective_given),
                                    .choices = objective_names},
                                   {.key = NULL}};
    return fields_read(reader, node, fields, "want", wish);
}

bool wish_is_some(const struct wish *wish) {
    return wish->deadline_seconds > 0 || wish->budget > 0 || wish->step_seconds > 0 ||
           wish->headroom_bytes > 0 || wish->objective_given;
}

static bool check_totals(const struct wish *wish, const struct problem *problem, enum wish_key *key,
                         struct error *error) {
    bool price = cost_rate(&problem->cluster, 1, 1) > 0, tokens = problem->search.training.tokens > 0;
    *key = wish->deadline_seconds > 0 ? WISH_DEADLINE : wish->budget > 0 ? WISH_BUDGET : WISH_OBJECTIVE;
    bool totals = *key != WISH_OBJECTIVE || wish->objective == OBJECTIVE_COST;
    if (totals && !tokens) {
        error_set(error, "%s needs the tokens of the whole training", wish_names[*key]);
        return error_hint(error, "--tokens 13T, or tokens: 13T under training:");
    }
    *key = wish->budget > 0 ? WISH_BUDGET : WISH_OBJECTIVE;
    if (!price && (wish->budget > 0 || wish->objective == OBJECTIVE_COST)) {
        return error_set(error, "%s needs a price, and %s gives none", wish_names[*key],
                         problem->cluster.name);
    }
    return true;
}

static void note_applied(const struct wish *wish, struct problem *problem) {
    bool own_batches = problem->asked_batch == 0 && problem->asked_batch_tokens == 0;
    bool one_count = problem->devices_from > 0 && problem->devices_from == problem->devices_to;
    if (own_batches && !one_count) {
        problem_note(problem, "each count of devices has a default batch of its own (--global-batch)%s",
                     wish->step_seconds > 0 ? ": a step may be shorter because it has fewer sequences" : "");
    }
    if (wish->spare_nodes > 0) {
        problem_note(problem, "%" PRId64 " spare node%s paid for and %s not compute", wish->spare_nodes,
                     wish->spare_nodes == 1 ? " is" : "s are", wish->spare_nodes == 1 ? "does" : "do");
    }
}

bool wish_apply(const struct wish *wish, struct problem *problem, enum wish_key *key, struct error *error) {
    struct cluster *cluster = &problem->cluster;
    int64_t nodes = cluster->nodes,
            most = cluster_devices(cluster) - wish->spare_nodes * cluster->node.devices;
    if (!check_totals(wish, problem, key, error))
        return false;
    *key = WISH_SPARE;
    if (nodes > 0 && wish->spare_nodes >= nodes) {
        return error_set(error, "spare: %s has %" PRId64 " nodes, and all would be spare", cluster->name,
                         nodes);
    }
    *key = WISH_DEVICES;
    if (nodes > 0 && problem->devices_to > most) {
        return error_set(error, "devices: %" PRId64 " and %" PRId64 " spare nodes are more than %s has",
                         problem->devices_to, wish->spare_nodes, cluster->name);
    }
    int64_t fixed = problem_layout_devices(&problem->search.request);
    if (fixed && problem->devices_from && (fixed < problem->devices_from || fixed > problem->devices_to)) {
        return error_set(error,
                         "devices: tp x cp x pp x dp of the layout are %" PRId64 ", which is not among them",
                         fixed);
    }
    *key = WISH_HEADROOM;
    if (!problem_keep_free(problem, wish->headroom_bytes, error))
        return false;
    note_applied(wish, problem);
    return true;
}

/* Devices paid for. */
static double paid_devices(const struct wish *wish, const struct cluster *cluster, int64_t devices) {
    return (double)devices + (double)(wish->spare_nodes * cluster->node.devices);
}

double wish_step_of(const struct wish *wish, const struct problem *problem, double seconds, double money) {
    const struct training *training = &problem->search.training;
    const struct cluster *cluster = &problem->cluster;
    double rate = cost_rate(cluster, paid_devices(wish, cluster, problem->search.devices),
                            (double)problem->search.devices);
    double allowed = fmin(seconds, isfinite(money) ? money / rate : HUGE_VAL);
    return allowed * cost_goodput(&problem->counts, cluster, training, problem->search.devices) /
           cost_steps(training);
}

double wish_step_limit(const struct wish *wish, const struct problem *problem, enum wish_key *key) {
    double limits[WISH_KEY_COUNT], least = HUGE_VAL;
    for (int i = 0; i < WISH_KEY_COUNT; i++)
        limits[i] = HUGE_VAL;
    if (wish->deadline_seconds > 0)
        limits[WISH_DEADLINE] = wish_step_of(wish, problem, wish->deadline_seconds, HUGE_VAL);
    if (wish->budget > 0)
        limits[WISH_BUDGET] = wish_step_of(wish, problem, HUGE_VAL, wish->budget);
    if (wish->step_seconds > 0)
        limits[WISH_STEP_TIME] = wish->step_seconds;
    *key = WISH_KEY_COUNT;
    for (int i = 0; i < WISH_KEY_COUNT; i++) {
        if (limits[i] < least) {
            least = limits[i];
            *key = (enum wish_key)i;
        }
    }
    return least;
}

void wish_pay_spares(const struct wish *wish, struct plan *plan) {
    double factor = paid_devices(wish, plan->cluster, plan->devices) / (double)plan->devices;
    plan->total.cost = (plan->total.cost - plan->total.energy_cost) * factor + plan->total.energy_cost;
    plan->total.device_hours *= factor;
}

double wish_excess(const struct wish *wish, const struct plan *plan, enum wish_key key) {
    double reached = 0, wished = 0;
    if (key == WISH_DEADLINE) {
        reached = plan->total.days * SECONDS_A_DAY;
        wished = wish->deadline_seconds;
    } else if (key == WISH_BUDGET) {
        reached = plan->total.cost;
        wished = wish->budget;
    } else if (key == WISH_STEP_TIME) {
        reached = plan->step.seconds;
        wished = wish->step_seconds;
    }
    return wished > 0 ? reached / wished - 1 : -HUGE_VAL;
}

double wish_worst_excess(const struct wish *wish, const struct plan *plan, enum wish_key *key) {
    double worst = -HUGE_VAL;
    *key = WISH_KEY_COUNT;
    for (int i = 0; i < WISH_KEY_COUNT; i++) {
        double excess = wish_excess(wish, plan, (enum wish_key)i);
        if (excess > worst) {
            worst = excess;
            *key = (enum wish_key)i;
        }
    }
    return worst;
}
