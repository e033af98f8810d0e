#include "probe/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text_stream.h"

const char *const identity_names[IDENTITY_PARTS] = {[IDENTITY_RANKS] = "ranks",
                                                    [IDENTITY_MPI] = "MPI",
                                                    [IDENTITY_BINDING] = "binding of ranks to cores",
                                                    [IDENTITY_SETTINGS] = "setting of MPI"};

static const char between_items[] = "; ";

/* What Open MPI, UCX, libfabric, MPICH and its kin, PSM2 and NCCL read. Not of Open MPI what its launcher
 * sets anew for each job, and not the addresses of hosts that MPICH's does. */
static bool chooses_transport(const char *variable) {
    static const char *const beginnings[] = {"OMPI_MCA_btl", "OMPI_MCA_pml", "OMPI_MCA_mtl", "OMPI_MCA_coll",
                                             "UCX_",         "FI_",          "MPIR_CVAR_",   "MPICH_",
                                             "MV2_",         "I_MPI_FABRIC", "I_MPI_OFI_",   "I_MPI_ADJUST_",
                                             "PSM2_",        "HCOLL_",       "NCCL_"};
    size_t name = strcspn(variable, "=");
    static const char address[] = "INTERFACE_HOSTNAME";
    size_t tail = sizeof address - 1;
    if (name >= tail && strncmp(variable + name - tail, address, tail) == 0)
        return false;
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++)
        if (strncmp(variable, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    return false;
}

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* FNV-1a: www.isthe.com/chongo/tech/comp/fnv */
static uint32_t add_to_sum(uint32_t sum, const char *text) {
    for (; *text != '\0'; text++)
        sum = (sum ^ (unsigned char)*text) * 16777619U;
    return sum;
}

static void blank_controls(char *text) {
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == '\x7f')
            *text = ' ';
}

void identity_list_settings(const char *const *variables, char settings[IDENTITY_SETTINGS_BYTES]) {
    enum { SUM_BYTES = 12 };
    size_t count = 0, taken = 0, used = 0;
    uint32_t sum = 2166136261U;
    while (variables[count] != NULL)
        count++;
    const char **sorted = malloc((count + 1) * sizeof *sorted);
    settings[0] = '\0';
    if (sorted == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        if (chooses_transport(variables[i]))
            sorted[taken++] = variables[i];
    qsort(sorted, taken, sizeof *sorted, compare_texts);
    bool fits = true;
    for (size_t i = 0; i < taken; i++) {
        size_t bytes = strlen(sorted[i]) + 1;
        sum = add_to_sum(sum, sorted[i]);
        fits = fits && used + bytes + SUM_BYTES < IDENTITY_SETTINGS_BYTES;
        if (fits)
            used += (size_t)snprintf(settings + used, IDENTITY_SETTINGS_BYTES - used, "%s%s",
                                     used > 0 ? " " : "", sorted[i]);
    }
    if (!fits)
        snprintf(settings + used, IDENTITY_SETTINGS_BYTES - used, " +%08x", (unsigned)sum);
    blank_controls(settings);
    free(sorted);
}

const char *identity_list_ranks(const char *const *words, size_t count, struct arena *arena) {
    struct text_stream text;
    text_stream_open(&text);
    bool any = false;
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && strcmp(words[end], words[begin]) == 0; end++) {
        }
        if (words[begin][0] == '\0')
            continue;
        fputs(any ? between_items : "", text.stream);
        any = true;
        if (end - begin == 1)
            fprintf(text.stream, "rank %zu: %s", begin, words[begin]);
        else
            fprintf(text.stream, "ranks %zu to %zu: %s", begin, end - 1, words[begin]);
    }
    fputs(any ? "" : "none", text.stream);
    return text_stream_take(&text, arena);
}

const char *identity_one_line(const char *text, struct arena *arena) {
    char *line = arena_copy_string(arena, text);
    blank_controls(line);
    return line;
}

size_t identity_difference(const char *one, const char *other) {
    size_t item = 0, i = 0;
    for (; one[i] != '\0' && one[i] == other[i]; i++)
        if (one[i] == ' ' && i > 0 && one[i - 1] == between_items[0])
            item = i + 1;
    return item;
}
