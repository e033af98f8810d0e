/* libnccl.so.2 for tests; see stub.h. An operation of n members that moves a bus volume V takes 8 us + n us +
 * V / 300 GB/s (a message 8 us + 2 us + V / 240 GB/s); of the members of several nodes, who share
 * STUB_NODE_RANKS by node, 20 us + n us + V / 90 GB/s. */
#include <stdint.h>
#include <stdio.h>

#include "tests/gpu/stub.h"
#include "tests/gpu/stub_clock.h"

#define EXPORT __attribute__((visibility("default")))
enum { INVALID = 4, IN_PROGRESS = 7, FLOAT = 7, CONFIG_VERSION = 21400 };
static const unsigned magic = 0xcafebeef;

struct id {
    char bytes[128];
};
struct config {
    size_t size;
    unsigned magic, version;
    int blocking;
};
struct comm {
    int members, own, pending;
};

int EXPORT ncclGetVersion(int *version);
int EXPORT ncclGetUniqueId(struct id *id);
int EXPORT ncclCommInitRankConfig(struct comm **comm, int members, struct id id, int own,
                                  struct config *config);
int EXPORT ncclCommGetAsyncError(struct comm *comm, int *state);
int EXPORT ncclCommAbort(struct comm *comm);
const char EXPORT *ncclGetErrorString(int result);
int EXPORT ncclAllReduce(const float *in, float *out, size_t count, int type, int sum, struct comm *comm,
                         void *stream);
int EXPORT ncclAllGather(const float *in, float *out, size_t count, int type, struct comm *comm,
                         void *stream);
int EXPORT ncclReduceScatter(const float *in, float *out, size_t count, int type, int sum, struct comm *comm,
                             void *stream);
int EXPORT ncclSend(const float *in, size_t count, int type, int peer, struct comm *comm, void *stream);
int EXPORT ncclRecv(float *out, size_t count, int type, int peer, struct comm *comm, void *stream);
int EXPORT ncclGroupStart(void);
int EXPORT ncclGroupEnd(void);

static int live, grouped;
static double group_seconds;

int ncclGetVersion(int *version) {
    *version = 22105;
    return 0;
}

int ncclGetUniqueId(struct id *id) {
    snprintf(id->bytes, sizeof id->bytes, "stub");
    return stub_status("ncclGetUniqueId");
}

/* Only one communicator at a time, and the id must have come from the first member. */
int ncclCommInitRankConfig(struct comm **comm, int members, struct id id, int own, struct config *config) {
    if (strcmp(id.bytes, "stub") != 0 || own >= members || config->magic != magic ||
        config->version != CONFIG_VERSION || config->size != sizeof *config || live > 0)
        return INVALID;
    live++;
    *comm = malloc(sizeof **comm);
    **comm = (struct comm){members, own, config->blocking ? 0 : 2};
    int status = stub_status("ncclCommInitRankConfig");
    return status != 0 || config->blocking ? status : IN_PROGRESS;
}

int ncclCommGetAsyncError(struct comm *comm, int *state) {
    int pending = stub_status("ncclPending");
    *state = comm->pending > 0 || pending != 0 ? IN_PROGRESS : stub_status("ncclCommGetAsyncError");
    comm->pending -= comm->pending > 0 ? 1 : 0;
    return 0;
}

int ncclCommAbort(struct comm *comm) {
    live--;
    free(comm);
    return 0;
}

const char *ncclGetErrorString(int result) {
    return result == 2 ? "unhandled system error" : "internal error";
}

static double seconds_of(const struct comm *comm, double volume, double rate) {
    const char *node = getenv("STUB_NODE_RANKS");
    if (node != NULL && comm->members > atoi(node))
        return 20e-6 + 1e-6 * comm->members + volume / 90e9;
    return 8e-6 + 1e-6 * comm->members + volume / rate;
}

static int run(struct comm *comm, double passes, size_t floats, void *stream, const char *function) {
    double members = comm->members;
    if (stream != &stub_clock_seconds)
        return INVALID;
    stub_clock_add(seconds_of(comm, passes * (members - 1) / members * 4 * (double)floats, 300e9));
    return stub_status(function);
}

/* The last element is touched, so that a buffer that is too short is noticed. */
int ncclAllReduce(const float *in, float *out, size_t count, int type, int sum, struct comm *comm,
                  void *stream) {
    out[count - 1] = in[count - 1];
    return type == FLOAT && sum == 0 ? run(comm, 2, count, stream, "ncclAllReduce") : INVALID;
}

int ncclAllGather(const float *in, float *out, size_t count, int type, struct comm *comm, void *stream) {
    size_t whole = count * (size_t)comm->members;
    out[whole - 1] = in[count - 1];
    return type == FLOAT ? run(comm, 1, whole, stream, "ncclAllGather") : INVALID;
}

int ncclReduceScatter(const float *in, float *out, size_t count, int type, int sum, struct comm *comm,
                      void *stream) {
    size_t whole = count * (size_t)comm->members;
    out[count - 1] = in[whole - 1];
    return type == FLOAT && sum == 0 ? run(comm, 1, whole, stream, "ncclReduceScatter") : INVALID;
}

/* Alone a message takes its own time; those of a group go at once, at the rate of all-to-all. */
static int message(struct comm *comm, double bytes, int peer, int type, void *stream, const char *function) {
    if (peer >= comm->members || type != FLOAT || stream != &stub_clock_seconds)
        return INVALID;
    if (grouped == 0) {
        struct comm pair = {2, 0, 0};
        stub_clock_add(seconds_of(comm, 0, 1) - 1e-6 * (comm->members - pair.members) + bytes / 240e9);
    } else if (group_seconds <= 0) {
        group_seconds = seconds_of(comm, bytes * (comm->members - 1), 300e9);
    }
    return stub_status(function);
}

int ncclSend(const float *in, size_t count, int type, int peer, struct comm *comm, void *stream) {
    volatile float last = in[count - 1];
    (void)last;
    return message(comm, 4 * (double)count, peer, type, stream, "ncclSend");
}

int ncclRecv(float *out, size_t count, int type, int peer, struct comm *comm, void *stream) {
    out[count - 1] = 0;
    return message(comm, 4 * (double)count, peer, type, stream, "ncclRecv");
}

int ncclGroupStart(void) {
    grouped++;
    return stub_status("ncclGroupStart");
}

int ncclGroupEnd(void) {
    grouped--;
    stub_clock_add(group_seconds);
    group_seconds = 0;
    return stub_status("ncclGroupEnd");
}
