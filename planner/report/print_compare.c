#include "planner/report/print_compare.h"

#include <math.h>
#include <string.h>

#include "common/terminal.h"
#include "planner/report/print_data.h"
#include "planner/report/print_layout.h"
#include "planner/report/print_plan.h"
#include "planner/report/print_shapes.h"
#include "planner/report/print_size.h"
#include "planner/report/print_words.h"

/* Of a cluster's name beside nine columns of figures, within TERMINAL_MOST_COLUMNS. */
enum { TEXT = 512, INDENT = 2, LABEL_COLUMNS = 18, ANSWER_COLUMNS = 10 };

/* A difference smaller than this is not worth a word: no prediction is as good. */
static const double ALIKE = 0.03;

static const struct plan *shown(const struct compared *compared) {
    return compared->result.best ? compared->result.best : compared->result.closest;
}

/* What binds, in a word. */
static const char *binding(const struct compared *compared) {
    const struct size_result *result = &compared->result;
    if (!result->best)
        return result->closest ? "misses" : "nothing fits";
    if (compared->wish.objective != OBJECTIVE_DEVICES)
        return "";
    if (result->devices_from == result->devices_to)
        return "as asked";
    return result->binding == WISH_KEY_COUNT ? "memory" : wish_names[result->binding];
}

/* The name of a cluster beside its figures, and the rest below it where both are too long for the column. */
static const char *first_cell(const struct compared *compared, struct arena *arena) {
    return terminal_text_columns(compared->label) > LABEL_COLUMNS
               ? print_shortened(arena, compared->name, LABEL_COLUMNS)
               : compared->label;
}

static void add_second_line(struct print_table *table, const struct compared *compared, struct arena *arena) {
    const char *cells[ANSWER_COLUMNS] = {NULL};
    if (terminal_text_columns(compared->label) <= LABEL_COLUMNS || !*compared->variant)
        return;
    cells[0] = print_shortened(arena, compared->variant, LABEL_COLUMNS);
    print_table_add(table, cells);
}

static void print_answers(const struct compared *compared, size_t count, const struct print_style *style,
                          struct arena *arena, FILE *stream) {
    bool totals = compared[0].problem.search.training.tokens > 0;
    const struct print_column columns[] = {{"cluster", false},
                                           {"devices", true},
                                           {"step", true},
                                           {"MFU", true},
                                           {"memory", true},
                                           {totals ? "days" : "", true},
                                           {totals ? "device h" : "", true},
                                           {totals ? "cost" : "", true},
                                           {totals ? "energy" : "", true},
                                           {"binds", false}};
    struct print_table *table = print_table_create(arena, columns, ANSWER_COLUMNS);
    for (size_t i = 0; i < count; i++) {
        const struct plan *plan = shown(&compared[i]);
        if (!plan) {
            print_table_add(table,
                            (const char *const[]){first_cell(&compared[i], arena), "-", NULL, NULL, NULL,
                                                  NULL, NULL, NULL, NULL, binding(&compared[i])});
            add_second_line(table, &compared[i], arena);
            continue;
        }
        const struct training_cost *total = &plan->total;
        print_table_add(
            table,
            (const char *const[]){
                first_cell(&compared[i], arena), print_count(arena, plan->devices),
                print_quantity(arena, plan->step.seconds, UNIT_SECONDS), print_percent(arena, plan->mfu),
                print_quantity(arena, plan->memory.per_device_bytes, UNIT_BYTES),
                totals ? print_days(arena, total->days) : NULL,
                totals ? print_amount(arena, total->device_hours) : NULL,
                total->cost > 0 ? print_quantity(arena, total->cost, UNIT_MONEY) : NULL,
                total->energy_joules > 0 ? print_quantity(arena, total->energy_joules, UNIT_JOULES) : NULL,
                binding(&compared[i])});
        add_second_line(table, &compared[i], arena);
    }
    fputc('\n', stream);
    print_table_print(table, style, 0, stream);
}

static void print_layouts(const struct compared *compared, size_t count, const struct print_style *style,
                          struct arena *arena, FILE *stream) {
    const struct print_column columns[] = {{"", false}, {"", false}};
    struct print_table *table = print_table_create(arena, columns, 2);
    for (size_t i = 0; i < count; i++) {
        const struct plan *plan = shown(&compared[i]);
        char layout[TEXT];
        if (plan) {
            print_table_add(table,
                            (const char *const[]){compared[i].label,
                                                  print_layout_short(&plan->layout, layout, sizeof layout)});
        }
    }
    print_heading("Layouts", style, stream);
    print_table_print(table, style, INDENT, stream);
}

/* Share of the step in which nothing is computed because something is sent or awaited. */
static double idle_share(const struct plan *plan) {
    const struct step_cost *step = &plan->step;
    return (step->tp + step->ep + step->cp + step->pp + step->dp + step->bubble + step->offload) /
           step->seconds;
}

static double tokens_per_device_second(const struct plan *plan) {
    return (double)plan->training.global_batch * (double)plan->training.sequence /
           (plan->step.seconds * (double)plan->devices);
}

/* "2.9 times", "as many" ... */
static const char *times(struct arena *arena, double ratio, const char *alike, const char *what) {
    return fabs(ratio - 1) < ALIKE ? alike
                                   : arena_print(arena, "%s times %s", print_factor(arena, ratio), what);
}

/* One cluster against the first. */
static const char *difference(const struct compared *first, const struct compared *other,
                              struct arena *arena) {
    const struct plan *a = shown(first), *b = shown(other);
    const char *sentence;
    if (!a || !b)
        return NULL;
    sentence = arena_print(
        arena, "%s against %s: a device is %s; the training takes %s", other->label, first->label,
        times(arena, tokens_per_device_second(b) / tokens_per_device_second(a), "as fast", "as fast"),
        times(arena, (double)b->devices / (double)a->devices, "as many devices", "the devices"));
    if (a->training.tokens > 0) {
        sentence = arena_print(arena, "%s and %s", sentence,
                               times(arena, b->total.days / a->total.days, "as long", "as long"));
    }
    if (a->total.cost > 0 && b->total.cost > 0) {
        double price = b->cluster->device.price_per_second / a->cluster->device.price_per_second;
        sentence = arena_print(arena, "%s, at %s (a device is %s)", sentence,
                               times(arena, b->total.cost / a->total.cost, "the same cost", "the cost"),
                               times(arena, price, "as dear", "as dear"));
    }
    if (a->total.energy_joules > 0 && b->total.energy_joules > 0) {
        sentence = arena_print(
            arena, "%s and with %s", sentence,
            times(arena, b->total.energy_joules / a->total.energy_joules, "as much energy", "the energy"));
    }
    if (fabs(idle_share(a) - idle_share(b)) > ALIKE) {
        sentence = arena_print(
            arena, "%s; what is not hidden of communication and bubble takes %s of a step, not %s", sentence,
            print_percent(arena, idle_share(b)), print_percent(arena, idle_share(a)));
    }
    return arena_print(arena, "%s.", sentence);
}

/* The label of what has the least of a figure among those that meet the wish; NULL where none has it. */
static const char *least(const struct compared *compared, size_t count,
                         double (*figure)(const struct plan *)) {
    const char *label = NULL;
    double best = HUGE_VAL;
    for (size_t i = 0; i < count; i++) {
        const struct plan *plan = compared[i].result.best;
        if (plan && figure(plan) > 0 && figure(plan) < best) {
            best = figure(plan);
            label = compared[i].label;
        }
    }
    return label;
}

static double figure_devices(const struct plan *plan) {
    return (double)plan->devices;
}

static double figure_days(const struct plan *plan) {
    return plan->total.days;
}

static double figure_cost(const struct plan *plan) {
    return plan->total.cost;
}

static double figure_energy(const struct plan *plan) {
    return plan->total.energy_joules;
}

static const char *winners(const struct compared *compared, size_t count, struct arena *arena) {
    static const struct {
        const char *what;
        double (*figure)(const struct plan *plan);
    } figures[] = {{"Fewest devices", figure_devices},
                   {"shortest", figure_days},
                   {"cheapest", figure_cost},
                   {"least energy", figure_energy}};
    const char *sentence = NULL;
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        const char *label = least(compared, count, figures[i].figure);
        if (label) {
            sentence = sentence ? arena_print(arena, "%s; %s: %s", sentence, figures[i].what, label)
                                : arena_print(arena, "%s: %s", figures[i].what, label);
        }
    }
    return sentence ? arena_print(arena, "%s.", sentence) : NULL;
}

/* Why no fewer devices do, or how far the closest is off. */
static const char *reason(const struct compared *compared, struct arena *arena) {
    const struct size_result *result = &compared->result;
    const char *why = result->best ? print_size_binding(&compared->wish, result, arena)
                                   : print_size_miss(&compared->wish, result, arena);
    if (!result->best && !why) {
        why = arena_print(arena, "nothing fits on %s device%s: %s.",
                          print_count(arena, result->nearest_devices), units_plural(result->nearest_devices),
                          result->nearest.found ? result->nearest.why : "no layout splits the model");
    }
    const char *risk = result->best ? print_size_risk(&compared->wish, result->best, arena) : NULL;
    return why ? arena_print(arena, "%s: %s%s%s", compared->label, why, risk ? " " : "", risk ? risk : "")
               : NULL;
}

/* All sentences, in the order they are shown; returns how many. */
static size_t sentences(const struct compared *compared, size_t count, struct arena *arena,
                        const char **texts) {
    size_t used = 0;
    const char *text = count > 1 ? winners(compared, count, arena) : NULL;
    if (text)
        texts[used++] = text;
    for (size_t i = 1; i < count; i++)
        if ((text = difference(&compared[0], &compared[i], arena)) != NULL)
            texts[used++] = text;
    for (size_t i = 0; i < count; i++)
        if ((text = reason(&compared[i], arena)) != NULL)
            texts[used++] = text;
    for (size_t i = 0; i < count; i++)
        if ((text = print_shapes_sentence(&compared[i].problem, arena)) != NULL)
            texts[used++] = arena_print(arena, "%s: %s", compared[i].label, text);
    return used;
}

static void print_question(const struct compared *compared, struct arena *arena, FILE *stream) {
    const struct problem *problem = &compared->problem;
    const struct training *training = &problem->search.training;
    const char *tokens =
        training->tokens > 0 ? arena_print(arena, "%s, ", print_tokens(arena, training->tokens)) : "";
    print_paragraph("Model     ",
                    arena_print(arena, "%s: %s parameters", problem->model.name,
                                print_amount(arena, problem->counts.parameters)),
                    stream);
    print_paragraph("Training  ",
                    arena_print(arena, "%ssequences of %s", tokens, print_count(arena, training->sequence)),
                    stream);
    if (problem->settings)
        print_paragraph("Settings  ", problem->settings, stream);
    print_paragraph("Wish      ", print_size_wish(&compared->wish, arena), stream);
}

static bool has_note(const struct problem *problem, const char *note) {
    for (size_t i = 0; i < problem->note_count; i++)
        if (strcmp(problem->notes[i], note) == 0)
            return true;
    return false;
}

static bool all_have_note(const struct compared *compared, size_t count, const char *note) {
    for (size_t i = 0; i < count; i++)
        if (!has_note(&compared[i].problem, note))
            return false;
    return true;
}

/* What is assumed of all clusters, then what of one. */
static void print_assumed(const struct compared *compared, size_t count, const struct print_style *style,
                          struct arena *arena, FILE *stream) {
    const struct problem *first = &compared[0].problem;
    print_heading("Assumed", style, stream);
    for (size_t i = 0; i < first->note_count; i++)
        if (all_have_note(compared, count, first->notes[i]))
            print_paragraph("  - ", first->notes[i], stream);
    for (size_t i = 0; i < count; i++) {
        const struct problem *problem = &compared[i].problem;
        for (size_t j = 0; j < problem->note_count; j++) {
            if (!all_have_note(compared, count, problem->notes[j])) {
                print_paragraph("  - ", arena_print(arena, "%s: %s", compared[i].label, problem->notes[j]),
                                stream);
            }
        }
    }
}

void print_compare_table(const struct compared *compared, size_t count, const struct print_style *style,
                         struct arena *arena, FILE *stream) {
    const char **texts = ARENA_ARRAY(arena, const char *, 3 * count + 1);
    print_question(&compared[0], arena, stream);
    print_answers(compared, count, style, arena, stream);
    print_layouts(compared, count, style, arena, stream);
    size_t used = sentences(compared, count, arena, texts);
    print_heading("Differences", style, stream);
    for (size_t i = 0; i < used; i++)
        print_paragraph("  - ", texts[i], stream);
    print_assumed(compared, count, style, arena, stream);
}

json_t *print_compare_data(const struct compared *compared, size_t count, struct arena *arena) {
    const char **texts = ARENA_ARRAY(arena, const char *, 3 * count + 1);
    json_t *data = json_object(), *sizes = json_array(), *differences = json_array();
    size_t used = sentences(compared, count, arena, texts);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(
            sizes, print_size_data(&compared[i].problem, &compared[i].wish, &compared[i].result, arena));
    }
    for (size_t i = 0; i < used; i++)
        json_array_append_new(differences, print_data_text(texts[i]));
    json_object_set_new(data, "sizes", sizes);
    json_object_set_new(data, "differences", differences);
    return data;
}
