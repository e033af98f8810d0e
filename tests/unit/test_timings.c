#include "check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "planner/calibration/timings.h"

struct fixture {
    struct arena *arena;
    struct timings timings;
    struct error error;
};

static bool read_text(struct fixture *fixture, const char *text, size_t size) {
    char path[] = "/tmp/timings-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_true(write(file, text, size) == (ssize_t)size);
    close(file);
    bool read = timings_read(path, fixture->arena, &fixture->timings, &fixture->error);
    unlink(path);
    return read;
}

static void reads(struct fixture *fixture, const char *text) {
    if (!read_text(fixture, text, strlen(text)))
        fail_msg("%s", fixture->error.what);
}

static void refuses(struct fixture *fixture, const char *text, unsigned line, unsigned column,
                    const char *what) {
    assert_false(read_text(fixture, text, strlen(text)));
    assert_int_equal(fixture->error.line, line);
    assert_int_equal(fixture->error.column, column);
    if (!strstr(fixture->error.what, what))
        fail_msg("\"%s\" does not say \"%s\"", fixture->error.what, what);
}

static void reads_products(void **state) {
    struct fixture *fixture = *state;
    reads(fixture,
          "gpu,framework,dtype,m,n,k,latency_ms\n\"A100, SXM\",x,bfloat16,8192,65536,4096,16.700587\r\n\n"
          "B,x,fp8,1,2,3,0.5");
    assert_int_equal(fixture->timings.kind, TIMING_MATMUL);
    assert_int_equal(fixture->timings.count, 2);
    const struct timing *row = fixture->timings.rows;
    assert_string_equal(row->device, "A100, SXM");
    assert_int_equal(row->of.matmul.n, 65536);
    assert_true(row->seconds > 0.0167005 && row->seconds < 0.0167007);
    assert_int_equal(row[1].precision, PRECISION_FP8);
    assert_string_equal(fixture->timings.unused_columns, "framework");
}

static void reads_attention_with_its_pass(void **state) {
    struct fixture *fixture = *state;
    reads(fixture, "gpu,dtype,pass,window,batch,seq,heads,kv_heads,head_dim,latency_ms\n"
                   "A,bf16,backward,0,1,4096,8,2,128,1.5\nA,bf16,forward,512,1,4096,8,2,128,1.5\n");
    assert_int_equal(fixture->timings.kind, TIMING_ATTENTION);
    assert_int_equal(fixture->timings.count, 1);
    assert_int_equal(fixture->timings.left_out, 1);
    assert_string_equal(fixture->timings.left_out_reason, "sliding window");
    assert_true(fixture->timings.rows[0].of.attention.backward);
}

static void leaves_out_what_says_nothing(void **state) {
    struct fixture *fixture = *state;
    reads(
        fixture,
        "gpu,dtype,tokens,hidden,inter,topk,experts,tp,ep,distribution,latency_ms\n"
        "A,bf16,1024,4096,1536,8,128,1,1,power_law_1.2,4.3\nA,fp8_block,1024,4096,1536,8,128,1,1,balanced,4\n"
        "A,bf16,1024,4096,1536,8,128,1,1,balanced,4\n");
    assert_int_equal(fixture->timings.kind, TIMING_EXPERTS);
    assert_int_equal(fixture->timings.count, 1);
    assert_int_equal(fixture->timings.left_out, 2);
    assert_int_equal(fixture->timings.rows[0].of.experts.experts, 128);
}

static void reads_collectives(void **state) {
    struct fixture *fixture = *state;
    reads(fixture, "gpu,op,n_gpus,bytes,latency_ms\nA,alltoall,8,512,0.01\n");
    assert_int_equal(fixture->timings.rows[0].of.collective.operation, COLLECTIVE_ALL_TO_ALL);
    assert_int_equal(fixture->timings.rows[0].of.collective.group.size, 8);
}

static void names_the_place_of_a_mistake(void **state) {
    struct fixture *fixture = *state;
    refuses(fixture, "", 0, 0, "empty");
    refuses(fixture, "a,b,c\n1,2,3\n", 1, 1, "no known kind");
    refuses(fixture, "gpu,dtype,m,n,latency_ms\n", 1, 1, "no column \"k\"");
    refuses(fixture, "gpu,dtype,m,m,k,latency_ms\n", 1, 13, "twice");
    refuses(fixture, "gpu,dtype,m,n,k,latency_ms\n", 1, 0, "no row");
    refuses(fixture, "gpu,dtype,m,n,k,latency_ms\nA,bf16,1,2\n", 2, 10, "4 fields");
    refuses(fixture, "gpu,dtype,m,n,k,latency_ms\nA,bf16,1,2,x,1\n", 2, 12, "k is no number");
    /* Characters, not bytes; and of a long line a piece with the field in it. */
    refuses(fixture, "gpu,dtype,m,n,k,latency_ms\n\u6a21\u578b,bf16,1,2,x,1\n", 2, 13, "k is no number");
    const char *text = arena_print(fixture->arena, "gpu,dtype,m,n,k,latency_ms\n%0600d,bf16,1,2,x,1\n", 1);
    refuses(fixture, text, 2, 611, "k is no number");
    assert_int_equal(fixture->error.source_line[610 - fixture->error.source_first], 'x');
    refuses(fixture, "gpu,dtype,m,n,k,latency_ms\nA,bf16,1,2.5,3,1\n", 2, 10, "whole number");
    refuses(fixture, "gpu,dtype,m,n,k,latency_ms\nA,bf16,1,2,3,-1\n", 2, 14, "more than 0");
    refuses(fixture, "gpu,dtype,m,n,k,latency_ms\nA,bf16,1,2,3,nan\n", 2, 14, "no number");
    refuses(fixture, "gpu,dtype,m,n,k,latency_ms\nA,bf17,1,2,3,1\n", 2, 3, "unknown dtype");
    assert_non_null(strstr(fixture->error.hint, "bf16"));
    refuses(fixture, "gpu,op,n_gpus,bytes,latency_ms\n\nA,allreduce,8,512,0.01\n", 3, 3, "unknown op");
    assert_non_null(strstr(fixture->error.hint, "all_reduce"));
    refuses(fixture, "gpu,op,n_gpus,bytes,latency_ms\n\"A,all_reduce,8,512,0.01\n", 2, 1, "quote");
}

static void refuses_what_is_no_text_file(void **state) {
    struct fixture *fixture = *state;
    assert_false(read_text(fixture, "gpu,\0op\n", 8));
    assert_non_null(strstr(fixture->error.what, "NUL"));
    assert_false(timings_read("/", fixture->arena, &fixture->timings, &fixture->error));
    assert_false(timings_read("/nowhere.csv", fixture->arena, &fixture->timings, &fixture->error));
    assert_non_null(strstr(fixture->error.what, "can't be opened"));
}

static int set_up(void **state) {
    static struct fixture fixture;
    fixture = (struct fixture){.arena = arena_create()};
    *state = &fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    arena_destroy(fixture->arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_products),
        cmocka_unit_test(reads_attention_with_its_pass),
        cmocka_unit_test(leaves_out_what_says_nothing),
        cmocka_unit_test(reads_collectives),
        cmocka_unit_test(names_the_place_of_a_mistake),
        cmocka_unit_test(refuses_what_is_no_text_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
