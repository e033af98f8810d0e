/* What `size` answers, in words. */
#include <inttypes.h>
#include <math.h>

#include "planner/answers/band.h"
#include "planner/report/print_size.h"
#include "planner/report/print_words.h"

/* Who wishes less than this may have meant days. */
static const double DEADLINE_IN_SECONDS = SECONDS_AN_HOUR;

/* Joins parts of a sentence by commas. */
static const char *join(struct arena *arena, const char *before, const char *part) {
    return *before ? arena_print(arena, "%s, %s", before, part) : part;
}

const char *print_size_wish(const struct wish *wish, struct arena *arena) {
    const char *words = "";
    if (wish->deadline_seconds > 0) {
        words = join(arena, words,
                     arena_print(arena, "done in %s", print_duration(arena, wish->deadline_seconds)));
    }
    if (wish->budget > 0) {
        words = join(arena, words,
                     arena_print(arena, "for %s at most", print_quantity(arena, wish->budget, UNIT_MONEY)));
    }
    if (wish->step_seconds > 0) {
        words =
            join(arena, words,
                 arena_print(arena, "a step in %s", print_quantity(arena, wish->step_seconds, UNIT_SECONDS)));
    }
    if (wish->headroom_bytes > 0) {
        words = join(arena, words,
                     arena_print(arena, "%s of each device free",
                                 print_quantity(arena, wish->headroom_bytes, UNIT_BYTES)));
    }
    if (wish->spare_nodes > 0) {
        words = join(arena, words,
                     arena_print(arena, "%" PRId64 " spare node%s", wish->spare_nodes,
                                 units_plural(wish->spare_nodes)));
    }
    static const char *const objectives[] = {"the fewest devices", "the shortest time", "the least cost"};
    return join(arena, words, objectives[wish->objective]);
}

/* What a plan reaches of a wish, and what was wished. */
static const char *reached(const struct plan *plan, enum wish_key key, struct arena *arena) {
    switch (key) {
    case WISH_DEADLINE:
        return print_duration(arena, plan->total.days * SECONDS_A_DAY);
    case WISH_BUDGET:
        return print_quantity(arena, plan->total.cost, UNIT_MONEY);
    default:
        return print_quantity(arena, plan->step.seconds, UNIT_SECONDS);
    }
}

static const char *wished(const struct wish *wish, enum wish_key key, struct arena *arena) {
    switch (key) {
    case WISH_DEADLINE:
        return print_duration(arena, wish->deadline_seconds);
    case WISH_BUDGET:
        return print_quantity(arena, wish->budget, UNIT_MONEY);
    default:
        return print_quantity(arena, wish->step_seconds, UNIT_SECONDS);
    }
}

static const char *devices_words(const struct plan *plan, struct arena *arena) {
    return arena_print(arena, "%s device%s", print_count(arena, plan->devices), units_plural(plan->devices));
}

static const char *key_words(enum wish_key key) {
    return key == WISH_DEADLINE ? "the deadline" : key == WISH_BUDGET ? "the budget" : "the step time";
}

/* Of the shortest: what the next point of the frontier does not meet. */
static const char *binding_above(const struct wish *wish, const struct size_result *result,
                                 struct arena *arena) {
    for (size_t i = 0; i < result->point_count; i++) {
        const struct plan *more = result->points[i].plan;
        enum wish_key key;
        if (more->devices <= result->best->devices || result->points[i].meets)
            continue;
        wish_worst_excess(wish, more, &key);
        return arena_print(arena, "What binds is %s: with %s it would be %s.", key_words(key),
                           devices_words(more, arena), reached(more, key, arena));
    }
    return NULL;
}

const char *print_size_binding(const struct wish *wish, const struct size_result *result,
                               struct arena *arena) {
    const struct plan *fewer = result->fewer;
    if (!result->best)
        return NULL;
    if (wish->objective != OBJECTIVE_DEVICES)
        return wish->objective == OBJECTIVE_TIME ? binding_above(wish, result, arena) : NULL;
    if (result->binding == WISH_DEVICES)
        return "No fewer devices were asked for.";
    if (!fewer)
        return "Memory binds: nothing fits on fewer devices.";
    if (result->binding > WISH_STEP_TIME)
        return NULL;
    return arena_print(arena, "What binds is %s: of fewer devices, %s come%s closest, at %s.",
                       key_words(result->binding), print_count(arena, fewer->devices),
                       fewer->devices == 1 ? "s" : "", reached(fewer, result->binding, arena));
}

/* Of the points that meet a wish, the one that costs least to meet it: of the budget the fastest. */
static const struct plan *plan_that_meets(const struct wish *wish, const struct size_result *result,
                                          enum wish_key key) {
    const struct plan *best = NULL;
    for (size_t i = 0; i < result->point_count; i++) {
        const struct plan *plan = result->points[i].plan;
        if (wish_excess(wish, plan, key) <= 0 && (!best || key == WISH_BUDGET))
            best = plan;
    }
    return best;
}

/* Where each of several wishes can be met, but not all of them at once; else "". */
static const char *alone_words(const struct wish *wish, const struct size_result *result,
                               struct arena *arena) {
    const char *words = "";
    size_t wishes = 0;
    for (int i = 0; i < WISH_KEY_COUNT; i++) {
        enum wish_key key = (enum wish_key)i;
        if (isinf(wish_excess(wish, result->closest, key)))
            continue;
        const struct plan *plan = plan_that_meets(wish, result, key);
        if (!plan)
            return "";
        const char *other = key == WISH_BUDGET     ? reached(plan, WISH_DEADLINE, arena)
                            : plan->total.cost > 0 ? reached(plan, WISH_BUDGET, arena)
                                                   : reached(plan, WISH_STEP_TIME, arena);
        words =
            join(arena, words,
                 arena_print(arena, "%s with %s (%s)", key_words(key), devices_words(plan, arena), other));
        wishes++;
    }
    return wishes > 1 ? arena_print(arena, " Each wish alone can be met: %s.", words) : "";
}

/* Where a budget does not pay for the energy alone; else "". */
static const char *energy_words(const struct wish *wish, const struct size_result *result,
                                struct arena *arena) {
    const struct plan *least = result->closest;
    for (size_t i = 0; i < result->point_count; i++)
        if (result->points[i].plan->total.energy_cost < least->total.energy_cost)
            least = result->points[i].plan;
    double energy = least->total.energy_cost;
    return wish->budget > 0 && energy > wish->budget
               ? arena_print(arena, " The energy alone is at least %s (with %s), over the budget by %s.",
                             print_quantity(arena, energy, UNIT_MONEY), devices_words(least, arena),
                             print_excess(arena, energy / wish->budget - 1))
               : "";
}

const char *print_size_miss(const struct wish *wish, const struct size_result *result, struct arena *arena) {
    const char *misses = "";
    if (!result->closest)
        return result->never_ends ? "The training never ends: interruptions come faster than work is saved."
                                  : NULL;
    for (int i = 0; i < WISH_KEY_COUNT; i++) {
        enum wish_key key = (enum wish_key)i;
        double excess = wish_excess(wish, result->closest, key);
        if (excess > 0) {
            misses =
                join(arena, misses,
                     arena_print(arena, "%s by %s (%s, not %s)", key_words(key), print_excess(arena, excess),
                                 reached(result->closest, key, arena), wished(wish, key, arena)));
        }
    }
    return arena_print(arena, "%s come%s closest and miss%s %s.%s%s", devices_words(result->closest, arena),
                       result->closest->devices == 1 ? "s" : "", result->closest->devices == 1 ? "es" : "",
                       misses, energy_words(wish, result, arena), alone_words(wish, result, arena));
}

void print_size_no(const struct problem *problem, const struct wish *wish, const struct size_result *result,
                   struct arena *arena, enum wish_key *key, struct error *error) {
    const char *to = print_count(arena, result->devices_to), *plural = units_plural(result->devices_to);
    if (!result->closest) {
        *key = WISH_DEVICES;
        if (result->never_ends)
            error_set(error, "%s: interruptions come faster than work is saved", problem->cluster.name);
        else
            error_set(error, "%s: nothing fits on %s device%s", problem->cluster.name, to, plural);
        if (result->nearest.found) {
            error_hint(error, "the nearest layout is refused by %s: %s", result->nearest.bound,
                       result->nearest.why);
        }
        return;
    }
    wish_worst_excess(wish, result->closest, key);
    const char *who = result->devices_from == result->devices_to
                          ? arena_print(arena, "%s device%s miss%s", to, plural, *plural ? "" : "es")
                          : arena_print(arena, "no number of devices from %s to %s meets",
                                        print_count(arena, result->devices_from), to);
    const char *wishes = "";
    for (int i = 0; i < WISH_KEY_COUNT; i++) {
        if (!isinf(wish_excess(wish, result->closest, (enum wish_key)i))) {
            wishes = arena_print(arena, "%s%s%s of %s", wishes, *wishes ? " and " : "",
                                 key_words((enum wish_key)i), wished(wish, (enum wish_key)i, arena));
        }
    }
    bool in_seconds = *key == WISH_DEADLINE && wish->deadline_seconds < DEADLINE_IN_SECONDS;
    error_set(error, "%s: %s %s", problem->cluster.name, who, wishes);
    error_hint(error, "%s%s", print_size_miss(wish, result, arena),
               in_seconds ? " A deadline without a unit is in seconds: \"90 d\" is days." : "");
}

const char *print_size_risk(const struct wish *wish, const struct plan *plan, struct arena *arena) {
    struct bands bands = bands_of(plan->model, plan->cluster, &plan->training, &plan->layout, arena);
    struct plan slow = *plan;
    enum wish_key key;
    slow.step.seconds *= 1 + bands.step.error;
    if (slow.training.tokens > 0) {
        cost_training(plan->model, plan->cluster, &plan->training, &plan->layout, slow.step.seconds,
                      &slow.total);
        wish_pay_spares(wish, &slow);
    }
    if (wish_worst_excess(wish, &slow, &key) <= 0)
        return NULL;
    return arena_print(arena, "At the slow end of the step's band (+%.0f %%) it misses %s: %s.",
                       ceil(100 * bands.step.error), key_words(key), reached(&slow, key, arena));
}
