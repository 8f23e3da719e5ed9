/* supervise.h - one run of the user's command on this machine, from join to exit status.
 *
 * A thin shell over the loop: it carries what sockets, processes, timers and the source say to the
 * pure rooms (dispatch, worker) and does what they answer. Not for: knowing where tests come from
 * (source.h) or what pytest is (the Python side). */
#pragma once

#include "clock.h"
#include "core/stray.h"
#include "local.h"
#include "machine/keeper.h"
#include "source/source.h"

struct event_base;
struct supervisor;

#define SUPERVISE_PRIORITIES 2

struct supervise_opts {
    struct event_base *base; /* with SUPERVISE_PRIORITIES, so that signals come first */
    const struct clock *clock;
    struct keeper *keeper;
    char *const *argv; /* the user's command */
    char *const *env;
    const char *junit;                        /* absolute, or NULL */
    const struct local *local;                /* lent: how the tests run here */
    bool alone;                               /* no other machine takes part */
    void (*say)(void *ctx, const char *line); /* a line for people, without a line feed */
    void *say_ctx;
};

#define SUPERVISE_HUNGRY     10u
#define SUPERVISE_CREW_BYTES 256u

struct supervise_hungry { /* lent until supervise_free */
    const char *id;
    uint32_t k;
    uint64_t kib; /* that it needed on top of what its worker held */
};

/* What became of it. */
struct supervise_report {
    uint32_t exit;         /* of the process */
    bool ran;              /* a manifest was collected and workers were used */
    bool complete;         /* every test that this machine took has a result */
    bool drained;          /* told to stop before that */
    bool out_of_time;      /* by --run-timeout */
    enum start_mode start; /* of the workers, if it ran */
    uint32_t workers, collected, granted, finished, crashed, timed_out, unrun;
    uint32_t guessed;     /* tests without history among the granted */
    struct stray *strays; /* processes that were left behind; the supervisor's */
    uint32_t stray_count;
    uint32_t abandoned;                  /* tests that another machine was faster with */
    uint64_t wall_us, work_us, bound_us; /* from the first start to the last end */
    uint64_t worker_bytes;               /* the most that a worker had for itself; 0: not seen */
    uint64_t worker_peak_bytes;          /* the same with what its test needed */
    uint32_t retired;                    /* workers sent home as memory was short */
    uint32_t hungry_count;               /* tests that needed most memory, the hungriest first */
    struct supervise_hungry hungry[SUPERVISE_HUNGRY];
    char crew[SUPERVISE_CREW_BYTES]; /* why so many workers, for people */
};

MUST_USE enum err_code supervise_new(const struct supervise_opts *opts, struct supervisor **out,
                                     struct err *err);
void supervise_free(struct supervisor *s); /* the keeper removes the private folder */

/* For the source that is to be made; ctx is the supervisor. */
const struct source_events *supervise_events(void);

/* Runs until all is over. An error: the command never ran to an end of its own making, and err
 * says why (main translates it). source is lent. Once more, with another source, if it failed
 * before it joined. */
MUST_USE enum err_code supervise_run(struct supervisor *s, struct source *source,
                                     struct supervise_report *out, struct err *err);

/* A line for people: between those of pytest while it runs and writes to the same place. */
void supervise_say(const struct supervisor *s, const char *line);

/* The source has let the command start, at some time. */
bool supervise_joined(const struct supervisor *s);
