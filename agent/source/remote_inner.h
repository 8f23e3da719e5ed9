/* remote_inner.h - private to remote*.c: the state of an agent's part in a run.
 *
 * One struct, seven rooms: remote_join.c joins, remote_again.c joins again; remote_agree.c makes
 * the manifest the run's, remote_lane.c for each machine where every one runs everything;
 * remote_pull.c gets orders; remote_results.c delivers; remote.c beats, leaves and fails. */
#pragma once

#include <event2/event.h>

#include "id.h"
#include "net/client.h"
#include "outbox.h"
#include "remote.h"

#define REMOTE_PULLS        2      /* one held, one that supersedes it */
#define REMOTE_SLACK_MS     15000u /* an answer may come so much later than the wait asked for */
#define REMOTE_PULL_GAP_MS  20u    /* pulls are no closer together than this */
#define REMOTE_LEAD_US      20000u /* a request's time before one was measured */
#define REMOTE_FLUSH_MS     50u    /* results that come within this travel together */
#define REMOTE_SPILL_MS     1000u  /* how often results go to disk while nobody answers */
#define REMOTE_BATCH_MAX    2000u  /* results in a request */
#define REMOTE_BATCH_BYTES  (4u << 20)
#define REMOTE_FOUND_MAX    2000u /* tests found late in a request */
#define REMOTE_AGAIN_MAX    3u    /* sessions that end soon: then we are not wanted */
#define REMOTE_AGREE_ROUNDS 10u
#define REMOTE_CUT_MS       4000u  /* before the session may be over: to end tests, and a margin */
#define REMOTE_TICK_MS      500u   /* how often it is asked whether a beat is due */
#define REMOTE_JOIN_MS      12000u /* a session that died unseen is over after this */

enum remote_state {
    REMOTE_NEW,
    REMOTE_JOINING,
    REMOTE_JOINED,   /* the runner collects */
    REMOTE_AGREEING, /* the manifest is offered, awaited or uploaded */
    REMOTE_RUNNING,
    REMOTE_ENDED, /* no more orders; results are still delivered */
    REMOTE_LEAVING,
    REMOTE_DONE,
};

struct remote_pull {
    struct remote *remote;
    struct client_call *call; /* NULL: free */
    uint64_t sent_ms;
};

struct remote {
    struct source source; /* first member */
    struct remote_opts opts;
    struct client *client;
    struct outbox *outbox;
    enum remote_state state;
    char nonce[ID_TEXT_BYTES];
    char *run;            /* that we have joined */
    bool again;           /* joining once more: our session had ended */
    bool over;            /* the run is: there is nothing to join again */
    uint32_t again_count; /* sessions that ended soon, one after another */
    uint64_t again_ms;    /* when we joined again last */
    struct event *join_timer;
    uint64_t refused_since_ms; /* joining; 0: not refused yet */
    char *session;
    uint32_t beat_ms, session_ms;
    bool cut_off;             /* as the supervisor was told */
    uint64_t request;         /* last number used, results apart */
    uint64_t last_request_ms; /* when anything was sent last */
    struct event *beat;
    bool away;
    bool draining;

    /* agreeing */
    const struct manifest *manifest; /* the run's: our own, or whole */
    const struct manifest *own;      /* lent */
    struct manifest *whole;          /* where every machine runs everything: with a lane for each */
    bool each;
    uint32_t maxfail; /* as the command has it; 0: none */
    char *runtime;
    struct str text; /* of the manifest, while it is uploaded */
    uint32_t part, part_count, rounds;
    struct client_call *agree_call; /* the offer or part under way */

    /* pulling */
    struct remote_pull pulls[REMOTE_PULLS];
    struct event *pull_timer, *dry_timer;
    uint32_t pull_tries;
    uint64_t pulled_ms; /* when the newest one was sent */
    uint64_t order_seen;
    uint32_t free_workers, asked_free; /* now, and as the newest pull told */
    uint64_t backlog_us, asked_backlog_us;
    uint64_t dry_at_us; /* when the first worker will have nothing to do */
    bool asked_dry;     /* the newest pull told that this is soon */
    uint64_t lead_us;   /* from sending a request to its answer, on average */
    uint32_t held;      /* granted, and neither finished nor given back */
    uint32_t *running;  /* positions in the manifest */
    size_t running_cap;
    uint32_t running_count;
    bool running_changed; /* and no results have told it */

    /* delivering */
    struct results_request pending; /* not in a batch yet */
    size_t result_cap, released_cap, abandoned_cap, error_cap, scope_cap, skip_cap, found_cap;
    size_t pending_bytes; /* of the details of results, about */
    struct event *flush_timer;
    struct client_call *results_call;
    uint64_t results_number; /* last one made */
    uint64_t results_sent;   /* the one under way ... */
    uint64_t results_us;     /* ... and since when; 0: it had to be sent again */
    bool urgent;             /* what is pending must not wait for company */
    struct err
        gone; /* the session has ended: what is left is delivered as observations, then fail */

    /* ending */
    bool want_leave;
    struct source_leave how;
    struct event
        *finish; /* left and failed are told from the loop, so that the source may be freed */
    struct err error;
    struct verdict_answer verdict;
};

/* remote_join.c */
void remote_join(struct remote *r);
void remote_on_join_timer(evutil_socket_t fd, short what, void *ctx);
void remote_begin_session(struct remote *r, const struct join_answer *join); /* or again */

/* remote.c */
void remote_fail(struct remote *r, const struct err *why); /* nothing is done afterwards */
void remote_leave_when_delivered(struct remote *r);
/* Our session has ended. The coordinator still takes what was measured: somebody else may not have
 * finished those tests. Then we join again, if the run is open and there is something left to do.
 */
void remote_gone(struct remote *r, const struct err *why);
void remote_sent(struct remote *r); /* a request goes out now */
void remote_arm(struct event *timer, uint32_t delay_ms);
PRINTF_LIKE(2, 3) void remote_say(struct remote *r, const char *fmt, ...);

/* remote_lane.c: where every machine runs everything, the run counts occurrences of a test through
 * all machines, and this one its own. Elsewhere both are the same. */
MUST_USE enum err_code remote_lane_make(struct remote *r, struct err *err);
uint32_t remote_run_k(const struct remote *r, const char *id, uint32_t k);
void remote_own_k(const struct remote *r, struct test_ref *ref);

/* remote_again.c */
bool remote_may_join_again(const struct remote *r);
void remote_join_again(struct remote *r); /* all is delivered */
/* The answer to that join: the session, with numbers that count from 1. */
void remote_joined_again(struct remote *r, const struct join_answer *join);
void remote_not_again(struct remote *r, const struct err *why);

/* remote_agree.c */
void remote_offer(struct remote *r);
void remote_collected(struct source *s, const struct source_collected *collected);

/* remote_pull.c */
void remote_pull_start(struct remote *r);
void remote_pull_stop(struct remote *r);
bool remote_pull_held(const struct remote *r);
void remote_idle(struct source *s, uint32_t free_workers, struct need need);
void remote_started(struct source *s, const char *id, uint32_t k);
void remote_not_running(struct remote *r, const struct test_ref *ref);
void remote_on_pull_timer(evutil_socket_t fd, short what, void *ctx);
void remote_on_dry_timer(evutil_socket_t fd, short what, void *ctx);
void remote_took(struct remote *r, uint64_t took_us); /* a request, to its answer */
/* What runs, for a request; texts are lent, the array is the caller's. */
struct test_ref *remote_running(const struct remote *r);

/* remote_results.c */
void remote_result(struct source *s, struct result *take_result);
void remote_error(struct source *s, const char *kind, const char *text);
void remote_skipped(struct source *s, const char *id, const char *text);
void remote_scope(struct source *s, const char *kind, const char *id, uint64_t setup_us,
                  uint64_t teardown_us);
void remote_found(struct source *s, const struct manifest_test *tests, uint32_t count);
void remote_release(struct source *s, const struct test_ref *tests, uint32_t count);
void remote_cut(struct source *s, struct try_cut *take_cut);
void remote_stop(struct source *s, const char *reason);
void remote_results_running(struct remote *r); /* what runs has changed */
void remote_results_beat(struct remote *r);    /* an empty request, unless one is under way */
void remote_results_now(struct remote *r);     /* send what there is */
void remote_results_keep(struct remote *r); /* put everything on disk; after that nothing is sent */
bool remote_results_all_delivered(const struct remote *r);
void remote_on_flush_timer(evutil_socket_t fd, short what, void *ctx);
