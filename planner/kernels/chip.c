#include "planner/kernels/chip.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "common/catalogue.h"
#include "planner/kernels/device_scale.h"
#include "planner/kernels/matmul.h"

/* The first that a name fits counts. Peaks: the datasheets that the cluster files name. */
static const struct chip chips[] = {
    {"A100", CHIP_A100, 312e12, "dgx-a100-80g"},       {"A800", CHIP_A100, 312e12, "dgx-a100-80g"},
    {"H100", CHIP_H100, 989.4e12, "dgx-h100"},         {"H200", CHIP_H100, 989.4e12, "dgx-h100"},
    {"H800", CHIP_H100, 989.4e12, "dgx-h100"},         {"GB200", CHIP_B200, 2500e12, "gb200-nvl72"},
    {"B200", CHIP_B200, 2250e12, "dgx-b200"},          {"GB300", CHIP_B200, 2500e12, "gb300-nvl72"},
    {"B300", CHIP_B200, 2250e12, "dgx-b300"},          {"MI300X", CHIP_GENERATIONS, 1307.4e12, "mi300x"},
    {"MI325X", CHIP_GENERATIONS, 1307.4e12, "mi325x"}, {"MI355X", CHIP_GENERATIONS, 2516.6e12, "mi355x"},
};

/* Cards whose names say how much power they have: datasheets. The first that fits counts. */
static const struct card {
    const char *chip, *form;
    double watts;
} cards[] = {
    {"A100", "PCIE-40GB", 250}, {"A100", "PCIE", 300}, {"A800", "PCIE", 300}, {"H100", "PCIE", 350},
    {"H800", "PCIE", 350},      {"H100", "NVL", 400},  {"H200", "NVL", 600},
};

/* Rates of products and attention in their power limit go with it to this power: A100-PCIe of 300 W is 1.14
 * times as slow as the SXM of 400 W in 61 products (SimuMax), and the middle of published rates of H100 at
 * 500 W agrees (topologies/h100-96g-500w.yaml). */
static const double POWER_EXPONENT = 0.456;

/* An RTX A1000 is no A100. */
static bool names(const char *device_name, const char *chip) {
    const char *found = strstr(device_name, chip);

    return found != NULL && isdigit((unsigned char)found[strlen(chip)]) == 0;
}

const struct chip *chip_of(const char *device_name) {
    for (size_t i = 0; i < sizeof chips / sizeof *chips; i++)
        if (names(device_name, chips[i].name))
            return &chips[i];
    return NULL;
}

enum fp8_scaling chip_fp8_scaling(const char *device_name) {
    const struct chip *chip = chip_of(device_name);

    return chip != NULL && chip->generation == CHIP_B200 ? FP8_SCALING_BLOCK : FP8_SCALING_TENSOR;
}

static bool has_form(const char *device_name, const char *form) {
    for (; *device_name != '\0'; device_name++)
        if (strncasecmp(device_name, form, strlen(form)) == 0)
            return true;
    return false;
}

/* 0: unknown. */
static double power_of(const struct cluster_device *device) {
    if (device->power_watts > 0)
        return device->power_watts;
    for (size_t i = 0; i < sizeof cards / sizeof *cards; i++)
        if (names(device->name, cards[i].chip) && has_form(device->name, cards[i].form))
            return cards[i].watts;
    return 0;
}

/* Share of the shipped device's rates that the power limit leaves; infinite where it is no narrower. */
static double power_share(const struct cluster_device *device, const struct cluster_device *shipped) {
    double watts = power_of(device);

    return watts > 0 && watts < shipped->power_watts ? pow(watts / shipped->power_watts, POWER_EXPONENT)
                                                     : HUGE_VAL;
}

/* What a device of that chip with other peaks, another memory and less power would have. `peak_ratio` is of
 * one number format; a card with a lower peak needs less power for it. */
static struct kernel_constants scaled(const struct cluster_device *shipped, double peak_ratio,
                                      double memory_ratio, double share) {
    struct cluster_device device = *shipped;

    device_scale_compute(&device, fmin(peak_ratio, share));
    device_scale_memory_bandwidth(&device, memory_ratio);
    return device.kernels;
}

static double peak_of_16_bits(const struct cluster_device *device) {
    return fmax(device->peak_flops[PRECISION_BF16], device->peak_flops[PRECISION_FP16]);
}

/* True where something was taken. */
static bool take_missing(struct cluster_device *device, const struct cluster_device *shipped) {
    struct kernel_constants *own = &device->kernels;
    const struct kernel_constants *kernels = &shipped->kernels;
    double memory_ratio = device->memory_bytes_per_second / shipped->memory_bytes_per_second;
    double share = power_share(device, shipped);
    bool taken = false;

    for (int i = 0; i < PRECISION_COUNT; i++)
        if (!matmul_is_fitted(device, i) && kernels->matmul[i].known && device->peak_flops[i] > 0) {
            own->matmul[i] =
                scaled(shipped, device->peak_flops[i] / shipped->peak_flops[i], memory_ratio, share)
                    .matmul[i];
            taken = true;
        }
    if (!own->attention.known && kernels->attention.known && peak_of_16_bits(device) > 0) {
        own->attention =
            scaled(shipped, peak_of_16_bits(device) / peak_of_16_bits(shipped), memory_ratio, share)
                .attention;
        taken = true;
    }
    if (!own->attention_fp8.known && kernels->attention_fp8.known && device->peak_flops[PRECISION_FP8] > 0) {
        own->attention_fp8 =
            scaled(shipped, device->peak_flops[PRECISION_FP8] / shipped->peak_flops[PRECISION_FP8],
                   memory_ratio, share)
                .attention_fp8;
        taken = true;
    }
    if (own->grouped_rate <= 0) {
        own->grouped_rate = kernels->grouped_rate;
        own->grouped_launch_seconds = kernels->grouped_launch_seconds;
        own->grouped_exposed = kernels->grouped_exposed;
    }
    if (own->multiprocessors == 0)
        own->multiprocessors = kernels->multiprocessors;
    if (own->memory_efficiency <= 0)
        own->memory_efficiency = kernels->memory_efficiency;
    return taken;
}

static bool is_complete(const struct cluster_device *device) {
    return matmul_is_fitted(device, PRECISION_BF16) &&
           (matmul_is_fitted(device, PRECISION_FP8) || device->peak_flops[PRECISION_FP8] <= 0) &&
           device->kernels.attention.known && device->kernels.grouped_rate > 0;
}

void chip_complete_kernels(struct cluster_device *device, struct arena *arena) {
    const struct chip *chip = chip_of(device->name);
    struct cluster shipped;
    struct error ignored;
    const char *path;

    if (device->fp8_scaling == FP8_SCALING_DEFAULT)
        device->fp8_scaling = chip_fp8_scaling(device->name);
    if (chip == NULL || is_complete(device))
        return;
    path = catalogue_find(CATALOGUE_TOPOLOGY, chip->topology, arena, &ignored);
    if (path == NULL || !cluster_read(path, arena, &shipped, &ignored))
        return;
    if (take_missing(device, &shipped.device)) {
        device->kernels.chip_device = shipped.device.name;
        device->kernels.chip_watts = power_share(device, &shipped.device) < 1 ? power_of(device) : 0;
    }
}

bool chip_read_cluster(const char *path, struct arena *arena, struct cluster *cluster, struct error *error) {
    if (!cluster_read(path, arena, cluster, error))
        return false;
    chip_complete_kernels(&cluster->device, arena);
    matmul_adopt_measured(&cluster->device);
    return true;
}
