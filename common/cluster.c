#include "common/cluster.h"

#include <string.h>

const char *const collective_names[COLLECTIVE_COUNT + 1] = {"all_reduce", "all_gather",   "reduce_scatter",
                                                            "all_to_all", "send_receive", NULL};

bool cluster_device_is_recent(const struct cluster_device *device) {
    return device->peak_flops[PRECISION_FP8] > 0;
}

enum device_generation cluster_device_generation(const struct cluster_device *device) {
    if (!cluster_device_is_recent(device))
        return GENERATION_AMPERE;
    return device->fp8_scaling == FP8_SCALING_BLOCK ? GENERATION_BLACKWELL : GENERATION_HOPPER;
}

bool cluster_device_has_grace(const struct cluster_device *device) {
    static const char *const superchips[] = {"GH200", "GB200", "GB300"};

    for (size_t i = 0; device->name != NULL && i < sizeof superchips / sizeof *superchips; i++)
        if (strstr(device->name, superchips[i]) != NULL)
            return true;
    return false;
}

int64_t cluster_devices(const struct cluster *cluster) {
    return cluster->nodes * cluster->node.devices;
}

size_t cluster_level_of_span(const struct cluster *cluster, int64_t span) {
    size_t last = cluster->level_count > 0 ? cluster->level_count - 1 : 0;

    for (size_t i = 0; i < last; i++)
        if (cluster->levels[i].devices >= span)
            return i;
    return last;
}

bool cluster_is_host_name(const char *name) {
    const char *at = name;

    while (*at > ' ' && *at <= '~' && *at != ',' && *at != ':')
        at++;
    return at > name && *at == '\0';
}

enum unit measurement_unit(const char *what) {
    return strstr(what, "bandwidth") != NULL ? UNIT_BYTES_PER_SECOND : UNIT_SECONDS;
}
