/* makespan status: how a run stands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "core/verdict_text.h"
#include "json.h"
#include "reading.h"

#define SESSIONS_MAX 100000u

static enum err_code text_session(const struct json *v, struct str *out, struct err *err)
{
    const char *state = NULL;
    uint64_t workers = 0;
    uint64_t done = 0;
    uint64_t held = 0;
    uint64_t index = PROTO_SLOT_NONE;
    uint64_t status = UINT32_MAX;
    char slot[16] = "-", ended[16] = "";

    if (!json_is_object(v))
        return err_set(err, ERR_MALFORMED, "sessions: holds something else");
    if (json_get_text(v, "state", PROTO_NAME_BYTES_MAX, &state, err) ||
        json_opt_u64(v, "index", 0, PROTO_SLOT_NONE, &index, err) ||
        json_opt_u64(v, "workers", 0, UINT32_MAX, &workers, err) ||
        json_opt_u64(v, "done", 0, UINT32_MAX, &done, err) ||
        json_opt_u64(v, "held", 0, UINT32_MAX, &held, err) ||
        json_opt_u64(v, "exit", 0, UINT8_MAX, &status, err))
        return err->code;
    if (index != PROTO_SLOT_NONE)
        (void)snprintf(slot, sizeof(slot), "%u", (unsigned)index);
    if (status != UINT32_MAX)
        (void)snprintf(ended, sizeof(ended), " %5u", (unsigned)status);
    return str_addf(out, err, "  %5s  %-9s %7llu %9llu %9llu%s\n", slot, state,
                    (unsigned long long)workers, (unsigned long long)done, (unsigned long long)held,
                    ended);
}

static enum err_code text_sessions(const struct json *doc, struct str *out, struct err *err)
{
    const struct json *list = NULL;
    enum err_code rc = json_opt_array(doc, "sessions", SESSIONS_MAX, &list, err);

    if (rc || !list || json_size(list) == 0)
        return rc;
    rc = str_addf(out, err, "  %5s  %-9s %7s %9s %9s  exit\n", "slot", "state", "workers", "done",
                  "held");
    for (size_t i = 0; i < json_size(list) && !rc; i++)
        rc = text_session(json_at(list, i), out, err);
    return rc;
}

/* The verdict as of now stands in "now", in the shape of every verdict. */
static enum err_code text_now(const struct json *doc, struct str *out, struct err *err)
{
    const struct json *now = NULL;
    struct verdict_answer verdict = { 0 };
    char *text = NULL;
    enum err_code rc = json_opt_object(doc, "now", &now, err);

    if (!rc && now) {
        text = json_dump(now, JSON_TIGHT);
        rc = verdict_answer_decode(text, strlen(text), &verdict, err);
        if (!rc)
            rc = verdict_text(&verdict, out, err);
    }
    verdict_answer_fini(&verdict);
    free(text);
    return rc;
}

static enum err_code text_status(const struct str *body, struct str *out, struct err *err)
{
    struct json *doc = NULL;
    const char *run = NULL;
    const char *suite = NULL;
    const char *project = NULL;
    const char *state = NULL;
    uint64_t epoch = 0;
    uint64_t left = 0;
    uint64_t left_us = 0;
    enum err_code rc = json_parse(str_text(body), body->len, &doc, err);

    if (rc)
        return rc;
    if (!json_is_object(doc))
        rc = err_set(err, ERR_MALFORMED, "the status is not an object");
    else if (json_get_text(doc, "run", PROTO_NAME_BYTES_MAX, &run, err) ||
             json_get_text(doc, "project", PROTO_NAME_BYTES_MAX, &project, err) ||
             json_get_text(doc, "suite", PROTO_NAME_BYTES_MAX, &suite, err) ||
             json_get_text(doc, "state", PROTO_NAME_BYTES_MAX, &state, err) ||
             json_get_u64(doc, "epoch", 0, UINT32_MAX, &epoch, err) ||
             json_opt_u64(doc, "left", 0, UINT32_MAX, &left, err) ||
             json_opt_u64(doc, "predicted_left_us", 0, INT64_MAX, &left_us, err))
        rc = err->code;
    if (!rc)
        rc = str_addf(out, err, "run %s of %s, suite %s, epoch %llu: %s\n", run, project, suite,
                      (unsigned long long)epoch, state);
    if (!rc && left > 0)
        rc = str_addf(out, err, "  %llu tests left%s", (unsigned long long)left,
                      left_us ? "" : "\n");
    if (!rc && left > 0 && left_us > 0)
        rc = str_addf(out, err, ", about %llu s\n", (unsigned long long)left_us / 1000000 + 1);
    if (!rc)
        rc = text_now(doc, out, err);
    if (!rc)
        rc = text_sessions(doc, out, err);
    json_free(doc);
    return rc;
}

enum err_code command_status(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    const struct reading_opts opts = {
        .usage = "makespan status [OPTIONS]",
        .about = "Says how a run stands: what is done, what is left, which machines take part. In "
                 "CI the run of the same workflow run is meant; elsewhere the newest of the "
                 "project, or the one that --run-key names.",
        .tail = "The exit status says only whether there was an answer; 'makespan verdict' exits\n"
                "with the run's result.\n",
        .groups = OPTIONS_SERVER | OPTIONS_RUN | OPTIONS_OUTPUT,
    };
    struct reading r;
    struct str body = STR_MAX(READING_ANSWER_BYTES);
    struct str text = STR_MAX(READING_ANSWER_BYTES);
    enum err_code rc = reading_open(&r, &opts, argc, argv, err);

    if (rc || r.help)
        goto out;
    rc = reading_find_run(&r, err);
    if (!rc)
        rc = reading_get(&r, "", 0, &body, err);
    if (!rc)
        rc = r.target.output_json ? str_addf(&text, err, "%s\n", str_text(&body))
                                  : text_status(&body, &text, err);
    if (!rc)
        rc = reading_write(NULL, str_text(&text), text.len, err);
    if (!rc)
        *out_exit = EXIT_OK;
out:
    str_fini(&body);
    str_fini(&text);
    reading_fini(&r);
    return rc;
}
