/* How far a prediction may be off: the errors reached on measured runs of the same kind (tests/measured and
 * tests/held_out), predicted as a publication's tables give them: without what its recipe says beside.
 *
 * A kind is a generation of devices, dense or few or many routed experts, and the width of the products'
 * operands. Where no measured run is near, what is predicted is extrapolated. */
#ifndef CLUSTERPLAN_BAND_H
#define CLUSTERPLAN_BAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/cluster.h"
#include "planner/inputs/layout.h"
#include "planner/inputs/model.h"
#include "planner/inputs/training.h"
#include "planner/kernels/chip.h"

enum band_experts { BAND_DENSE, BAND_FEW_EXPERTS, BAND_MANY_EXPERTS, BAND_EXPERTS }; /* few: up to 16 */
enum band_width { BAND_16_BIT, BAND_8_BIT, BAND_WIDTHS };

struct band_kind {
    enum chip_generation generation; /* CHIP_GENERATIONS: one of which nothing was measured */
    enum band_experts experts;
    enum band_width width;
};

/* How far off predictions of the measured runs of a kind were; all 0 where there are none. A run of a
 * publication that none of these comes from errs as whole publications do, whose runs err alike: so each
 * counts alike, however many runs it has. */
struct band_errors {
    int64_t runs, publications; /* a file of runs is one */
    double error; /* what was measured of nine tenths of a publication's runs, on the mean, is within this
                     fraction of what was predicted */
    int64_t most_devices; /* of one run */
};

/* Of fewer runs nothing is said, nor of fewer publications: one laboratory's runs say little of another's. */
enum { BAND_FEWEST_RUNS = 5, BAND_FEWEST_PUBLICATIONS = 3 };

/* The shortest and longest sequences that so many runs have, or shorter and longer ones. */
enum { BAND_LEAST_SEQUENCE = 512, BAND_MOST_SEQUENCE = 131072 };

/* The least ep that enough runs under FSDP have which gather experts' weights (ZeRO-3); other stacks hardly
 * have any such run. */
enum { BAND_LEAST_GATHERED_EP = 4 };

struct band {
    double error;               /* fraction of what is predicted */
    int64_t runs, publications; /* measured, of the same kind */
    const char *extrapolated;   /* why no measured run is near; NULL: some are */
};

struct bands {
    struct band step, memory;
};

/* The kind that counts for a plan: "H100 dense 16-bit". */
struct band_kind band_kind_of(const struct model *model, const struct cluster_device *device,
                              enum precision precision);
const char *band_kind_format(const struct band_kind *kind, struct arena *arena);

/* Errors reached on the measured runs of a kind. */
const struct band_errors *band_step_errors(const struct band_kind *kind);
const struct band_errors *band_memory_errors(const struct band_kind *kind);

/* The same on all devices together; memory with few and many experts is one. */
const struct band_errors *band_all_step_errors(enum band_experts experts);
const struct band_errors *band_all_memory_errors(enum band_experts experts);

/* True for schedules that BAND_FEWEST_RUNS measured runs used. */
bool band_schedule_measured(enum schedule schedule);

/* The bands of a plan. An extrapolated band is never narrower than that of all devices' runs, dense or of
 * few or of many experts. Texts belong to the arena. */
struct bands bands_of(const struct model *model, const struct cluster *cluster,
                      const struct training *training, const struct layout *layout, struct arena *arena);

#endif
