/* GET /v1/runs and GET /v1/runs/{run}: which runs there are, how one stands. */
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "resources.h"

void api_runs(struct api_request *r)
{
    const char *query = http_call_query(r->call);
    char *project = NULL;
    char *suite = NULL;
    char *run_key = NULL;
    char *prefix = NULL;
    struct err err = ERR_INIT;

    if (query_opt_text(query, "project", &project, &err) ||
        query_opt_text(query, "suite", &suite, &err) ||
        query_opt_text(query, "run_key", &run_key, &err) ||
        query_opt_text(query, "run_key_prefix", &prefix, &err)) {
        api_fail(r, &err);
    } else {
        struct run_query want = {
            .project = project, .suite = suite, .run_key = run_key, .run_key_prefix = prefix
        };

        service_runs(r->api->service, r->bearer, &want, api_reply_to(r));
    }
    free(project);
    free(suite);
    free(run_key);
    free(prefix);
}

static struct json *row_json(const struct run_row *row)
{
    struct json *obj = json_new_object();

    json_set_text(obj, "run", row->run);
    json_set_text(obj, "project", row->project);
    json_set_text(obj, "suite", row->suite);
    json_set_text(obj, "run_key", row->run_key);
    json_set_u64(obj, "epoch", row->epoch);
    json_set_text(obj, "state", row->state);
    json_set_text(obj, "verdict", verdict_name(row->verdict));
    json_set_u64(obj, "created_ms", row->created_ms);
    return obj;
}

char *api_runs_encode(const union answer *answer)
{
    struct json *obj = json_new_object();
    struct json *rows = json_new_array();

    for (uint32_t i = 0; i < answer->runs->count; i++)
        json_append(rows, row_json(&answer->runs->rows[i]));
    json_set(obj, "runs", rows);
    return json_finish(obj);
}

void api_run_status(struct api_request *r)
{
    service_status(r->api->service, r->bearer, r->match.params[0], api_reply_to(r));
}

static struct json *session_json(const struct session_row *row)
{
    struct json *obj = json_new_object();
    struct json *labels = json_new_object();

    json_set_text(obj, "session", row->session);
    json_set_text(obj, "state", row->state);
    if (row->index != PROTO_SLOT_NONE)
        json_set_u64(obj, "index", row->index);
    json_set_u64(obj, "workers", row->workers);
    json_set_u64(obj, "done", row->done);
    json_set_u64(obj, "held", row->held);
    if (row->exit != SESSION_EXIT_NONE)
        json_set_u64(obj, "exit", row->exit);
    for (uint32_t i = 0; i < row->label_count; i++)
        json_set_text(labels, row->labels[i].key, row->labels[i].value);
    json_set(obj, "labels", labels);
    return obj;
}

/* The message of GET verdict as a value: one shape of it everywhere. */
static struct json *verdict_json(const struct verdict_answer *verdict)
{
    char *text = verdict_answer_encode(verdict);
    struct json *value = NULL;
    struct err err = ERR_INIT;

    INVARIANT(!json_parse(text, strlen(text), &value, &err));
    free(text);
    return value;
}

char *api_run_status_encode(const union answer *answer)
{
    const struct run_status *status = answer->status;
    struct json *obj = row_json(&status->row);
    struct json *sessions = json_new_array();

    json_set_u64(obj, "left", status->left);
    json_set_u64(obj, "predicted_left_us", status->predicted_left_us);
    for (uint32_t i = 0; i < status->session_count; i++)
        json_append(sessions, session_json(&status->sessions[i]));
    json_set(obj, "sessions", sessions);
    json_set(obj, "now", verdict_json(status->verdict));
    return json_finish(obj);
}
