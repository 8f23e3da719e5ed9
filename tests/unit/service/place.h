/* place.h - a coordinator without threads and sockets, and what it answered last. */
#pragma once

#include "clock.h"
#include "manifest.h"
#include "service/auth.h"
#include "service/service.h"
#include "store/store_fault.h"

#define NONCE           "0123456789abcdef"
#define DAY_MS          86400000ull
#define PLACE_KEEP_DAYS 90 /* closed runs */

struct place {
    struct store *store;
    struct service *svc;
    struct clock clock;
    uint64_t now_ms;
    char token[TOKEN_TEXT_BYTES];
    struct err err;
    uint32_t answers;
    bool woken;
    char run[ID_TEXT_BYTES], session[64], session_token[TOKEN_TEXT_BYTES];
    enum collected_action action;
    bool sealed;
    uint32_t order_count, test_count;
    enum order_kind order_kind;
    uint64_t order, fence;
    char scope[40]; /* kind, id and set-up of the shard's first scope */
    uint32_t scope_count;
    enum verdict verdict;
    bool final;
    uint32_t exit, rows, duration_count, live;
    uint64_t accepted;
    char text[200];
};

/* In the list of tests: *state is then a place, freed whatever the test comes to. */
#define place_test(test) cmocka_unit_test_setup_teardown(test, place_set_up, place_tear_down)
int place_set_up(void **state);
int place_tear_down(void **state);
void open_service(struct place *p);
void settle(struct place *p); /* until nothing more is on its way to the store */
void passes_time(struct place *p, uint64_t ms);

/* A reply that fills the place by what is answered. */
struct reply to(struct place *p, reply_fn fn);
void on_join(void *ctx, const union answer *a, const struct err *err);
void on_collected(void *ctx, const union answer *a, const struct err *err);
void on_part(void *ctx, const union answer *a, const struct err *err);
void on_pull(void *ctx, const union answer *a, const struct err *err);
void on_results(void *ctx, const union answer *a, const struct err *err);
void on_verdict(void *ctx, const union answer *a, const struct err *err);
void on_runs(void *ctx, const union answer *a, const struct err *err);
void on_status(void *ctx, const union answer *a, const struct err *err);
void on_text(void *ctx, const union answer *a, const struct err *err);
void on_durations(void *ctx, const union answer *a, const struct err *err);

/* What an agent does. */
void joins(struct place *p, const char *project, const char *nonce, uint32_t index);
void collects(struct place *p);
void uploads(struct place *p, const char *digest); /* NULL: the true one */
void sealed(struct place *p);                      /* slot 0 has sealed a run of two tests */
void pulls(struct place *p, uint64_t seen, uint32_t wait_ms);
void reports(struct place *p, uint64_t request, const char *id, enum outcome outcome);
void leaves(struct place *p);
void finishes(struct place *p); /* both tests pass and the session leaves */
