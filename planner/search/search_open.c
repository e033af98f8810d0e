/* Within a split: the bound of each variant, memory, then the cost of those that no other beats. */
#include "planner/search/search_open.h"

/* The orders of the ranks that are of use, by place in a split's choices. */
struct useful {
    bool orders[ORDER_COUNT];
    size_t count;
};

/* More layers than any chunk has. */
static const int64_t NEVER_FITS = INT64_MAX;

/* Whether a layout that moves less out, and else is the same, fits: where moving only adds time, it is
 * faster, or as fast and the first by its keys. What gradients and weights add is weighed against an update
 * that needs no exchange any more, so those are left alone. */
static bool is_beaten(enum offload offload, unsigned fitting) {
    switch (offload) {
    case OFFLOAD_NONE:
    case OFFLOAD_GRADIENTS:
    case OFFLOAD_WEIGHTS:
    case OFFLOAD_COUNT:
        break;
    case OFFLOAD_ACTIVATIONS:
    case OFFLOAD_OPTIMIZER:
        return (fitting & 1U << OFFLOAD_NONE) != 0;
    case OFFLOAD_OPTIMIZER_ACTIVATIONS:
        return (fitting & (1U << OFFLOAD_NONE | 1U << OFFLOAD_ACTIVATIONS | 1U << OFFLOAD_OPTIMIZER)) != 0;
    case OFFLOAD_GRADIENTS_ACTIVATIONS:
        return (fitting & 1U << OFFLOAD_GRADIENTS) != 0;
    case OFFLOAD_WEIGHTS_ACTIVATIONS:
        return (fitting & 1U << OFFLOAD_WEIGHTS) != 0;
    }
    return false;
}

/* The orders of the ranks in which a leaf is of use, which stands for so many layouts; false: none. */
static bool find_useful(struct search *search, const struct cost_pace *pace, struct leaves *leaves,
                        size_t index, int64_t layouts, struct useful *useful) {
    const struct split_choices *choices = leaves->choices;
    useful->count = 0;
    for (size_t i = 0; i < choices->order_count; i++) {
        double bound = 0;
        if (!search->problem->exhaustive)
            bound = leaves_plain_bound(leaves, search->context, pace, index, i);
        if (leaves->layouts[index].offload != OFFLOAD_NONE && !search_is_pruned(search, bound) &&
            !search->problem->exhaustive)
            bound = leaves_bound(leaves, search->context, pace, index, i);
        useful->orders[i] = !search_is_pruned(search, bound);
        useful->count += useful->orders[i];
    }
    search->result->looked.pruned +=
        layouts * (int64_t)((choices->order_count - useful->count) * choices->overlap_count);
    return useful->count > 0;
}

/* All overlaps of a leaf that fits. */
static void evaluate_useful(struct search *search, const struct leaves *leaves, size_t index,
                            const struct useful *useful, bool beaten) {
    const struct split_choices *choices = leaves->choices;
    struct layout layout = leaves->layouts[index];
    search->result->looked.feasible += (int64_t)(useful->count * choices->overlap_count);
    for (size_t i = 0; i < choices->order_count; i++)
        for (size_t j = 0; useful->orders[i] && j < choices->overlap_count; j++) {
            layout.order = choices->orders[i];
            layout.overlap = choices->overlaps[j];
            search_cost(search, &layout, beaten);
        }
}

static void prune(struct search *search, const struct split_choices *choices, int64_t layouts) {
    search->result->looked.pruned += layouts * (int64_t)(choices->order_count * choices->overlap_count);
}

/* Whether the leaf is known to fit. */
static bool open_leaf(struct search *search, const struct cost_pace *pace, struct leaves *leaves,
                      size_t index, bool beaten, struct memory_use *use) {
    struct useful useful;
    *use = (struct memory_use){0};
    if (beaten && !search->problem->exhaustive) {
        prune(search, leaves->choices, 1);
        return false;
    }
    if (!find_useful(search, pace, leaves, index, 1, &useful))
        return false;
    leaves_memory(leaves, index, use);
    if (!memory_fits(use))
        return false;
    evaluate_useful(search, leaves, index, &useful, beaten);
    return true;
}

/* Full recompute of 1 to `partials` layers of a virtual stage: fewer than `first` don't fit, more than `most`
 * are beaten. Each more only adds time, so the fewest that fit are best. Returns how many, where that is
 * known to be; else NEVER_FITS. */
static int64_t open_partials(struct search *search, const struct cost_pace *pace, struct leaves *leaves,
                             size_t index, int64_t partials, int64_t first, int64_t most) {
    const struct split_choices *choices = leaves->choices;
    struct useful useful;
    struct memory_use use;
    int64_t fewest;
    if (most < first) {
        prune(search, choices, partials - (most > 0 ? most : 0));
        return NEVER_FITS;
    }
    leaves_limit(leaves, index, first);
    if (!find_useful(search, pace, leaves, index, partials - first + 1, &useful))
        return NEVER_FITS;
    fewest = leaves_fewest_layers(leaves, index, most, &use);
    search->result->looked.pruned +=
        (partials - (fewest > 0 ? fewest : most)) * (int64_t)(useful.count * choices->overlap_count);
    if (fewest == 0)
        return NEVER_FITS;
    evaluate_useful(search, leaves, index, &useful, false);
    return fewest;
}

/* The same, all costed. */
static int64_t open_all_partials(struct search *search, const struct cost_pace *pace, struct leaves *leaves,
                                 size_t index, int64_t partials, int64_t most) {
    struct memory_use use;
    int64_t fewest = NEVER_FITS;
    for (int64_t layers = 1; layers <= partials; layers++) {
        leaves_limit(leaves, index, layers);
        bool beaten = layers > most || fewest != NEVER_FITS;
        if (open_leaf(search, pace, leaves, index, beaten, &use) && fewest == NEVER_FITS)
            fewest = layers;
    }
    return fewest;
}

/* Variants that are of use, with their memory's parts reckoned. */
static void make_leaves(struct search *search, const struct open_frame *open, size_t place,
                        const struct split_choices *choices, struct leaves *leaves) {
    struct layout variants[SPLIT_MAX_VARIANTS];
    size_t count = split_variants(choices, variants);
    leaves_init(leaves, search->problem, choices, search_least_zero(open->frame, &open->splits[place]));
    for (size_t i = 0; i < count; i++) {
        size_t recompute = i % choices->recompute_count;
        double bound = 0;
        bool kept =
            choices->recomputes[recompute].kind >= open->modes.first_kind[variants[i].sequence_parallel];
        if (!kept && !open->modes.moves)
            continue;
        bool slower = !search_has_mode(open, variants[i].sequence_parallel);
        if (!slower && !search->problem->exhaustive)
            bound = search_bound_variant(search->context, open, place, &variants[i]);
        if (slower || search_is_pruned(search, bound))
            search->result->looked.pruned += split_recompute_count(choices, recompute);
        else
            leaves_add(leaves, &variants[i], choices->recomputes[recompute].partial, kept);
    }
}

/* What is known of the leaves of a schedule and sharding. */
struct fits {
    unsigned moved[SPLIT_MAX_VARIANTS]; /* of each variant: what is moved out where it fits, bits 1 << enum
                                           offload */
    /* By sequence parallelism: the same of any number of recomputed layers below all of them; and which is
     * the least, 0 to NEVER_FITS. */
    unsigned partly[2];
    int64_t layers[2][OFFLOAD_COUNT];
    int64_t first[2]; /* fewer don't, of the offload at hand */
};

/* The same with full recompute of some layers alone, which the space has where activations stay on the
 * device. */
static void open_some_layers(struct search *search, const struct cost_pace *pace, struct leaves *leaves,
                             size_t leaf, int64_t partials, struct fits *fits) {
    const struct layout *layout = &leaves->layouts[leaf];
    enum offload offload = layout->offload;
    int64_t *layers = fits->layers[layout->sequence_parallel], most = layers[offload] - 1, fewest;
    if (partials == 0 || offload_activations(offload))
        return;
    if (search->only_adds && offload == OFFLOAD_OPTIMIZER && layers[OFFLOAD_NONE] - 1 < most)
        most = layers[OFFLOAD_NONE] - 1;
    most = most < partials ? most : partials;
    fewest = search->problem->exhaustive ? open_all_partials(search, pace, leaves, leaf, partials, most)
                                         : open_partials(search, pace, leaves, leaf, partials,
                                                         fits->first[layout->sequence_parallel], most);
    layers[offload] = fewest < layers[offload] ? fewest : layers[offload];
    fits->partly[layout->sequence_parallel] |= fewest != NEVER_FITS ? 1U << offload : 0;
}

/* Opens one leaf with what the choice of offload moves out. */
static void open_variant(struct search *search, const struct cost_pace *pace, struct leaves *leaves,
                         size_t leaf, int64_t partials, struct fits *fits) {
    const struct layout *layout = &leaves->layouts[leaf];
    enum offload offload = layout->offload;
    unsigned *partly = &fits->partly[layout->sequence_parallel], bit = 1U << offload;
    bool whole = layout->recompute == RECOMPUTE_FULL && layout->recompute_layers == 0;
    struct memory_use use;
    if (!leaves->has_room[leaf] && !offload_activations(offload)) {
        if (layout->recompute == RECOMPUTE_NONE && partials > 0)
            fits->first[layout->sequence_parallel] = leaves_least_layers_roughly(leaves, leaf);
        return;
    }
    if (leaves->partial[leaf]) {
        open_some_layers(search, pace, leaves, leaf, partials, fits);
        return;
    }
    bool beaten = search->only_adds && is_beaten(offload, fits->moved[leaf]);
    if (whole && search_has_partials(search->problem))
        beaten = beaten || (*partly & bit) != 0 || (search->only_adds && is_beaten(offload, *partly));
    bool fitting = open_leaf(search, pace, leaves, leaf, beaten, &use);
    if (layout->recompute == RECOMPUTE_NONE && use.per_device_bytes > use.capacity_bytes)
        fits->first[layout->sequence_parallel] = leaves_least_layers(leaves, leaf, &use);
    if (!fitting)
        return;
    fits->moved[leaf] |= bit;
    /* Activations that are recomputed aren't moved out, which may take longer. */
    if (layout->recompute == RECOMPUTE_NONE && !offload_activations(offload)) {
        fits->layers[layout->sequence_parallel][offload] = 0;
        *partly |= bit;
    }
}

/* Whether a leaf is of use in the schedule that is chosen, whatever the sharding and what is moved out. */
static bool is_of_use(const struct search *search, const struct cost_pace *pace, struct leaves *leaves,
                      size_t leaf) {
    for (size_t order = 0; order < leaves->choices->order_count; order++)
        if (!search_is_pruned(search, leaves_plain_bound(leaves, search->context, pace, leaf, order)))
            return true;
    return false;
}

/* Marks the leaves that are of use in a schedule. False when none is. */
static bool mark_of_use(struct search *search, const struct cost_pace *pace, struct leaves *leaves,
                        size_t schedule) {
    const struct split_choices *choices = leaves->choices;
    const int64_t partials = choices->schedules[schedule].partials;
    bool any = false;
    leaves_choose_schedule(leaves, schedule);
    for (size_t leaf = 0; leaf < leaves->count; leaf++) {
        bool of_use = search->problem->exhaustive || is_of_use(search, pace, leaves, leaf);
        size_t offloads = leaves->partial[leaf] ? choices->keeping_count : choices->offload_count;
        leaves->of_use[leaf] = of_use;
        any = any || of_use;
        if (!of_use)
            prune(search, choices,
                  (leaves->partial[leaf] ? partials : 1) * (int64_t)(offloads * choices->sharding_count));
    }
    return any;
}

/* The leaves of a schedule and sharding, from little moved out to much. `refused`: what has no room for its
 * weights, gradients and optimizer with a higher stage of ZeRO, bits 1 << enum offload. */
static void open_leaves(struct search *search, const struct open_frame *open, struct leaves *leaves,
                        size_t schedule, size_t sharding, unsigned *refused) {
    const struct split_choices *choices = leaves->choices;
    struct fits fits = {{0}, {0}, {{0}}, {0}};
    for (int i = 0; i < OFFLOAD_COUNT; i++)
        fits.layers[0][i] = fits.layers[1][i] = NEVER_FITS;
    for (size_t i = 0; i < choices->offload_count; i++) {
        if ((*refused & 1U << choices->offloads[i]) != 0)
            continue;
        leaves_choose(leaves, sharding, choices->offloads[i]);
        if (!leaves_have_room(leaves)) {
            *refused |= 1U << choices->offloads[i];
            continue;
        }
        fits.first[0] = fits.first[1] = 1;
        for (size_t leaf = 0; leaf < leaves->count; leaf++)
            if (leaves->of_use[leaf])
                open_variant(search, &open->pace, leaves, leaf, choices->schedules[schedule].partials, &fits);
    }
}

void search_open_split(struct search *search, const struct open_frame *open, size_t place,
                       const struct split_choices *choices) {
    struct leaves leaves;
    make_leaves(search, open, place, choices, &leaves);
    if (leaves.count == 0)
        return;
    for (size_t i = 0; i < choices->schedule_count; i++) {
        unsigned refused = 0;
        if (!mark_of_use(search, &open->pace, &leaves, i))
            continue;
        for (size_t j = choices->sharding_count; j-- > 0;) {
            open_leaves(search, open, &leaves, i, j, &refused);
            if (choices->shardings[j].group > 0) /* of two neither need take less for sure */
                refused = 0;
        }
    }
}
