#include "probe/nccl.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/cluster.h"
#include "probe/gpu.h"
#include "probe/library.h"

/* Declared here is what is used of nccl.h, NCCL 2.14 and later (github.com/NVIDIA/nccl, src/nccl.h.in
 * of 2.30). */
struct nccl_comm;
typedef int nccl_result; /* an enum */
struct nccl_id {
    char bytes[128];
};
/* As of 2.14; a later NCCL takes what it has besides by its own defaults, which `size` and `version` tell it.
 */
struct nccl_config {
    size_t size;
    unsigned magic, version;
    int blocking;
};
enum { NCCL_SUCCESS = 0, NCCL_IN_PROGRESS = 7, NCCL_FLOAT = 7, NCCL_SUM = 0, NCCL_CONFIG_VERSION = 21400 };
static const unsigned NCCL_MAGIC = 0xcafebeef;

static struct nccl {
    nccl_result (*version)(int *);
    nccl_result (*unique_id)(struct nccl_id *);
    nccl_result (*init)(struct nccl_comm **, int, struct nccl_id, int, struct nccl_config *);
    nccl_result (*async_error)(struct nccl_comm *, nccl_result *);
    nccl_result (*abort)(struct nccl_comm *);
    const char *(*error_string)(nccl_result);
    nccl_result (*all_reduce)(const void *, void *, size_t, int, int, struct nccl_comm *,
                              struct gpu_stream *);
    nccl_result (*all_gather)(const void *, void *, size_t, int, struct nccl_comm *, struct gpu_stream *);
    nccl_result (*reduce_scatter)(const void *, void *, size_t, int, int, struct nccl_comm *,
                                  struct gpu_stream *);
    nccl_result (*send)(const void *, size_t, int, int, struct nccl_comm *, struct gpu_stream *);
    nccl_result (*receive)(void *, size_t, int, int, struct nccl_comm *, struct gpu_stream *);
    nccl_result (*group_start)(void);
    nccl_result (*group_end)(void);
} nccl;

static const char *const names[] = {"libnccl.so.2", NULL};
static const struct library_symbol symbols[] = {
    {"ncclGetVersion", offsetof(struct nccl, version), false},
    {"ncclGetUniqueId", offsetof(struct nccl, unique_id), false},
    {"ncclCommInitRankConfig", offsetof(struct nccl, init), false},
    {"ncclCommGetAsyncError", offsetof(struct nccl, async_error), false},
    {"ncclCommAbort", offsetof(struct nccl, abort), false},
    {"ncclGetErrorString", offsetof(struct nccl, error_string), false},
    {"ncclAllReduce", offsetof(struct nccl, all_reduce), false},
    {"ncclAllGather", offsetof(struct nccl, all_gather), false},
    {"ncclReduceScatter", offsetof(struct nccl, reduce_scatter), false},
    {"ncclSend", offsetof(struct nccl, send), false},
    {"ncclRecv", offsetof(struct nccl, receive), false},
    {"ncclGroupStart", offsetof(struct nccl, group_start), false},
    {"ncclGroupEnd", offsetof(struct nccl, group_end), false},
};

static bool loaded;
static struct nccl_comm *comm;
static int members, own;

static bool good(nccl_result result, const char *function) {
    return result == NCCL_SUCCESS || gpu_fail(function, nccl.error_string(result));
}

bool nccl_open(char *words, size_t size) {
    enum { MAJOR = 10000, MINOR = 100 }; /* 22105 is 2.21.5 */
    int version = 0;
    char why[GPU_TEXT - 16];
    if (library_load(names, symbols, sizeof symbols / sizeof *symbols, &nccl, why, sizeof why) !=
        LIBRARY_READY) {
        snprintf(words, size, "NCCL: %s", why);
        return false;
    }
    nccl.version(&version);
    snprintf(words, size, "NCCL %d.%d.%d", version / MAJOR, version % MAJOR / MINOR, version % MINOR);
    loaded = true;
    return true;
}

/* Whether all members are well; if not, all get the words of the first that isn't. */
static bool all_well(MPI_Comm group, bool well, char *why, size_t why_size) {
    char words[GPU_TEXT];
    int state[2] = {well ? 1 : 0, own}, worst[2];
    MPI_Allreduce(state, worst, 1, MPI_2INT, MPI_MINLOC, group);
    if (worst[0] == 1)
        return true;
    snprintf(words, sizeof words, "%s", gpu_fault());
    MPI_Bcast(words, (int)sizeof words, MPI_BYTE, worst[1], group);
    snprintf(why, why_size, "%.100s (member %d of %d)", words, worst[1], members);
    return false;
}

/* Polls a communicator that is made in the background. */
static bool settle(double limit_seconds) {
    const struct timespec pause = {0, 1000000};
    double deadline = clock_seconds() + limit_seconds;
    for (;;) {
        nccl_result state = NCCL_SUCCESS;
        if (!good(nccl.async_error(comm, &state), "ncclCommGetAsyncError"))
            return false;
        if (state != NCCL_IN_PROGRESS)
            return good(state, "ncclCommInitRank");
        if (clock_seconds() > deadline) {
            char why[64];
            snprintf(why, sizeof why, "no communicator within %.0f s", limit_seconds);
            return gpu_fail("NCCL", why);
        }
        nanosleep(&pause, NULL);
    }
}

void nccl_release(void) {
    if (comm != NULL) {
        nccl.abort(comm); /* nothing is under way: quicker than ncclCommDestroy, and it waits for nobody */
        comm = NULL;
    }
}

static bool start(const struct nccl_id *id, bool trial, double limit_seconds) {
    struct nccl_config config = {.size = sizeof config,
                                 .magic = NCCL_MAGIC,
                                 .version = NCCL_CONFIG_VERSION,
                                 .blocking = trial ? 0 : 1};
    nccl_result result = nccl.init(&comm, members, *id, own, &config);
    if (trial && result == NCCL_IN_PROGRESS)
        return settle(limit_seconds);
    return good(result, "ncclCommInitRankConfig");
}

/* With a communicator whose calls return at once each operation would start a thread of its own, which shows
 * in the latency: only the trial has one. */
bool nccl_form(MPI_Comm group, bool trial, double limit_seconds, char *why, size_t why_size) {
    struct nccl_id id;
    nccl_release();
    MPI_Comm_rank(group, &own);
    MPI_Comm_size(group, &members);
    bool well = loaded || gpu_fail("NCCL", "not loaded");
    if (well && own == 0)
        well = good(nccl.unique_id(&id), "ncclGetUniqueId");
    if (!all_well(group, well, why, why_size))
        return false;
    MPI_Bcast(&id, (int)sizeof id, MPI_BYTE, 0, group);
    well = all_well(group, start(&id, trial, limit_seconds), why, why_size);
    if (!well || trial)
        nccl_release();
    return well;
}

struct call {
    int operation;
    const float *in;
    float *out;
    size_t part;
};

static bool all_to_all(const struct call *c, struct gpu_stream *stream) {
    if (!good(nccl.group_start(), "ncclGroupStart"))
        return false;
    for (int peer = 0; peer < members; peer++) {
        size_t at = (size_t)peer * c->part;
        if (!good(nccl.send(c->in + at, c->part, NCCL_FLOAT, peer, comm, stream), "ncclSend") ||
            !good(nccl.receive(c->out + at, c->part, NCCL_FLOAT, peer, comm, stream), "ncclRecv"))
            return false;
    }
    return good(nccl.group_end(), "ncclGroupEnd");
}

static bool pass_on(const struct call *c, struct gpu_stream *stream) {
    size_t whole = c->part * (size_t)members;
    int receiver = members / 2;
    if (own == 0)
        return good(nccl.send(c->in, whole, NCCL_FLOAT, receiver, comm, stream), "ncclSend");
    return own != receiver || good(nccl.receive(c->out, whole, NCCL_FLOAT, 0, comm, stream), "ncclRecv");
}

static bool enqueue(struct gpu_stream *stream, void *context) {
    const struct call *c = context;
    switch (c->operation) {
    case COLLECTIVE_ALL_REDUCE:
        return good(
            nccl.all_reduce(c->in, c->out, c->part * (size_t)members, NCCL_FLOAT, NCCL_SUM, comm, stream),
            "ncclAllReduce");
    case COLLECTIVE_ALL_GATHER:
        return good(nccl.all_gather(c->in, c->out, c->part, NCCL_FLOAT, comm, stream), "ncclAllGather");
    case COLLECTIVE_REDUCE_SCATTER:
        return good(nccl.reduce_scatter(c->in, c->out, c->part, NCCL_FLOAT, NCCL_SUM, comm, stream),
                    "ncclReduceScatter");
    case COLLECTIVE_ALL_TO_ALL:
        return all_to_all(c, stream);
    default:
        return pass_on(c, stream);
    }
}

bool nccl_time(const struct task *task, void *in, void *out, size_t part, int repeat, double *seconds) {
    struct call call = {task->operation, in, out, part};
    double limit = task->seconds + task->stall_seconds;
    if (comm == NULL)
        return gpu_fail("NCCL", "no communicator");
    bool done = gpu_time(enqueue, &call, repeat, limit, seconds);
    if (!done)
        nccl_release();
    return done;
}
