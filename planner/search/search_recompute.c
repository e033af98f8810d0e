#include "planner/search/search_recompute.h"

#include "planner/search/search_choices.h"

/* With all that lies within its modules. */
static int64_t with_inner(int64_t modules) {
    return modules | (recompute_has(modules, RECOMPUTE_MOE) ? RECOMPUTE_WITHIN_MOE : 0);
}

/* In the order of what a byte that they free costs: norms and activations are read once more; the products of
 * latent attention free as much for each second, MLPs less. Experts as a whole send their tokens again, which
 * Megatron-Core doesn't do where the exchange runs beside another micro-batch (transformer_config.py). */
static int usual_sets_of_experts(const struct search_problem *problem, int64_t *sets) {
    const struct model *model = problem->model;
    const bool latent = model->mla.kv_lora_rank > 0, overlap = problem->training.routing.overlap;
    int64_t rest = model_expert_layers(model) < model->layers ? RECOMPUTE_BIT(MLP) : 0;
    int count = 0;
    sets[count++] = RECOMPUTE_BIT(MOE_ACTIVATION);
    sets[count++] = RECOMPUTE_BIT(MOE_ACTIVATION) | RECOMPUTE_BIT(LAYERNORM);
    if (latent) {
        sets[count] = sets[count - 1] | RECOMPUTE_BIT(MLA_UP_PROJECTION);
        count++;
    }
    if (overlap && model->experts.shared > 0)
        rest |= RECOMPUTE_BIT(SHARED_EXPERTS);
    if (overlap && rest != 0) {
        sets[count] = sets[count - 1] | rest;
        count++;
    } else if (!overlap) {
        sets[count] = (sets[count - 1] & ~RECOMPUTE_BIT(MOE_ACTIVATION)) | RECOMPUTE_BIT(MOE) | rest;
        count++;
    }
    return count;
}

/* Flash attention leaves nothing to drop in attention's core. */
static int usual_sets(const struct search_problem *problem, int64_t *sets) {
    const struct training *training = &problem->training;
    if (!training->stack->transformer_engine || training->attention != ATTENTION_FLASH) {
        sets[0] = training_usual_modules(training, problem->model);
        return 1;
    }
    if (problem->model->experts.count > 0)
        return usual_sets_of_experts(problem, sets);
    sets[0] = RECOMPUTE_BIT(MLP);
    return 1;
}

static void add(struct recompute_kinds *kinds, enum recompute mode, int64_t modules) {
    kinds->kinds[kinds->count++] = (struct recompute_kind){mode, mode, modules, modules};
}

void search_recompute_kinds(const struct search_problem *problem, struct recompute_kinds *kinds) {
    const struct layout_request *request = &problem->request;
    int64_t usual[LAYOUT_MAX_MODULE_SETS], common = -1;
    const int64_t *sets = request->keys[LAYOUT_RECOMPUTE_MODULES].values;
    int count = (int)request->keys[LAYOUT_RECOMPUTE_MODULES].count;
    if (count == 0) {
        count = usual_sets(problem, usual);
        sets = usual;
    }
    kinds->count = 0;
    if (search_allows(problem, LAYOUT_RECOMPUTE, RECOMPUTE_NONE))
        add(kinds, RECOMPUTE_NONE, 0);
    for (int i = 0; i < count && search_allows(problem, LAYOUT_RECOMPUTE, RECOMPUTE_SELECTIVE); i++)
        if (layout_modules_valid(sets[i], problem->model))
            add(kinds, RECOMPUTE_SELECTIVE, sets[i]);
    if (search_allows(problem, LAYOUT_RECOMPUTE, RECOMPUTE_FULL))
        add(kinds, RECOMPUTE_FULL, 0);
    for (int i = kinds->count - 1; i >= 0; i--) {
        struct recompute_kind *kind = &kinds->kinds[i];
        if (kind->mode != RECOMPUTE_SELECTIVE)
            continue;
        common &= with_inner(kind->modules);
        kind->least_modules = common;
        kind->least_mode = common != 0 ? RECOMPUTE_SELECTIVE : RECOMPUTE_NONE;
    }
}
