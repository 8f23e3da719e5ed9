/* source.h - where the tests of this machine come from: a coordinator, or nobody but ourselves.
 *
 * The supervisor knows this interface only. Two implementations: solo.c (this machine alone;
 * everything is granted at once) and remote.c (a run shared with other agents). All calls and all
 * events happen on the loop's thread; an event may be delivered from inside a call. Not for:
 * running tests or knowing pytest. */
#pragma once

#include "manifest.h"
#include "plan/need.h"
#include "proto.h"

struct source;

/* What a test will take, and what entering a file or class costs a worker. */
struct source_cost {
    uint64_t us;
    bool guess; /* from its neighbours: it has no history of its own */
};
struct source_costs {
    const struct source_cost *tests; /* by position in the manifest; NULL when granted tells */
    const struct scope_cost *scopes; /* those that are known */
    uint32_t scope_count;
    const struct test_mem *heavy; /* tests that needed much memory elsewhere, as ours are named */
    uint32_t heavy_count;
};

/* What was found, and what the command asks of the whole run. */
struct source_collected {
    struct manifest *manifest; /* lent until free */
    const char *runtime;       /* lent; NULL: not known */
    bool each;                 /* every machine runs everything (--dist each) */
    uint32_t maxfail;          /* so many failures on all machines end it; 0: none do */
};

/* How the runner ended, and what its largest worker had of its own. */
struct source_leave {
    uint32_t runner_exit;
    uint64_t worker_bytes, worker_peak_bytes; /* between two tests, and ever; 0: not measured */
};

/* What the supervisor is told. */
struct source_events {
    /* Joined: the runner may be started now, with this seed for PYTHONHASHSEED (solo: 0, leave it
     * alone). worker_bytes: what a worker needed for itself elsewhere, 0 for unknown. */
    void (*joined)(void *ctx, uint64_t seed, uint64_t worker_bytes);
    /* The manifest is accepted. costs: what is known, lent. */
    void (*sealed)(void *ctx, const struct source_costs *costs);
    /* How fast this machine is believed to be beside the others; before tests are granted. May be
     * NULL. */
    void (*paced)(void *ctx, uint32_t speed_ppm);
    /* What entering these costs a worker; before tests in them are granted. Lent. */
    void (*scoped)(void *ctx, const struct scope_cost *scopes, uint32_t count);
    /* Tests that nobody knew of when the manifest was sealed; before they are granted. Lent. */
    void (*found)(void *ctx, const struct found_test *tests, uint32_t count);
    /* Run these too. fence goes back with each result. tests are lent; index: position in our
     * manifest. */
    void (*granted)(void *ctx, uint64_t fence, const struct order_test *tests, uint32_t count);
    /* Give back those that have not started, by source_release. */
    void (*recalled)(void *ctx, const struct order_test *tests, uint32_t count);
    /* Somebody else was faster: end these where they run, and tell by source_cut. */
    void (*abandoned)(void *ctx, const struct order_test *tests, uint32_t count);
    /* What was granted and has not begun is not ours any more: the run has given it up, and grants
     * anew. NULL where that cannot be. */
    void (*lost)(void *ctx);
    /* The coordinator may give what is here to others soon: what must never run twice at once ends
     * now, and goes back (source_cut, source_release). */
    void (*cut_off)(void *ctx);
    /* Start nothing more, finish what runs; source_leave is still owed. */
    void (*cancelled)(void *ctx, const char *reason);
    /* No more tests will come: settle the workers, deliver, then source_leave. */
    void (*ended)(void *ctx, const char *message);
    /* Answer to source_leave: everything is delivered and the process may exit with this code if
     * the runner itself exited 0 or 5; verdict is lent and may be NULL (solo). */
    void (*left)(void *ctx, uint32_t exit, const struct verdict_answer *verdict);
    /* The source cannot go on (refused, unreachable beyond its budget); results not delivered are
     * kept. */
    void (*failed)(void *ctx, const struct err *err);
};

struct source_ops {
    void (*start)(struct source *s); /* join */
    void (*collected)(struct source *s, const struct source_collected *collected);
    void (*result)(struct source *s, struct result *take_result); /* contents are taken */
    void (*error)(struct source *s, const char *kind, const char *text);
    void (*scope)(struct source *s, const char *kind, const char *id, uint64_t setup_us,
                  uint64_t teardown_us);
    /* A file or class was skipped as a whole while it was collected. */
    void (*skipped)(struct source *s, const char *id, const char *text);
    /* Found when a file was imported late, and added to the manifest: the run may grant them. NULL
     * where every file is imported before. */
    void (*found)(struct source *s, const struct manifest_test *tests, uint32_t count);
    void (*release)(struct source *s, const struct test_ref *tests, uint32_t count);
    /* A test that was abandoned runs no more; contents are taken. */
    void (*cut)(struct source *s, struct try_cut *take_cut);
    /* Called whenever it changes: workers without a test, and what the others have to do. */
    void (*idle)(struct source *s, uint32_t free_workers, struct need need);
    void (*started)(struct source *s, const char *id, uint32_t k); /* a test has begun */
    void (*stop)(struct source *s, const char *reason);  /* -x: nothing more in the whole run */
    void (*drain)(struct source *s, const char *reason); /* this machine goes away */
    /* All workers are gone and pytest winds up: time to keep what was learned. May not come; NULL
     * where nothing is kept here. */
    void (*settled)(struct source *s);
    void (*leave)(struct source *s, const struct source_leave *how);
    void (*free)(struct source *s);
};

/* What this machine's part follows from, where each computes the whole plan by itself. */
enum source_share {
    SOURCE_NO_SHARE,
    SOURCE_SHARE_OF_IDS,  /* the ids that were collected, in any order */
    SOURCE_SHARE_OF_ORDER /* and their order */
};

/* First member of every implementation. */
struct source {
    const struct source_ops *ops;
    const struct source_events *events;
    void *ctx;
    enum source_share share;
};
