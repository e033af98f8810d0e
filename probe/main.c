/* clusterprobe: measures a cluster under mpirun and writes the cluster file that clusterplan plans on. */
#include <errno.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/catalogue.h"
#include "common/cluster.h"
#include "common/error.h"
#include "common/options.h"
#include "common/standard_output.h"
#include "common/terminal.h"
#include "common/text_stream.h"
#include "common/units.h"
#include "probe/campaign.h"
#include "probe/crew.h"
#include "probe/heat_map.h"
#include "probe/notes.h"
#include "probe/pingpong.h"
#include "probe/result.h"
#include "probe/show.h"
#include "probe/wait.h"
#include "probe/watchdog.h"

enum { EXIT_USAGE = 2 };
static const double START_SECONDS = 60; /* MPI_Init and the first exchange, also of thousands of ranks */
static const double END_SECONDS = 15;
static const double WRITE_SECONDS = 600; /* the CSV of thousands of hosts, on a file system that is busy */
static const double TIME_LIMIT_DEFAULT = 300;
static const char default_base[] = "dgx-a100-80g";

struct arguments {
    const char *output, *time_limit, *base, *hwloc_xml, *show;
    bool resume, help, version, host_only, quick;
    double limit_seconds;
};

static void print_help(const struct option_entry *options) {
    fputs("Usage: mpirun [OPTIONS OF MPIRUN] clusterprobe -o FILE [OPTIONS]\n"
          "       clusterprobe --show FILE\n",
          stdout);
    terminal_print_wrapped(
        "Measures the nodes and the network it runs on and writes a cluster file for clusterplan.", 0,
        stdout);
    putchar('\n');
    options_help(options, stdout);
    fputs("\nExamples:\n"
          "  mpirun -np 2 clusterprobe -o here.yaml                     two ranks on this machine\n"
          "  mpirun --hostfile HOSTS --map-by ppr:1:node --bind-to core clusterprobe -o c.yaml\n"
          "                                                             one rank a node: the network\n"
          "  srun -N 16 --ntasks-per-node 4 clusterprobe -o c.yaml --base dgx-h100\n"
          "  clusterprobe --show c.yaml                                 what an earlier run found\n",
          stdout);
}

/* Prints the error in one piece, so that what mpirun says at the same time doesn't fall into it. */
static void complain(const struct error *error) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    if (stream == NULL)
        return;
    fputs("clusterprobe: ", stream);
    error_print(error, stream);
    if (fclose(stream) == 0)
        fwrite(text, 1, size, stderr);
    free(text);
}

/* Whether a launcher says that it started several ranks. It is asked before MPI_Init: help and --show need no
 * MPI on a login node. */
static bool among_ranks(void) {
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *ranks = getenv(names[i]);
        if (ranks != NULL)
            return strcmp(ranks, "1") != 0;
    }
    return false;
}

/* Whether `path`, given after `words`, is a file or not there. */
static bool check_place(const char *words, const char *path, struct error *error) {
    struct stat status;
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        return error_set(error, "%s%s: a %s, where a file was expected", words, path,
                         S_ISDIR(status.st_mode) ? "directory" : "pipe or device");
    }
    return true;
}

/* The command stands in the file that is written, which is text. `words` may be NULL. */
static bool check_words(const char *option, const char *words, struct error *error) {
    return words == NULL || error_shows(words) ||
           error_set(error, "%s %s: UTF-8 without control characters was expected", option, words);
}

/* The matrix of pairs stands beside the cluster file: c.pairs.csv beside c.yaml. */
static const char *matrix_path(const char *output, struct arena *arena) {
    size_t length = strlen(output);
    bool yaml = length > 5 && strcmp(output + length - 5, ".yaml") == 0;
    return arena_print(arena, "%.*s.pairs.csv", (int)(yaml ? length - 5 : length), output);
}

/* The option that asks for something else than to measure; NULL: none does. */
static const char *option_instead(const struct arguments *arguments) {
    return arguments->help ? "--help" : arguments->version ? "--version" : arguments->show ? "--show" : NULL;
}

static bool check_arguments(struct arguments *arguments, const char *operand, struct arena *arena,
                            struct error *error) {
    char why[256];
    arguments->limit_seconds = TIME_LIMIT_DEFAULT;
    bool instead = option_instead(arguments) != NULL;
    if (operand != NULL && !(arguments->help || arguments->version)) {
        error_set(error, "\"%s\" is no option, and clusterprobe takes nothing else", operand);
        return error_hint(error, instead ? "--show takes one file; see --help"
                                         : "mpirun -np 2 clusterprobe -o cluster.yaml; see --help");
    }
    if (instead)
        return true;
    if (arguments->output == NULL) {
        error_set(error, "clusterprobe needs to know where its result goes");
        return error_hint(error, "mpirun -np 2 clusterprobe -o cluster.yaml; see --help");
    }
    if (strcmp(arguments->output, "-") == 0)
        return error_set(error, "-o -: a file was expected; two are written, and none to standard output");
    if (!check_words("-o", arguments->output, error) || !check_words("--base", arguments->base, error) ||
        !check_words("--hwloc-xml", arguments->hwloc_xml, error))
        return false;
    if (!check_place("-o ", arguments->output, error) ||
        !check_place("", matrix_path(arguments->output, arena), error))
        return false;
    if (arguments->time_limit != NULL) {
        if (!units_parse(arguments->time_limit, UNIT_SECONDS, &arguments->limit_seconds, why, sizeof why))
            return error_set(error, "--time-limit %s: %s", arguments->time_limit, why);
        if (!(arguments->limit_seconds >= 1))
            return error_set(error, "--time-limit %s: at least one second is needed", arguments->time_limit);
    }
    if (arguments->hwloc_xml != NULL) {
        if (access(arguments->hwloc_xml, R_OK) != 0)
            return error_set(error, "can't read %s: %s", arguments->hwloc_xml, strerror(errno));
        return check_place("--hwloc-xml ", arguments->hwloc_xml, error); /* each host reads it */
    }
    return true;
}

/* Returns the exit status. */
static int show(const char *path, struct arena *arena) {
    struct cluster cluster;
    struct error error = {0};
    const char *matrix = NULL;
    bool good = cluster_read(path, arena, &cluster, &error);
    if (good) {
        show_cluster(&cluster, stdout);
        const char *slash = strrchr(path, '/');
        matrix = cluster.matrix_file;
        if (matrix != NULL && slash != NULL && matrix[0] != '/')
            matrix = arena_print(arena, "%.*s/%s", (int)(slash - path), path, matrix);
    }
    if (!good || !heat_map_print(&cluster, matrix, arena, stdout, &error)) {
        complain(&error);
        return EXIT_USAGE;
    }
    return EXIT_SUCCESS;
}

/* Does what option_instead() names. Returns the exit status. */
static int do_instead(const struct arguments *arguments, const struct option_entry *options,
                      struct arena *arena) {
    if (arguments->help)
        print_help(options);
    else if (arguments->version)
        puts("clusterprobe " CLUSTERPLAN_VERSION);
    else
        return show(arguments->show, arena);
    return EXIT_SUCCESS;
}

static const char *join_command(int argc, char **argv, int ranks, struct arena *arena) {
    const char *line = arena_print(arena, "%d ranks of clusterprobe", ranks);
    for (int i = 1; i < argc; i++)
        line = arena_print(arena, "%s %s", line, argv[i]);
    return line;
}

static const char *mpi_version(struct arena *arena) {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    MPI_Get_library_version(text, &length);
    text[strcspn(text, ",\n")] = '\0';
    for (char *tab = text; (tab = strchr(tab, '\t')) != NULL;)
        *tab = ' ';
    return arena_copy_string(arena, text);
}

static const char *list_hosts(const struct placement *placement, struct arena *arena) {
    struct text_stream text;
    text_stream_open(&text);
    fprintf(text.stream, "clusterprobe " CLUSTERPLAN_VERSION ", %d ranks:", (int)placement->ranks);
    for (size_t i = 0; i < placement->host_count; i++) {
        const struct placement_host *host = &placement->hosts[i];
        fprintf(text.stream, " %s", host->name);
        for (int32_t r = 0; r < host->rank_count; r++)
            fprintf(text.stream, "%c%d", r == 0 ? ':' : ',', (int)host->ranks[r]);
    }
    return text_stream_take(&text, arena);
}

static void identify(const struct placement *placement, struct arena *arena, struct identity *identity) {
    char mpi[MPI_MAX_LIBRARY_VERSION_STRING];
    int length;
    size_t ranks = (size_t)placement->ranks;
    MPI_Get_library_version(mpi, &length);
    identity->parts[IDENTITY_RANKS] = list_hosts(placement, arena);
    identity->parts[IDENTITY_MPI] = identity_one_line(mpi, arena);
    identity->parts[IDENTITY_BINDING] = identity_list_ranks(placement->bindings, ranks, arena);
    identity->parts[IDENTITY_SETTINGS] = identity_list_ranks(placement->settings, ranks, arena);
}

/* The topology that fills in what can't be measured: the one asked for, that of the GPU seen, or the default.
 */
static bool read_base(const struct campaign *campaign, const char *asked, struct cluster *base,
                      const char **notes, struct error *error) {
    const char *gpu, *name = asked;
    struct arena *arena = campaign->arena;
    node_gpus(&campaign->nodes[0], &gpu);
    if (name == NULL) {
        name = gpu != NULL ? result_topology_of_gpu(gpu) : default_base;
        if (name == NULL) {
            error_set(error, "no shipped topology has the device %s of host %s", gpu,
                      campaign->placement->hosts[0].name);
            return error_hint(error,
                              "give one that comes near with --base; clusterplan topologies lists them");
        }
        const char *why =
            gpu != NULL ? arena_print(arena, "%s was seen", gpu) : "no GPU was seen and no --base given";
        *notes = notes_add(arena, *notes,
                           arena_print(arena,
                                       "%s: the device and what else can't be measured here are those of %s",
                                       why, name));
    }
    const char *path = catalogue_find(CATALOGUE_TOPOLOGY, name, arena, error);
    return path != NULL && cluster_read(path, arena, base, error) && result_check_base(campaign, base, error);
}

static const char *base_name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* The matrix takes its name last: where the cluster file can't be written, that of an earlier run stays. */
static bool write_result(const struct campaign *campaign, const struct cluster *cluster, const char *output,
                         const char *matrix, struct error *error) {
    const char *fresh = arena_print(campaign->arena, "%s.new", matrix);
    bool good = result_write_matrix(campaign, fresh, error) && cluster_write(cluster, output, error);
    if (good && rename(fresh, matrix) != 0)
        good = error_set(error, "can't rename %s: %s", fresh, strerror(errno));
    if (!good)
        unlink(fresh);
    return good;
}

/* Measures, then writes the matrix and the cluster file. Returns the exit status. */
static int measure(struct campaign *campaign, const struct arguments *arguments, struct result_source *source,
                   struct error *error) {
    struct cluster base, cluster;
    struct arena *arena = campaign->arena;
    if (!campaign_describe(campaign, error))
        return campaign->failed ? EXIT_FAILURE : EXIT_USAGE;
    source->libraries = notes_of_libraries(campaign);
    source->note = notes_of_gpus(campaign, notes_of_memory(campaign, source->note));
    if (!read_base(campaign, arguments->base, &base, &source->note, error))
        return EXIT_USAGE;
    /* Told now: mpirun may end the ranks later without a signal that they could speak at. */
    fprintf(stderr,
            "clusterprobe: keeps what it measures in %s; interrupted, the same line with --resume goes on\n",
            campaign->records->path);
    if (!campaign_run(campaign, error))
        return campaign->failed ? EXIT_FAILURE : EXIT_USAGE;
    crew_pause(WRITE_SECONDS);
    source->note = notes_of_slow_links(campaign, notes_of_plan(campaign, source->note));
    source->note = notes_of_fit(campaign, notes_of_noise(campaign, source->note));
    source->note = notes_of_refusals(campaign, source->note);
    result_make(campaign, &base, source, &cluster);
    const char *matrix = matrix_path(arguments->output, arena);
    cluster.matrix_file = base_name_of(matrix);
    if (!write_result(campaign, &cluster, arguments->output, matrix, error))
        return EXIT_USAGE;
    show_cluster(&cluster, stdout);
    if (!heat_map_print(&cluster, matrix, arena, stdout, error))
        return EXIT_FAILURE;
    fprintf(stderr, "clusterprobe: wrote %s and %s in %.0f s\n", arguments->output, matrix,
            arguments->limit_seconds - campaign_seconds_left(campaign));
    return EXIT_SUCCESS;
}

/* Rank 0. Returns the exit status; sets `aborts` when the other ranks can't be told to stop. */
static int lead(const struct placement *placement, const struct arguments *arguments,
                const struct node_source *node_source, int argc, char **argv, struct arena *arena,
                bool *aborts, struct error *error) {
    struct records records;
    struct campaign campaign = {.placement = placement,
                                .arena = arena,
                                .records = &records,
                                .limit_seconds = arguments->limit_seconds,
                                .quick = arguments->quick,
                                .node_source = node_source};
    struct result_source source = {.output = arguments->output,
                                   .command = join_command(argc, argv, placement->ranks, arena),
                                   .mpi = mpi_version(arena)};
    const char *journal = arena_print(arena, "%s.partial", arguments->output);
    struct identity identity;
    source.note = notes_of_placement(placement, arena);
    identify(placement, arena, &identity);
    if (!records_open(&records, journal, &identity, placement->ranks, arguments->resume, error))
        return EXIT_USAGE;
    watchdog_last_words(
        arena_print(arena,
                    "interrupted; what was measured is kept in %s: the same line with --resume "
                    "goes on from there",
                    journal));
    int status = measure(&campaign, arguments, &source, error);
    watchdog_last_words(NULL);
    bool worth_keeping = status != EXIT_SUCCESS && records.count > 0;
    if (worth_keeping && access(journal, F_OK) == 0 && error->hint[0] == '\0') {
        error_hint(error, "what was measured is kept in %s; the same line with --resume goes on from there",
                   journal);
    }
    records_close(&records, !worth_keeping);
    *aborts = campaign.failed;
    return status;
}

/* Ends MPI. Returns `status`. */
static int end(int status) {
    watchdog_arm(END_SECONDS, "ending the ranks");
    MPI_Finalize();
    watchdog_disarm();
    return status;
}

/* See `given` of struct placement_wish. */
static void list_given(const struct option_entry *options, struct arena *arena, struct placement_wish *wish) {
    size_t count = 0;
    while (options[count].name != NULL)
        count++;
    const char **given = ARENA_ARRAY(arena, const char *, count);
    for (size_t i = 0; i < count; i++) {
        const struct option_entry *option = &options[i];
        const char *value = option->value != NULL ? *option->value : NULL;
        bool flag = option->flag != NULL && *option->flag;
        given[i] = flag            ? arena_print(arena, "--%s", option->name)
                   : value != NULL ? arena_print(arena, "--%s %s", option->name, value)
                                   : "";
    }
    wish->given = given;
    wish->given_count = count;
}

/* `wish`: of this rank. Returns the exit status. */
static int run(const struct arguments *arguments, struct placement_wish *wish,
               const struct option_entry *options, int argc, char **argv, struct arena *arena) {
    struct placement placement;
    struct error error = {0};
    bool crowded = false, aborts = false;
    const char *leader;
    const struct node_source node_source = {arguments->hwloc_xml, arguments->host_only};
    int rank, status = EXIT_SUCCESS;
    watchdog_arm(START_SECONDS,
                 "starting the ranks (all hosts have to reach each other, with messages of several kB: do "
                 "cards and switches differ in their MTU?)");
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    bool sound = placement_gather(arena, wish, &placement, &crowded, &leader, &error);
    watchdog_disarm();
    wait_set_crowded(crowded);
    if (!sound) {
        status = EXIT_USAGE;
    } else if (wish->instead != NULL) {
        return end(rank == 0 ? do_instead(arguments, options, arena) : EXIT_SUCCESS);
    } else if (rank == 0) {
        status = lead(&placement, arguments, &node_source, argc, argv, arena, &aborts, &error);
        aborts = aborts || !crew_stop(status);
    } else if (!crew_work(&node_source, &status)) {
        error_set(&error, "no answer from rank 0 on %s", leader);
        status = EXIT_FAILURE;
        aborts = true;
    }
    if (status != EXIT_SUCCESS && (rank == 0 || aborts))
        complain(&error);
    if (aborts) {
        watchdog_arm(END_SECONDS, "ending the ranks");
        MPI_Abort(MPI_COMM_WORLD, status == EXIT_SUCCESS ? EXIT_FAILURE : status);
    }
    pingpong_free();
    return end(status);
}

int main(int argc, char **argv) {
    struct arguments arguments = {0};
    struct placement_wish wish = {0};
    size_t operands = 0;
    const char *operand[1] = {NULL};
    const struct option_entry options[] = {
        {"output", 'o', "FILE", "write the cluster file here; measurements go to FILE's .pairs.csv",
         &arguments.output, NULL},
        {"time-limit", 0, "T", "end after this long, such as 60 or \"5 min\" (default 5 min)",
         &arguments.time_limit, NULL},
        {"base", 0, "TOPOLOGY",
         "topology that tells what can't be measured (default: that of the GPU "
         "seen, else dgx-a100-80g)",
         &arguments.base, NULL},
        {"resume", 0, NULL, "go on where an earlier run of the same line broke off", NULL, &arguments.resume},
        {"hwloc-xml", 0, "FILE", "take the nodes from an hwloc XML file instead of this machine",
         &arguments.hwloc_xml, NULL},
        {"host-only", 0, NULL, "leave the GPUs' libraries alone: measure from and to host memory only", NULL,
         &arguments.host_only},
        {"quick", 0, NULL, "look for slow hosts and links only: no messages by size, load, collectives", NULL,
         &arguments.quick},
        {"show", 0, "FILE", "print what stands in a cluster file; needs no mpirun", &arguments.show, NULL},
        {"version", 0, NULL, "print the version", NULL, &arguments.version},
        {"help", 'h', NULL, "print this", NULL, &arguments.help},
        {0}};
    if (!standard_output_is_open("clusterprobe"))
        return EXIT_USAGE;
    struct arena *arena = arena_create();
    bool good = options_parse(argc, argv, options, operand, 1, &operands, &wish.wrong) &&
                check_arguments(&arguments, operand[0], arena, &wish.wrong);
    int status = EXIT_USAGE;
    wish.instead = option_instead(&arguments);
    list_given(options, arena, &wish);
    if (among_ranks() || (good && wish.instead == NULL))
        status = run(&arguments, &wish, options, argc, argv, arena);
    else if (good)
        status = do_instead(&arguments, options, arena);
    else
        complain(&wish.wrong);
    arena_destroy(arena);
    return standard_output_arrived("clusterprobe") ? status : EXIT_USAGE;
}
