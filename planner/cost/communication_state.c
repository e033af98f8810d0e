/* Gradients and parameters between the ranks that hold the same of them. */
#include "planner/cost/communication.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "planner/cost/memory_parts.h"

/* Gradients are reduced in pieces as they come, parameters gathered likewise: Megatron-Core's bucket of 40 M
 * parameters, or of a million for each rank where that is more, so that latency doesn't rule
 * (megatron/core/distributed/distributed_data_parallel.py). */
static const double BUCKET_PARAMETERS = 40e6, BUCKET_PARAMETERS_A_RANK = 1e6;

/* A collective over a buffer that is sent bucket by bucket; ZeRO-3 sends each layer whole. */
static double bucketed(const struct communication_problem *problem, enum collective_operation operation,
                       double parameters, double bytes_a_parameter, struct rank_group group) {
    if (group.size <= 1 || parameters <= 0)
        return 0;
    double bucket = problem->training->stack->bucket_elements > 0
                        ? problem->training->stack->bucket_elements
                        : fmax(BUCKET_PARAMETERS, BUCKET_PARAMETERS_A_RANK * (double)group.size);
    double buckets = problem->layout->zero >= 3 ? 1 : ceil(parameters / bucket);
    struct collective collective = {operation, bytes_a_parameter * parameters / buckets, group};
    return buckets * communication_seconds(problem, &collective);
}

/* The ranks that share one shard's states, and those that hold copies of the same shard. */
static void split_group(const struct layout *layout, struct rank_group group, struct rank_group *shard,
                        struct rank_group *copies) {
    int64_t size = group.size, given = layout_zero_group(layout);
    if (given > 0 && given < size && size % given == 0)
        size = given;
    *shard = (struct rank_group){size, group.stride};
    *copies = (struct rank_group){group.size / size, group.stride * size};
}

/* Adds gradients over `group`, leaving each rank its shard, or all of them where nothing is sharded. */
static double reduce_seconds(const struct communication_problem *problem, double parameters,
                             struct rank_group group) {
    double bytes = training_sent_gradient_bytes(problem->training, problem->layout->zero);
    bool sharded = problem->layout->zero >= 2 ||
                   (problem->layout->zero == 1 && problem->training->stack->sharded_reduction);
    if (!sharded)
        return bucketed(problem, COLLECTIVE_ALL_REDUCE, parameters, bytes, group);
    struct rank_group shard, copies;
    split_group(problem->layout, group, &shard, &copies);
    return bucketed(problem, COLLECTIVE_REDUCE_SCATTER, parameters, bytes, shard) +
           bucketed(problem, COLLECTIVE_ALL_REDUCE, parameters / (double)shard.size, bytes, copies);
}

static double gather_seconds(const struct communication_problem *problem, double parameters,
                             struct rank_group group) {
    struct rank_group shard, copies;
    split_group(problem->layout, group, &shard, &copies);
    double bytes = training_parameter_bytes(problem->training);
    if (problem->training->stack->broadcasts_parameters && problem->layout->zero < 3) {
        /* A rank's part goes round the ring as a gather's does, all the way for each of them. */
        double owners = (double)shard.size;
        struct collective part = {COLLECTIVE_ALL_GATHER, bytes * parameters / owners, shard};
        return shard.size > 1 ? owners * communication_seconds(problem, &part) : 0;
    }
    return bucketed(problem, COLLECTIVE_ALL_GATHER, parameters, bytes, shard);
}

static double updated_parameters(const struct communication_problem *problem, double parameters,
                                 struct rank_group group) {
    if (problem->layout->zero == 0)
        return parameters;
    struct rank_group shard, copies;
    split_group(problem->layout, group, &shard, &copies);
    return parameters / (double)shard.size;
}

bool communication_is_sharded(const struct training *training, const struct layout *layout) {
    return layout->zero >= 3 || (training->stack->fully_sharded && layout->zero >= 2);
}

/* A layer at a time. */
static void layer_state(const struct communication_problem *problem,
                        const struct communication_groups *groups, bool with_experts,
                        struct communication_state *state) {
    const struct layout *layout = problem->layout;
    struct layer_parameters layer;
    model_layer_parameters(problem->model, with_experts, &layer);
    double dense = (layer.attention_split + layer.mlp_split) / (double)layout->tp +
                   layer.attention_replicated + layer.norms + layer.router;
    double expert = layer.expert * layer.experts / (double)(layout->ep * layout->etp);
    state->layer_parameters[with_experts] = dense + expert;
    state->layer_gather[with_experts] =
        gather_seconds(problem, dense, groups->dp) + gather_seconds(problem, expert, groups->expert_dp);
    state->layer_scatter[with_experts] =
        reduce_seconds(problem, dense, groups->dp) + reduce_seconds(problem, expert, groups->expert_dp);
}

static double vocabulary_parameters(const struct communication_problem *problem) {
    const struct model *model = problem->model;
    return (double)model->vocab * (double)model->hidden / (double)problem->layout->tp;
}

static void vocabulary_state(const struct communication_problem *problem,
                             const struct communication_groups *groups, struct communication_state *state) {
    double table = vocabulary_parameters(problem);
    state->vocabulary_parameters = table;
    state->vocabulary_gather = gather_seconds(problem, table, groups->dp);
    state->vocabulary_scatter = reduce_seconds(problem, table, groups->dp);
}

/* The shared embedding's gradient between first and last stage. */
static double tied_seconds(const struct communication_problem *problem,
                           const struct communication_groups *groups) {
    const struct layout *layout = problem->layout;
    if (!problem->model->tied_embeddings || layout->pp <= 1)
        return 0;
    int64_t apart = groups->hop.stride * (layout->pp - 1);
    return bucketed(problem, COLLECTIVE_ALL_REDUCE, vocabulary_parameters(problem),
                    training_sent_gradient_bytes(problem->training, layout->zero),
                    (struct rank_group){2, apart});
}

static void explain_state(const struct communication_problem *problem,
                          const struct communication_groups *groups, const struct communication_state *state,
                          const struct stage_parameters *longest, struct explain *explain) {
    if (explain == NULL)
        return;
    double bytes = training_sent_gradient_bytes(problem->training, problem->layout->zero);
    struct collective collective = {COLLECTIVE_REDUCE_SCATTER, BUCKET_PARAMETERS * bytes, groups->dp};
    struct collective_estimate estimate = {.level = "none", .from = "nothing sent", .correction = 1};
    char origin[COLLECTIVE_ORIGIN_TEXT];
    if (groups->dp.size > 1)
        collective_estimate(problem->cluster, &collective, &estimate);
    char experts[64] = "";
    if (longest->expert > 0)
        snprintf(experts, sizeof experts, ", experts' %s over %lld",
                 explain_text(explain, longest->expert * bytes, UNIT_BYTES),
                 (long long)groups->expert_dp.size);
    explain_add(explain, "gradients, before overlap", state->reduce, UNIT_SECONDS,
                "%s over %lld rank%s %lld apart%s; level %s, bus bandwidth %s (%s)",
                explain_text(explain, longest->dense * bytes, UNIT_BYTES), (long long)groups->dp.size,
                units_plural(groups->dp.size), (long long)groups->dp.stride, experts, estimate.level,
                explain_text(explain, estimate.bandwidth_bytes_per_second, UNIT_BYTES_PER_SECOND),
                collective_origin(&estimate, origin));
    double parameters = longest->dense + longest->expert;
    if (problem->layout->zero > 0)
        explain_add(
            explain, "parameters gathered, before overlap", state->gather, UNIT_SECONDS, "%s",
            explain_text(explain, parameters * training_parameter_bytes(problem->training), UNIT_BYTES));
    if (state->tied > 0)
        explain_add(explain, "tied embedding's gradient", state->tied, UNIT_SECONDS,
                    "between first and last stage");
}

static void sharded_state(const struct communication_problem *problem,
                          const struct communication_groups *groups, struct communication_state *state) {
    const int64_t experts = model_expert_layers(problem->model);
    if (experts < problem->model->layers)
        layer_state(problem, groups, false, state);
    if (experts > 0)
        layer_state(problem, groups, true, state);
    vocabulary_state(problem, groups, state);
}

void communication_sharded_of(const struct communication_problem *problem,
                              struct communication_state *state) {
    struct communication_groups groups;
    communication_groups_of(problem->layout, &groups);
    sharded_state(problem, &groups, state);
}

void communication_state_of(const struct communication_problem *problem, struct communication_state *state,
                            struct explain *explain) {
    const struct layout *layout = problem->layout;
    struct communication_groups groups;
    communication_groups_of(layout, &groups);
    *state = (struct communication_state){0};
    struct stage_parameters longest = {0}, before = {-1, -1};
    struct memory_parts parts;
    const int64_t *stages = problem->stages, count = stages != NULL ? problem->stage_count : layout->pp;
    memory_parameters_init(problem->model, layout, &parts);
    for (int64_t i = 0; i < count; i++) {
        struct stage_parameters parameters;
        memory_parameters_of(&parts, stages != NULL ? stages[i] : i, &parameters);
        if (parameters.dense == before.dense && parameters.expert == before.expert)
            continue;
        before = parameters;
        double reduce = reduce_seconds(problem, parameters.dense, groups.dp) +
                        reduce_seconds(problem, parameters.expert, groups.expert_dp);
        double gather = layout->zero == 0 ? 0
                                          : gather_seconds(problem, parameters.dense, groups.dp) +
                                                gather_seconds(problem, parameters.expert, groups.expert_dp);
        double updated = updated_parameters(problem, parameters.dense, groups.dp) +
                         updated_parameters(problem, parameters.expert, groups.expert_dp);
        if (i == 0 || reduce + gather > state->reduce + state->gather) {
            state->reduce = reduce;
            state->gather = gather;
            longest = parameters;
        }
        if (updated >= state->sharded_parameters) {
            state->sharded_parameters = updated;
            state->parameters = parameters.dense + parameters.expert;
        }
    }
    state->tied = tied_seconds(problem, &groups);
    if (communication_is_sharded(problem->training, layout))
        sharded_state(problem, &groups, state);
    explain_state(problem, &groups, state, &longest, explain);
}
