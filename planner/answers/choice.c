#include "planner/answers/choice.h"

#include <string.h>

/* A layout of the question; repeated measurements of it are one. */
struct candidate {
    const struct validated_run *validated; /* the first of its runs */
    double seconds;                        /* measured, on the mean; 0: it ran out of memory */
    size_t runs;
};

struct question {
    const struct run *run; /* the first of its runs */
    struct candidate *candidates;
    size_t count;
};

/* What size and work of a model follow from. */
static bool same_model(const struct model *a, const struct model *b) {
    return a->layers == b->layers && a->hidden == b->hidden && a->heads == b->heads &&
           a->kv_heads == b->kv_heads && a->head_dim == b->head_dim && a->ffn_hidden == b->ffn_hidden &&
           a->gated == b->gated && a->vocab == b->vocab && a->tied_embeddings == b->tied_embeddings &&
           a->experts.count == b->experts.count && a->experts.top_k == b->experts.top_k &&
           a->experts.ffn_hidden == b->experts.ffn_hidden && a->experts.shared == b->experts.shared &&
           a->mla.kv_lora_rank == b->mla.kv_lora_rank && a->mtp_layers == b->mtp_layers;
}

static bool same_recipe(const struct recipe *a, const struct recipe *b) {
    return a->dropout == b->dropout && a->loss == b->loss && a->norms == b->norms && a->rotary == b->rotary &&
           a->experts == b->experts && a->logits == b->logits && a->parameters == b->parameters &&
           a->flash == b->flash && a->compiled == b->compiled && a->fp8_scaling == b->fp8_scaling &&
           a->early_stop == b->early_stop && a->blocking_launches == b->blocking_launches &&
           a->gate == b->gate && a->tables == b->tables && a->loss_pieces == b->loss_pieces;
}

static bool same_optimizer(const struct optimizer *a, const struct optimizer *b) {
    return a->kind == b->kind && a->master == b->master && a->moments == b->moments;
}

static bool same_training(const struct training *a, const struct training *b) {
    return a->sequence == b->sequence && a->global_batch == b->global_batch && a->precision == b->precision &&
           a->attention == b->attention && a->gradients == b->gradients && a->cuda_graphs == b->cuda_graphs &&
           a->stack == b->stack && same_recipe(&a->recipe, &b->recipe) &&
           same_optimizer(&a->optimizer, &b->optimizer) && a->routing.dispatcher == b->routing.dispatcher &&
           a->routing.overlap == b->routing.overlap && a->routing.balance == b->routing.balance &&
           !(a->routing.imbalance < b->routing.imbalance) && !(a->routing.imbalance > b->routing.imbalance);
}

/* The source is part of the question, for it stands for the software's release and the machine. */
bool choice_same_question(const struct run *a, const struct run *b) {
    return a->devices == b->devices && same_model(&a->model, &b->model) &&
           same_training(&a->training, &b->training) && strcmp(a->cluster_path, b->cluster_path) == 0 &&
           strcmp(a->source != NULL ? a->source : "", b->source != NULL ? b->source : "") == 0;
}

static bool same_layout(const struct layout *a, const struct layout *b) {
    for (enum layout_key key = 0; key < LAYOUT_KEY_COUNT; key++)
        if (layout_get(a, key) != layout_get(b, key))
            return false;
    return true;
}

/* Where one run of a layout ran out and another did not, it ran. */
static void add_run(struct question *question, const struct validated_run *validated) {
    const double seconds = validated->run->measured.step_seconds;
    struct candidate *candidate = question->candidates;
    const struct candidate *end = candidate + question->count;

    while (candidate < end && !same_layout(&candidate->validated->layout, &validated->layout))
        candidate++;
    if (candidate == end) {
        *candidate = (struct candidate){.validated = validated};
        question->count++;
    }
    if (seconds > 0) {
        candidate->seconds += (seconds - candidate->seconds) / (double)(candidate->runs + 1);
        candidate->runs++;
    }
}

static bool ran(const struct candidate *candidate) {
    return candidate->runs > 0;
}

/* Of equal predictions the slower run is the one that might be picked. */
static bool picked_before(const struct candidate *a, const struct candidate *b) {
    if (a->validated->fits != b->validated->fits)
        return a->validated->fits;
    if (a->validated->predicted_step < b->validated->predicted_step)
        return true;
    return !(a->validated->predicted_step > b->validated->predicted_step) && a->seconds > b->seconds;
}

static bool measured_before(const struct candidate *a, const struct candidate *b) {
    return a->seconds < b->seconds;
}

static bool thumbed_before(const struct candidate *a, const struct candidate *b) {
    const struct layout *left = &a->validated->layout, *right = &b->validated->layout;

    if (left->recompute != right->recompute)
        return left->recompute < right->recompute;
    if (left->tp != right->tp)
        return left->tp < right->tp;
    if (left->pp != right->pp)
        return left->pp < right->pp;
    return left->micro_batch > right->micro_batch;
}

/* The first in some order of the layouts that ran. */
static const struct candidate *first_of(const struct question *question,
                                        bool (*before)(const struct candidate *, const struct candidate *)) {
    const struct candidate *first = NULL;

    for (size_t i = 0; i < question->count; i++)
        if (ran(&question->candidates[i]) && (first == NULL || before(&question->candidates[i], first)))
            first = &question->candidates[i];
    return first;
}

static double rank_correlation(const struct question *question) {
    long agree = 0, pairs = 0;

    for (size_t i = 0; i < question->count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct candidate *a = &question->candidates[i], *b = &question->candidates[j];
            const double measured = a->seconds - b->seconds;
            const double predicted = a->validated->predicted_step - b->validated->predicted_step;

            if (!ran(a) || !ran(b))
                continue;
            pairs++;
            agree += (measured * predicted > 0) - (measured * predicted < 0);
        }
    return pairs > 0 ? (double)agree / (double)pairs : 0;
}

static struct choice weigh(const struct question *question) {
    const struct candidate *best = first_of(question, measured_before);
    const struct candidate *chosen = first_of(question, picked_before);
    struct choice choice = {.best = best->validated,
                            .chosen = chosen->validated,
                            .regret = chosen->seconds / best->seconds - 1,
                            .rule_regret = first_of(question, thumbed_before)->seconds / best->seconds - 1,
                            .rank_correlation = rank_correlation(question)};

    for (size_t i = 0; i < question->count; i++) {
        const struct candidate *candidate = &question->candidates[i];

        if (ran(candidate)) {
            choice.layouts++;
            choice.any_regret += candidate->seconds / best->seconds - 1;
        } else {
            choice.ran_out++;
            choice.ran_out_first += candidate->validated->fits && picked_before(candidate, chosen);
        }
    }
    choice.any_regret /= (double)choice.layouts;
    return choice;
}

static void add_choice(const struct choice *choice, struct choice_summary *sums) {
    sums->choices++;
    sums->layouts += choice->layouts;
    sums->ran_out += choice->ran_out;
    sums->ran_out_first += choice->ran_out_first;
    sums->regret += choice->regret;
    sums->any_regret += choice->any_regret;
    sums->rule_regret += choice->rule_regret;
    sums->rank_correlation += choice->rank_correlation;
    sums->within_2_percent += choice->regret <= 0.02;
    sums->within_5_percent += choice->regret <= 0.05;
    sums->within_10_percent += choice->regret <= 0.1;
    if (choice->regret > sums->largest_regret)
        sums->largest_regret = choice->regret;
}

static bool is_trial(const struct validated_run *validated) {
    return validated->why == NULL &&
           (validated->run->measured.step_seconds > 0 || validated->run->measured.out_of_memory);
}

/* Room for each question's candidates: as many as it has runs. */
static struct question *find_questions(const struct validation *validation, size_t *count,
                                       struct question **question_of, struct arena *arena) {
    struct question *questions = ARENA_ARRAY(arena, struct question, validation->run_count);

    for (size_t i = 0; i < validation->run_count; i++) {
        size_t found = 0;

        if (!is_trial(&validation->runs[i]))
            continue;
        while (found < *count && !choice_same_question(questions[found].run, validation->runs[i].run))
            found++;
        if (found == *count)
            questions[(*count)++].run = validation->runs[i].run;
        question_of[i] = &questions[found];
        questions[found].count++;
    }
    for (size_t i = 0; i < *count; i++) {
        questions[i].candidates = ARENA_ARRAY(arena, struct candidate, questions[i].count);
        questions[i].count = 0;
    }
    return questions;
}

static size_t layouts_that_ran(const struct question *question) {
    size_t layouts = 0;

    for (size_t i = 0; i < question->count; i++)
        layouts += ran(&question->candidates[i]);
    return layouts;
}

static void take_means(struct choice_summary *sums) {
    const double choices = (double)sums->choices;

    if (sums->choices == 0)
        return;
    sums->regret /= choices;
    sums->any_regret /= choices;
    sums->rule_regret /= choices;
    sums->rank_correlation /= choices;
}

struct choices choices_find(const struct validation *validation, struct arena *arena) {
    struct arena *scratch = arena_create();
    struct question **question_of = ARENA_ARRAY(scratch, struct question *, validation->run_count);
    struct choices choices = {.items = ARENA_ARRAY(arena, struct choice, validation->run_count)};
    size_t count = 0;
    struct question *questions = find_questions(validation, &count, question_of, scratch);

    for (size_t i = 0; i < validation->run_count; i++)
        if (question_of[i] != NULL)
            add_run(question_of[i], &validation->runs[i]);
    for (size_t i = 0; i < count; i++)
        if (layouts_that_ran(&questions[i]) >= CHOICE_LEAST_LAYOUTS) {
            choices.items[choices.count] = weigh(&questions[i]);
            add_choice(&choices.items[choices.count++], &choices.summary);
        }
    take_means(&choices.summary);
    arena_destroy(scratch);
    return choices;
}
