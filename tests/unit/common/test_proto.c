#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mem.h"
#include "proto.h"

/* One full example a message, written as the encoder writes it: decoding and encoding again gives
 * the same text, so nothing is lost on the way and the wire's names cannot change unseen. */
#define REPEATS(name, example)                                                                     \
    static void test_##name##_is_the_same_after_a_round_trip(void **state)                         \
    {                                                                                              \
        struct name m;                                                                             \
        struct err err = ERR_INIT;                                                                 \
        char *again;                                                                               \
                                                                                                   \
        (void)state;                                                                               \
        if (name##_decode(example, strlen(example), &m, &err))                                     \
            fail_msg("%s", err.text);                                                              \
        again = name##_encode(&m);                                                                 \
        assert_string_equal(again, example);                                                       \
        free(again);                                                                               \
        name##_fini(&m);                                                                           \
    }

REPEATS(join_request,
        "{\"project\":\"web\",\"suite\":\"unit\",\"run_key\":\"k\",\"instance\":\"i\","
        "\"nonce\":\"n\",\"fingerprint\":\"linux-x86_64\",\"command\":\"ab\","
        "\"version\":\"0.1.0\",\"run\":\"r\",\"attempt\":2,\"index\":0,\"total\":4,\"workers\":2,"
        "\"speculate\":true,\"first_ppm\":100000,"
        "\"labels\":{\"os\":\"debian\"}}")
REPEATS(join_answer, "{\"run\":\"r\",\"session\":\"s\",\"session_token\":\"t\",\"epoch\":1,"
                     "\"seed\":4294967295,\"session_ms\":10000,\"beat_ms\":3000,\"manifest\":null,"
                     "\"worker_mib\":40}")
REPEATS(collected_request, "{\"session\":\"s\",\"request\":1,\"digest\":\"d\",\"count\":5217,"
                           "\"runtime\":\"cpython\"}")
REPEATS(collected_answer,
        "{\"action\":\"go\",\"heavy\":[{\"test\":[\"a\",1],\"mem_mib\":16777216}]}")
REPEATS(part_answer, "{\"have\":3,\"action\":\"go\"}")
REPEATS(pull_request,
        "{\"session\":\"s\",\"request\":7,\"order_seen\":3,\"free\":2,\"backlog_us\":5,"
        "\"dry_us\":3,\"lead_us\":2,\"running\":[[\"a::b\",1]],\"wait_ms\":30000}")
REPEATS(pull_answer,
        "{\"orders\":[{\"number\":1,\"kind\":\"shard\",\"fence\":17,\"tests\":[[\"a\",0,250]],"
        "\"first\":1,\"found\":[{\"test\":[\"a\",0],\"group\":\"g\",\"flags\":\"\"}],\"scopes\":[{"
        "\"kind\":\"module\",\"id\":\"a\",\"setup_us\":5,"
        "\"teardown_us\":0}]},"
        "{\"number\":2,\"kind\":\"recall\",\"tests\":[[\"a\",0]]},"
        "{\"number\":5,\"kind\":\"abandon\",\"tests\":[[\"a\",0]]},"
        "{\"number\":3,\"kind\":\"cancel\",\"reason\":\"why\"},"
        "{\"number\":4,\"kind\":\"end\",\"complete\":true,\"exit\":1,\"message\":\"m\"}],"
        "\"beat_ms\":3000,\"speed_ppm\":500000}")
REPEATS(
    results_request,
    "{\"session\":\"s\",\"request\":8,\"results\":[{\"test\":[\"a\",0],\"fence\":17,\"worker\":1,"
    "\"outcome\":\"failed\",\"setup_us\":1,\"call_us\":2,\"teardown_us\":3,\"started_ms\":4,"
    "\"mem_mib\":300,\"amends\":true,\"detail\":{\"when\":\"call\",\"message\":\"m\",\"text\":"
    "\"t\",\"stdout\":"
    "\"o\","
    "\"stderr\":\"e\",\"log\":\"l\",\"classname\":\"c\",\"name\":\"n\",\"properties\":[[\"p\","
    "\"v\"]],"
    "\"reruns\":1}}],\"released\":[[\"b\",0]],\"running\":[[\"c\",0]],\"abandoned\":[{\"test\":["
    "\"d\",0],\"fence\":9,"
    "\"worker\":1,\"started_ms\":2,\"took_us\":3}],\"errors\":[{\"kind\":"
    "\"session-teardown\","
    "\"text\":\"x\"}],\"scopes\":[{\"kind\":\"module\",\"id\":\"a.py\",\"setup_us\":9,"
    "\"teardown_us\":8}],\"found\":[{\"test\":[\"f\",1],\"group\":\"\",\"flags\":\"serial\"}],"
    "\"stop\":\"-x\",\"maxfail\":3}")
REPEATS(results_answer, "{\"accepted\":8}")
REPEATS(drain_request, "{\"session\":\"s\",\"request\":9,\"reason\":\"SIGTERM\"}")
REPEATS(leave_request, "{\"session\":\"s\",\"request\":10,\"exit\":0,"
                       "\"worker_mib\":40,\"worker_peak_mib\":340}")
REPEATS(
    verdict_answer,
    "{\"run\":\"r\",\"epoch\":1,\"final\":true,\"complete\":true,\"verdict\":\"red\",\"exit\":1,"
    "\"message\":\"m\",\"total\":10,\"counts\":{\"passed\":1,\"failed\":2,\"error\":3,\"skipped\":"
    "4,"
    "\"xfailed\":5,\"xpassed\":6,\"crashed\":7,\"timeout\":8},\"unrun\":1,\"flaky\":2,"
    "\"found\":3,\"copies\":9,\"copies_won\":8,"
    "\"sessions_live\":3,\"sessions_seen\":4,\"slots_expected\":5,\"makespan_us\":6,\"bound_us\":7,"
    "\"work_us\":8,\"heaviest\":\"a\",\"heaviest_mib\":300,"
    "\"bad\":[{\"test\":[\"x\",0],\"outcome\":\"crashed\",\"index\":0},{\"test\":[\"y\",1]}],"
    "\"errors\":[{\"kind\":\"k\",\"text\":\"t\"}],\"remarks\":[{\"kind\":\"r\","
    "\"text\":\"l\"}],"
    "\"only_first\":[[\"a\",0]],"
    "\"only_other\":[[\"b\",1]],\"only_first_total\":1,\"only_other_total\":2}")
REPEATS(problem, "{\"type\":\"about:blank\",\"title\":\"slot-taken\",\"status\":409,"
                 "\"code\":\"slot-taken\",\"detail\":\"d\"}")

static void test_decoders_name_the_place_of_a_mistake(void **state)
{
    static const char results[] =
        "{\"session\":\"s\",\"request\":1,\"results\":[{\"test\":[\"a\",0],"
        "\"fence\":1,\"outcome\":\"passed\"},{\"test\":[\"a\",0],\"fence\":1,"
        "\"outcome\":\"maybe\"}]}";
    static const char pull[] =
        "{\"session\":\"s\",\"request\":1,\"free\":1,\"running\":[[\"a\",-1]]}";
    static const char orders[] = "{\"orders\":[7]}";
    struct results_request r;
    struct pull_request p;
    struct pull_answer a;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(results_request_decode(results, strlen(results), &r, &err), ERR_INVALID);
    assert_string_equal(err.text, "results[1].outcome: 'maybe' is not known");
    assert_null(r.results);
    assert_int_equal(pull_request_decode(pull, strlen(pull), &p, &err), ERR_INVALID);
    assert_string_equal(err.text, "running[0]: is not [id, k]");
    assert_int_equal(pull_answer_decode(orders, strlen(orders), &a, &err), ERR_INVALID);
    assert_string_equal(err.text, "orders[0]: is not an object");
}

static void test_join_request_refuses_an_index_outside_of_total(void **state)
{
    static const char text[] =
        "{\"project\":\"p\",\"suite\":\"s\",\"run_key\":\"k\",\"instance\":\"i\","
        "\"nonce\":\"n\",\"fingerprint\":\"f\",\"command\":\"c\","
        "\"version\":\"v\",\"index\":4,\"total\":4,\"workers\":1}";
    struct join_request m;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(join_request_decode(text, strlen(text), &m, &err), ERR_INVALID);
    assert_string_equal(err.text, "index: is not under total");
    assert_null(m.project);
}

/* Captured output over the limit keeps head and tail, with whole characters and a mark. */
static void test_detail_decode_cuts_long_text_in_its_middle(void **state)
{
    size_t len = 2 * PROTO_TEXT_BYTES_MAX;
    char *body = mem_new(len + 32, 1);
    struct detail d;
    struct err err = ERR_INIT;

    (void)state;
    memcpy(body, "{\"text\":\"A", 10);
    for (size_t i = 0; i < len; i += 2)
        memcpy(body + 10 + i, "\xc3\xa9", 2);
    memcpy(body + 10 + len, "Z\"}", 4);
    assert_int_equal(detail_decode(body, strlen(body), &d, &err), ERR_NONE);
    assert_true(strlen(d.text) <= PROTO_TEXT_BYTES_MAX);
    assert_true(strlen(d.text) > PROTO_TEXT_BYTES_MAX - 100);
    assert_int_equal(utf8_valid_len(d.text, strlen(d.text)), strlen(d.text));
    assert_int_equal(d.text[0], 'A');
    assert_int_equal(d.text[strlen(d.text) - 1], 'Z');
    assert_non_null(strstr(d.text, " bytes cut ...]\n"));
    detail_fini(&d);
    free(body);
}

/* What a test records of itself is cut like all it prints, or the stored run could not be read. */
static void test_detail_decode_cuts_a_long_property(void **state)
{
    static const char begin[] = "{\"properties\":[[\"log\",\"";
    size_t len = PROTO_TEXT_BYTES_MAX + 1;
    char *body = mem_new(sizeof(begin) + len + 8, 1);
    struct detail d;
    struct err err = ERR_INIT;

    (void)state;
    memcpy(body, begin, sizeof(begin) - 1);
    memset(body + sizeof(begin) - 1, 'x', len);
    memcpy(body + sizeof(begin) - 1 + len, "\"]]}", 5);
    assert_int_equal(detail_decode(body, strlen(body), &d, &err), ERR_NONE);
    assert_true(strlen(d.properties[0].value) <= PROTO_TEXT_BYTES_MAX);
    assert_string_equal(d.properties[0].key, "log");
    detail_fini(&d);
    free(body);
}

static enum err_code decode_with_label(int name_bytes, struct err *err)
{
    struct str body = STR_MAX(4000);
    struct join_request m;
    enum err_code rc;

    assert_int_equal(
        str_addf(&body, err,
                 "{\"project\":\"p\",\"suite\":\"s\",\"run_key\":\"k\",\"instance\":\"i\","
                 "\"nonce\":\"n\",\"fingerprint\":\"f\",\"command\":\"c\",\"version\":\"v\","
                 "\"workers\":1,\"labels\":{\"%0*u\":\"v\"}}",
                 name_bytes, 1u),
        ERR_NONE);
    rc = join_request_decode(body.at, body.len, &m, err);
    join_request_fini(&m);
    str_fini(&body);
    return rc;
}

static void test_join_request_refuses_a_label_with_a_long_name(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(decode_with_label((int)PROTO_KEY_BYTES_MAX, &err), ERR_NONE);
    assert_int_equal(decode_with_label((int)PROTO_KEY_BYTES_MAX + 1, &err), ERR_INVALID);
    assert_string_equal(err.text, "labels: a name is too long");
}

/* Who leaves out a text that is optional means an empty one: nobody behind has to ask. */
static void test_collected_request_fills_in_its_runtime(void **state)
{
    static const char text[] = "{\"session\":\"s\",\"request\":1,\"digest\":\"d\",\"count\":2}";
    struct collected_request m;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(collected_request_decode(text, strlen(text), &m, &err), ERR_NONE);
    assert_non_null(m.runtime);
    assert_string_equal(m.runtime, "");
    collected_request_fini(&m);
}

static void test_results_request_fills_in_texts_left_out(void **state)
{
    static const char text[] = "{\"session\":\"s\",\"request\":1,\"errors\":[{\"kind\":\"k\"}],"
                               "\"skips\":[{\"id\":\"b.py\"}]}";
    struct results_request m;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(results_request_decode(text, strlen(text), &m, &err), ERR_NONE);
    assert_string_equal(m.errors[0].text, "");
    assert_string_equal(m.skips[0].text, "");
    results_request_fini(&m);
}

static void test_detail_copy_is_equal_and_its_own(void **state)
{
    static const char text[] =
        "{\"message\":\"m\\u0000n\",\"properties\":[[\"p\",\"v\"]],\"reruns\":2}";
    struct detail d;
    struct detail *copy;
    struct err err = ERR_INIT;
    char *a;
    char *b;

    (void)state;
    assert_int_equal(detail_decode(text, strlen(text), &d, &err), ERR_NONE);
    copy = detail_copy(&d);
    a = detail_encode(&d);
    detail_fini(&d);
    b = detail_encode(copy);
    assert_string_equal(a, b);
    assert_non_null(strstr(b, "m\xef\xbf\xbdn"));
    assert_null(detail_copy(NULL));
    detail_free(copy);
    free(a);
    free(b);
}

static void test_problem_with_an_unknown_code_is_internal(void **state)
{
    static const char text[] = "{\"status\":500,\"code\":\"of-the-future\"}";
    struct problem p;
    struct err err = ERR_INIT;

    (void)state;
    assert_int_equal(problem_decode(text, strlen(text), &p, &err), ERR_NONE);
    assert_int_equal(p.code, ERR_INTERNAL);
    problem_fini(&p);
}

static void test_outcomes_and_verdicts_have_words(void **state)
{
    struct err err = ERR_INIT;

    (void)state;
    for (uint32_t i = OUTCOME_PASSED; i < OUTCOME_COUNT; i++) {
        enum outcome o = OUTCOME_NONE;

        assert_int_equal(outcome_parse(outcome_name((enum outcome)i), &o, &err), ERR_NONE);
        assert_int_equal(o, i);
    }
    for (uint32_t i = 0; i < VERDICT_COUNT; i++) {
        enum verdict v = VERDICT_NONE;

        assert_int_equal(verdict_parse(verdict_name((enum verdict)i), &v, &err), ERR_NONE);
        assert_int_equal(v, i);
        assert_true((verdict_exit(v) == 0) == (v == VERDICT_GREEN));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join_request_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_join_answer_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_collected_request_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_collected_answer_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_part_answer_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_pull_request_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_pull_answer_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_results_request_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_results_answer_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_drain_request_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_leave_request_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_verdict_answer_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_problem_is_the_same_after_a_round_trip),
        cmocka_unit_test(test_decoders_name_the_place_of_a_mistake),
        cmocka_unit_test(test_join_request_refuses_an_index_outside_of_total),
        cmocka_unit_test(test_detail_decode_cuts_long_text_in_its_middle),
        cmocka_unit_test(test_detail_decode_cuts_a_long_property),
        cmocka_unit_test(test_join_request_refuses_a_label_with_a_long_name),
        cmocka_unit_test(test_collected_request_fills_in_its_runtime),
        cmocka_unit_test(test_results_request_fills_in_texts_left_out),
        cmocka_unit_test(test_detail_copy_is_equal_and_its_own),
        cmocka_unit_test(test_problem_with_an_unknown_code_is_internal),
        cmocka_unit_test(test_outcomes_and_verdicts_have_words),
    };

    return cmocka_run_group_tests_name("common/proto", tests, NULL, NULL);
}
