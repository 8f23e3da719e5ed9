#include "ask.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "mem.h"

#define PATH_BYTES   16384u
#define RUNS_MAX     100u
#define LISTED_MAX   5u
#define ANSWER_BYTES (64u << 20)

struct ask {
    const struct target *target;
    struct event_base *base;
    struct client *client;
    struct str *out;         /* of the question under way */
    struct ask_probe *probe; /* NULL: the body is enough */
    struct err err;
    bool answered;
};

static void on_away(void *ctx, const struct err *why)
{
    const struct ask *a = ctx;

    (void)fprintf(stderr, "makespan: no answer (%s); trying again for up to %llu s\n", why->text,
                  (unsigned long long)(a->target->patience_ms / 1000));
}

enum err_code ask_open(const struct target *target, struct ask **out, struct err *err)
{
    struct ask *a;
    struct client_opts opts = { .clock = clock_system(), .target = target, .away = on_away };
    enum err_code rc;

    if (!target->url)
        return err_set(err, ERR_USAGE, "no coordinator: pass --url or set MAKESPAN_URL");
    a = mem_new(1, sizeof(*a));
    a->target = target;
    a->base = event_base_new();
    INVARIANT(a->base);
    opts.base = a->base;
    opts.ctx = a;
    rc = client_new(&opts, &a->client, err);
    if (rc) {
        ask_close(a);
        return rc;
    }
    *out = a;
    return ERR_NONE;
}

void ask_close(struct ask *a)
{
    if (!a)
        return;
    client_free(a->client);
    event_base_free(a->base);
    free(a);
}

static void on_answer(void *ctx, const struct transport_answer *answer, const struct err *err)
{
    struct ask *a = ctx;

    a->answered = true;
    a->err = *err;
    if (a->probe) {
        a->probe->status = answer->status;
        a->probe->dns_us = answer->dns_us;
        a->probe->connect_us = answer->connect_us;
        a->probe->tls_us = answer->tls_us;
        a->probe->total_us = answer->total_us;
        (void)snprintf(a->probe->address, sizeof(a->probe->address), "%s", answer->address);
        (void)snprintf(a->probe->date, sizeof(a->probe->date), "%s", answer->date);
    }
    if (!err->code)
        a->err.code = str_add(a->out, answer->body.at, answer->body.len, &a->err);
    (void)event_base_loopbreak(a->base);
}

static struct client_reply reply_to(struct ask *a)
{
    return (struct client_reply){ .fn = on_answer, .ctx = a };
}

static enum err_code wait_for(struct ask *a, struct err *err)
{
    while (!a->answered)
        INVARIANT(event_base_loop(a->base, EVLOOP_ONCE) == 0);
    if (a->err.code)
        *err = a->err;
    return a->err.code;
}

enum err_code ask_get(struct ask *a, const char *path, uint32_t timeout_ms, struct str *out,
                      struct err *err)
{
    a->answered = false;
    a->out = out;
    (void)client_get(a->client, path, timeout_ms, reply_to(a));
    return wait_for(a, err);
}

enum err_code ask_send(struct ask *a, const char *method, const char *path, char *take_json,
                       struct str *out, struct err *err)
{
    const struct client_request request = { .kind = CLIENT_INSIST,
                                            .method = method,
                                            .path = path,
                                            .content_type = "application/json",
                                            .take_body = take_json,
                                            .body_bytes = take_json ? strlen(take_json) : 0,
                                            .project_token = true };

    a->answered = false;
    a->out = out;
    (void)client_send(a->client, &request, reply_to(a));
    return wait_for(a, err);
}

enum err_code ask_probe(struct ask *a, const char *path, enum ask_credential credential,
                        struct ask_probe *out, struct err *err)
{
    const struct client_request request = {
        .kind = CLIENT_TRY, .method = "GET", .path = path, .project_token = credential == ASK_TOKEN
    };
    enum err_code rc;

    *out = (struct ask_probe){ .body = STR_MAX(ANSWER_BYTES) };
    a->answered = false;
    a->out = &out->body;
    a->probe = out;
    (void)client_send(a->client, &request, reply_to(a));
    rc = wait_for(a, err);
    a->probe = NULL;
    return rc;
}

/* ---- which run ---- */

static enum err_code add_query(struct str *path, const char *key, const char *value,
                               struct err *err)
{
    char *escaped = transport_escape(value);
    enum err_code rc =
        str_addf(path, err, "%c%s=%s", strchr(str_text(path), '?') ? '&' : '?', key, escaped);

    free(escaped);
    return rc;
}

static enum err_code query_path(const struct target *t, struct str *path, struct err *err)
{
    enum err_code rc = str_addz(path, "/v1/runs", err);

    if (!rc)
        rc = add_query(path, "project", t->project, err);
    if (!rc && t->suite_given)
        rc = add_query(path, "suite", t->suite, err);
    if (!rc && t->run_key)
        rc = add_query(path, "run_key", t->run_key, err);
    else if (!rc && t->run_prefix)
        rc = add_query(path, "run_key_prefix", t->run_prefix, err);
    return rc;
}

struct row {
    const char *run, *suite, *run_key;
};

static enum err_code read_row(const struct json *v, struct row *out, struct err *err)
{
    if (!json_is_object(v))
        return err_set(err, ERR_MALFORMED, "the list of runs holds something else");
    if (json_get_text(v, "run", PROTO_NAME_BYTES_MAX, &out->run, err) ||
        json_get_text(v, "suite", PROTO_NAME_BYTES_MAX, &out->suite, err) ||
        json_get_text(v, "run_key", PROTO_KEY_BYTES_MAX, &out->run_key, err))
        return err->code;
    return ERR_NONE;
}

static bool same_run(const struct row *a, const struct row *b)
{
    return strcmp(a->suite, b->suite) == 0 && strcmp(a->run_key, b->run_key) == 0;
}

/* Names the runs that the question fits, so that the next question can name one. */
static enum err_code several(const struct row *rows, size_t count, struct err *err)
{
    struct str list = STR_MAX(ERR_TEXT_BYTES);
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < count && i < LISTED_MAX; i++)
        if (str_addf(&list, &ignored, "\n  --suite '%s' --run-key '%s'", rows[i].suite,
                     rows[i].run_key))
            break;
    err_set(err, ERR_USAGE, "%zu runs fit; name one of them:%s%s", count, str_text(&list),
            count > LISTED_MAX ? "\n  ..." : "");
    str_fini(&list);
    return err->code;
}

static enum err_code choose(const struct target *t, const struct json *list, char **out_run,
                            struct err *err)
{
    struct row rows[RUNS_MAX]; /* different runs, newest first */
    struct row first = { 0 };
    size_t count = 0;

    for (size_t i = 0; i < json_size(list); i++) {
        struct row row = { "", "", "" };
        bool known = false;

        if (read_row(json_at(list, i), &row, err))
            return err->code;
        if (i == 0)
            first = row;
        for (size_t k = 0; k < count; k++)
            known = known || same_run(&rows[k], &row);
        if (!known)
            rows[count++] = row;
    }
    if (count == 0)
        return err_set(err, ERR_RUN_UNKNOWN, "no run of project '%s'%s%s is known", t->project,
                       t->run_key      ? " with run key "
                       : t->run_prefix ? " in workflow run "
                                       : "",
                       t->run_key      ? t->run_key
                       : t->run_prefix ? t->run_prefix
                                       : "");
    if (count > 1 && (t->run_key || t->run_prefix))
        return several(rows, count, err);
    *out_run = mem_strdup(first.run);
    return ERR_NONE;
}

enum err_code ask_find_run(struct ask *a, char **out_run, struct err *err)
{
    struct str path = STR_MAX(PATH_BYTES);
    struct str body = STR_MAX(ANSWER_BYTES);
    struct json *doc = NULL;
    const struct json *list = NULL;
    enum err_code rc = query_path(a->target, &path, err);

    if (!rc)
        rc = ask_get(a, path.at, 0, &body, err);
    if (!rc)
        rc = json_parse(str_text(&body), body.len, &doc, err);
    if (!rc && !json_is_object(doc))
        rc = err_set(err, ERR_MALFORMED, "the list of runs is not an object");
    if (!rc)
        rc = json_get_array(doc, "runs", RUNS_MAX, &list, err);
    if (!rc)
        rc = choose(a->target, list, out_run, err);
    if (doc)
        json_free(doc);
    str_fini(&path);
    str_fini(&body);
    return rc;
}
