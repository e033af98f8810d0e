#include "probe/pingpong.h"

#include <stdlib.h>
#include <string.h>

#include "probe/gpu.h"
#include "probe/latency.h"
#include "probe/sampler.h"
#include "probe/stream.h"
#include "probe/transfer.h"

/* Bytes; of lines a pair where they have 64. The kernel copies between pages: over TCP, streams of buffers
 * that begin at one were 5 % faster, and OSU's do too. */
enum { CACHE_LINE = 128, PAGE = 4096 };

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

/* So many bytes, rounded up to a multiple of `part`. */
static size_t whole(size_t bytes, size_t part) {
    return (bytes + part - 1) / part * part;
}

/* What comes in and what goes out share no cache line, and no page where either fills one. */
static size_t one_way_bytes(int64_t bytes) {
    return whole((size_t)bytes, bytes < PAGE ? CACHE_LINE : PAGE);
}

static bool need_buffers(int64_t bytes, enum transport transport, struct message_buffers *pair) {
    size_t needed = 2 * one_way_bytes(bytes); /* from which and to which all messages on the way go */
    if (transport == TRANSPORT_DEVICE) {
        pair->out = need_gpu_buffers(needed);
    } else {
        if (buffer_bytes < needed) {
            free(buffers);
            buffers = aligned_alloc(PAGE, whole(needed, PAGE));
            buffer_bytes = buffers != NULL ? needed : 0;
            if (buffers != NULL)
                memset(buffers, 1, needed); /* so that its pages are there before the clock runs */
        }
        pair->out = buffers;
    }
    pair->in = pair->out != NULL ? pair->out + one_way_bytes(bytes) : NULL;
    return pair->out != NULL;
}

void pingpong_free(void) {
    free(buffers);
    buffers = NULL;
    buffer_bytes = 0;
    gpu_free(gpu_buffers);
    gpu_buffers = NULL;
    gpu_buffer_bytes = 0;
}

bool pingpong_run(const struct task *task, struct summary *summary, int64_t *sent_bytes) {
    static struct sampler sampler;
    struct message_buffers pair;
    memset(summary, 0, sizeof *summary);
    *sent_bytes = task->bytes;
    if (!need_buffers(task->bytes, (enum transport)task->transport, &pair))
        return false;
    bool latency = task->kind == TASK_LATENCY, done;
    if (task->role == ROLE_RESPONDER)
        return latency ? latency_responder(task, &pair) : stream_responder(task, &pair);
    done = latency ? latency_initiator(task, &pair, &sampler)
                   : stream_initiator(task, &pair, &sampler, sent_bytes);
    if (done)
        summary_make(sampler.values, sampler.count, summary);
    return done;
}
