/* bench_service: a large run through the whole service over an SQLite file: one agent joins,
 * uploads, pulls, reports and leaves; then the merged report is asked for and the durations are
 * folded. Says how long each phase took and how long the loop's thread was away at most.
 *
 *     bench_service FOLDER [TESTS]      (100000; FOLDER is then a data folder that makespand
 * serves)
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "gz.h"
#include "manifest.h"
#include "mem.h"
#include "service/auth.h"
#include "service/service.h"
#include "store/store_sqlite.h"

#define WORKERS 64u
#define BATCH   1000u /* results in one request */

struct bench {
    struct service *svc;
    struct store *store;
    struct manifest *manifest;
    int bell;
    bool answered;
    char token[TOKEN_TEXT_BYTES], session_token[TOKEN_TEXT_BYTES];
    char run[ID_TEXT_BYTES];
    char *session;
    uint64_t request, order_seen, tick_ms;
    struct result *results; /* of tests that were given out and are not reported; the first ones */
    uint32_t count, done;
    bool over;
    /* the phase that is measured */
    uint64_t began_us, away_us, turns;
};

static uint64_t now_us(void)
{
    return clock_mono_us(clock_system());
}

static void ring(void *ctx)
{
    struct bench *b = ctx;
    uint64_t one = 1;

    INVARIANT(write(b->bell, &one, sizeof(one)) == sizeof(one));
}

static void phase_end(struct bench *b, const char *what)
{
    uint64_t us = now_us() - b->began_us;

    (void)printf("%-22s %7llu ms in all, %6llu turns, the longest %5llu ms\n", what,
                 (unsigned long long)(us / 1000), (unsigned long long)b->turns,
                 (unsigned long long)(b->away_us / 1000));
    b->began_us = now_us();
    b->away_us = b->turns = 0;
}

/* The loop was away from begin to now. */
static void turn(struct bench *b, uint64_t begin_us)
{
    uint64_t us = now_us() - begin_us;

    b->turns++;
    if (us > b->away_us)
        b->away_us = us;
}

/* As makespand's loop does it, until the answer is there. */
static void loop(struct bench *b)
{
    while (!b->answered) {
        struct pollfd fd = { .fd = b->bell, .events = POLLIN };
        uint64_t now_ms = now_us() / 1000;
        int wait_ms = now_ms < b->tick_ms ? (int)(b->tick_ms - now_ms) : 0;
        uint64_t rung;
        uint64_t begin_us;

        if (poll(&fd, 1, wait_ms) > 0)
            INVARIANT(read(b->bell, &rung, sizeof(rung)) == sizeof(rung));
        begin_us = now_us();
        service_poll(b->svc);
        if (begin_us / 1000 >= b->tick_ms)
            b->tick_ms = begin_us / 1000 + service_tick(b->svc);
        turn(b, begin_us);
    }
    b->answered = false;
}

static void must(const struct err *err)
{
    if (err->code) {
        (void)fprintf(stderr, "bench_service: %s\n", err->text);
        exit(1);
    }
}

/* ---- answers ---- */

static void on_join(void *ctx, const union answer *answer, const struct err *err)
{
    struct bench *b = ctx;

    must(err);
    (void)snprintf(b->run, sizeof(b->run), "%s", answer->join->run);
    (void)snprintf(b->session_token, sizeof(b->session_token), "%s", answer->join->session_token);
    b->session = mem_strdup(answer->join->session);
    b->answered = true;
}

static void on_any(void *ctx, const union answer *answer, const struct err *err)
{
    struct bench *b = ctx;

    (void)answer;
    must(err);
    b->answered = true;
}

static void on_pull(void *ctx, const union answer *answer, const struct err *err)
{
    static struct detail failed = { .when = (char *)"call", .message = (char *)"assert 1 == 2" };
    static char text[2000];
    struct bench *b = ctx;

    must(err);
    memset(text, 'x', sizeof(text) - 1);
    failed.text = text;
    for (uint32_t i = 0; i < answer->pull->order_count; i++) {
        const struct order *order = &answer->pull->orders[i];

        b->order_seen = order->number;
        b->over = b->over || order->kind == ORDER_END;
        for (uint32_t j = 0; order->kind == ORDER_SHARD && j < order->test_count; j++) {
            bool bad = (b->count + b->done) % 20 == 0;

            b->results[b->count] =
                (struct result){ .test = { .id = mem_strdup(order->tests[j].ref.id),
                                           .k = order->tests[j].ref.k },
                                 .fence = order->fence,
                                 .worker = b->count % WORKERS,
                                 .outcome = bad ? OUTCOME_FAILED : OUTCOME_PASSED,
                                 .call_us = 1000 + b->count % 997,
                                 .detail = bad ? detail_copy(&failed) : NULL };
            b->count++;
        }
    }
    b->answered = true;
}

static void on_report(void *ctx, const union answer *answer, const struct err *err)
{
    struct bench *b = ctx;

    must(err);
    (void)printf("report: %zu bytes\n", answer->text->len);
    b->answered = true;
}

/* ---- an agent ---- */

static struct manifest *make_manifest(uint32_t count)
{
    struct manifest *m = manifest_new();
    struct err err = ERR_INIT;

    for (uint32_t i = 0; i < count; i++) {
        char id[80];

        (void)snprintf(id, sizeof(id), "tests/part%u/test_%u.py::test_case[%u]", i / 1000, i / 40,
                       i);
        INVARIANT(!manifest_add(m, view_of(id), view_of(""), view_of(""), &err));
    }
    manifest_seal(m);
    return m;
}

static void join(struct bench *b)
{
    static char texts[6][24] = { "p", "s", "key", "linux", "pytest", "0123456789abcdef" };
    struct join_request req = { .project = texts[0],
                                .suite = texts[1],
                                .run_key = texts[2],
                                .instance = texts[2],
                                .nonce = texts[5],
                                .fingerprint = texts[3],
                                .command = texts[4],
                                .agent_version = texts[4],
                                .index = PROTO_SLOT_NONE,
                                .workers = WORKERS };
    uint64_t begin_us = now_us();

    service_join(b->svc, b->token, &req, (struct reply){ on_join, b });
    turn(b, begin_us);
    loop(b);
}

static void collected(struct bench *b)
{
    static char runtime[] = "cpython";
    struct collected_request req = { .session = b->session,
                                     .digest = b->manifest->digest,
                                     .runtime = runtime,
                                     .request = ++b->request,
                                     .count = b->manifest->count };
    uint64_t begin_us = now_us();

    service_collected(b->svc, b->session_token, b->run, &req, (struct reply){ on_any, b });
    turn(b, begin_us);
    loop(b);
}

static void upload(struct bench *b)
{
    struct str text = STR_MAX(MANIFEST_TEXT_BYTES_MAX);
    struct err err = ERR_INIT;
    uint32_t parts;

    INVARIANT(!manifest_encode(b->manifest, &text, &err));
    parts = (uint32_t)((text.len + MANIFEST_PART_BYTES - 1) / MANIFEST_PART_BYTES);
    for (uint32_t i = 0; i < parts; i++) {
        size_t from = (size_t)i * MANIFEST_PART_BYTES;
        size_t len = i + 1 < parts ? MANIFEST_PART_BYTES : text.len - from;
        struct str gz = STR_MAX(2 * MANIFEST_PART_BYTES);
        struct manifest_part part = { .digest = b->manifest->digest, .part = i, .of = parts };
        uint64_t begin_us;

        INVARIANT(!gz_pack(str_text(&text) + from, len, &gz, &err));
        part.bytes = (struct view){ .at = gz.at, .len = gz.len };
        begin_us = now_us();
        service_manifest_part(b->svc, b->session_token, b->run, &part, (struct reply){ on_any, b });
        turn(b, begin_us);
        loop(b);
        str_fini(&gz);
    }
    str_fini(&text);
}

static void pull(struct bench *b)
{
    struct pull_request req = { .session = b->session,
                                .request = ++b->request,
                                .order_seen = b->order_seen,
                                .free_workers = WORKERS,
                                .wait_ms = 100 };
    uint64_t begin_us = now_us();

    service_pull(b->svc, b->session_token, b->run, &req, (struct reply){ on_pull, b });
    turn(b, begin_us);
    loop(b);
}

static void report_some(struct bench *b)
{
    uint32_t count = b->count < BATCH ? b->count : BATCH;
    struct results_request req = { .session = b->session,
                                   .request = ++b->request,
                                   .results = b->results + (b->count - count),
                                   .result_count = count };
    uint64_t begin_us = now_us();

    service_results(b->svc, b->session_token, b->run, &req, (struct reply){ on_any, b });
    turn(b, begin_us);
    loop(b);
    for (uint32_t i = 0; i < count; i++) {
        free(req.results[i].test.id);
        detail_free(req.results[i].detail);
    }
    b->count -= count;
    b->done += count;
}

static void leave(struct bench *b)
{
    struct leave_request req = { .session = b->session, .request = ++b->request, .exit = 1 };
    uint64_t begin_us = now_us();

    service_leave(b->svc, b->session_token, b->run, &req, (struct reply){ on_any, b });
    turn(b, begin_us);
    loop(b);
}

static void get_report(struct bench *b, const char *bearer, enum report_form form)
{
    uint64_t begin_us = now_us();

    service_report(b->svc, bearer, b->run, form, (struct reply){ on_report, b });
    turn(b, begin_us);
    loop(b);
}

static enum err_code note_row(void *ctx, const struct store_run *run, struct err *err)
{
    (void)run;
    (void)err;
    *(bool *)ctx = true;
    return ERR_NONE;
}

/* Until the run's durations are in the history; something small is written meanwhile, again and
 * again, to see how long a writer waits for a part of the fold. */
static void taught(struct bench *b)
{
    struct store_query query = { .state = STORE_RUNS_UNFOLDED };
    struct err err = ERR_INIT;
    uint64_t longest_us = 0;
    bool left = true;

    while (left) {
        uint64_t begin_us = now_us();

        INVARIANT(!store_setting_put(b->store, "bench", "x", &err));
        if (now_us() - begin_us > longest_us)
            longest_us = now_us() - begin_us;
        service_poll(b->svc);
        left = false;
        INVARIANT(!store_list(b->store, &query, note_row, &left, &err));
    }
    (void)printf("folding: another writer waited %llu ms at most\n",
                 (unsigned long long)(longest_us / 1000));
}

static void run_all(struct bench *b, uint32_t tests)
{
    b->manifest = make_manifest(tests);
    b->results = mem_new(tests, sizeof(*b->results));
    b->began_us = now_us();
    join(b);
    phase_end(b, "join");
    collected(b);
    upload(b);
    phase_end(b, "upload and seal");
    while (!b->over) {
        pull(b);
        while (b->count > 0)
            report_some(b);
    }
    phase_end(b, "pulls and results");
    get_report(b, b->session_token, REPORT_JUNIT);
    phase_end(b, "junit while it runs");
    leave(b);
    phase_end(b, "leave");
    taught(b);
    phase_end(b, "durations folded");
    get_report(b, b->token, REPORT_JUNIT);
    phase_end(b, "junit");
    get_report(b, b->token, REPORT_JSON);
    phase_end(b, "json");
    free(b->results);
    free(b->session);
    manifest_free(b->manifest);
}

int main(int argc, char **argv)
{
    struct bench b = { .bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    struct auth_new want = { .project = "", .label = "bench", .role = ROLE_AGENT };
    struct service_opts opts = { .clock = clock_system(), .wake = ring, .wake_ctx = &b };
    struct str path = STR_MAX(4096);
    struct err err = ERR_INIT;
    uint32_t tests = 100000;

    if (argc < 2 || (argc > 2 && parse_u32(argv[2], 1, MANIFEST_TESTS_MAX, &tests, &err))) {
        (void)fprintf(stderr, "usage: bench_service FOLDER [TESTS]\n");
        return 2;
    }
    INVARIANT(!str_addf(&path, &err, "%s/makespan.db", argv[1]));
    if (store_sqlite_open(str_text(&path), &b.store, &err) ||
        auth_token_new(b.store, &want, b.token, &err))
        must(&err);
    opts.store = b.store;
    b.svc = service_new(&opts);
    if (service_start(b.svc, &err))
        must(&err);
    run_all(&b, tests);
    (void)printf("run %s\ntoken %s\n", b.run, b.token);
    service_free(b.svc);
    store_close(b.store);
    str_fini(&path);
    (void)close(b.bell);
    return 0;
}
