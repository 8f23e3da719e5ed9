/* service.h - the use cases of the coordinator: decide, apply, commit, answer.
 *
 * Every call belongs to the loop's thread and answers exactly once through its reply, perhaps from
 * inside the call, perhaps later (from service_poll or service_tick), and never before the change
 * that the answer was decided on is durable. Requests are lent for the call. `bearer` is the token
 * as it came (without "Bearer "), NULL when there was none: each use case checks it itself.
 *
 * Not for: sockets, JSON text, HTTP status codes (api/), SQL (store/), rules of a run (core/). */
#pragma once

#include "clock.h"
#include "durations.h"
#include "proto.h"
#include "store/commit.h"

struct service;

struct service_opts {
    struct store *store;       /* lent for the life of the service */
    const struct clock *clock; /* lent */
    uint64_t keep_ms;          /* runs closed longer ago are removed; 0: kept for ever */
    enum commit_mode commit_mode;
    void (*wake)(void *ctx); /* call service_poll soon; may come from another thread */
    void *wake_ctx;
};

struct service *service_new(const struct service_opts *opts);
void service_free(struct service *svc); /* settles what is queued; unanswered replies are dropped */

/* Loads every open run from the store. Sessions get 20 s from now. A run that cannot be loaded is
 * logged and stays refused (503), the others go on. */
MUST_USE enum err_code service_start(struct service *svc, struct err *err);

/* Delivers what the commit thread has settled. */
void service_poll(struct service *svc);

/* Expires sessions, answers held requests whose time is up, unloads what is idle, and once a day
 * removes what is old. Returns after how
 * many milliseconds it wants to be called again (at most 1000). */
uint64_t service_tick(struct service *svc);

/* Stopping: every held request is answered now, new ones are answered without being held. */
void service_release_held(struct service *svc);

/* ---- answers ---- */

struct run_row { /* one epoch of a run */
    const char *run;
    const char *project, *suite, *run_key;
    uint32_t epoch;
    const char *state; /* "collecting", "running", "final" */
    enum verdict verdict;
    uint64_t created_ms; /* Unix time */
};
struct run_rows {
    const struct run_row *rows;
    uint32_t count;
};

#define SESSION_EXIT_NONE UINT32_MAX

struct session_row {
    const char *session;
    const char *state; /* "live", "draining", "left", "lost" */
    uint32_t index;    /* PROTO_SLOT_NONE: unknown */
    uint32_t workers;
    uint32_t done; /* tests whose accepted result is its */
    uint32_t held; /* tests it has and has not finished */
    uint32_t exit; /* what its job ends with; SESSION_EXIT_NONE until it left */
    const struct label *labels;
    uint32_t label_count;
};
struct run_status {
    struct run_row row;
    const struct verdict_answer *verdict; /* as of now */
    uint32_t left;                        /* tests without a verdict yet */
    uint64_t predicted_left_us;           /* until the end, 0 when nothing is left or nobody runs */
    const struct session_row *sessions;
    uint32_t session_count;
};

/* What the history says of a suite as a whole. */
struct suite_facts {
    uint32_t tests;   /* with recorded durations */
    uint64_t work_us; /* of all of them, one after the other */
    uint64_t
        startup_us; /* of a machine, from its join to the end of its collection; 0: not known */
    uint32_t worker_mib; /* memory that a worker needs for itself; 0: not known */
};

/* What a reply gets: the one member that the use case names; lent for the call. */
union answer {
    const struct join_answer *join;
    const struct collected_answer *collected;
    const struct part_answer *part;
    const struct pull_answer *pull;
    const struct results_answer *results;
    const struct verdict_answer *verdict;
    const struct run_rows *runs;
    const struct run_status *status;
    struct str *text; /* a report, as it is sent; may be taken */
    const struct durations *durations;
    const struct suite_facts *facts;
};

/* err->code is ERR_NONE and answer holds the member named, or err tells why not and answer is
 * empty. */
typedef void (*reply_fn)(void *ctx, const union answer *answer, const struct err *err);
struct reply {
    reply_fn fn;
    void *ctx;
};

/* The caller is gone: no reply with this ctx comes any more. What was asked for stays done. */
void service_forget(struct service *svc, const void *ctx);

/* ---- agents ---- */

/* answer: join. Needs a project token (agent or admin). */
void service_join(struct service *svc, const char *bearer, const struct join_request *req,
                  struct reply reply);

/* The rest need the session's own token. */

/* answer: collected. "wait" is held for up to 10 s. */
void service_collected(struct service *svc, const char *bearer, const char *run,
                       const struct collected_request *req, struct reply reply);

/* answer: part. bytes: the gzip part as it came. */
struct manifest_part {
    const char *digest;
    uint32_t part, of;
    struct view bytes;
};
void service_manifest_part(struct service *svc, const char *bearer, const char *run,
                           const struct manifest_part *part, struct reply reply);

/* answer: pull. Held up to wait_ms. */
void service_pull(struct service *svc, const char *bearer, const char *run,
                  const struct pull_request *req, struct reply reply);

/* answer: results. */
void service_results(struct service *svc, const char *bearer, const char *run,
                     const struct results_request *req, struct reply reply);

/* answer: results (accepted: the request's number). */
void service_drain(struct service *svc, const char *bearer, const char *run,
                   const struct drain_request *req, struct reply reply);

/* answer: verdict (exit: what the agent should exit with if its runner exited 0 or 5). */
void service_leave(struct service *svc, const char *bearer, const char *run,
                   const struct leave_request *req, struct reply reply);

/* ---- readers (a project token with any role, or a session's token for its own run) ---- */

struct run_query { /* NULL: any */
    const char *project, *suite, *run_key;
    const char *run_key_prefix; /* "" and NULL: any */
};
/* answer: runs, newest first, at most 100, of the projects that the token may see. */
void service_runs(struct service *svc, const char *bearer, const struct run_query *query,
                  struct reply reply);
void service_status(struct service *svc, const char *bearer, const char *run,
                    struct reply reply); /* answer: status */
void service_verdict(struct service *svc, const char *bearer, const char *run, uint32_t wait_ms,
                     struct reply reply); /* answer: verdict; held until final or wait_ms */
enum report_form { REPORT_JSON, REPORT_JUNIT };
void service_report(struct service *svc, const char *bearer, const char *run, enum report_form form,
                    struct reply reply); /* answer: text */

/* Needs agent or admin. answer: verdict, final. */
void service_close(struct service *svc, const char *bearer, const char *run, struct reply reply);

/* answer: durations; import: what was stored (may be fewer than given: ids over the limit). */
void service_durations_export(struct service *svc, const char *bearer, const char *project,
                              const char *suite, struct reply reply);
void service_durations_import(struct service *svc, const char *bearer, const char *project,
                              const char *suite, const struct durations *in, struct reply reply);

/* answer: facts; all 0 for a suite that is not known. */
void service_suite_facts(struct service *svc, const char *bearer, const char *project,
                         const char *suite, struct reply reply);

/* ---- for operators ---- */

/* For who watches the service: what happened since its start, and what is under way. */
struct service_counts {
    uint64_t runs_opened, runs_ended[VERDICT_COUNT];
    uint64_t sessions_joined, sessions_left, sessions_lost;
    uint64_t tests_given, tests_recalled, copies_given; /* leases, asked back, second tries */
    uint64_t results[OUTCOME_COUNT], observations;      /* that count, that do not */
    uint64_t changes;
    uint32_t runs_collecting, runs_running;
    uint32_t sessions_live, sessions_draining, workers;
    uint64_t tests_free, tests_leased, tests_done; /* of runs that are open */
    uint32_t requests_held;                        /* pulls and others that wait for news */
    size_t commit_bytes;                           /* decided and not yet durable */
};

/* At once. Counts are of all projects together: ERR_FORBIDDEN for a token of one. */
MUST_USE enum err_code service_counts(struct service *svc, const char *bearer,
                                      struct service_counts *out, struct err *err);
