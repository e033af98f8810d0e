#include "planner/answers/band.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "common/units.h"
#include "planner/answers/band_table.h"

/* Of a layer, in a model of the kind BAND_FEW_EXPERTS. */
enum { MOST_OF_FEW_EXPERTS = 16 };

/* So many times the devices of the largest run are still near it, and so many times the longest sequence. */
enum { NEAR_FACTOR = 4, NEAR_SEQUENCE_FACTOR = 2 };

static const struct band_errors none;

/* Of steps on devices without a measured run, dense, with few and with many experts: the mean errors when
 * Blackwell was first predicted, from its datasheet and H100's kernels (docs/accuracy-evidence.md, blind
 * checks). */
static const double NEW_DEVICE_ERRORS[] = {0.28, 0.48, 0.48};

struct band_kind band_kind_of(const struct model *model, const struct cluster_device *device,
                              enum precision precision) {
    const struct chip *chip = chip_of(device->name);

    return (struct band_kind){
        .generation = chip != NULL ? chip->generation : CHIP_GENERATIONS,
        .experts = model->experts.count == 0                     ? BAND_DENSE
                   : model->experts.count <= MOST_OF_FEW_EXPERTS ? BAND_FEW_EXPERTS
                                                                 : BAND_MANY_EXPERTS,
        .width = precision == PRECISION_FP8 ? BAND_8_BIT : BAND_16_BIT,
    };
}

/* scripts/accuracy reads these words. */
const char *band_kind_format(const struct band_kind *kind, struct arena *arena) {
    static const char *const generations[] = {"A100", "H100", "B200", "other"};
    static const char *const experts[] = {"dense", "few-experts", "many-experts"};
    static const char *const widths[] = {"16-bit", "fp8"};

    return arena_print(arena, "%s %s %s", generations[kind->generation], experts[kind->experts],
                       widths[kind->width]);
}

const struct band_errors *band_step_errors(const struct band_kind *kind) {
    return kind->generation == CHIP_GENERATIONS ? &none
                                                : &step_errors[kind->generation][kind->experts][kind->width];
}

const struct band_errors *band_memory_errors(const struct band_kind *kind) {
    return kind->generation == CHIP_GENERATIONS
               ? &none
               : &memory_errors[kind->generation][kind->experts][kind->width];
}

const struct band_errors *band_all_step_errors(enum band_experts experts) {
    return &all_step_errors[experts];
}

const struct band_errors *band_all_memory_errors(enum band_experts experts) {
    return &all_memory_errors[experts];
}

bool band_schedule_measured(enum schedule schedule) {
    return schedule == SCHEDULE_1F1B || schedule == SCHEDULE_INTERLEAVED || schedule == SCHEDULE_ZB_1P ||
           schedule == SCHEDULE_ZB_2P;
}

/* What hardly a measured run has of experts whose weights are gathered for each micro-batch. */
static const char *unseen_gathering(const struct training *training, const struct layout *layout,
                                    struct arena *arena) {
    if (layout->zero < 3)
        return NULL;
    if (!training->stack->fully_sharded)
        return "hardly a measured run with ZeRO-3 and experts outside FSDP";
    if (layout->ep >= BAND_LEAST_GATHERED_EP)
        return NULL;
    return arena_print(arena, "hardly a measured run gathers experts (ZeRO-3) with ep below %d",
                       BAND_LEAST_GATHERED_EP);
}

/* What hardly a measured run has, of any kind; NULL for nothing. */
static const char *unseen(const struct band_kind *kind, const struct cluster *cluster,
                          const struct training *training, const struct layout *layout, struct arena *arena) {
    if (kind->generation == CHIP_GENERATIONS)
        return arena_print(arena, "hardly a measured run on %s", cluster->device.name);
    if (cluster->device.kernels.chip_watts > 0)
        return arena_print(arena, "no measured run of a power limit like %s's", cluster->device.name);
    if (training->precision == PRECISION_TF32)
        return "hardly a measured run in tf32";
    if (!band_schedule_measured(layout->schedule))
        return arena_print(arena, "hardly a measured run with schedule=%s", schedule_names[layout->schedule]);
    if (training->sequence < BAND_LEAST_SEQUENCE / NEAR_SEQUENCE_FACTOR)
        return arena_print(arena, "measured runs have sequences of at least %d", BAND_LEAST_SEQUENCE);
    if (training->sequence > BAND_MOST_SEQUENCE * NEAR_SEQUENCE_FACTOR)
        return arena_print(arena, "measured runs have sequences of at most %d", BAND_MOST_SEQUENCE);
    if (layout->vpp > 1 && layout_micro_batches(layout, training->global_batch) % layout->pp != 0)
        return "no measured run interleaves micro-batches that pp doesn't divide";
    if (layout->offload)
        return "hardly a measured run with offload";
    return kind->experts == BAND_DENSE ? NULL : unseen_gathering(training, layout, arena);
}

static struct band band_of(const struct band_errors *errors, const struct band_errors *all,
                           const char *kind_name, const char *unseen_what, int64_t device_count,
                           struct arena *arena) {
    struct band band = {.error = errors->error,
                        .runs = errors->runs,
                        .publications = errors->publications,
                        .extrapolated = unseen_what};

    if (band.extrapolated == NULL && errors->runs < BAND_FEWEST_RUNS)
        band.extrapolated =
            errors->runs == 0
                ? arena_print(arena, "none of this kind (%s) was measured", kind_name)
                : arena_print(arena, "only %" PRId64 " of this kind (%s) measured", errors->runs, kind_name);
    if (band.extrapolated == NULL && errors->publications < BAND_FEWEST_PUBLICATIONS)
        band.extrapolated = arena_print(arena, "those of this kind (%s) are of %" PRId64 " publication%s",
                                        kind_name, errors->publications, units_plural(errors->publications));
    if (band.extrapolated == NULL && device_count > NEAR_FACTOR * errors->most_devices)
        band.extrapolated =
            arena_print(arena, "those of this kind (%s) were measured on at most %" PRId64 " devices",
                        kind_name, errors->most_devices);
    if (band.extrapolated != NULL)
        band.error =
            errors->publications < BAND_FEWEST_PUBLICATIONS ? all->error : fmax(band.error, all->error);
    return band;
}

struct bands bands_of(const struct model *model, const struct cluster *cluster,
                      const struct training *training, const struct layout *layout, struct arena *arena) {
    struct band_kind kind = band_kind_of(model, &cluster->device, training->precision);
    const char *name = band_kind_format(&kind, arena),
               *what = unseen(&kind, cluster, training, layout, arena);
    int64_t count = layout_devices(layout);

    struct bands bands = {
        .step =
            band_of(band_step_errors(&kind), band_all_step_errors(kind.experts), name, what, count, arena),
        .memory = band_of(band_memory_errors(&kind), band_all_memory_errors(kind.experts), name, what, count,
                          arena),
    };

    if (kind.generation == CHIP_GENERATIONS)
        bands.step.error = fmax(bands.step.error, NEW_DEVICE_ERRORS[kind.experts]);
    return bands;
}
