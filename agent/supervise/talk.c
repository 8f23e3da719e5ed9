/* supervise/talk.c - what the reporter and the zygote say. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "inner.h"
#include "json.h"
#include "mem.h"

void tell(struct peer *peer, enum frame_kind kind, uint32_t a, uint32_t b, const char *text)
{
    if (peer)
        peer_send(peer, &(struct frame){ .kind = kind,
                                         .a = a,
                                         .b = b,
                                         .size = text ? (uint32_t)strlen(text) : 0,
                                         .payload = text });
}

/* With these pytest only looks or tells: it takes no part in a run. */
static const char *const looking[] = { "--collect-only", "--co",         "--help",
                                       "--version",      "--fixtures",   "--fixtures-per-test",
                                       "--markers",      "--cache-show", "--setup-plan" };

static bool only_looks(const char *reason)
{
    for (size_t i = 0; i < ARRAY_LEN(looking); i++) {
        if (strncmp(reason, looking[i], strlen(looking[i])) == 0)
            return true;
    }
    return false;
}

void tell_json(struct peer *peer, enum frame_kind kind, uint32_t a, uint32_t b,
               struct json *take_doc)
{
    char *text = json_finish(take_doc);

    tell(peer, kind, a, b, text);
    free(text);
}

void tell_total(struct supervisor *s, uint32_t tests, const char *message)
{
    struct json *doc = json_new_object();

    json_set_u64(doc, "collected", s->manifest->count);
    json_set_text(doc, "message", message);
    tell_json(s->reporter, FRAME_TOTAL, tests, 0, doc);
}

/* makespan's own -n beats pytest's, which beats the machine's size. */
static uint32_t choose_workers(struct supervisor *s, const struct hello *hello)
{
    const struct local *local = s->opts.local;
    bool theirs = hello->numprocesses == NUMPROCESSES_GIVEN;
    uint32_t workers = local->workers;

    s->crew_fixed = local->workers_given ? local->workers_fixed : theirs;
    local_crew(local, hello->numprocesses == NUMPROCESSES_LOGICAL, hello->max_workers, &s->crew_in);
    if (s->crew_in.source == CREW_ASSUMED && s->memory.told_bytes > 0) {
        s->crew_in.worker_bytes = s->memory.told_bytes;
        s->crew_in.source = CREW_TOLD;
    }
    crew_plan(&s->crew_in, &s->crew);
    if (!local->workers_given && theirs)
        workers = hello->workers;
    else if (!s->crew_fixed)
        workers = s->crew.workers;
    if (local->workers_given && theirs && hello->workers != workers)
        say(s, "-n %u of makespan stands; pytest's own -n %u is not used", workers, hello->workers);
    return workers < PROTO_WORKERS_MAX ? workers : PROTO_WORKERS_MAX;
}

static void send_config(struct supervisor *s, uint32_t workers)
{
    struct json *doc = json_new_object();

    json_set_u64(doc, "workers", workers);
    json_set_bool(doc, "workers_given", s->opts.local->workers_given);
    json_set_text(doc, "run_uid", s->run_uid);
    json_set_text(doc, "dist", s->dist ? s->dist : "load");
    json_set_bool(doc, "each", s->each);
    json_set_u64(doc, "tests_per_worker", s->threads);
    json_set_u64(doc, "max_slots", POOL_TAKERS_MAX);
    json_set_text(doc, "note", NULL);
    json_set_u64(doc, "dump_signal", (uint64_t)stacks_signal());
    if (workers > 1)
        json_set_u64(doc, "threads", crew_threads(s->crew.cpus, workers));
    local_tell(s->opts.local, doc);
    tell_json(s->reporter, FRAME_CONFIG, workers, 0, doc);
}

static void run_inline(struct supervisor *s, const char *reason)
{
    struct str unused = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err err = ERR_INIT;

    if (!s->opts.alone && !only_looks(reason)) {
        err_set(&err, ERR_USAGE,
                "%s runs the tests in pytest's own process, which cannot be shared with other "
                "machines; leave it out, or unset MAKESPAN_URL and MAKESPAN_INDEX",
                reason);
        fail(s, &err);
        return;
    }
    local_unused_inline(s->opts.local, &unused);
    if (unused.len && !only_looks(reason))
        say(s, "%s runs plain pytest: without effect there: %s", reason, str_text(&unused));
    str_fini(&unused);
    s->phase = PHASE_INLINE;
    send_config(s, 0);
}

/* pytest's cache is this machine's: what it takes from the plan, no other machine knows. */
static bool share_holds(struct supervisor *s, const char *recalls)
{
    bool only_orders = recalls && (!strcmp(recalls, "--ff") || !strcmp(recalls, "--nf"));
    struct err err = ERR_INIT;

    if (!recalls || s->source->share == SOURCE_NO_SHARE ||
        (only_orders && s->source->share == SOURCE_SHARE_OF_IDS))
        return true;
    err_set(&err, ERR_USAGE,
            "pytest's %s goes by this machine's cache, so each machine would split another list "
            "and tests would run nowhere: leave it out of the command, addopts and "
            "PYTEST_ADDOPTS (-o addopts=...)",
            recalls);
    fail(s, &err);
    return false;
}

static enum pool_policy policy_of(const char *dist)
{
    static const struct {
        const char *word;
        enum pool_policy policy;
    } words[] = { { "load", POOL_AUTO },       { "loadscope", POOL_SCOPE },
                  { "loadfile", POOL_FILE },   { "loadgroup", POOL_GROUP },
                  { "worksteal", POOL_STEAL }, { "each", POOL_EACH } };

    for (size_t i = 0; dist && i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, dist) == 0)
            return words[i].policy;
    }
    return POOL_AUTO;
}

static bool reporter_joined(struct supervisor *s, struct peer *peer, const struct hello *hello)
{
    struct str runtime = STR_MAX(1024);
    struct err ignored = ERR_INIT;

    if (s->phase != PHASE_START) {
        say(s, "a second pytest was started by the command; one run holds one pytest");
        return false;
    }
    if (s->killing) /* it was told to go, and did not hear it yet */
        return false;
    s->reporter = peer;
    s->maxfail = hello->maxfail;
    s->max_restarts = hello->max_restarts;
    s->dist = hello->dist ? mem_strdup(hello->dist) : NULL;
    s->threads = s->opts.local->threads > 0 ? s->opts.local->threads : hello->threads;
    s->policy = policy_of(s->dist);
    s->each = s->opts.alone && s->policy == POOL_EACH;
    (void)!str_addf(&runtime, &ignored, "python %s, pytest %s, %s",
                    hello->python ? hello->python : "?", hello->pytest ? hello->pytest : "?",
                    hello->distributions ? hello->distributions : "?");
    s->runtime = str_take(&runtime);
    s->workers = choose_workers(s, hello);
    if (!share_holds(s, hello->recalls))
        return true;
    if (hello->run_inline || s->workers == 0) {
        run_inline(s, hello->run_inline ? hello->run_inline : "-n 0");
        return true;
    }
    s->phase = PHASE_COLLECT;
    send_config(s, s->workers);
    return true;
}

static bool on_joined(void *ctx, struct peer *peer, const struct hello *hello)
{
    struct supervisor *s = ctx;

    switch (hello->role) {
    case ROLE_REPORTER:
        return reporter_joined(s, peer, hello);
    case ROLE_FORKER:
        return forker_joined(s, peer, &hello->facts);
    case ROLE_ZYGOTE:
        return zygote_joined(s, peer);
    case ROLE_WORKER:
        return worker_joined(s, peer);
    case ROLE_NONE:
        return false;
    }
    UNREACHABLE("role");
}

static void stop_frame(struct supervisor *s, const struct frame *frame)
{
    static const char *const why[] = { [STOP_UNKNOWN] = "stopped",
                                       [STOP_MAXFAIL] = "a limit of failures was reached",
                                       [STOP_SHOULDSTOP] = "the session was told to stop",
                                       [STOP_EXIT] = "pytest.exit was called",
                                       [STOP_INTERRUPTED] = "interrupted",
                                       [STOP_INTERNAL] = "internal error in pytest" };
    struct str text = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err ignored = ERR_INIT;
    size_t len = frame->payload ? utf8_valid_len(frame->payload, frame->size) : 0;
    uint32_t kind = frame->a < ARRAY_LEN(why) ? frame->a : STOP_UNKNOWN;

    if (len == 0 || str_add(&text, frame->payload, len, &ignored))
        (void)!str_addz(&text, why[kind], &ignored);
    if (s->phase == PHASE_RUN || s->phase == PHASE_SEAL) {
        if (kind == STOP_INTERRUPTED)
            s->source->ops->drain(s->source, str_text(&text));
        else
            s->source->ops->stop(s->source, str_text(&text));
    }
    if (kind == STOP_INTERNAL)
        report_error(s, "internal", str_text(&text));
    stop_tests(s, kind == STOP_INTERRUPTED ? ENDING_INTERRUPTED : ENDING_STOPPED,
               frame->b == 0 ? FRAME_ANY : frame->b, str_text(&text));
    str_fini(&text);
}

/* It outlives them, to show what ran; by default they would have ended it. */
static void reporter_signalled(struct supervisor *s, uint32_t sig)
{
    if (sig == SIGTERM || sig == SIGHUP)
        infer_signal(s, sig);
}

static void zygote_frame(struct supervisor *s, struct peer *peer, const struct frame *frame)
{
    struct err err = ERR_INIT;

    switch ((int)frame->kind) {
    case FRAME_MANIFEST:
    case FRAME_COLLECT_END:
    case FRAME_SKIP:
        collect_frame(s, peer, frame, &err);
        break;
    case FRAME_FORKED:
        worker_forked(s, frame->a, frame->b);
        break;
    case FRAME_EVENT:
    case FRAME_BYE:
        if (s->reporter)
            peer_send(s->reporter, &(struct frame){ .kind = FRAME_FORWARD,
                                                    .a = FRAME_ANY,
                                                    .b = frame->kind == FRAME_BYE,
                                                    .size = frame->size,
                                                    .payload = frame->payload });
        break;
    default:
        err_set(&err, ERR_MALFORMED, "the zygote sent %s", frame_name(frame->kind));
        break;
    }
    if (err.code) {
        report_error(s, "internal", err.text);
        say(s, "%s", err.text);
        s->zygote = NULL;
        peer_close(peer);
        stop_tests(s, ENDING_BROKEN, FRAME_ANY, err.text);
    }
}

static void on_frame(void *ctx, struct peer *peer, const struct frame *frame)
{
    struct supervisor *s = ctx;

    switch (peer_role(peer)) {
    case ROLE_REPORTER:
        if (frame->kind == FRAME_STOP && frame->a == STOP_BY_SIGNAL)
            reporter_signalled(s, frame->b);
        else if (frame->kind == FRAME_STOP)
            stop_frame(s, frame);
        else if (frame->kind == FRAME_WORKERS && s->phase == PHASE_COLLECT && frame->a > 0)
            s->workers = frame->a < PROTO_WORKERS_MAX ? frame->a : PROTO_WORKERS_MAX;
        return;
    case ROLE_FORKER:
        forker_frame(s, frame);
        return;
    case ROLE_ZYGOTE:
        zygote_frame(s, peer, frame);
        return;
    case ROLE_WORKER:
        if (frame->kind != FRAME_STOP)
            worker_frame(s, peer, frame);
        else if (!slot_at(s, peer_slot(peer))
                      ->abandons) /* else it takes our interrupt for Ctrl-C */
            stop_frame(s, frame);
        return;
    case ROLE_NONE:
        return;
    }
    UNREACHABLE("role");
}

static bool may_rest(void *ctx, const struct peer *peer)
{
    const struct supervisor *s = ctx;

    return peer_role(peer) == ROLE_WORKER && s->dispatch &&
           dispatch_far_ahead(s->dispatch, peer_slot(peer));
}

static void on_closed(void *ctx, struct peer *peer, const char *why)
{
    struct supervisor *s = ctx;

    if (why)
        say(s, "connection of a runner process ended: %s", why);
    switch (peer_role(peer)) {
    case ROLE_REPORTER:
        if (s->reporter == peer)
            reporter_closed(s);
        return;
    case ROLE_FORKER:
        if (s->forker == peer)
            forker_closed(s);
        return;
    case ROLE_ZYGOTE:
        if (s->zygote == peer)
            zygote_closed(s);
        return;
    case ROLE_WORKER:
        worker_closed(s, peer);
        return;
    case ROLE_NONE:
        return;
    }
    UNREACHABLE("role");
}

static void on_refused(void *ctx, const char *why)
{
    say(ctx, "a connection was refused: %s", why);
}

static void on_deaf(void *ctx, int errnum)
{
    bool is_ours = errnum == EMFILE;
    struct err err = ERR_INIT;

    err_set(&err, ERR_RUNNER, "a process of the run cannot connect: %s; %suse fewer workers (-n)",
            strerror(errnum), is_ours ? "raise 'ulimit -n', or " : "");
    fail(ctx, &err);
}

static const struct link_events events = {
    .joined = on_joined,
    .frame = on_frame,
    .may_rest = may_rest,
    .closed = on_closed,
    .refused = on_refused,
    .deaf = on_deaf,
};

const struct link_events *link_events_of_supervisor(void)
{
    return &events;
}
