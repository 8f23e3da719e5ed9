/* live.h - a run that is loaded, with who waits for what; and how a decision becomes an answer.
 *
 * live_turn applies and commits one change; live_answer hands an answer over, to be delivered when
 * all that was decided before it is durable; live_settle does what follows from a change (the end
 * of the epoch, waking held requests) and ends every use case. After a failed commit a run is
 * broken: everyone who waits hears 503, and it is loaded again as soon as nothing of it is on its
 * way. Internal to service/. */
#pragma once

#include "core/change.h"
#include "service/auth.h"
#include "service/service.h"

enum box_kind {
    BOX_NONE,
    BOX_JOIN,
    BOX_COLLECTED,
    BOX_PART,
    BOX_PULL,
    BOX_RESULTS,
    BOX_VERDICT,
    BOX_STATUS,
};

/* An answer that waits, with all that it holds. */
struct box {
    enum box_kind kind;
    struct err err; /* code ERR_NONE: the answer below counts */
    union {
        struct join_answer join;
        struct collected_answer collected;
        struct part_answer part;
        struct pull_answer pull;
        struct results_answer results;
        struct verdict_answer verdict;
        struct run_status status;
    } as;
};
void box_fini(struct box *box);

void status_fini(struct run_status *status);

struct wait { /* for durability */
    struct wait *next;
    uint64_t number;
    struct reply reply;
    struct box box;
};

enum held_kind { HELD_PULL, HELD_VERDICT, HELD_COLLECTED };
struct held { /* until something happens or until_ms */
    struct held *next;
    enum held_kind kind;
    struct reply reply;
    uint64_t until_ms;
    uint32_t session;
    struct pull_request pull; /* HELD_PULL: a copy, ... */
    uint64_t told_ms;         /* ... as it was then */
    char *digest, *runtime;   /* HELD_COLLECTED */
};

enum upload_state { UPLOAD_LOOKING, UPLOAD_PARTS, UPLOAD_READING, UPLOAD_READY };
struct upload { /* of one manifest to one run */
    struct upload *next;
    enum upload_state state;
    char digest[MANIFEST_DIGEST_BYTES];
    uint32_t session; /* who was asked for it */
    uint64_t until_ms;
    char *runtime;
    struct str *parts;
    uint32_t part_count, have;
    struct reply reply;        /* of the last part, while UPLOAD_READING */
    struct manifest *manifest; /* read, and not what was sealed; until all who wait know */
};

struct live {
    struct live *next; /* in its bucket */
    struct service *svc;
    struct run *run;
    char id[ID_TEXT_BYTES];
    uint64_t durable;   /* number of the last change that is */
    uint64_t in_flight; /* changes and jobs handed over and not settled */
    uint64_t final;     /* number of the change that ended it, until that is durable; else 0 */
    bool broken;        /* loaded again when nothing is in flight */
    bool wake_all;      /* every held pull is to be decided again */
    bool woken;         /* some have orders now */
    uint32_t reported;  /* whose results came last; SESSION_NONE when looked after */
    uint64_t used_ms, woken_ms;
    struct wait *first_wait, **last_wait;
    struct held *held;
    uint32_t held_count;
    struct upload *uploads;
};

#define LIVE_BUCKETS 1024u
#define STALL_MS     3000u /* no tick for so long: nobody was heard meanwhile */

#define WAITED_MAX 256u

struct service {
    struct store *store;
    const struct clock *clock;
    struct commit *commit;
    struct commit
        *sealing;         /* no changes go here: its thread reads manifests, for agents that wait */
    struct commit *aside; /* as before: what is large is read, what is old is removed */
    struct live *buckets[LIVE_BUCKETS];
    bool releasing;                          /* nothing is held any more */
    bool ending;                             /* nothing new is begun any more */
    struct service_counts counts;            /* of the past */
    uint64_t ticked_ms;                      /* the last service_tick */
    char waited[WAITED_MAX][HASH_HEX_BYTES]; /* the last joins refused for a live slot, by nonce */
    uint32_t waited_next;
    uint64_t keep_ms, upkeep_ms; /* how long runs are kept; when old ones are removed next */
    struct errand *errands;      /* on their way */
    struct teaching *teachings;
};

uint64_t service_now_ms(const struct service *svc);
uint64_t service_wall_ms(const struct service *svc);

/* What a request for an unknown run is told. */
enum err_code run_unknown(const char *run_id, struct err *err);

/* The run, loaded from the store when needed. ERR_RUN_UNKNOWN; ERR_UNAVAILABLE while it is broken.
 */
MUST_USE enum err_code live_find(struct service *svc, const char *run_id, struct live **out,
                                 struct err *err);
/* Calls fn for every loaded run; fn may drop the one it is given. */
void live_each(struct service *svc, void (*fn)(struct live *live, void *ctx), void *ctx);
struct live *live_loaded(const struct service *svc, const char *run_id); /* or NULL */
/* The newest epoch of a run key; *out is NULL when there is none. */
MUST_USE enum err_code live_newest(struct service *svc, const struct join_request *req,
                                   struct live **out, struct err *err);
/* A run as the store has it, a copy of the caller's own; any thread. Its sessions have no
 * deadlines. ERR_NOT_FOUND. */
MUST_USE enum err_code load_run(struct store *store, const char *run_id, struct run **out,
                                struct err *err);
/* A run that begins with this change (taken). */
struct live *live_open(struct service *svc, struct change *take_open);

MUST_USE enum err_code load_manifest(struct store *store, const char *digest, struct manifest **out,
                                     struct err *err);

/* Applies and commits; takes what the change holds. Does nothing for CHANGE_NONE. */
void live_turn(struct live *live, struct change *take_change);
/* Delivers when everything decided so far is durable. Takes the box. */
void live_answer(struct live *live, struct reply reply, struct box *take_box);
void live_refuse(struct live *live, struct reply reply, const struct err *err);
void reply_err(struct reply reply, const struct err *err);

struct held *live_hold(struct live *live, enum held_kind kind, struct reply reply,
                       uint64_t until_ms);
void held_free(struct held *held);
void live_settle(struct live *live);

/* Sessions past their deadline die first, whoever asks. */
void live_expire(struct live *live);

/* Tries to load a broken run again. */
void live_mend(struct live *live);
void live_drop(struct live *live); /* out of the table and freed; nothing may wait */

/* A session by id and bearer. ERR_TOKEN, ERR_RUN_UNKNOWN. */
MUST_USE enum err_code live_session(const struct live *live, const char *bearer,
                                    const char *session, uint32_t *out, struct err *err);
/* The session whose credential this is; SESSION_NONE. */
uint32_t live_bearer(const struct live *live, const char *bearer);

/* What every request of a session begins with: run, session, credential, and that it lives on. */
struct entry {
    const char *bearer, *run, *session;
};
MUST_USE enum err_code service_enter(struct service *svc, const struct entry *entry,
                                     struct live **out, uint32_t *out_session, struct err *err);

/* read.c: what every reader begins with; the run is loaded when needed. */
MUST_USE enum err_code reader_enter(struct service *svc, const char *bearer, const char *run_id,
                                    enum role least, struct live **out, struct err *err);

/* work.c: decides a held pull again; true when it was answered (and freed). */
bool pull_again(struct live *live, struct held *held);
/* A held session lives; from the answer on its life is counted again. */
void held_over(struct live *live, const struct held *held);
/* Answers a held request with what there is. */
void held_answer(struct live *live, struct held *take_held);

/* teach.c: the durations of a run that ended go into the history, once; those of every run that
 * ended and is not there; the end. */
void teach_run(struct service *svc, const char *run_id);
void teach_rest(struct service *svc);
void teach_free(struct service *svc);

void upkeep_tick(struct service *svc); /* upkeep.c */

/* counts.c: before the change is applied. */
void counts_note(struct service_counts *counts, const struct change *change);

/* uploads.c */
void uploads_free(struct live *live);
void uploads_tick(struct live *live, uint64_t now_ms);
