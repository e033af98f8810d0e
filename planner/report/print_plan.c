#include "planner/report/print_plan.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/terminal.h"
#include "planner/answers/band.h"
#include "planner/answers/remedies.h"
#include "planner/numbers.h"
#include "planner/report/print_layout.h"
#include "planner/report/print_shapes.h"
#include "planner/report/print_slow_hosts.h"
#include "planner/report/print_what_if.h"
#include "planner/report/print_why_not.h"
#include "planner/report/print_words.h"

enum { TEXT = 512, INDENT = 2 };

/* One side of the panel: a label, a value, its share of the whole, and where it stands in the whole. The two
 * sides, their indentation and the gap between them take TERMINAL_MOST_COLUMNS. */
enum { LABEL_WIDTH = 11, VALUE_WIDTH = 8, SHARE_WIDTH = 5, BAR_WIDTH = 19, PANEL_GAP = 4 };
enum { PANEL_WIDTH = LABEL_WIDTH + 1 + VALUE_WIDTH + 1 + SHARE_WIDTH + 2 + BAR_WIDTH };

struct part {
    const char *label;
    double value;
    enum print_colour colour;
};

struct panel {
    const char *title;
    enum unit unit;
    double whole; /* what a full bar stands for */
    struct part parts[12];
    size_t count;
};

/* Whole percent, as narrow as SHARE_WIDTH. */
static const char *whole_percent(struct arena *arena, double share) {
    double value = round(share * 100);
    return value < 1 ? "<1 %" : arena_print(arena, "%.0f %%", fmin(value, 999));
}

/* Less of the whole than this is what rounding left. */
#define NEGLIGIBLE_SHARE 1e-9

static void add_part(struct panel *panel, const char *label, double value, enum print_colour colour) {
    if (value > NEGLIGIBLE_SHARE * panel->whole)
        panel->parts[panel->count++] = (struct part){label, value, colour};
}

/* "+-8 %", rounded up. */
static const char *band_percent(const struct band *band, struct arena *arena) {
    return arena_print(arena, "+-%.0f %%", ceil(100 * band->error));
}

static const char *band_text(const struct band *band, struct arena *arena) {
    return arena_print(arena, "%s%s", band_percent(band, arena), band->extrapolated ? " extrapolated" : "");
}

static struct panel memory_panel(const struct memory_use *memory, const struct band *band,
                                 struct arena *arena) {
    struct panel panel = {
        .title = arena_print(
            arena, "Memory: %s %s, of %s", print_quantity(arena, memory->per_device_bytes, UNIT_BYTES),
            band_text(band, arena), print_quantity(arena, memory->capacity_bytes, UNIT_BYTES)),
        .unit = UNIT_BYTES,
        .whole = fmax(memory->capacity_bytes, memory->per_device_bytes),
    };
    add_part(&panel, "weights", memory->weights_bytes, BLUE);
    add_part(&panel, "gradients", memory->gradients_bytes, CYAN);
    add_part(&panel, "optimizer", memory->optimizer_bytes, MAGENTA);
    add_part(&panel, "activations", memory->activations_bytes, YELLOW);
    add_part(&panel, "buffers", memory->buffers_bytes, GREEN);
    add_part(&panel, "reserved", memory->reserved_bytes, RED);
    add_part(&panel, "free", memory->capacity_bytes - memory->per_device_bytes, DIM);
    return panel;
}

static struct panel step_panel(const struct plan *plan, const struct band *band, struct arena *arena) {
    const struct step_cost *step = &plan->step;
    struct panel panel = {
        .title = arena_print(arena, "Step: %s %s, %s MFU", print_quantity(arena, step->seconds, UNIT_SECONDS),
                             band_text(band, arena), print_percent(arena, plan->mfu)),
        .unit = UNIT_SECONDS,
        .whole = step->seconds,
    };
    add_part(&panel, "compute", step->compute, GREEN);
    add_part(&panel, "recompute", step->recompute, CYAN);
    add_part(&panel, "tp", step->tp, YELLOW);
    add_part(&panel, "ep", step->ep, YELLOW);
    add_part(&panel, "cp", step->cp, YELLOW);
    add_part(&panel, "pp", step->pp, YELLOW);
    add_part(&panel, "bubble", step->bubble, RED);
    add_part(&panel, "dp", step->dp, YELLOW);
    add_part(&panel, "optimizer", step->optimizer, MAGENTA);
    add_part(&panel, "offload", step->offload, BLUE);
    return panel;
}

/* One line of a panel; `line` 0 is the title. Returns the columns it took, 0 where there is no such line. */
static size_t print_panel_line(const struct panel *panel, size_t line, const struct print_style *style,
                               struct arena *arena, FILE *stream) {
    size_t room = terminal_columns(stream) - INDENT - (PANEL_WIDTH - BAR_WIDTH);
    if (line == 0) {
        fprintf(stream, "%s%s%s", print_colour(style, BOLD), panel->title, print_colour(style, PLAIN));
        return terminal_text_columns(panel->title);
    }
    if (line > panel->count)
        return 0;
    double before = 0;
    for (size_t i = 0; i + 1 < line; i++)
        before += panel->parts[i].value / panel->whole;
    const struct part *part = &panel->parts[line - 1];
    double share = part->value / panel->whole;
    fprintf(
        stream, "%-*s %*s %*s  %s", LABEL_WIDTH, part->label, VALUE_WIDTH,
        print_quantity(arena, part->value, panel->unit), SHARE_WIDTH, whole_percent(arena, share),
        print_bar(style, part->colour, before, before + share, room < BAR_WIDTH ? room : BAR_WIDTH, arena));
    return PANEL_WIDTH;
}

/* Two panels side by side, one below the other where there is no room; `right` may be NULL. */
static void print_panels(const struct panel *left, const struct panel *right, const struct print_style *style,
                         struct arena *arena, FILE *stream) {
    if (right && terminal_columns(stream) < INDENT + 2 * PANEL_WIDTH + PANEL_GAP) {
        print_panels(left, NULL, style, arena, stream);
        fputc('\n', stream);
        print_panels(right, NULL, style, arena, stream);
        return;
    }
    if (!right) {
        fprintf(stream, "%*s", INDENT, "");
        terminal_print_wrapped(
            arena_print(arena, "%s%s%s", print_colour(style, BOLD), left->title, print_colour(style, PLAIN)),
            INDENT + strcspn(left->title, " ") + 1, stream);
    }
    size_t lines = right && right->count > left->count ? right->count : left->count;
    for (size_t line = right ? 0 : 1; line <= lines; line++) {
        fprintf(stream, "%*s", INDENT, "");
        size_t used = print_panel_line(left, line, style, arena, stream);
        if (right && line <= right->count) {
            fprintf(stream, "%*s", (int)(PANEL_WIDTH + PANEL_GAP - used), "");
            print_panel_line(right, line, style, arena, stream);
        }
        fputc('\n', stream);
    }
}

void print_plan_question(const struct problem *problem, int64_t devices, const struct print_style *style,
                         struct arena *arena, FILE *stream) {
    const struct model_counts *counts = &problem->counts;
    const struct training *training = &problem->search.training;
    const struct cluster *cluster = &problem->cluster;
    int64_t nodes = quotient_up(devices, cluster->node.devices);
    double batch_tokens = (double)training->global_batch * (double)training->sequence;
    const char *active =
        counts->active_parameters < counts->parameters
            ? arena_print(arena, ", %s active", print_amount(arena, counts->active_parameters))
            : "";
    const char *tokens =
        training->tokens > 0 ? arena_print(arena, "%s, ", print_tokens(arena, training->tokens)) : "";
    const struct print_column columns[] = {{NULL, false}, {NULL, false}};
    struct print_table *table = print_table_create(arena, columns, 2);
    print_table_add(
        table, (const char *const[]){"Model", arena_print(arena, "%s: %s parameters%s", problem->model.name,
                                                          print_amount(arena, counts->parameters), active)});
    print_table_add(
        table, (const char *const[]){"Cluster", arena_print(arena, "%s: %s %s in %s node%s", cluster->name,
                                                            print_count(arena, devices), cluster->device.name,
                                                            print_count(arena, nodes), units_plural(nodes))});
    print_table_add(
        table, (const char *const[]){
                   "Training",
                   arena_print(arena, "%ssequences of %s, %s a step (%s), %s, %s", tokens,
                               print_count(arena, training->sequence),
                               print_count(arena, training->global_batch), print_tokens(arena, batch_tokens),
                               precision_names[training->precision], training->stack->name)});
    print_table_print(table, style, 0, stream);
    if (problem->settings)
        print_paragraph("Settings  ", problem->settings, stream);
}

static const char *plan_result(const struct plan *plan, struct arena *arena) {
    const struct training *training = &plan->training;
    double rate = (double)training->global_batch * (double)training->sequence / plan->step.seconds;
    return arena_print(arena, "%s tokens/s, %s a device", print_amount(arena, rate),
                       print_amount(arena, rate / (double)plan->devices));
}

static const char *plan_total(const struct plan *plan, struct arena *arena) {
    const struct training_cost *total = &plan->total;
    if (!isfinite(total->days)) {
        return arena_print(arena, "never ends, %s steps: interruptions come faster than work is saved",
                           print_count(arena, (int64_t)ceil(total->steps)));
    }
    const char *goodput = total->goodput < 1 ? arena_print(arena, " (%s lost to interruptions)",
                                                           print_percent(arena, 1 - total->goodput))
                                             : "";
    int64_t steps = (int64_t)ceil(total->steps);
    return arena_print(arena, "%s%s, %s step%s, %s device hours",
                       print_duration(arena, total->days * SECONDS_A_DAY), goodput, print_count(arena, steps),
                       units_plural(steps), print_amount(arena, total->device_hours));
}

/* "41.7 M$ = 20.1M device hours x 2 $/h + 14.1 GWh x 0.1 $/kWh" */
static const char *plan_cost(const struct plan *plan, struct arena *arena) {
    const struct training_cost *total = &plan->total;
    const struct cluster *cluster = plan->cluster;
    bool priced = cluster->device.price_per_second > 0;
    const char *hours =
        priced ? arena_print(arena, "%s device hours x %s", print_amount(arena, total->device_hours),
                             print_quantity(arena, cluster->device.price_per_second, UNIT_MONEY_PER_SECOND))
               : "";
    const char *energy =
        total->energy_cost > 0
            ? arena_print(arena, "%s%s x %s", priced ? " + " : "",
                          print_quantity(arena, total->energy_joules, UNIT_JOULES),
                          print_quantity(arena, cluster->energy_price_per_joule, UNIT_MONEY_PER_JOULE))
            : "";
    return arena_print(arena, "%s = %s%s", print_quantity(arena, total->cost, UNIT_MONEY), hours, energy);
}

/* For tables, which have no room for the word. */
static const char *step_band_text(const struct plan *plan, struct arena *arena) {
    struct bands bands = bands_of(plan->model, plan->cluster, &plan->training, &plan->layout, arena);
    return arena_print(arena, "%s%s", band_percent(&bands.step, arena), bands.step.extrapolated ? "*" : "");
}

/* How a band came about. */
static void print_band(const char *lead, const struct band *band, struct arena *arena, FILE *stream) {
    print_paragraph(lead,
                    band->extrapolated
                        ? arena_print(arena, "extrapolated, %s", band->extrapolated)
                        : arena_print(arena,
                                      "9 in 10 of %" PRId64
                                      " measured runs of this kind came within it, the %" PRId64
                                      " publications counted alike",
                                      band->runs, band->publications),
                    stream);
}

/* "activations 1.2 GB, weights ...: 12 GB a device in MemoryX, of 4.1 TB" for the host, and for the store. */
static void print_outside(const struct memory_use *memory, const struct cluster *cluster, struct arena *arena,
                          FILE *stream) {
    for (int in_store = 0; in_store <= 1; in_store++) {
        double bytes = in_store ? memory->store_bytes_per_device : memory->host_bytes_per_device;
        double capacity = in_store ? memory->store_capacity_bytes : memory->host_capacity_bytes;
        const char *place = in_store ? cluster->store.name : "host memory", *what = "";
        for (int i = 0; i < OUTSIDE_COUNT; i++) {
            const struct outside *outside = &memory->outside[i];
            if (outside->bytes > 0 && outside->in_store == (in_store != 0))
                what = arena_print(arena, "%s%s%s %s", what, *what ? ", " : "", outside_names[i],
                                   print_quantity(arena, outside->bytes, UNIT_BYTES));
        }
        if (bytes > 0)
            print_paragraph(arena_print(arena, "  In %s: ", place),
                            arena_print(arena, "%s; of a device's share of %s", what,
                                        print_quantity(arena, capacity, UNIT_BYTES)),
                            stream);
    }
}

void print_plan_details(const struct plan *plan, const struct print_style *style, struct arena *arena,
                        FILE *stream) {
    struct bands bands = bands_of(plan->model, plan->cluster, &plan->training, &plan->layout, arena);
    struct panel memory = memory_panel(&plan->memory, &bands.memory, arena),
                 step = step_panel(plan, &bands.step, arena);
    print_panels(&memory, &step, style, arena, stream);
    if (plan->memory.moment) {
        const char *stage = plan->layout.pp > 1 ? arena_print(arena, "stage %" PRId64 " of %" PRId64 ", ",
                                                              plan->memory.stage + 1, plan->layout.pp)
                                                : "";
        fputc('\n', stream);
        print_paragraph("  Fullest device: ", arena_print(arena, "%s%s", stage, plan->memory.moment), stream);
    }
    print_outside(&plan->memory, plan->cluster, arena, stream);
    print_paragraph("  Rate: ", plan_result(plan, arena), stream);
    print_band("  Step band: ", &bands.step, arena, stream);
    print_band("  Memory band: ", &bands.memory, arena, stream);
    if (plan->training.tokens > 0) {
        print_paragraph("  In all: ", plan_total(plan, arena), stream);
        if (plan->total.cost > 0 && isfinite(plan->total.cost))
            print_paragraph("  Cost: ", plan_cost(plan, arena), stream);
    }
}

void print_plan_layout(const char *title, const struct layout *layout, const struct training *training,
                       const struct print_style *style, FILE *stream) {
    char keys[TEXT], words[TEXT];
    print_heading(title, style, stream);
    print_paragraph("  ", layout_format(layout, keys, sizeof keys), stream);
    print_paragraph("  ", print_layout_words(layout, training->global_batch, words, sizeof words), stream);
    fputc('\n', stream);
}

/* What step_band_text's star says, where a plan has one. */
static void print_star(const struct answer *answer, struct arena *arena, FILE *stream) {
    for (size_t i = 0; i < answer->plan_count; i++) {
        if (strchr(step_band_text(answer->plans[i], arena), '*')) {
            fputs("  * extrapolated: no measured run is near\n", stream);
            return;
        }
    }
}

static void print_runners_up(const struct answer *answer, const struct print_style *style,
                             struct arena *arena, FILE *stream) {
    bool totals = answer->plans[0]->training.tokens > 0;
    const struct print_column columns[] = {{"step", true},
                                           {"band", true},
                                           {"slower", true},
                                           {"MFU", true},
                                           {"memory", true},
                                           {totals ? "days" : "", true},
                                           {"differs from the best in", false}};
    struct print_table *table = print_table_create(arena, columns, 7);
    const struct plan *best = answer->plans[0];
    for (size_t i = 1; i < answer->plan_count; i++) {
        const struct plan *plan = answer->plans[i];
        char difference[TEXT];
        print_table_add(
            table, (const char *const[]){
                       print_quantity(arena, plan->step.seconds, UNIT_SECONDS), step_band_text(plan, arena),
                       print_percent(arena, plan->step.seconds / best->step.seconds - 1),
                       print_percent(arena, plan->mfu),
                       print_quantity(arena, plan->memory.per_device_bytes, UNIT_BYTES),
                       totals ? print_days(arena, plan->total.days) : "",
                       print_layout_difference(&best->layout, &plan->layout, difference, sizeof difference)});
    }
    print_heading("Runners-up", style, stream);
    print_table_print(table, style, INDENT, stream);
    print_star(answer, arena, stream);
}

/* The fastest plan of each count, from the slowest on: how the training scales. */
static void print_counts(const struct answer *answer, const struct print_style *style, struct arena *arena,
                         FILE *stream) {
    bool totals = answer->plans[0]->training.tokens > 0;
    const struct print_column columns[] = {{"devices", true},
                                           {"step", true},
                                           {"band", true},
                                           {"MFU", true},
                                           {"memory", true},
                                           {totals ? "days" : "", true},
                                           {totals ? "cost" : "", true},
                                           {"layout", false}};
    struct print_table *table = print_table_create(arena, columns, 8);
    for (size_t i = answer->plan_count; i-- > 0;) {
        const struct plan *plan = answer->plans[i];
        char layout[TEXT];
        print_table_add(
            table, (const char *const[]){print_count(arena, plan->devices),
                                         print_quantity(arena, plan->step.seconds, UNIT_SECONDS),
                                         step_band_text(plan, arena), print_percent(arena, plan->mfu),
                                         print_quantity(arena, plan->memory.per_device_bytes, UNIT_BYTES),
                                         totals ? print_days(arena, plan->total.days) : "",
                                         plan->total.cost > 0 && isfinite(plan->total.cost)
                                             ? print_quantity(arena, plan->total.cost, UNIT_MONEY)
                                             : "",
                                         print_layout_short(&plan->layout, layout, sizeof layout)});
    }
    print_heading("Best of each count of devices", style, stream);
    print_table_print(table, style, INDENT, stream);
    print_star(answer, arena, stream);
}

void print_plan_nearest(const struct problem *problem, const struct near_miss *nearest,
                        const struct print_style *style, struct arena *arena, FILE *stream) {
    const struct training *training = &problem->search.training;
    print_paragraph(
        "  ", arena_print(arena, "The nearest layout is refused by %s: %s.", nearest->bound, nearest->why),
        stream);
    print_plan_layout("Nearest layout", &nearest->layout, training, style, stream);
    if (nearest->memory.per_device_bytes > 0) {
        struct bands bands = bands_of(&problem->model, &problem->cluster, training, &nearest->layout, arena);
        struct panel memory = memory_panel(&nearest->memory, &bands.memory, arena);
        print_panels(&memory, NULL, style, arena, stream);
        print_outside(&nearest->memory, &problem->cluster, arena, stream);
        print_band("  Memory band: ", &bands.memory, arena, stream);
    }
}

/* A remedy in several rows where its flags are long. */
static void add_remedy(struct print_table *table, const struct remedy *remedy, struct arena *arena) {
    enum { FLAG_COLUMNS = 42 };
    const struct plan *plan = remedy->plan;
    const char *rest = remedy->flag;
    char layout[TEXT];
    const char *cells[] = {"", print_count(arena, plan->devices),
                           print_quantity(arena, plan->step.seconds, UNIT_SECONDS),
                           print_quantity(arena, plan->memory.per_device_bytes, UNIT_BYTES),
                           print_layout_short(&plan->layout, layout, sizeof layout)};
    while (*rest) {
        size_t bytes = terminal_fitting_bytes(rest, FLAG_COLUMNS);
        cells[0] = arena_print(arena, "%.*s", (int)bytes, rest);
        print_table_add(table, cells);
        memset(cells, 0, sizeof cells);
        rest += bytes + strspn(rest + bytes, " ");
    }
}

static void print_remedies(const struct remedies *remedies, const struct print_style *style,
                           struct arena *arena, FILE *stream) {
    const struct print_column columns[] = {
        {"with", false}, {"devices", true}, {"step", true}, {"memory", true}, {"layout", false}};
    struct print_table *table = print_table_create(arena, columns, 5);
    for (size_t i = 0; i < remedies->count; i++)
        add_remedy(table, &remedies->items[i], arena);
    print_heading("What would fit", style, stream);
    print_table_print(table, style, INDENT, stream);
}

void print_plan_notes(const struct problem *problem, const struct print_style *style, FILE *stream) {
    print_heading("Assumed", style, stream);
    for (size_t i = 0; i < problem->note_count; i++)
        print_paragraph("  - ", problem->notes[i], stream);
}

void print_plan_search(const struct answer *answer, struct arena *arena, FILE *stream) {
    const char *text =
        arena_print(arena, "Searched %s layouts in %s: %s fit, %s costed, %s pruned",
                    print_count(arena, answer->looked.layouts),
                    print_quantity(arena, answer->looked.seconds, UNIT_SECONDS),
                    print_count(arena, answer->looked.feasible), print_count(arena, answer->looked.evaluated),
                    print_count(arena, answer->looked.pruned));
    fputc('\n', stream);
    print_paragraph("", text, stream);
}

void print_plan_table(const struct problem *problem, const struct answer *answer,
                      const struct print_style *style, struct arena *arena, FILE *stream) {
    const struct training *training = &problem->search.training;
    const struct plan *best = answer->plan_count ? answer->plans[0] : NULL;
    print_plan_question(problem, best ? best->devices : answer->nearest_devices, style, arena, stream);
    if (best) {
        print_plan_layout("Best layout", &best->layout, training, style, stream);
        print_plan_details(best, style, arena, stream);
        print_slow_hosts(problem, arena, stream);
        if (answer->what_if)
            print_what_if_table(answer->what_if, best, style, arena, stream);
        else if (answer->range)
            print_counts(answer, style, arena, stream);
        else if (answer->plan_count > 1)
            print_runners_up(answer, style, arena, stream);
    } else {
        fprintf(stream, "\n%sNothing fits.%s\n", print_colour(style, RED), print_colour(style, PLAIN));
        if (answer->nearest.found)
            print_plan_nearest(problem, &answer->nearest, style, arena, stream);
        if (answer->remedies)
            print_remedies(answer->remedies, style, arena, stream);
    }
    if (answer->why_not)
        print_why_not_table(answer->why_not, best, style, arena, stream);
    print_shapes_table(problem, style, arena, stream);
    print_plan_search(answer, arena, stream);
    print_plan_notes(problem, style, stream);
}
