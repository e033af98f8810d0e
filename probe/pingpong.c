/* Latency: batches of round trips, each long enough for the clock, one sample a batch.
 *
 * Bandwidth: the initiator announces a sample of so many messages, the responder posts its receives and says
 * it is ready, the messages go, the responder acknowledges the last. What the sender's side alone sees would
 * be its socket buffers. The round trip of announcing is taken off. Messages are as long as was asked for,
 * but over a slow link, where one would take seconds.
 *
 * Streams at the same time go on without a pause, and what each moved between two moments counts, in which
 * all of them were under way: samples would end sooner in the faster ones, and leave more to the others. */
#include "probe/pingpong.h"

#include <limits.h>
#include <math.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "probe/gpu.h"
#include "probe/wait.h"

enum {
    SAMPLES_MAX = 4096,
    SAMPLES_MIN = 2,           /* even over budget: one figure alone says nothing of its spread */
    WINDOW_MAX = 64,           /* messages of a sample, all on the way at once; OSU has as many by default */
    TOGETHER_WINDOW = 4,       /* the same of streams at the same time, which have to end together */
    BATCH_MAX = 512,           /* round trips in one sample */
    CACHE_LINE = 128,          /* bytes; a pair of lines where they have 64 */
    WARM_BATCHES = 8,          /* that last long enough, before samples are taken */
    FIRST_CHECK = 16,          /* samples before the first look whether the median is settled; then doubled */
    TOGETHER_MESSAGES = 64,    /* of each of the streams at the same time, about */
    TOGETHER_SHARING = 4,      /* that many get less than one alone, which is reckoned with up to here */
    TOGETHER_MESSAGES_MIN = 8, /* however slow */
    /* Messages grow by the factor while the next is expected to take no longer than GROW_SECONDS. */
    GROW_FACTOR = 8,
    GROW_FROM_BYTES = 8192
};
static const int64_t TOGETHER_BYTES_MIN = 65536; /* but over a link that takes longer than this for them */
static const double TOGETHER_MIN_SECONDS = 0.1;
/* Of the time given to streams at the same time: what counts begins and ends then, and when they stop. */
static const double TOGETHER_FROM = 0.2, TOGETHER_UNTIL = 1, TOGETHER_STOP = 1.25;
static const double BATCH_SECONDS = 30e-6; /* the clock's own time of about 50 ns is then far below 1 % */
static const double STREAM_SAMPLE_SECONDS = 10e-3;
static const double ANNOUNCE_SHARE =
    0.01; /* of a sample; where announcing took longer, a rank had to wait its turn */
static const double GROW_SECONDS = 1;
static const double GROW_ROUND_TRIPS =
    3; /* a message may wait for: of a handshake, and until TCP is up to speed */
/* A round trip longer than any turn on a core is the link's: samples then last more of them, and the two in
 * which nothing arrives (MPI's handshake before a long message, and the acknowledgement) are taken off. */
static const double LONG_ROUND_TRIP_SECONDS = 20e-3, LONG_SAMPLE_ROUND_TRIPS = 10, LONG_SAMPLE_SECONDS = 1;
static const double LONG_IDLE_ROUND_TRIPS = 2, LONG_IDLE_SHARE = 0.5;
static const double PRECISION = 0.02; /* of the median */

static char *buffers, *gpu_buffers;
static size_t buffer_bytes, gpu_buffer_bytes;

static char *need_gpu_buffers(size_t needed) {
    if (gpu_buffer_bytes < needed) {
        gpu_free(gpu_buffers);
        gpu_buffers = gpu_allocate(needed);
        gpu_buffer_bytes = gpu_buffers != NULL ? needed : 0;
    }
    return gpu_buffers;
}

/* What comes in and what goes out share no cache line. */
static size_t one_way_bytes(int64_t bytes) {
    return ((size_t)bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static char *need_buffers(int64_t bytes, enum transport transport) {
    size_t needed = 2 * one_way_bytes(bytes); /* from which and to which all messages on the way go */
    if (transport == TRANSPORT_DEVICE)
        return need_gpu_buffers(needed);
    if (buffer_bytes < needed) {
        free(buffers);
        buffers = aligned_alloc(CACHE_LINE, needed);
        buffer_bytes = buffers != NULL ? needed : 0;
        if (buffers != NULL)
            memset(buffers, 1, needed); /* so that its pages are there before the clock runs */
    }
    return buffers;
}

void pingpong_free(void) {
    free(buffers);
    buffers = NULL;
    buffer_bytes = 0;
    gpu_free(gpu_buffers);
    gpu_buffers = NULL;
    gpu_buffer_bytes = 0;
}

/* Samples gathered until their median is settled or the budget is spent. */
struct sampler {
    double values[SAMPLES_MAX];
    size_t count, check_at, limit;
    double end;
};

static void sampler_start(struct sampler *sampler, const struct task *task) {
    sampler->count = 0;
    sampler->check_at = FIRST_CHECK;
    sampler->limit =
        task->samples_max > 0 && task->samples_max < SAMPLES_MAX ? (size_t)task->samples_max : SAMPLES_MAX;
    sampler->end = clock_seconds() + task->seconds;
}

/* Adds a value; true when no more are needed. */
static bool sampler_add(struct sampler *sampler, double value) {
    bool spent = clock_seconds() > sampler->end;
    sampler->values[sampler->count++] = value;
    if (sampler->count == sampler->limit || (sampler->count >= SAMPLES_MIN && spent))
        return true;
    if (sampler->count < sampler->check_at)
        return false;
    sampler->check_at *= 2;
    struct summary summary;
    summary_make(sampler->values, sampler->count, &summary);
    return summary_settled(sampler->values, sampler->count, PRECISION);
}

static bool receive(void *buffer, int64_t bytes, int tag, const struct task *task) {
    MPI_Request request;
    MPI_Irecv(buffer, (int)bytes, MPI_BYTE, task->peer, tag, MPI_COMM_WORLD, &request);
    return wait_request(&request, task->stall_seconds, WAIT_SPIN, MPI_STATUS_IGNORE);
}

static bool send(const void *buffer, int64_t bytes, int tag, const struct task *task) {
    MPI_Request request;
    MPI_Isend(buffer, (int)bytes, MPI_BYTE, task->peer, tag, MPI_COMM_WORLD, &request);
    return wait_request(&request, task->stall_seconds, WAIT_SPIN, MPI_STATUS_IGNORE);
}

/* Round trips of one batch. */
static bool round_trips(const struct task *task, const char *out, char *in, int trips, double *seconds) {
    double begin = clock_seconds();
    for (int i = 0; i < trips; i++)
        if (!send(out, task->bytes, TAG_DATA, task) || !receive(in, task->bytes, TAG_DATA, task))
            return false;
    *seconds = (clock_seconds() - begin) / (2 * trips);
    return true;
}

static bool latency_initiator(const struct task *task, const char *out, char *in, struct sampler *sampler) {
    double half;
    int trips = 1;
    /* The first message makes the connection. The next batches are slow, too, which must not end their
     * growing. */
    if (!round_trips(task, out, in, trips, &half))
        return false;
    double end = clock_seconds() + task->seconds; /* a slow link: no time for more */
    for (int lasted = 0; lasted < WARM_BATCHES && clock_seconds() < end;) {
        if (!round_trips(task, out, in, trips, &half))
            return false;
        bool lasts = 2 * half * trips >= BATCH_SECONDS || trips == BATCH_MAX;
        lasted = lasts ? lasted + 1 : 0;
        trips = lasts ? trips : 2 * trips;
    }
    sampler_start(sampler, task);
    do {
        if (!round_trips(task, out, in, trips, &half))
            return false;
    } while (!sampler_add(sampler, half));
    return send(out, 0, TAG_DATA, task); /* an empty message ends it */
}

static bool latency_responder(const struct task *task, char *buffer) {
    for (;;) {
        MPI_Request request;
        MPI_Status status;
        int bytes;
        MPI_Irecv(buffer, (int)task->bytes, MPI_BYTE, task->peer, TAG_DATA, MPI_COMM_WORLD, &request);
        if (!wait_request(&request, task->stall_seconds, WAIT_SPIN, &status))
            return false;
        MPI_Get_count(&status, MPI_BYTE, &bytes);
        if (bytes == 0)
            return true;
        if (!send(buffer, task->bytes, TAG_DATA, task))
            return false;
    }
}

/* One direction's messages of a sample, up to `window` of them at a time, all out of one buffer or into one:
 * what arrives is never looked at. */
struct flow {
    MPI_Request requests[WINDOW_MAX];
    int next, total, window;
    bool sending;
    char *buffer;
};

static void flow_post(struct flow *flow, const struct task *task) {
    int slot = flow->next++ % flow->window;
    if (flow->sending) {
        MPI_Isend(flow->buffer, (int)task->bytes, MPI_BYTE, task->peer, TAG_DATA, MPI_COMM_WORLD,
                  &flow->requests[slot]);
    } else {
        MPI_Irecv(flow->buffer, (int)task->bytes, MPI_BYTE, task->peer, TAG_DATA, MPI_COMM_WORLD,
                  &flow->requests[slot]);
    }
}

static void flow_start(struct flow *flow, bool sending, int total, int window, char *buffer,
                       const struct task *task) {
    *flow = (struct flow){.total = total, .window = window, .sending = sending, .buffer = buffer};
    while (flow->next < total && flow->next < window)
        flow_post(flow, task);
}

/* Waits for message number `message` of the flow and posts the one that takes its place. */
static bool flow_step(struct flow *flow, int message, const struct task *task) {
    if (message >= flow->total)
        return true;
    MPI_Request *request = &flow->requests[message % flow->window];
    if (!wait_request(request, task->stall_seconds, WAIT_SPIN, MPI_STATUS_IGNORE))
        return false;
    if (flow->next < flow->total)
        flow_post(flow, task);
    return true;
}

enum { UNTIL_EMPTY = -1 }; /* messages come until there are TOGETHER_WINDOW empty ones */

struct control {
    int32_t messages; /* of the next sample; 0: no more; UNTIL_EMPTY */
    int32_t padding;
    int64_t bytes; /* of each */
};

/* The messages of one sample, after both sides agreed to begin. */
static bool move(const struct task *task, int messages, struct flow *in, char *memory) {
    struct flow out = {.total = 0};
    if (task->role == ROLE_INITIATOR || task->kind == TASK_EXCHANGE)
        flow_start(&out, true, messages, WINDOW_MAX, memory, task);
    for (int i = 0; i < messages; i++)
        if (!flow_step(&out, i, task) || !flow_step(in, i, task))
            return false;
    return true;
}

static void expect(const struct task *task, int messages, struct flow *in, char *memory) {
    *in = (struct flow){.total = 0};
    if (task->role == ROLE_RESPONDER || task->kind == TASK_EXCHANGE)
        flow_start(in, false, messages, WINDOW_MAX, memory + one_way_bytes(task->bytes), task);
}

/* One sample seen by the initiator: how long the messages took, and how long announcing them did. */
static bool stream_sample(const struct task *task, int messages, char *memory, double *seconds,
                          double *announced) {
    const struct control control = {.messages = messages, .bytes = task->bytes};
    struct flow in;
    char reply;
    expect(task, messages, &in, memory);
    double begin = clock_seconds();
    if (!send(&control, sizeof control, TAG_CONTROL, task) || !receive(&reply, 1, TAG_ACKNOWLEDGE, task))
        return false;
    double ready = clock_seconds();
    if (!move(task, messages, &in, memory) || !receive(&reply, 1, TAG_ACKNOWLEDGE, task))
        return false;
    *seconds = clock_seconds() - ready;
    *announced = ready - begin;
    return true;
}

/* The initiators of a set of streams wait for each other: the root hears from all, then tells all. */
static bool start_together(const struct task *task) {
    int rank;
    char word = 0;
    MPI_Request request;
    MPI_Status status;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (rank != task->together_root) {
        MPI_Send(&word, 1, MPI_BYTE, task->together_root, TAG_TOGETHER, MPI_COMM_WORLD);
        MPI_Irecv(&word, 1, MPI_BYTE, task->together_root, TAG_TOGETHER, MPI_COMM_WORLD, &request);
        return wait_request(&request, 2 * task->stall_seconds, WAIT_SPIN, &status);
    }
    int others = task->together_count - 1;
    int *ranks = malloc((size_t)(others + 1) * sizeof *ranks);
    bool all = ranks != NULL;
    for (int i = 0; all && i < others; i++) {
        MPI_Irecv(&word, 1, MPI_BYTE, MPI_ANY_SOURCE, TAG_TOGETHER, MPI_COMM_WORLD, &request);
        all = wait_request(&request, 2 * task->stall_seconds, WAIT_SPIN, &status);
        ranks[i] = status.MPI_SOURCE;
    }
    for (int i = 0; all && i < others; i++)
        MPI_Send(&word, 1, MPI_BYTE, ranks[i], TAG_TOGETHER, MPI_COMM_WORLD);
    free(ranks);
    return all;
}

/* Messages of streams at the same time: many in the time given, but none shorter than a link needs. */
static int64_t together_bytes(const struct task *task, double bytes_per_second) {
    int sharing = task->together_count < TOGETHER_SHARING ? task->together_count : TOGETHER_SHARING;
    double wanted = bytes_per_second * task->seconds / (TOGETHER_MESSAGES * sharing);
    int64_t bytes = task->bytes, least = TOGETHER_BYTES_MIN;
    if ((double)least > TOGETHER_MIN_SECONDS * bytes_per_second)
        least = GROW_FROM_BYTES;
    while (bytes > least && (double)bytes > wanted)
        bytes /= 2;
    return bytes;
}

/* Sends without a pause until the time is up, and hears what arrived. */
static bool send_together(const struct task *task, char *memory, double *bytes_per_second) {
    struct flow flow;
    int message = 0;
    double end = clock_seconds() + TOGETHER_STOP * task->seconds;
    flow_start(&flow, true, INT_MAX, TOGETHER_WINDOW, memory, task);
    while (clock_seconds() < end || message < TOGETHER_MESSAGES_MIN)
        if (!flow_step(&flow, message++, task))
            return false;
    flow.total = flow.next;
    while (message < flow.total)
        if (!flow_step(&flow, message++, task))
            return false;
    for (int i = 0; i < TOGETHER_WINDOW; i++)
        if (!send(memory, 0, TAG_DATA, task))
            return false;
    return receive(bytes_per_second, sizeof *bytes_per_second, TAG_ACKNOWLEDGE, task);
}

/* What arrives between two moments, in which all streams are under way; what came when is taken to have come
 * evenly since the message before, so that a stream that stalls in between is not counted as one that moves.
 * The sender would count what its socket buffers take, too. */
struct arrivals {
    double begin;         /* of the first message */
    double bytes, time;   /* so far, and when the last came, from then */
    double first, latest; /* bytes at TOGETHER_FROM, and at TOGETHER_UNTIL */
    bool has_first, has_latest;
};

/* Bytes at `moment`, which lies between the last message and one of `bytes` at `time`. */
static double bytes_at(const struct arrivals *arrivals, double bytes, double time, double moment) {
    double share = time > arrivals->time ? (moment - arrivals->time) / (time - arrivals->time) : 1;
    return arrivals->bytes + share * bytes;
}

static void arrivals_add(struct arrivals *arrivals, double bytes, double seconds) {
    double now = clock_seconds(), from = TOGETHER_FROM * seconds, until = TOGETHER_UNTIL * seconds;
    arrivals->begin = arrivals->begin > 0 ? arrivals->begin : now;
    double time = now - arrivals->begin;
    if (!arrivals->has_first && time >= from) {
        arrivals->first = bytes_at(arrivals, bytes, time, from);
        arrivals->has_first = true;
    }
    if (!arrivals->has_latest && time >= until) {
        arrivals->latest = bytes_at(arrivals, bytes, time, until);
        arrivals->has_latest = true;
    }
    arrivals->bytes += bytes;
    arrivals->time = time;
}

/* 0 where too little came. */
static double arrivals_rate(const struct arrivals *arrivals, double seconds) {
    return arrivals->has_latest
               ? (arrivals->latest - arrivals->first) / ((TOGETHER_UNTIL - TOGETHER_FROM) * seconds)
               : 0;
}

/* The other side of it. */
static bool receive_together(const struct task *task, char *memory) {
    struct flow flow;
    struct arrivals arrivals = {0};
    int empty = 0;
    flow_start(&flow, false, INT_MAX, TOGETHER_WINDOW, memory, task);
    for (int message = 0; empty < TOGETHER_WINDOW; message++) {
        MPI_Status status;
        int bytes;
        if (!wait_request(&flow.requests[message % TOGETHER_WINDOW], task->stall_seconds, WAIT_SPIN, &status))
            return false;
        MPI_Get_count(&status, MPI_BYTE, &bytes);
        empty += bytes == 0 ? 1 : 0;
        if (empty == 0) {
            arrivals_add(&arrivals, bytes, task->seconds);
            flow_post(&flow, task);
        }
    }
    const double rate = arrivals_rate(&arrivals, task->seconds);
    return send(&rate, sizeof rate, TAG_ACKNOWLEDGE, task);
}

/* The timed part of a stream among others: one sample, or none where it was held up for too long. */
static bool stream_together(const struct task *task, char *memory, double alone, struct sampler *sampler) {
    struct task part = *task;
    const struct control control = {.messages = UNTIL_EMPTY, .bytes = task->bytes};
    part.bytes = together_bytes(task, alone);
    sampler_start(sampler, task);
    double *rate = &sampler->values[0];
    if (!send(&control, sizeof control, TAG_CONTROL, task) || !start_together(task) ||
        !send_together(&part, memory, rate))
        return false;
    sampler->count = *rate > 0 ? 1 : 0;
    return true;
}

/* The longest messages up to task->bytes that the link moves in time: those of `part`. One that took much
 * longer than shorter ones let expect is sent once more: a packet may have been lost. */
static bool find_message_bytes(const struct task *task, char *memory, struct task *part) {
    double seconds, announced, round_trip = HUGE_VAL, shorter = 0;
    *part = *task;
    for (part->bytes = GROW_FROM_BYTES; part->bytes < task->bytes;) {
        double least = HUGE_VAL;
        for (int tries = 0; tries < 2 && GROW_FACTOR * least > GROW_SECONDS; tries++) {
            if (tries > 0 && least <= 2 * GROW_FACTOR * shorter)
                break;
            if (!stream_sample(part, 1, memory, &seconds, &announced))
                return false;
            round_trip = fmin(round_trip, announced);
            least = fmin(least, fmax(0, seconds - GROW_ROUND_TRIPS * round_trip));
        }
        if (GROW_FACTOR * least > GROW_SECONDS)
            return true;
        shorter = least;
        part->bytes *= GROW_FACTOR;
    }
    part->bytes = task->bytes;
    return true;
}

/* How long a sample of a stream should last, by the least round trip of an announcement. */
static double sample_seconds(double round_trip) {
    if (round_trip < LONG_ROUND_TRIP_SECONDS)
        return STREAM_SAMPLE_SECONDS;
    return fmin(LONG_SAMPLE_ROUND_TRIPS * round_trip, LONG_SAMPLE_SECONDS);
}

/* Of the seconds of a sample, those in which messages arrived. */
static double moving_seconds(double seconds, double round_trip) {
    if (round_trip < LONG_ROUND_TRIP_SECONDS)
        return seconds - fmin(round_trip, ANNOUNCE_SHARE * seconds);
    return seconds - fmin(LONG_IDLE_ROUND_TRIPS * round_trip, LONG_IDLE_SHARE * seconds);
}

static bool stream_initiator(const struct task *asked, char *memory, struct sampler *sampler,
                             int64_t *sent_bytes) {
    int messages = 1;
    double seconds, announced, round_trip = HUGE_VAL;
    struct task part;
    const struct task *task = &part;
    if (!find_message_bytes(asked, memory, &part))
        return false;
    *sent_bytes = part.bytes;
    /* Warm-up, until a sample lasts long enough. */
    for (int warm = 0; warm < 2 || (seconds < sample_seconds(round_trip) && messages < WINDOW_MAX); warm++) {
        if (!stream_sample(task, messages, memory, &seconds, &announced))
            return false;
        round_trip = fmin(round_trip, announced);
        if (warm > 0 && seconds < sample_seconds(round_trip))
            messages *= 2;
        else if (seconds > 2 * sample_seconds(round_trip))
            break; /* long enough for a connection to come up to speed */
    }
    const struct control stop = {0};
    if (task->together_count > 1) {
        return stream_together(asked, memory,
                               messages * (double)task->bytes / moving_seconds(seconds, round_trip),
                               sampler) &&
               send(&stop, sizeof stop, TAG_CONTROL, task);
    }
    sampler_start(sampler, task);
    double ways = task->kind == TASK_EXCHANGE ? 2 : 1, rate;
    do {
        if (!stream_sample(task, messages, memory, &seconds, &announced))
            return false;
        round_trip = fmin(round_trip, announced);
        rate = ways * messages * (double)task->bytes / moving_seconds(seconds, round_trip);
    } while (!sampler_add(sampler, rate));
    return send(&stop, sizeof stop, TAG_CONTROL, task);
}

static bool stream_responder(const struct task *task, char *memory) {
    for (;;) {
        struct control control;
        struct flow in;
        const char word = 0;
        /* While the initiators wait for each other, this side waits as long as they may. */
        struct task patient = *task;
        patient.stall_seconds = task->stall_seconds * (task->together_count > 1 ? 3 : 1);
        if (!receive(&control, sizeof control, TAG_CONTROL, &patient))
            return false;
        if (control.messages == 0)
            return true;
        struct task part = *task;
        part.bytes = control.bytes;
        if (control.messages == UNTIL_EMPTY) {
            if (!receive_together(&patient, memory + one_way_bytes(task->bytes)))
                return false;
            continue;
        }
        expect(&part, control.messages, &in, memory);
        if (!send(&word, 1, TAG_ACKNOWLEDGE, task) || !move(&part, control.messages, &in, memory) ||
            !send(&word, 1, TAG_ACKNOWLEDGE, task))
            return false;
    }
}

bool pingpong_run(const struct task *task, struct summary *summary, int64_t *sent_bytes) {
    static struct sampler sampler;
    memset(summary, 0, sizeof *summary);
    *sent_bytes = task->bytes;
    char *memory = need_buffers(task->bytes, (enum transport)task->transport);
    if (memory == NULL)
        return false;
    bool latency = task->kind == TASK_LATENCY, done;
    if (task->role == ROLE_RESPONDER)
        return latency ? latency_responder(task, memory) : stream_responder(task, memory);
    done = latency ? latency_initiator(task, memory, memory + one_way_bytes(task->bytes), &sampler)
                   : stream_initiator(task, memory, &sampler, sent_bytes);
    if (done)
        summary_make(sampler.values, sampler.count, summary);
    return done;
}
