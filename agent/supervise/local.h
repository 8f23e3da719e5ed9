/* local.h - how the tests run on this machine: the options of 'makespan run' about it.
 *
 * Checked before anything starts. What the Python side must know of them travels in CONFIG, which
 * the reporter hears before there is any worker (docs/runner-protocol.md). Not for: where tests
 * come from (options.h, share.h, fallback.h). */
#pragma once

#include "cfg.h"
#include "core/crew.h"
#include "core/start.h"
#include "machine/resources.h"
#include "source/footprint.h"
#include "source/sharded.h"

struct json;

#define LOCAL_ROWS_MAX 24u

struct local {
    /* As given. */
    const char *workers_text, *start_text, *first_text;
    bool isolate, no_gc_freeze, all_workers;
    bool last_failed;
    uint32_t threads;             /* tests that a worker runs at a time; 0: not given */
    const char *live;             /* "all", "gwN", or NULL */
    uint32_t recycle_after;       /* tests of one worker; 0: any number */
    uint64_t recycle_above_bytes; /* memory of its own; 0: any size */
    /* What it comes to, after local_check. */
    uint32_t live_slot; /* N of --live=gwN; UINT32_MAX: not one worker */
    uint32_t workers;   /* as many as asked for, or as the machine is good for; 0: plain pytest */
    bool workers_given; /* by makespan's own -n: then pytest's is not asked */
    enum start_wish start;
    bool speculate;     /* copies of running tests are given and taken */
    uint32_t first_ppm; /* share of the time that what failed before goes first for */
    bool workers_fixed; /* a number was asked for; else memory may make it fewer */
    bool workers_logical;
    struct resources machine;
    uint64_t timeout_ms, run_timeout_ms; /* of a test, of the run; 0: none */
    uint64_t stall_ms;                   /* of a worker between tests */
    uint64_t slow_ms; /* without an end of a test, until those that run are named */
    struct sharded sharded;
    struct footprint footprint; /* of earlier runs in this folder */
    char *footprint_path;       /* NULL: not kept */
};

#define LOCAL_STALL_MS 300000u
#define LOCAL_SLOW_MS  60000u
#define LOCAL_INIT                                                                                 \
    {                                                                                              \
        .stall_ms = LOCAL_STALL_MS, .slow_ms = LOCAL_SLOW_MS                                       \
    }

void local_fini(struct local *local);

/* Writes at most LOCAL_ROWS_MAX rows and returns how many. */
size_t local_rows(struct local *local, struct cfg_option *rows);

/* Reads what this machine has, where an option depends on it. */
MUST_USE enum err_code local_check(struct local *local, struct err *err);

/* What crew_plan needs to say how many workers there may be at most, by what is known before the
 * first one ran. Lends local's machine. */
void local_crew(const struct local *local, bool logical, uint32_t at_most, struct crew_input *out);

/* Names of options that were given and do nothing where pytest runs its tests itself, or "". */
void local_unused_inline(const struct local *local, struct str *out);

/* Adds the members of CONFIG that these options stand for. */
void local_tell(const struct local *local, struct json *config);
