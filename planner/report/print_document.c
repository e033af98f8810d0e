/* The document of print_plan.h: keys and units as docs/formats.md has them. */
#include "planner/answers/band.h"
#include "planner/answers/remedies.h"
#include "planner/report/print_data.h"
#include "planner/report/print_layout.h"
#include "planner/report/print_plan.h"
#include "planner/report/print_shapes.h"
#include "planner/report/print_slow_hosts.h"
#include "planner/report/print_what_if.h"
#include "planner/report/print_why_not.h"

#include <string.h>

static void set(json_t *object, const char *key, double value) {
    json_object_set_new(object, key, print_data_number(value));
}

static void set_text(json_t *object, const char *key, const char *value) {
    json_object_set_new(object, key, print_data_text(value));
}

/* A figure that was not asked for, or can't be known, is null. */
static void set_known(json_t *object, const char *key, bool known, double value) {
    json_object_set_new(object, key, known ? print_data_number(value) : json_null());
}

json_t *print_plan_layout_value(enum layout_key key, int64_t value) {
    char text[LAYOUT_VALUE_SIZE];
    switch (layout_key_field(key).type) {
    case FIELD_BOOL:
        return json_boolean(value != 0);
    case FIELD_INTEGER:
        return json_integer(value);
    default:
        return json_string(layout_format_value(key, value, text, sizeof text));
    }
}

static json_t *layout_value(const struct layout *layout, enum layout_key key) {
    return print_plan_layout_value(key, layout_get(layout, key));
}

/* The keys of a run file's `layout:`, so that it can be copied there. */
json_t *print_plan_layout_data(const struct layout *layout) {
    json_t *data = json_object();
    for (int key = 0; key < LAYOUT_KEY_COUNT; key++) {
        const char *name = layout_key_names[key], *dot = strchr(name, '.');
        bool is_end = key == LAYOUT_FIRST_STAGE_LAYERS || key == LAYOUT_LAST_STAGE_LAYERS;
        bool is_of_recompute = key == LAYOUT_RECOMPUTE_LAYERS || key == LAYOUT_RECOMPUTE_MODULES;
        /* In a pipeline ends of 0 layers are a choice, the rule. */
        if ((is_of_recompute || (is_end && layout->pp == 1)) && layout_get(layout, (enum layout_key)key) == 0)
            continue;
        if (key == LAYOUT_ZERO_GROUP && layout->zero_group == 0 && layout->zero > 0) {
            json_object_set_new(data, name, json_integer(layout->dp * layout->cp));
        } else if (!dot) {
            json_object_set_new(data, name, layout_value(layout, (enum layout_key)key));
        } else {
            char parent[32];
            snprintf(parent, sizeof parent, "%.*s", (int)(dot - name), name);
            json_t *group = json_object_get(data, parent);
            if (!group) {
                group = json_object();
                json_object_set_new(data, parent, group);
            }
            json_object_set_new(group, dot + 1, layout_value(layout, (enum layout_key)key));
        }
    }
    return data;
}

static json_t *memory_data(const struct memory_use *memory) {
    json_t *data = json_object();
    set(data, "per_device", memory->per_device_bytes);
    set(data, "capacity", memory->capacity_bytes);
    set(data, "weights", memory->weights_bytes);
    set(data, "gradients", memory->gradients_bytes);
    set(data, "optimizer", memory->optimizer_bytes);
    set(data, "activations", memory->activations_bytes);
    set(data, "buffers", memory->buffers_bytes);
    set(data, "reserved", memory->reserved_bytes);
    return data;
}

/* Bytes of a device that lie outside it: what they are and where. */
static json_t *outside_data(const struct memory_use *memory) {
    json_t *data = json_object();
    for (int i = 0; i < OUTSIDE_COUNT; i++)
        set(data, outside_names[i], memory->outside[i].bytes);
    set(data, "host", memory->host_bytes_per_device);
    set(data, "host_capacity", memory->host_capacity_bytes);
    set(data, "store", memory->store_bytes_per_device);
    set(data, "store_capacity", memory->store_capacity_bytes);
    return data;
}

static json_t *step_data(const struct step_cost *step) {
    json_t *data = json_object();
    set(data, "time", step->seconds);
    set(data, "compute", step->compute);
    set(data, "recompute", step->recompute);
    set(data, "tp", step->tp);
    set(data, "ep", step->ep);
    set(data, "cp", step->cp);
    set(data, "pp", step->pp);
    set(data, "bubble", step->bubble);
    set(data, "dp", step->dp);
    set(data, "optimizer", step->optimizer);
    set(data, "offload", step->offload);
    return data;
}

static json_t *model_data(const struct problem *problem) {
    json_t *data = json_object();
    set_text(data, "name", problem->model.name);
    set(data, "parameters", problem->counts.parameters);
    set(data, "active_parameters", problem->counts.active_parameters);
    set(data, "flops_per_token", problem->counts.flops_per_token);
    return data;
}

static json_t *training_data(const struct problem *problem, const struct plan *plan) {
    const struct training *training = &plan->training;
    const struct training_cost *total = &plan->total;
    bool asked = training->tokens > 0;
    json_t *data = json_object();
    set(data, "sequence", (double)training->sequence);
    set(data, "global_batch", (double)training->global_batch);
    set_text(data, "precision", precision_names[training->precision]);
    set_text(data, "stack", training->stack->name);
    set_text(data, "attention", attention_kernel_names[training->attention]);
    if (problem->settings)
        set_text(data, "settings", problem->settings);
    set_known(data, "tokens", asked, training->tokens);
    set_known(data, "steps", asked, total->steps);
    set_known(data, "days", asked, total->days);
    set_known(data, "device_hours", asked, total->device_hours);
    set_known(data, "cost", asked && total->cost > 0, total->cost);
    set_known(data, "energy_cost", asked && total->energy_cost > 0, total->energy_cost);
    set_known(data, "goodput", asked, total->goodput);
    set_known(data, "energy", asked && total->energy_joules > 0, total->energy_joules);
    return data;
}

static json_t *band_data(const struct model *model, const struct cluster *cluster,
                         const struct training *training, const struct layout *layout) {
    struct arena *scratch = arena_create();
    struct bands bands = bands_of(model, cluster, training, layout, scratch);
    json_t *data = json_object();
    set(data, "step", bands.step.error);
    set(data, "memory", bands.memory.error);
    set(data, "runs", (double)bands.step.runs);
    set(data, "memory_runs", (double)bands.memory.runs);
    json_object_set_new(data, "extrapolated", json_boolean(bands.step.extrapolated != NULL));
    json_object_set_new(data, "memory_extrapolated", json_boolean(bands.memory.extrapolated != NULL));
    set_text(data, "why", bands.step.extrapolated ? bands.step.extrapolated : bands.memory.extrapolated);
    arena_destroy(scratch);
    return data;
}

json_t *print_plan_one(const struct problem *problem, const struct plan *plan) {
    const struct training *training = &plan->training;
    json_t *data = json_object();
    json_object_set_new(data, "model", model_data(problem));
    set_text(data, "cluster", plan->cluster->name);
    set(data, "devices", (double)plan->devices);
    set(data, "nodes", (double)plan->nodes);
    json_object_set_new(data, "layout", print_plan_layout_data(&plan->layout));
    json_object_set_new(data, "memory", memory_data(&plan->memory));
    if (plan->layout.offload != OFFLOAD_NONE)
        json_object_set_new(data, "outside", outside_data(&plan->memory));
    json_object_set_new(data, "step", step_data(&plan->step));
    json_object_set_new(data, "band", band_data(plan->model, plan->cluster, &plan->training, &plan->layout));
    set(data, "mfu", plan->mfu);
    set(data, "tokens_per_second",
        (double)training->global_batch * (double)training->sequence / plan->step.seconds);
    json_object_set_new(data, "training", training_data(problem, plan));
    return data;
}

json_t *print_plan_nearest_data(const struct problem *problem, const struct near_miss *nearest) {
    json_t *data = json_object();
    json_object_set_new(data, "layout", print_plan_layout_data(&nearest->layout));
    json_object_set_new(data, "memory", memory_data(&nearest->memory));
    if (nearest->layout.offload != OFFLOAD_NONE)
        json_object_set_new(data, "outside", outside_data(&nearest->memory));
    json_object_set_new(
        data, "band",
        band_data(&problem->model, &problem->cluster, &problem->search.training, &nearest->layout));
    set_text(data, "bound", nearest->bound);
    set_text(data, "why", nearest->why);
    return data;
}

static json_t *search_data(const struct answer *answer) {
    json_t *data = json_object();
    set(data, "layouts", (double)answer->looked.layouts);
    set(data, "evaluated", (double)answer->looked.evaluated);
    set(data, "pruned", (double)answer->looked.pruned);
    set(data, "feasible", (double)answer->looked.feasible);
    set(data, "seconds", answer->looked.seconds);
    return data;
}

static json_t *remedies_data(const struct problem *problem, const struct remedies *remedies) {
    json_t *list = json_array();
    for (size_t i = 0; i < remedies->count; i++) {
        json_t *data = json_object();
        set_text(data, "with", remedies->items[i].flag);
        json_object_set_new(data, "plan", print_plan_one(problem, remedies->items[i].plan));
        json_array_append_new(list, data);
    }
    return list;
}

json_t *print_plan_assumptions(const struct problem *problem) {
    json_t *assumptions = json_array();
    for (size_t i = 0; i < problem->note_count; i++)
        json_array_append_new(assumptions, print_data_text(problem->notes[i]));
    return assumptions;
}

json_t *print_plan_data(const struct problem *problem, const struct answer *answer) {
    json_t *data = json_object(), *plans = json_array();
    for (size_t i = 0; i < answer->plan_count; i++)
        json_array_append_new(plans, print_plan_one(problem, answer->plans[i]));
    json_object_set_new(data, "plans", plans);
    if (problem->shapes)
        json_object_set_new(data, "shapes", print_shapes_data(problem));
    if (problem->slow_price)
        json_object_set_new(data, "slow_hosts", print_slow_hosts_data(problem));
    if (answer->what_if) {
        json_object_set_new(data, "what_if", print_what_if_data(answer->what_if, answer->plans[0]));
        json_object_set_new(data, "what_if_settings",
                            print_what_if_settings_data(answer->what_if, answer->plans[0]));
    }
    if (answer->why_not)
        json_object_set_new(data, "why_not", print_why_not_data(answer->why_not));
    json_object_set_new(data, "search", search_data(answer));
    if (answer->plan_count == 0 && answer->nearest.found)
        json_object_set_new(data, "nearest", print_plan_nearest_data(problem, &answer->nearest));
    if (answer->remedies)
        json_object_set_new(data, "would_fit", remedies_data(problem, answer->remedies));
    json_object_set_new(data, "assumptions", print_plan_assumptions(problem));
    return data;
}
