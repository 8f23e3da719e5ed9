/* supervise/inner.h - what the files of the supervisor share. Included by its files only. */
#pragma once

#include "core/dispatch.h"
#include "core/limit.h"
#include "core/paid.h"
#include "core/pressure.h"
#include "fs.h"
#include "id.h"
#include "link.h"
#include "local.h"
#include "machine/cgroup.h"
#include "runner/inject.h"
#include "supervise.h"

struct event;

enum phase {
    PHASE_JOIN,    /* waiting for the source */
    PHASE_START,   /* the command runs; its pytest has not spoken */
    PHASE_INLINE,  /* plain pytest: only its end matters */
    PHASE_COLLECT, /* the zygote collects */
    PHASE_SEAL,    /* the source looks at the manifest */
    PHASE_RUN,     /* workers run tests */
    PHASE_END,     /* the reporter was told to finish */
    PHASE_LEAVE,   /* results are delivered */
};

/* Why the tests end; the words of END in docs/runner-protocol.md. */
enum ending {
    ENDING_DONE,
    ENDING_STOPPED,
    ENDING_INTERRUPTED,
    ENDING_CANCELLED,
    ENDING_NOTHING,
    ENDING_BROKEN
};

struct slot {
    struct supervisor *owner;
    struct peer *peer;
    uint32_t pid;         /* 0: not known yet */
    bool asked;           /* a process was asked for */
    bool met;             /* it has said HELLO */
    bool hired;           /* by dispatch: early ones are asked for before that */
    bool ready;           /* its collection is the run's: it may take tests */
    bool refused;         /* it is not, and that was told */
    struct manifest *own; /* what it has collected for itself, until it was compared */
    bool own_whole;
    char *own_problem; /* why it could not collect */
    bool exited, gone;
    int status;
    struct os_usage usage;
    struct str block;    /* reports of the test in hand, as BLOCK wants them */
    uint64_t started_us; /* of that test */
    uint64_t queued_us;  /* while it lived, for a CPU */
    struct event *timer; /* waits for the other half of its end */
    bool timer_kills;
    struct limit limit;
    bool stacks_owed;     /* its stacks were asked for, to be shown: */
    uint32_t stacks_test; /* it was in this test then; WORKER_NO_TEST */
    uint64_t stacks_from; /* where in gwN.stack the stacks begin that nobody has seen */
    int stop_signal;      /* that stopped it last */
    bool abandons;        /* its test is of no use any more: it is being ended */
    uint64_t private_bytes, looked_ms; /* its memory, when it was looked at last */
    uint64_t demand_us, demand_at_us; /* what it wanted of a CPU, when that was read last; 0: not */
    uint32_t looks;
};

struct abandoned { /* a test that somebody else was faster with */
    uint32_t test;
    bool again; /* given to us once more meanwhile: */
    uint64_t fence, cost_us;
};

struct memory_watch { /* supervise/memory.c */
    struct event *timer, *stall;
    struct os_stalls stalls;
    struct pressure pressure;
    uint64_t stalled_until_ms;
    uint64_t due_ms;       /* the next look */
    uint32_t limit;        /* of workers, now */
    uint64_t worker_bytes; /* the most that one had for itself, between two tests */
    uint64_t busy_bytes;   /* or in a test, while that is all that is known */
    uint64_t peak_bytes;   /* with what a test of it needed */
    uint64_t told_bytes;   /* that a worker needed elsewhere; 0: not told */
    uint32_t weighed;      /* tests whose weight was measured, in earlier runs */
    uint64_t *test_kib;    /* by test; UINT64_MAX: has not run */
    bool told_short;
};

#define SIGNALS_MAX 8u

struct lost_child { /* ended before we knew what it was */
    uint32_t pid;
    int status;
    struct os_usage usage;
};
#define LOST_CHILDREN_MAX 256u

struct supervisor {
    struct supervise_opts opts;
    struct source *source;
    struct link *link;
    char *folder, *socket_path, *python_folder;
    char key[TOKEN_TEXT_BYTES], run_uid[ID_TEXT_BYTES];
    enum phase phase;
    bool foreground; /* a terminal sends its Ctrl-C to the command too */
    bool one_output; /* stdout and stderr are the same terminal or file */

    struct event *keeper_event, *grace, *alone, *parting, *quiet;
    struct event *signals[SIGNALS_MAX];
    struct limit_rules rules;
    struct event *limit_timer, *run_timer, *stacks_timer;
    uint64_t limit_due_ms;   /* what limit_timer waits for */
    uint64_t run_due_ms;     /* what run_timer waits for; 0: nothing */
    uint64_t quiet_since_us; /* no test has ended since, when it was looked last */
    uint64_t quiet_due_ms;   /* of such a time: then it is said */
    bool out_of_time;        /* the whole run's limit is over */
    uint32_t signal;         /* first that came; 0: none */
    uint64_t signal_us;      /* when it came */
    bool signal_inferred;    /* from what the command had; our own copy may still come */
    bool told_to_go;         /* by that signal, before all was over; Ctrl-C is no such request */
    bool killing;            /* workers are being killed on purpose */

    struct peer *reporter, *forker, *zygote;
    enum start_mode start;
    char *start_why;        /* a sentence that stands under "collected N items" */
    bool start_seen;        /* it was decided by what was found after a collection */
    char *early_why;        /* and that was against forks, for this reason */
    uint64_t collecting_us; /* when the zygote said HELLO */
    uint32_t zygote_pid;
    uint32_t collector; /* the slot whose collection is the run's; FRAME_ANY: the zygote */
    uint32_t command_pid;
    bool command_ended;
    int command_status;
    enum inject_way way;
    char *dist, *runtime;
    enum pool_policy policy; /* what dist means */
    bool each;               /* every worker runs everything */
    uint32_t threads;        /* tests that a worker runs at a time */
    uint32_t maxfail;
    uint32_t max_restarts;     /* as pytest was told; FRAME_ANY: not */
    uint32_t restarts_max;     /* what follows from it */
    bool told_no_more;         /* that workers are not replaced any more */
    uint32_t workers;          /* at most; memory may make it fewer */
    uint32_t wanted;           /* of them, by what the CPUs serve: once tests run */
    struct crew_demand demand; /* from which that follows */
    struct event *crew_timer;
    bool crew_fixed;           /* a number was asked for */
    struct crew_input crew_in; /* what -n auto would be, and is without a number */
    struct crew crew;
    struct memory_watch memory;

    struct manifest *manifest;
    uint32_t sealed_count; /* of its tests; those behind them were found later */
    struct suite *suite;
    struct dispatch *dispatch;
    struct abandoned *abandoned; /* whose workers are not gone yet */
    uint32_t abandoned_count;
    size_t abandoned_cap;
    uint64_t *fences; /* by test */
    bool *granted;    /* by test: ever */
    bool in_effects;
    struct slot **slots;
    size_t slot_cap;
    uint32_t slot_count;
    struct lost_child lost[LOST_CHILDREN_MAX];
    uint32_t lost_next;
    uint32_t told_free;
    uint64_t told_backlog_us;

    bool ending_known;
    enum ending ending;
    uint32_t ending_status; /* exit status that was asked for; FRAME_ANY: none */
    char *ending_text;
    uint64_t joined_us, first_us, last_us;
    struct stray_run *runs;     /* by test: when it ran and where */
    uint64_t *took_us;          /* by test; with paid for the lower bound */
    uint64_t tests_us, busy_us; /* what tests took; what of it workers had or wanted a CPU */
    struct paid *paid;

    struct supervise_report report;
    bool finished;       /* report.exit stands */
    bool source_failed;  /* nothing can be delivered any more */
    struct err fail_err; /* the first thing that keeps the run from going on */
};

uint64_t now_us(const struct supervisor *s);
uint64_t now_ms(const struct supervisor *s);
void set_timer(struct event *timer, uint64_t ms);
void say(const struct supervisor *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* supervise/end.c */
#define SIGNAL_EXIT 128u
void finish(struct supervisor *s); /* ends the loop; report.exit or fail_err stands */
/* Remembers the first failure of the source, and leaves as orderly as the phase allows. */
void fail(struct supervisor *s, const struct err *err);
/* The command is over before its time: says so where it counts, and goes. */
void gave_up(struct supervisor *s, enum err_code code, const char *text);
/* No test starts any more; the first reason stands. */
void stop_tests(struct supervisor *s, enum ending why, uint32_t status, const char *text);
void end_reporter(struct supervisor *s);
void command_ended(struct supervisor *s);
void reporter_closed(struct supervisor *s); /* it is gone, or has nothing more to show */
/* The answer to source_leave. */
void left(struct supervisor *s, uint32_t exit_code, bool complete);
void on_grace(int fd, short what, void *ctx);   /* the time after a stop is over */
void on_parting(int fd, short what, void *ctx); /* the reporter has been told of the end */
void on_alone(int fd, short what, void *ctx);   /* nothing else has come for idle workers */

#define GRACE_END_MS 5000u /* for the rest, after the workers were killed */
void start_grace(struct supervisor *s, uint64_t ms); /* then workers are killed, then pytest */

/* supervise/stop.c */
void first_signal(struct supervisor *s, uint32_t sig);
/* The command had one that may have been for all of us: as if our own copy had come. */
void infer_signal(struct supervisor *s, uint32_t sig);
void out_of_time(struct supervisor *s); /* --run-timeout is over: as after Ctrl-C */

/* supervise/abandon.c. False when no worker has the test in hand. */
bool abandon(struct supervisor *s, uint32_t test, const char *why);
/* It began before it could be taken out of a hand. */
void abandoned_started(struct supervisor *s, uint32_t number, uint32_t test);
/* The test comes again while its worker is being ended: true, and it is run after that. */
bool abandoned_again(struct supervisor *s, uint32_t test, uint64_t fence,
                     const struct order_test *given);
/* A test of a worker that is being ended has ended, or its worker is gone: the source is told of
 * the abandoned one; any other, which the interrupt may have hit, runs once more. */
void abandoned_ended(struct supervisor *s, uint32_t number, uint32_t test);
/* Those that fell out of a hand before they began go back; true when there was one. To be called
 * when no effect of dispatch is left to do. */
bool abandoned_unstarted(struct supervisor *s);

/* supervise/source.c */
void give_back(struct supervisor *s, uint32_t test); /* if no worker has it */
void deliver(struct supervisor *s, uint32_t test, struct result *take_result);
void report_error(struct supervisor *s, const char *kind, const char *text);

/* supervise/crew.c */
void crew_first(struct supervisor *s); /* s->wanted, from what earlier runs tell */
void crew_watch(struct supervisor *s); /* for what changes that */
void on_crew(int fd, short what, void *ctx);

/* supervise/memory_plan.c. Before a test runs. */
/* Fewer than s->wanted while little is known. */
uint32_t memory_first_workers(struct supervisor *s);
/* What is known of the memory of tests nobody has marked: of this machine, else of heavy. */
void memory_weigh(struct supervisor *s, const struct test_mem *heavy, uint32_t count);
uint64_t memory_budget(struct supervisor *s); /* for the tests' own; 0: need not be counted */

/* supervise/memory.c */
void memory_start(struct supervisor *s); /* dispatch is there */
void memory_more(struct supervisor *s);  /* s->wanted has grown */
/* A worker is about to get more: a look that is late comes first, as workers that hear nothing of
 * us do not grow. Effects are the caller's to do. */
void memory_before_more(struct supervisor *s);
void memory_grow(struct supervisor *s, uint32_t before); /* so many tests there were */
void memory_test(struct supervisor *s, uint32_t number, uint32_t test, uint64_t kib);
void memory_died(struct supervisor *s, uint32_t test, uint64_t kib); /* its worker, in the test */
void memory_leaving(struct supervisor *s, uint32_t number);          /* a worker is told to go */
uint64_t memory_worker_bytes(const struct supervisor *s); /* what one had for itself; 0: not seen */
/* No worker is left to watch. (For the kernel's part, 10 to 25 ms.) */
void memory_over(struct supervisor *s);
void memory_fini(struct supervisor *s);

/* supervise/memory_told.c */
/* As results tell it: of a test that was measured so many KiB above its worker; 0: not known. */
uint32_t memory_told_mib(const struct supervisor *s, uint64_t kib, enum outcome outcome);
void memory_report(struct supervisor *s); /* all is over */

/* supervise/start.c. Where workers come from. */
bool forker_joined(struct supervisor *s, struct peer *peer, const struct start_facts *facts);
/* The zygote has collected: is it to be forked? */
uint64_t start_stamp(const struct supervisor *s); /* of what the record of a start is about */
void start_decide(struct supervisor *s, const struct start_facts *facts);
void forker_frame(struct supervisor *s, const struct frame *frame);
void forker_closed(struct supervisor *s);
bool zygote_joined(struct supervisor *s, struct peer *peer);
void zygote_forked(struct supervisor *s, uint32_t pid);
void zygote_exited(struct supervisor *s);
void zygote_closed(struct supervisor *s);
void start_worker(struct supervisor *s, uint32_t number); /* dispatch wants it */
void quit_starters(struct supervisor *s);

/* supervise/collect.c. MANIFEST, COLLECT_END or SKIP of the zygote or of a worker that collects for
 * itself; err when it is malformed. */
void collect_frame(struct supervisor *s, struct peer *peer, const struct frame *frame,
                   struct err *err);
void collector_died(struct supervisor *s);
/* A test's flags, with what --dist keeps in one worker: planners between machines know of nothing
 * else. ERR_TOO_LARGE when out is too small. */
MUST_USE enum err_code flags_with_dist(const struct supervisor *s, struct view flags,
                                       struct str *out, struct err *err);

/* supervise/found.c. FOUND of a worker; err when it is malformed. What others have found. */
void found_frame(struct supervisor *s, const struct frame *frame, struct err *err);
void found_elsewhere(struct supervisor *s, const struct found_test *tests, uint32_t count);

/* A worker that collects for itself had no record left, and so may hold tests that the run does
 * not. */
void found_own(struct supervisor *s, const struct manifest *own);

/* supervise/talk.c. A frame with a text, or with nothing; a peer of NULL is gone and hears nothing.
 */
void tell(struct peer *peer, enum frame_kind kind, uint32_t a, uint32_t b, const char *text);
struct json;
void tell_json(struct peer *peer, enum frame_kind kind, uint32_t a, uint32_t b,
               struct json *take_doc);
/* Of how many tests the terminal's progress is; message: NULL for none. */
void tell_total(struct supervisor *s, uint32_t tests, const char *message);
const struct link_events *link_events_of_supervisor(void);

/* supervise/signal.c */
void take_signals(struct supervisor *s);

/* supervise/limit.c */
void limits_new(struct supervisor *s);
void limits_free(struct supervisor *s);
void limits_start(struct supervisor *s);           /* the run begins: its own limit, too */
void watch(struct supervisor *s, uint32_t number); /* after all that concerns the worker */
void watch_stopped(struct supervisor *s, struct slot *slot, int sig);
void watch_continued(struct supervisor *s, struct slot *slot);
void limits_stood_still(struct supervisor *s, uint64_t ms); /* that time is nobody's */

/* supervise/stacks.c */
void stacks_new(struct supervisor *s);
void stacks_free(struct supervisor *s);
int stacks_signal(void); /* the one that faulthandler waits for */
void stacks_ask(struct supervisor *s, uint32_t number);
void stacks_take(struct supervisor *s, uint32_t number, struct str *out); /* what is new */
void stacks_show_all(struct supervisor *s);  /* SIGQUIT: in a moment, when they are written */
void stacks_tell_owed(struct supervisor *s); /* now, since the run ends */

/* supervise/stray.c */
void strays_find(struct supervisor *s); /* at the very end, when nothing of ours should live */
void strays_free(struct supervisor *s);

/* supervise/crash.c. A worker died: the test it was in is named and has its result; between tests
 * (test is WORKER_NO_TEST) it is an error of the run. */
void worker_crashed(struct supervisor *s, uint32_t number, uint32_t test);

/* supervise/running.c. One line: what, then the tests in hand and their workers; nothing if none.
 */
void running_say(const struct supervisor *s, const char *what);
void running_start(struct supervisor *s); /* tests run: they are named when none ends for long */
void on_quiet(int fd, short what, void *ctx); /* none may have */

/* supervise/effects.c */
void do_effects(struct supervisor *s);

/* supervise/worker.c */
void worker_frame(struct supervisor *s, struct peer *peer, const struct frame *frame);

/* supervise/slot.c */
struct slot *slot_at(struct supervisor *s, uint32_t number); /* made when it is new */
void slot_renew(struct supervisor *s, uint32_t number);      /* for another process */
/* Is connected, has collected what the run is about, and dispatch knows it: tests may come. */
void worker_ready(struct supervisor *s, uint32_t number);
/* The process that was asked for before dispatch wanted it is over. */
void worker_lost(struct supervisor *s, uint32_t number);
bool worker_joined(struct supervisor *s, struct peer *peer);
void worker_closed(struct supervisor *s, struct peer *peer);
void worker_forked(struct supervisor *s, uint32_t number, uint32_t pid);
void worker_exited(struct supervisor *s, const struct keeper_event *event);  /* or the zygote */
void worker_stopped(struct supervisor *s, const struct keeper_event *event); /* or goes on */
void worker_gone(struct supervisor *s, uint32_t number); /* its end is known, or awaited enough */
void interrupt_workers(struct supervisor *s); /* those in a test: Ctrl-C, as in a serial run */
void kill_workers(struct supervisor *s);
void slots_free(struct supervisor *s);
