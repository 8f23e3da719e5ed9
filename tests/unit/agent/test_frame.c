#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runner/frame.h"

static struct frame of(enum frame_kind kind, uint32_t a, uint32_t b, const char *payload)
{
    return (struct frame){
        .kind = kind, .a = a, .b = b, .payload = payload, .size = (uint32_t)strlen(payload)
    };
}

static void test_frame_header_is_read_as_it_was_written(void **state)
{
    struct frame in = { .kind = FRAME_DONE, .flags = 0x0102, .a = 0xfffefdfc, .b = 7, .size = 24 };
    struct frame out;
    uint8_t bytes[FRAME_HEADER_BYTES];
    struct err err = ERR_INIT;

    (void)state;
    frame_header_encode(&in, bytes);
    assert_int_equal(frame_header_decode(bytes, &out, &err), ERR_NONE);
    assert_int_equal(out.kind, in.kind);
    assert_int_equal(out.flags, in.flags);
    assert_int_equal(out.a, in.a);
    assert_int_equal(out.b, in.b);
    assert_int_equal(out.size, in.size);
    assert_int_equal(bytes[0], 24); /* little endian, as Python's "<" */
    assert_int_equal(bytes[8], 0xfc);
}

/* A frame that only the agent sends, no kind at all, or one byte over the limit. */
static void test_frame_header_is_refused_when_it_cannot_be_for_us(void **state)
{
    struct frame in = { .kind = FRAME_RUN };
    struct frame out = { .a = 5 };
    uint8_t bytes[FRAME_HEADER_BYTES];
    struct err err = ERR_INIT;

    (void)state;
    frame_header_encode(&in, bytes);
    assert_int_equal(frame_header_decode(bytes, &out, &err), ERR_MALFORMED);
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(frame_header_decode(bytes, &out, &err), ERR_MALFORMED);
    in = (struct frame){ .kind = FRAME_REPORT, .size = FRAME_BYTES_MAX };
    frame_header_encode(&in, bytes);
    assert_int_equal(frame_header_decode(bytes, &out, &err), ERR_NONE);
    bytes[0] = 1;
    out.a = 5;
    assert_int_equal(frame_header_decode(bytes, &out, &err), ERR_TOO_LARGE);
    assert_int_equal(out.a, 5);
}

static void test_hello_decode_reads_what_a_reporter_says(void **state)
{
    struct frame frame =
        of(FRAME_HELLO, ROLE_REPORTER, 0,
           "{\"version\":1,\"key\":\"k\",\"pid\":77,\"python\":\"3.11\",\"pytest\":\"7.2\","
           "\"numprocesses\":3,\"maxprocesses\":null,\"dist\":\"loadfile\",\"maxfail\":1,"
           "\"max_worker_restart\":0,\"inline\":null,\"recalls\":\"--lf\",\"rootdir\":\"/"
           "r\",\"distributions\":\"d\"}");
    struct hello hello;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(hello_decode(&frame, &hello, &err), ERR_NONE);
    assert_int_equal(hello.role, ROLE_REPORTER);
    assert_int_equal(hello.pid, 77);
    assert_int_equal(hello.numprocesses, NUMPROCESSES_GIVEN);
    assert_int_equal(hello.workers, 3);
    assert_int_equal(hello.max_workers, 0);
    assert_int_equal(hello.maxfail, 1);
    assert_int_equal(hello.max_restarts, 0);
    assert_string_equal(hello.dist, "loadfile");
    assert_null(hello.run_inline);
    assert_string_equal(hello.recalls, "--lf");
    hello_fini(&hello);
    frame = of(FRAME_HELLO, ROLE_WORKER, 2,
               "{\"version\":1,\"key\":\"k\",\"pid\":1,\"numprocesses\":\"auto\"}");
    assert_int_equal(hello_decode(&frame, &hello, &err), ERR_NONE);
    assert_int_equal(hello.numprocesses, NUMPROCESSES_AUTO);
    assert_int_equal(hello.max_restarts, UINT32_MAX);
    assert_int_equal(hello.slot, 2);
    hello_fini(&hello);
}

static void test_hello_decode_refuses_what_makes_no_sense(void **state)
{
    static const struct {
        uint32_t role;
        const char *payload;
        enum err_code code;
    } cases[] = {
        { 0, "{\"version\":1,\"key\":\"k\",\"pid\":1}", ERR_MALFORMED },
        { 5, "{\"version\":1,\"key\":\"k\",\"pid\":1}", ERR_MALFORMED },
        { 1, "{\"version\":2,\"key\":\"k\",\"pid\":1}", ERR_VERSION },
        { 1, "{\"version\":1,\"pid\":1}", ERR_MALFORMED },
        { 1, "{\"version\":1,\"key\":\"k\"}", ERR_INVALID },
        { 1, "{\"version\":1,\"key\":\"k\",\"pid\":0}", ERR_INVALID },
        { 1, "{\"version\":1,\"key\":\"k\",\"pid\":1,\"numprocesses\":\"many\"}", ERR_MALFORMED },
        { 1, "{\"version\":1,\"key\":\"k\",\"pid\":1,\"numprocesses\":1000000}", ERR_INVALID },
        { 1, "{\"version\":1,\"key\":5,\"pid\":1}", ERR_INVALID },
        { 1, "[]", ERR_INVALID },
        { 1, "", ERR_MALFORMED },
        { 1, "{\"version\":1", ERR_MALFORMED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct frame frame = of(FRAME_HELLO, cases[i].role, 0, cases[i].payload);
        struct hello hello;
        struct err err = ERR_INIT;

        assert_int_equal(hello_decode(&frame, &hello, &err), cases[i].code);
        assert_true(err.text[0] != '\0');
    }
}

/* What the process found of itself is read from its words; none of them is none. */
static void test_frame_collected_decode_reads_facts_and_reason(void **state)
{
    struct frame frame = of(FRAME_COLLECT_END, 0, 1,
                            "{\"reason\":\"\",\"facts\":{\"threads\":\"one\",\"files\":\"two\"}}");
    struct frame_collected collected;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(frame_collected_decode(&frame, &collected, &err), ERR_NONE);
    assert_true(collected.runs);
    assert_string_equal(collected.facts.threads, "one");
    assert_string_equal(collected.facts.files, "two");
    assert_null(collected.facts.identity);
    assert_false(start_is_safe(&collected.facts));
    frame_collected_fini(&collected);
    frame = of(FRAME_COLLECT_END, 4, 0, "{\"reason\":\"no such file\"}");
    assert_int_equal(frame_collected_decode(&frame, &collected, &err), ERR_NONE);
    assert_false(collected.runs);
    assert_int_equal(collected.status, 4);
    assert_string_equal(collected.reason, "no such file");
    assert_true(start_is_safe(&collected.facts));
    frame_collected_fini(&collected);
}

static void test_frame_collected_decode_refuses_what_is_no_text(void **state)
{
    static const char *const payloads[] = { "", "{\"reason\":5}", "{\"facts\":[]}",
                                            "{\"facts\":{\"threads\":1}}" };
    struct frame_collected collected;
    struct err err = ERR_INIT;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
        struct frame frame = of(FRAME_COLLECT_END, 0, 1, payloads[i]);

        assert_int_not_equal(frame_collected_decode(&frame, &collected, &err), ERR_NONE);
    }
}

static void test_frame_test_next_walks_a_manifest_and_finds_its_ragged_end(void **state)
{
    struct frame frame = { .kind = FRAME_MANIFEST, .a = 2, .payload = "a::b\0g\0serial\0c::d\0\0" };
    struct frame_test test;
    struct err err = ERR_INIT;
    uint32_t offset = 0;

    (void)state;
    frame.size = 21; /* the last text is not ended */
    assert_int_equal(frame_test_next(&frame, &offset, &test, &err), ERR_NONE);
    assert_true(view_eq(test.id, "a::b"));
    assert_true(view_eq(test.group, "g"));
    assert_true(view_eq(test.flags, "serial"));
    assert_int_equal(offset, 14);
    frame.size = 20;
    assert_int_equal(frame_test_next(&frame, &offset, &test, &err), ERR_MALFORMED);
    assert_int_equal(offset, 14);
    frame.size = 21;
    assert_int_equal(frame_test_next(&frame, &offset, &test, &err), ERR_NONE);
    assert_int_equal(offset, 21);
    assert_int_equal(frame_test_next(&frame, &offset, &test, &err), ERR_MALFORMED);
}

static void test_frame_done_decode_reads_times_and_detail(void **state)
{
    char payload[64] = { 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 1 };
    const char *detail = "{\"when\":\"call\",\"message\":\"m\"}";
    struct frame frame = { .kind = FRAME_DONE, .a = 9, .b = 2, .payload = payload, .size = 24 };
    struct frame_done done;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_NONE);
    assert_int_equal(done.index, 9);
    assert_int_equal(done.outcome, OUTCOME_FAILED);
    assert_int_equal(done.setup_us, 1);
    assert_int_equal(done.call_us, 2);
    assert_int_equal(done.teardown_us, 259);
    assert_null(done.detail);
    memcpy(payload + 24, detail, strlen(detail));
    frame.flags = FRAME_DONE_DETAIL;
    frame.size = 24 + (uint32_t)strlen(detail);
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_NONE);
    assert_string_equal(done.detail->message, "m");
    assert_int_equal(done.mem_kib, 0);
    detail_free(done.detail);
}

static void test_frame_found_next_wants_a_number_and_four_texts(void **state)
{
    static const char payload[] = "a::x\0002\0g\0serial\0b::y\0-1\0\0\0c::z\0000\0";
    struct frame frame = {
        .kind = FRAME_FOUND, .a = 3, .payload = payload, .size = sizeof(payload) - 1
    };
    struct manifest_test test = { .k = 7 };
    struct err err = ERR_INIT;
    uint32_t offset = 0;

    (void)state;
    assert_int_equal(frame_found_next(&frame, &offset, &test, &err), ERR_NONE);
    assert_string_equal(test.id, "a::x");
    assert_int_equal(test.k, 2);
    assert_string_equal(test.group, "g");
    assert_string_equal(test.flags, "serial");
    assert_int_not_equal(frame_found_next(&frame, &offset, &test, &err), ERR_NONE);
    assert_int_equal(offset, 16);
    offset = 26;
    assert_int_equal(frame_found_next(&frame, &offset, &test, &err), ERR_MALFORMED);
    assert_int_equal(test.k, 2);
}

/* With its flag a fourth number stands between the times and the detail. */
static void test_frame_done_decode_reads_memory(void **state)
{
    char payload[64] = { 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3 };
    struct frame frame = { .kind = FRAME_DONE,
                           .flags = FRAME_DONE_MEMORY | FRAME_DONE_DETAIL,
                           .b = 1,
                           .payload = payload,
                           .size = 34 };
    struct frame_done done;
    struct err err = ERR_INIT;

    (void)state;
    payload[25] = 1;
    memcpy(payload + 32, "{}", 2);
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_NONE);
    assert_int_equal(done.teardown_us, 3);
    assert_int_equal(done.mem_kib, 256);
    assert_non_null(done.detail);
    detail_free(done.detail);
    frame.size = 31;
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_MALFORMED);
    frame.size = 34;
    payload[31] = 1;
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_MALFORMED);
}

/* Outcomes that only the agent gives, sizes that do not fit, a detail that is no JSON. */
static void test_frame_done_decode_refuses_what_a_worker_cannot_say(void **state)
{
    static const char payload[32] = { 0 };
    struct frame_done done;
    struct err err = ERR_INIT;
    struct frame frame = { .kind = FRAME_DONE, .b = 0, .payload = payload, .size = 24 };

    (void)state;
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_MALFORMED);
    frame.b = OUTCOME_TIMEOUT;
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_MALFORMED);
    frame.b = OUTCOME_PASSED;
    frame.size = 23;
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_MALFORMED);
    frame.size = 25;
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_MALFORMED);
    frame.flags = FRAME_DONE_DETAIL;
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_MALFORMED);
    frame = (struct frame){ .kind = FRAME_LATE, .b = OUTCOME_ERROR };
    assert_int_equal(frame_done_decode(&frame, &done, &err), ERR_NONE);
    assert_null(done.detail);
}

static void test_frame_scope_decode_wants_two_texts_and_a_part(void **state)
{
    struct frame frame = { .kind = FRAME_SCOPE, .a = 50, .b = 1, .payload = "module\0a.py" };
    struct frame_scope scope;
    struct err err = ERR_INIT;

    (void)state;
    frame.size = 12;
    assert_int_equal(frame_scope_decode(&frame, &scope, &err), ERR_NONE);
    assert_int_equal(scope.us, 50);
    assert_int_equal(scope.part, SCOPE_SETUP);
    assert_string_equal(scope.kind, "module");
    assert_string_equal(scope.id, "a.py");
    frame.size = 11;
    assert_int_equal(frame_scope_decode(&frame, &scope, &err), ERR_MALFORMED);
    frame.size = 12;
    frame.b = 3;
    assert_int_equal(frame_scope_decode(&frame, &scope, &err), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_header_is_read_as_it_was_written),
        cmocka_unit_test(test_frame_header_is_refused_when_it_cannot_be_for_us),
        cmocka_unit_test(test_hello_decode_reads_what_a_reporter_says),
        cmocka_unit_test(test_hello_decode_refuses_what_makes_no_sense),
        cmocka_unit_test(test_frame_collected_decode_reads_facts_and_reason),
        cmocka_unit_test(test_frame_collected_decode_refuses_what_is_no_text),
        cmocka_unit_test(test_frame_test_next_walks_a_manifest_and_finds_its_ragged_end),
        cmocka_unit_test(test_frame_found_next_wants_a_number_and_four_texts),
        cmocka_unit_test(test_frame_done_decode_reads_memory),
        cmocka_unit_test(test_frame_done_decode_reads_times_and_detail),
        cmocka_unit_test(test_frame_done_decode_refuses_what_a_worker_cannot_say),
        cmocka_unit_test(test_frame_scope_decode_wants_two_texts_and_a_part),
    };

    return cmocka_run_group_tests_name("agent/frame", tests, NULL, NULL);
}
