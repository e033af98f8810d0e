/* clusterplan models: the models that ship, and what storing each takes. */
#include <math.h>
#include <stdio.h>

#include "common/catalogue.h"
#include "common/units.h"
#include "planner/commands/commands.h"
#include "planner/inputs/model.h"
#include "planner/report/print_data.h"
#include "planner/report/print_table.h"
#include "planner/report/print_words.h"

/* Number formats a checkpoint may be kept in, by bytes a parameter. */
struct storage {
    const char *name, *title;
    double bytes;
};

static const struct storage storages[] = {{"fp64", "fp64, GB", 8},
                                          {"fp32", "fp32, GB", 4},
                                          {"bf16", "bf16, GB", 2},
                                          {"fp8", "fp8, GB", 1},
                                          {"fp4", "fp4, GB", 0.5}};

enum { STORAGES = sizeof storages / sizeof storages[0], INDENT = 0 };

struct listing {
    struct catalogue_list shipped;
    struct model *models;
    struct model_counts *counts;
};

static bool load(struct arena *arena, struct listing *listing, struct error *error) {
    if (!catalogue_list(CATALOGUE_MODEL, arena, &listing->shipped, error))
        return false;
    listing->models = ARENA_ARRAY(arena, struct model, listing->shipped.count);
    listing->counts = ARENA_ARRAY(arena, struct model_counts, listing->shipped.count);
    for (size_t i = 0; i < listing->shipped.count; i++) {
        if (!model_read(listing->shipped.paths[i], arena, &listing->models[i], error))
            return false;
        model_count(&listing->models[i], listing->models[i].sequence, &listing->counts[i]);
    }
    return true;
}

/* Three significant digits, without an exponent. */
static const char *gigabytes(struct arena *arena, double bytes) {
    const double value = bytes / 1e9, digits = floor(log10(value)) - 2;
    if (digits <= 0)
        return arena_print(arena, "%.*f", (int)-digits, value);
    const double step = pow(10, digits);
    return arena_print(arena, "%.0f", step * round(value / step));
}

static void add_shape(struct print_table *table, struct arena *arena, const struct listing *listing,
                      size_t i) {
    const struct model *model = &listing->models[i];
    const struct model_counts *counts = &listing->counts[i];
    const char *experts = model->experts.count > 0
                              ? arena_print(arena, "%lld/%lld", (long long)model->experts.top_k,
                                            (long long)model->experts.count)
                              : "";
    const char *const cells[] = {listing->shipped.names[i],
                                 print_quantity(arena, counts->parameters, UNIT_COUNT),
                                 print_quantity(arena, counts->active_parameters, UNIT_COUNT),
                                 arena_print(arena, "%lld", (long long)model->layers),
                                 arena_print(arena, "%lld", (long long)model->hidden),
                                 arena_print(arena, "%lld", (long long)model->heads),
                                 experts,
                                 arena_print(arena, "%lld", (long long)model->sequence),
                                 print_quantity(arena, counts->flops_per_token, UNIT_COUNT),
                                 model->shape_derived ? "derived" : ""};
    print_table_add(table, cells);
}

static void print_shapes(const struct listing *listing, struct arena *arena) {
    static const struct print_column columns[] = {
        {"model", false}, {"params", true},  {"active", true},   {"layers", true},     {"hidden", true},
        {"heads", true},  {"experts", true}, {"sequence", true}, {"FLOP/token", true}, {"shape", false}};
    struct print_table *table = print_table_create(arena, columns, sizeof columns / sizeof columns[0]);
    for (size_t i = 0; i < listing->shipped.count; i++)
        add_shape(table, arena, listing, i);
    const struct print_style style = print_style_of(stdout);
    print_table_print(table, &style, INDENT, stdout);
    printf("\n");
    print_paragraph(
        "",
        "Experts: those a token passes / all routed ones of a layer. FLOP/token: forward and backward at "
        "the sequence shown, attention counted in full. Derived: only the number of parameters is "
        "known, or estimated; docs/cost-model.md has the rule.",
        stdout);
}

static void print_memory(const struct listing *listing, struct arena *arena) {
    struct print_column columns[2 + STORAGES] = {{"model", false}, {"params", true}};
    for (size_t i = 0; i < STORAGES; i++)
        columns[2 + i] = (struct print_column){storages[i].title, true};
    struct print_table *table = print_table_create(arena, columns, 2 + STORAGES);
    for (size_t i = 0; i < listing->shipped.count; i++) {
        const char *cells[2 + STORAGES] = {listing->shipped.names[i],
                                           print_quantity(arena, listing->counts[i].parameters, UNIT_COUNT)};
        for (size_t j = 0; j < STORAGES; j++)
            cells[2 + j] = gigabytes(arena, listing->counts[i].parameters * storages[j].bytes);
        print_table_add(table, cells);
    }
    const struct print_style style = print_style_of(stdout);
    print_table_print(table, &style, INDENT, stdout);
    printf("\n");
    print_paragraph(
        "",
        "The parameters alone, at 8, 4, 2, 1 and half a byte each; 1 GB is 10^9 bytes. Training needs "
        "gradients, optimizer states and activations on top: clusterplan plan says how much.",
        stdout);
}

static json_t *model_data(const char *name, const struct model *model, const struct model_counts *counts,
                          bool memory) {
    json_t *data = json_object();
    json_object_set_new(data, "name", print_data_text(name));
    json_object_set_new(data, "title", print_data_text(model->name));
    json_object_set_new(data, "parameters", print_data_number(counts->parameters));
    json_object_set_new(data, "active_parameters", print_data_number(counts->active_parameters));
    json_object_set_new(data, "flops_per_token", print_data_number(counts->flops_per_token));
    json_object_set_new(data, "layers", json_integer(model->layers));
    json_object_set_new(data, "hidden", json_integer(model->hidden));
    json_object_set_new(data, "heads", json_integer(model->heads));
    json_object_set_new(data, "vocab", json_integer(model->vocab));
    json_object_set_new(data, "sequence", json_integer(model->sequence));
    json_object_set_new(data, "experts", json_integer(model->experts.count));
    json_object_set_new(data, "top_k", json_integer(model->experts.top_k));
    json_object_set_new(data, "derivation", print_data_text(model->derivation));
    if (memory) {
        json_t *bytes = json_object();
        for (size_t i = 0; i < STORAGES; i++)
            json_object_set_new(bytes, storages[i].name,
                                print_data_number(counts->parameters * storages[i].bytes));
        json_object_set_new(data, "memory", bytes);
    }
    return data;
}

static void print_document(const struct listing *listing, bool memory, enum print_format format) {
    json_t *list = json_array(), *document = json_object();
    for (size_t i = 0; i < listing->shipped.count; i++)
        json_array_append_new(
            list, model_data(listing->shipped.names[i], &listing->models[i], &listing->counts[i], memory));
    json_object_set_new(document, "models", list);
    print_data(document, format, stdout);
}

static int run(const struct command_call *call, void *data) {
    const bool memory = *(const bool *)data;
    struct error error = {0};
    struct listing listing;
    if (!load(call->arena, &listing, &error))
        return command_fail(&error);
    if (call->format != FORMAT_TABLE)
        print_document(&listing, memory, call->format);
    else if (memory)
        print_memory(&listing, call->arena);
    else
        print_shapes(&listing, call->arena);
    return EXIT_RESULT;
}

int cmd_models(int argc, char **argv) {
    bool memory = false;
    const struct option_entry options[] = {
        {"memory", 0, NULL, "what storing each takes, by number format", NULL, &memory}, {.name = NULL}};
    const struct command models = {
        .help = {.usage = "clusterplan models [--memory] [--format table|yaml|json]",
                 .about =
                     "Lists the models that ship: a name here is a --model elsewhere. Model files of your "
                     "own, and the config.json of a Hugging Face model as it comes, go by their path.",
                 .examples = "  clusterplan models\n  clusterplan models --memory\n"
                             "  clusterplan models --format json\n"},
        .options = options,
        .run = run,
        .data = &memory};
    return command_run(&models, argc, argv);
}
