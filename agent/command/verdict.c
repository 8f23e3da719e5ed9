/* makespan verdict: waits until a run is decided and exits with it. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "core/verdict_text.h"
#include "reading.h"

#define TIMEOUT_MS_DEFAULT 3600000u
#define TIMEOUT_MS_MAX     86400000u
#define ASK_SLACK_MS       15000u

struct verdict_opts {
    bool close;
    uint64_t timeout_ms;
};

static enum err_code close_run(struct reading *r, struct str *body, struct err *err)
{
    struct str path = STR_MAX(4096);
    enum err_code rc = str_addf(&path, err, "/v1/runs/%s/close", r->run);

    if (!rc)
        rc = ask_send(r->ask, "POST", path.at, NULL, body, err);
    str_fini(&path);
    return rc;
}

static enum err_code decode(const struct str *body, struct verdict_answer *out, struct err *err)
{
    verdict_answer_fini(out);
    return verdict_answer_decode(str_text(body), body->len, out, err);
}

/* Asks, each time held for up to 30 s, until the run is final or the time is up. */
static enum err_code wait_final(struct reading *r, uint64_t timeout_ms, struct str *body,
                                struct verdict_answer *out, struct err *err)
{
    const struct clock *clock = clock_system();
    uint64_t start_ms = clock_mono_ms(clock);
    enum err_code rc = ERR_NONE;

    do {
        uint64_t spent_ms = clock_mono_ms(clock) - start_ms;
        uint64_t left_ms = spent_ms < timeout_ms ? timeout_ms - spent_ms : 0;
        uint32_t wait_ms = left_ms < PROTO_WAIT_MS_MAX ? (uint32_t)left_ms : PROTO_WAIT_MS_MAX;
        struct str what = STR_MAX(64);

        str_clear(body);
        rc = str_addf(&what, err, "/verdict?wait_ms=%u", wait_ms);
        if (!rc)
            rc = reading_get(r, what.at, wait_ms + ASK_SLACK_MS, body, err);
        str_fini(&what);
        if (!rc)
            rc = decode(body, out, err);
        if (wait_ms == 0)
            break;
    } while (!rc && !out->final);
    if (!rc && !out->final)
        rc =
            err_set(err, ERR_TIMEOUT, "run %s is not decided after %llu s; %u tests have no result",
                    r->run, (unsigned long long)(timeout_ms / 1000), out->unrun);
    return rc;
}

static enum err_code show(const struct reading *r, const struct str *body,
                          const struct verdict_answer *verdict, struct err *err)
{
    struct str text = STR_MAX(READING_ANSWER_BYTES);
    enum err_code rc = r->target.output_json ? str_addf(&text, err, "%s\n", str_text(body))
                                             : verdict_text(verdict, &text, err);

    if (!rc)
        rc = reading_write(NULL, str_text(&text), text.len, err);
    str_fini(&text);
    return rc;
}

enum err_code command_verdict(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    struct verdict_opts own = { .timeout_ms = TIMEOUT_MS_DEFAULT };
    const struct cfg_option rows[] = {
        { .name = "timeout",
          .value = "TIME",
          .kind = CFG_DURATION,
          .into = &own.timeout_ms,
          .max = TIMEOUT_MS_MAX,
          .help = "How long to wait for the verdict (default 1h); 0 asks once." },
        { .name = "close",
          .kind = CFG_FLAG,
          .into = &own.close,
          .help = "Decide now: what has no result counts as unrun." },
    };
    const struct reading_opts opts = {
        .usage = "makespan verdict [OPTIONS]",
        .about = "Waits until a run is decided, says what it came to, and exits with it. In CI the "
                 "run of the same workflow run is meant; elsewhere the newest of the project, or "
                 "the one that --run-key names.",
        .tail = "Exit status: 0 green, 1 tests failed, 65 collections differ, 66 tests without a\n"
                "result, 67 machines missing, 69 no answer or not decided in time, 71 refused.\n",
        .groups = OPTIONS_SERVER | OPTIONS_RUN | OPTIONS_OUTPUT,
        .own = rows,
        .own_count = ARRAY_LEN(rows),
    };
    struct reading r;
    struct verdict_answer verdict = { 0 };
    struct str body = STR_MAX(READING_ANSWER_BYTES);
    enum err_code rc = reading_open(&r, &opts, argc, argv, err);

    if (rc || r.help)
        goto out;
    rc = reading_find_run(&r, err);
    if (!rc && own.close) {
        rc = close_run(&r, &body, err);
        if (!rc)
            rc = decode(&body, &verdict, err);
    } else if (!rc) {
        rc = wait_final(&r, own.timeout_ms, &body, &verdict, err);
    }
    if (!rc)
        rc = show(&r, &body, &verdict, err);
    if (!rc)
        *out_exit = verdict_exit(verdict.verdict);
out:
    verdict_answer_fini(&verdict);
    str_fini(&body);
    reading_fini(&r);
    return rc;
}
