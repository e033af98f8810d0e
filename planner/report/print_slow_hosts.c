#include "planner/report/print_slow_hosts.h"

#include <inttypes.h>
#include <math.h>

#include "planner/answers/slow_hosts.h"
#include "planner/report/print_data.h"
#include "planner/report/print_table.h"
#include "planner/report/print_words.h"

enum { TEXT = 512, MOST_NAMED = 4 };

/* "h3 (0.50 of the usual bandwidth), h7 (...) and 2 more" */
static const char *names_of(const struct slow_hosts *slow, struct arena *arena) {
    const char *text = "";
    for (size_t i = 0; i < slow->count && i < MOST_NAMED; i++)
        text = arena_print(arena, "%s%s%s (%s)", text, i > 0 ? ", " : "", slow->hosts[i].name,
                           slow->hosts[i].what);
    return slow->count > MOST_NAMED ? arena_print(arena, "%s and %zu more", text, slow->count - MOST_NAMED)
                                    : text;
}

static const char *compare(const struct problem *problem, struct arena *arena) {
    const struct slow_hosts_price *price = problem->slow_price;
    const struct plan *with = price->with, *without = price->without;
    int64_t sound = problem->cluster.nodes - (int64_t)price->slow->count;
    const char *others =
        without->nodes < sound ? arena_print(arena, "%s of the %s others", print_count(arena, without->nodes),
                                             print_count(arena, sound))
        : without->nodes == 1  ? "the other alone"
                               : arena_print(arena, "the %s others alone", print_count(arena, sound));
    double change = without->step.seconds / with->step.seconds - 1;
    char layout[TEXT];
    return arena_print(arena, "%s a step with %s on %s (%s devices), %.1f %% %s; there %s",
                       print_quantity(arena, with->step.seconds, UNIT_SECONDS),
                       arena_print(arena, "%s, %s", price->taken == 1 ? "it" : "them",
                                   print_quantity(arena, without->step.seconds, UNIT_SECONDS)),
                       others, print_count(arena, without->devices), 100 * fabs(change),
                       change < 0 ? "less" : "more", layout_format(&without->layout, layout, sizeof layout));
}

void print_slow_hosts(const struct problem *problem, struct arena *arena, FILE *stream) {
    const struct slow_hosts_price *price = problem->slow_price;
    if (price == NULL || price->with == NULL)
        return;
    const char *names = names_of(price->slow, arena), *text;
    if (price->taken == 0)
        text = arena_print(arena, "%s: left out, the plan does without", names);
    else if (price->without == NULL)
        text = arena_print(
            arena, "%s: %s a step at that pace; the others alone have no plan with this batch and layout",
            names, print_quantity(arena, price->with->step.seconds, UNIT_SECONDS));
    else
        text = arena_print(arena, "%s: %s", names, compare(problem, arena));
    print_paragraph(price->slow->count == 1 ? "  Slow host: " : "  Slow hosts: ", text, stream);
}

json_t *print_slow_hosts_data(const struct problem *problem) {
    const struct slow_hosts_price *price = problem->slow_price;
    const struct plan *without = price != NULL ? price->without : NULL;
    json_t *data, *hosts;
    if (price == NULL)
        return NULL;
    data = json_object();
    hosts = json_array();
    for (size_t i = 0; i < price->slow->count; i++) {
        json_t *host = json_object();
        json_object_set_new(host, "name", print_data_text(price->slow->hosts[i].name));
        json_object_set_new(host, "what", print_data_text(price->slow->hosts[i].what));
        json_object_set_new(host, "taken", json_boolean(i < price->taken));
        json_array_append_new(hosts, host);
    }
    json_object_set_new(data, "hosts", hosts);
    json_object_set_new(data, "step_time_with",
                        price->taken > 0 ? print_data_number(price->with->step.seconds) : json_null());
    json_object_set_new(data, "step_time_without",
                        without != NULL ? print_data_number(without->step.seconds) : json_null());
    json_object_set_new(data, "devices_without",
                        without != NULL ? print_data_number((double)without->devices) : json_null());
    return data;
}
