/* Stand-ins for the libraries of NVIDIA GPUs, so that what loads and calls them runs without a GPU. Their
 * figures are made up but exact: a clock of its own goes on with each operation by a known time.
 *
 * STUB_FAIL="nvmlInit_v2:9,cuInit:100" makes functions return an error; STUB_HANG="cuInit" makes one never
 * return. STUB_GPUS="h100,h100,a100" are the node's GPUs, in the order of their addresses; see gpus below. */
#ifndef CLUSTERPLAN_TESTS_GPU_STUB_H
#define CLUSTERPLAN_TESTS_GPU_STUB_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stub_gpu {
    const char *word, *name;
    unsigned long long memory_bytes;
    int links;
    unsigned link_megabytes_per_second;
    int mig;
    bool denied; /* another job's */
};

/* Names and figures as nvidia-smi prints them. */
static const struct stub_gpu stub_kinds[] = {
    {"h100", "NVIDIA H100 80GB HBM3", 85520809984, 18, 26562, 0, false},
    {"a100", "NVIDIA A100-SXM4-80GB", 85899345920, 12, 25781, 0, false},
    {"pcie", "NVIDIA A100 80GB PCIe", 85899345920, 0, 0, 0, false},
    {"mig", "NVIDIA A100-SXM4-80GB", 85899345920, 12, 25781, 1, false},
    {"denied", "NVIDIA H100 80GB HBM3", 85520809984, 18, 26562, 0, true},
};
enum { STUB_KINDS = sizeof stub_kinds / sizeof *stub_kinds, STUB_GPUS_MAX = 16 };

/* Fills gpus with the kinds in STUB_GPUS ("h100" where it is not set). Returns how many. */
static inline unsigned stub_gpus(const struct stub_gpu *gpus[STUB_GPUS_MAX]) {
    const char *list = getenv("STUB_GPUS");
    unsigned count = 0;
    for (list = list != NULL ? list : "h100"; *list != '\0' && count < STUB_GPUS_MAX;) {
        size_t length = strcspn(list, ",");
        for (size_t i = 0; i < STUB_KINDS; i++)
            if (strlen(stub_kinds[i].word) == length && strncmp(list, stub_kinds[i].word, length) == 0)
                gpus[count++] = &stub_kinds[i];
        list += length + (list[length] == ',' ? 1 : 0);
    }
    return count;
}

/* What a function returns: 0, or what STUB_FAIL says. */
static inline int stub_status(const char *function) {
    const char *list = getenv("STUB_FAIL"), *hang = getenv("STUB_HANG");
    size_t length = strlen(function);
    while (hang != NULL && strcmp(hang, function) == 0)
        pause();
    while (list != NULL && *list != '\0') {
        if (strncmp(list, function, length) == 0 && list[length] == ':')
            return atoi(list + length + 1);
        list = strchr(list, ',');
        list = list != NULL ? list + 1 : NULL;
    }
    return 0;
}

#endif
