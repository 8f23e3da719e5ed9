/* bench_core: a run of many tests and many sessions through core's decisions alone, from the seal
 * to the end; how long each decision with its change takes.
 *
 *     bench_core [TESTS [SESSIONS]]      (100000 and 1000) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "core/attempt.h"
#include "core/decide.h"
#include "core/ledger.h"
#include "mem.h"

struct samples {
    uint32_t *us;
    size_t count, cap;
    uint64_t change_bytes;
};

static void sample(struct samples *s, uint64_t begin_us, uint64_t end_us)
{
    s->us = mem_grow(s->us, &s->cap, s->count + 1, sizeof(*s->us));
    s->us[s->count++] = (uint32_t)(end_us - begin_us);
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void show(const char *what, struct samples *s)
{
    if (s->count == 0)
        return;
    qsort(s->us, s->count, sizeof(*s->us), compare);
    (void)printf("%-8s %8zu decisions  p50 %u us  p99 %u us  max %u us  %llu bytes stored\n", what,
                 s->count, s->us[s->count / 2], s->us[s->count * 99 / 100], s->us[s->count - 1],
                 (unsigned long long)s->change_bytes);
}

static void apply(struct run *run, struct change *change, struct samples *s)
{
    struct str bytes = STR_MAX(CHANGE_BYTES_MAX);
    struct err err = ERR_INIT;

    if (change->kind == CHANGE_NONE)
        return;
    INVARIANT(change_encode(change, &bytes, &err) == ERR_NONE);
    s->change_bytes += bytes.len;
    str_fini(&bytes);
    run_apply(run, change);
    change_fini(change);
}

static struct manifest *make_manifest(uint32_t count)
{
    struct manifest *m = manifest_new();
    struct err err = ERR_INIT;

    for (uint32_t i = 0; i < count; i++) {
        struct str id = STR_MAX(100);

        INVARIANT(
            !str_addf(&id, &err, "tests/part%u/test_%u.py::test_case[%u]", i / 1000, i / 40, i));
        INVARIANT(!manifest_add(m, view_of(str_text(&id)), view_of(""), view_of(""), &err));
        str_fini(&id);
    }
    manifest_seal(m);
    return m;
}

static struct run *make_run(uint32_t tests, uint32_t sessions, struct samples *s)
{
    static char texts[6][8] = { "p", "s", "key", "linux", "pytest", "1" };
    struct join_request req = { .project = texts[0],
                                .suite = texts[1],
                                .run_key = texts[2],
                                .fingerprint = texts[3],
                                .command = texts[4],
                                .agent_version = texts[5],
                                .instance = texts[5],
                                .index = PROTO_SLOT_NONE,
                                .workers = 2 };
    struct run *run = run_new();
    struct change change = { .kind = CHANGE_NONE };
    struct err err = ERR_INIT;
    struct seal_facts seal = { .manifest = make_manifest(tests),
                               .costs_us = mem_new(tests, sizeof(uint64_t)),
                               .scope_us = mem_new(1, sizeof(uint64_t)) };
    uint64_t seed = 1;

    attempt_open(NULL, &req, &(struct attempt_new){ .id = "run", .now_ms = 1 }, &change);
    apply(run, &change, s);
    for (uint32_t i = 0; i < sessions; i++) {
        struct str id = STR_MAX(SESSION_ID_BYTES - 1);
        char hash[HASH_HEX_BYTES];
        uint32_t session;

        INVARIANT(!str_addf(&id, &err, "%u-x", i));
        hash_hex(id.at, id.len, hash);
        INVARIANT(!decide_join(run,
                               &(struct join_facts){ .req = &req,
                                                     .session_id = id.at,
                                                     .nonce_hash = hash,
                                                     .token_hash = hash,
                                                     .now_ms = 1 },
                               &change, &session, &err));
        apply(run, &change, s);
        str_fini(&id);
    }
    for (uint32_t i = 0; i < tests; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        seal.costs_us[i] = 1000 + (seed >> 44) * (seed >> 60 == 0 ? 20 : 1);
    }
    decide_seal(run, &seal, &change);
    apply(run, &change, s);
    for (uint32_t i = 0; i < sessions; i++) {
        struct collected_facts facts = { .session = i, .runtime = "cpython", .now_ms = 1 };

        INVARIANT(!decide_collected(run, &facts, &change, &err));
        apply(run, &change, s);
    }
    return run;
}

static void report(struct run *run, uint32_t session, uint32_t count, struct samples *s)
{
    struct result results[8];
    struct results_request req = { .request = run->sessions[session]->results_last + 1,
                                   .results = results };
    struct change change = { .kind = CHANGE_NONE };
    struct err err = ERR_INIT;
    uint32_t test = run->sessions[session]->held_first;
    uint64_t begin_us;

    for (; test != POOL_NONE && req.result_count < count; test = run->tests[test].next)
        results[req.result_count++] =
            (struct result){ .test = { .id = (char *)run->manifest->tests[test].id },
                             .fence = run->tests[test].fence,
                             .outcome = OUTCOME_PASSED,
                             .call_us = run->costs_us[test] };
    begin_us = clock_mono_us(clock_system());
    INVARIANT(!decide_results(run, session, &req, &change, &err));
    apply(run, &change, s);
    sample(s, begin_us, clock_mono_us(clock_system()));
}

static void work(struct run *run, struct samples *pulls, struct samples *results)
{
    for (uint64_t now_ms = 1; !ledger_complete(run); now_ms += 10) {
        for (uint32_t i = 0; i < run->session_count; i++) {
            struct session *s = run->sessions[i];
            struct pull_request req = { .order_seen = s->order_last,
                                        .free_workers = s->held_count ? 0 : s->workers,
                                        .backlog_us = pool_held_us(run->pool, i) };
            struct change change = { .kind = CHANGE_NONE };
            struct err err = ERR_INIT;
            uint64_t begin_us = clock_mono_us(clock_system());

            if (s->ended)
                continue;
            INVARIANT(!decide_pull(run, i, &req, now_ms, &change, &err));
            apply(run, &change, pulls);
            sample(pulls, begin_us, clock_mono_us(clock_system()));
            if (s->held_count)
                report(run, i, 8, results);
        }
    }
}

int main(int argc, char **argv)
{
    struct samples set_up = { 0 };
    struct samples pulls = { 0 };
    struct samples results = { 0 };
    struct err err = ERR_INIT;
    uint32_t tests = 100000;
    uint32_t sessions = 1000;
    uint64_t begin_us;
    struct run *run;

    if ((argc > 1 && parse_u32(argv[1], 1, MANIFEST_TESTS_MAX, &tests, &err)) ||
        (argc > 2 && parse_u32(argv[2], 1, SESSIONS_MAX, &sessions, &err))) {
        (void)fprintf(stderr, "bench_core: %s\n", err.text);
        return 2;
    }
    begin_us = clock_mono_us(clock_system());
    run = make_run(tests, sessions, &set_up);
    (void)printf("%u tests, %u sessions: joined and sealed in %llu ms, %llu bytes stored\n", tests,
                 sessions, (unsigned long long)((clock_mono_us(clock_system()) - begin_us) / 1000),
                 (unsigned long long)set_up.change_bytes);
    work(run, &pulls, &results);
    show("pull", &pulls);
    show("results", &results);
    run_free(run);
    free(pulls.us);
    free(results.us);
    return 0;
}
