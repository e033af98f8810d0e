#include "probe/stream.h"

#include <math.h>
#include <mpi.h>

#include "common/clock.h"
#include "probe/streams_together.h"
#include "probe/transfer.h"

/* Messages grow by the factor while the next is expected to take no longer than GROW_SECONDS. */
enum { GROW_FACTOR = 8, GROW_FROM_BYTES = 8192 };
static const double GROW_SECONDS = 1;
static const double GROW_ROUND_TRIPS =
    3; /* a message may wait for: of a handshake, and until TCP is up to speed */
static const double SAMPLE_SECONDS = 10e-3;
static const double ANNOUNCE_SHARE =
    0.01; /* of a sample; where announcing took longer, a rank had to wait its turn */
/* A round trip longer than any turn on a core is the link's: samples then last more of them, and the two in
 * which nothing arrives (MPI's handshake before a long message, and the acknowledgement) are taken off. */
static const double LONG_ROUND_TRIP_SECONDS = 20e-3, LONG_SAMPLE_ROUND_TRIPS = 10, LONG_SAMPLE_SECONDS = 1;
static const double LONG_IDLE_ROUND_TRIPS = 2, LONG_IDLE_SHARE = 0.5;

enum { TOGETHER = -1 }; /* the messages are those of streams_together.h */

struct control {
    int32_t messages; /* of the next sample; 0: no more; TOGETHER */
    int32_t padding;
    int64_t bytes; /* of each */
};

/* The messages of one sample, after both sides agreed to begin. */
static bool move(const struct task *task, int messages, struct flow *in,
                 const struct message_buffers *buffers) {
    struct flow out = {.total = 0};
    if (task->role == ROLE_INITIATOR || task->kind == TASK_EXCHANGE)
        flow_start(&out, true, messages, FLOW_WINDOW_MAX, buffers->out, task);
    for (int i = 0; i < messages; i++)
        if (!flow_step(&out, i, task) || !flow_step(in, i, task))
            return false;
    return true;
}

static void expect(const struct task *task, int messages, struct flow *in,
                   const struct message_buffers *buffers) {
    *in = (struct flow){.total = 0};
    if (task->role == ROLE_RESPONDER || task->kind == TASK_EXCHANGE)
        flow_start(in, false, messages, FLOW_WINDOW_MAX, buffers->in, task);
}

/* One sample seen by the initiator: how long the messages took, and how long announcing them did. */
static bool stream_sample(const struct task *task, int messages, const struct message_buffers *buffers,
                          double *seconds, double *announced) {
    const struct control control = {.messages = messages, .bytes = task->bytes};
    struct flow in;
    char reply;
    expect(task, messages, &in, buffers);
    double begin = clock_seconds();
    if (!transfer_send(&control, sizeof control, TAG_CONTROL, task) ||
        !transfer_receive(&reply, 1, TAG_ACKNOWLEDGE, task))
        return false;
    double ready = clock_seconds();
    if (!move(task, messages, &in, buffers) || !transfer_receive(&reply, 1, TAG_ACKNOWLEDGE, task))
        return false;
    *seconds = clock_seconds() - ready;
    *announced = ready - begin;
    return true;
}

/* The longest messages up to task->bytes that the link moves in time: those of `part`. One that took much
 * longer than shorter ones let expect is sent once more: a packet may have been lost. */
static bool find_message_bytes(const struct task *task, const struct message_buffers *buffers,
                               struct task *part) {
    double seconds, announced, round_trip = HUGE_VAL, shorter = 0;
    *part = *task;
    for (part->bytes = GROW_FROM_BYTES; part->bytes < task->bytes;) {
        double least = HUGE_VAL;
        for (int tries = 0; tries < 2 && GROW_FACTOR * least > GROW_SECONDS; tries++) {
            if (tries > 0 && least <= 2 * GROW_FACTOR * shorter)
                break;
            if (!stream_sample(part, 1, buffers, &seconds, &announced))
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
        return SAMPLE_SECONDS;
    return fmin(LONG_SAMPLE_ROUND_TRIPS * round_trip, LONG_SAMPLE_SECONDS);
}

/* Of the seconds of a sample, those in which messages arrived. */
static double moving_seconds(double seconds, double round_trip) {
    if (round_trip < LONG_ROUND_TRIP_SECONDS)
        return seconds - fmin(round_trip, ANNOUNCE_SHARE * seconds);
    return seconds - fmin(LONG_IDLE_ROUND_TRIPS * round_trip, LONG_IDLE_SHARE * seconds);
}

/* What a stream found of its link so far. */
struct pace {
    int messages;      /* of a sample */
    double round_trip; /* seconds; the least of an announcement */
    double rate;       /* bytes a second of the last sample, in one direction */
    bool counts;       /* the last one of the warm-up was as long as a sample */
};

static bool take_sample(const struct task *task, const struct message_buffers *buffers, struct pace *pace,
                        double *seconds) {
    double announced;
    if (!stream_sample(task, pace->messages, buffers, seconds, &announced))
        return false;
    pace->round_trip = fmin(pace->round_trip, announced);
    pace->rate = pace->messages * (double)task->bytes / moving_seconds(*seconds, pace->round_trip);
    return true;
}

/* Warm-up, until a sample has so many messages that it lasts long enough. Over a slow link the first does,
 * and shorter messages brought the connection up to speed before. */
static bool find_messages(const struct task *task, const struct message_buffers *buffers, struct pace *pace) {
    double seconds;
    *pace = (struct pace){.messages = 1, .round_trip = HUGE_VAL};
    for (int warm = 0;
         warm < 2 || (seconds < sample_seconds(pace->round_trip) && pace->messages < FLOW_WINDOW_MAX);
         warm++) {
        if (!take_sample(task, buffers, pace, &seconds))
            return false;
        if (warm > 0 && seconds < sample_seconds(pace->round_trip))
            pace->messages *= 2;
        pace->counts = seconds > 2 * sample_seconds(pace->round_trip);
        if (pace->counts)
            break;
    }
    return true;
}

/* One sample among other streams, or none where it was held up for too long. */
static bool sample_together(const struct task *task, const struct message_buffers *buffers, double alone,
                            struct sampler *sampler) {
    const struct control together = {.messages = TOGETHER, .bytes = task->bytes};
    double rate;
    sampler_start(sampler, task);
    if (!transfer_send(&together, sizeof together, TAG_CONTROL, task) ||
        !streams_together_send(task, buffers->out, alone, &rate))
        return false;
    if (rate > 0)
        sampler_add(sampler, rate);
    return true;
}

static bool sample_alone(const struct task *task, const struct message_buffers *buffers, struct pace *pace,
                         struct sampler *sampler) {
    const double ways = task->kind == TASK_EXCHANGE ? 2 : 1;
    double seconds;
    sampler_start(sampler, task);
    if (pace->counts)
        sampler_add(sampler, ways * pace->rate);
    do {
        if (!take_sample(task, buffers, pace, &seconds))
            return false;
    } while (!sampler_add(sampler, ways * pace->rate));
    return true;
}

bool stream_initiator(const struct task *task, const struct message_buffers *buffers, struct sampler *sampler,
                      int64_t *sent_bytes) {
    const struct control stop = {0};
    struct task part;
    struct pace pace;
    if (!find_message_bytes(task, buffers, &part) || !find_messages(&part, buffers, &pace))
        return false;
    *sent_bytes = part.bytes;
    return (task->together_count > 1 ? sample_together(task, buffers, pace.rate, sampler)
                                     : sample_alone(&part, buffers, &pace, sampler)) &&
           transfer_send(&stop, sizeof stop, TAG_CONTROL, task);
}

bool stream_responder(const struct task *task, const struct message_buffers *buffers) {
    for (;;) {
        struct control control;
        struct flow in;
        const char word = 0;
        /* While the initiators wait for each other, this side waits as long as they may. */
        struct task patient = *task;
        patient.stall_seconds = task->stall_seconds * (task->together_count > 1 ? 3 : 1);
        if (!transfer_receive(&control, sizeof control, TAG_CONTROL, &patient))
            return false;
        if (control.messages == 0)
            return true;
        struct task part = *task;
        part.bytes = control.bytes;
        if (control.messages == TOGETHER) {
            if (!streams_together_receive(&patient, buffers->in))
                return false;
            continue;
        }
        expect(&part, control.messages, &in, buffers);
        if (!transfer_send(&word, 1, TAG_ACKNOWLEDGE, task) || !move(&part, control.messages, &in, buffers) ||
            !transfer_send(&word, 1, TAG_ACKNOWLEDGE, task))
            return false;
    }
}
