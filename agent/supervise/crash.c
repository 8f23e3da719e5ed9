/* supervise/crash.c - a worker that died or was ended: what is known of it, and who is told. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/death.h"
#include "fs.h"
#include "inner.h"
#include "json.h"
#include "machine/core_file.h"
#include "mem.h"

#define TAIL_BYTES_MAX   (16u << 10)
#define PHASE_BYTES      8u
#define STACKS_BYTES_MAX (68u << 10)

/* What is known of a worker's end. */
struct end {
    struct death death;
    uint32_t number;
    uint32_t test; /* whose end it is, WORKER_NO_TEST */
    bool late;     /* the test had its result: this amends it */
    struct str text, stacks, output, core;
};

/* The end of a file in the private folder; 0 bytes when there is none. */
static size_t read_tail(const struct supervisor *s, uint32_t number, const char *suffix,
                        char tail[TAIL_BYTES_MAX])
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    struct stat st;
    ssize_t got = 0;
    int fd = -1;

    if (str_addf(&path, &ignored, "%s/gw%u.%s", s->folder, number, suffix) == ERR_NONE)
        fd = open(str_text(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        off_t from = st.st_size > (off_t)TAIL_BYTES_MAX ? st.st_size - (off_t)TAIL_BYTES_MAX : 0;

        got = pread(fd, tail, TAIL_BYTES_MAX, from);
    }
    fd_close(&fd);
    str_fini(&path);
    return got > 0 ? (size_t)got : 0;
}

static void add_tail(const struct supervisor *s, uint32_t number, const char *suffix,
                     struct str *out)
{
    struct err ignored = ERR_INIT;
    char tail[TAIL_BYTES_MAX];
    size_t got = read_tail(s, number, suffix, tail);

    if (got > 0 && str_addf(out, &ignored, "--- %s ---\n", suffix) == ERR_NONE)
        death_trim_stacks((struct view){ .at = tail, .len = got }, out);
}

/* What the worker was at, and how far its memory went above what it held before. */
static void read_phase(const struct supervisor *s, const struct slot *slot, struct death *out)
{
    char tail[TAIL_BYTES_MAX];
    uint64_t before_kib = 0;

    out->phase = DEATH_IN_NOTHING;
    if (read_tail(s, out->worker, "phase", tail) != PHASE_BYTES)
        return;
    out->phase = (enum death_phase)tail[0];
    for (uint32_t i = 0; i < 4; i++)
        before_kib |= (uint64_t)(uint8_t)tail[4 + i] << (8 * i);
    if (before_kib > 0 && slot->exited && slot->usage.max_rss_kib > before_kib)
        out->grown_kib = slot->usage.max_rss_kib - before_kib;
}

static enum death_cause cause_of(const struct limit *l)
{
    if (l->stage == LIMIT_FINE)
        return DEATH_CRASH;
    if (l->was_stopped)
        return DEATH_STOPPED;
    if (l->subject == WORKER_NO_TEST || l->allowed.ms == 0)
        return DEATH_SILENT;
    return l->allowed.backstop ? DEATH_BACKSTOP : DEATH_TIMEOUT;
}

/* Fixtures that outlive tests go down in the name of the test that ran last, in whatever way. */
static void find_test(const struct supervisor *s, uint32_t running, struct end *e)
{
    const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, e->number) : NULL;

    e->test = running;
    if (!w)
        return;
    if (running != WORKER_NO_TEST || w->last == WORKER_NO_TEST)
        return;
    if (e->death.phase == DEATH_IN_WIDER || e->death.cause == DEATH_TIMEOUT ||
        e->death.cause == DEATH_BACKSTOP) {
        e->test = w->last;
        e->late = true;
    }
}

static void find_core(const struct slot *slot, struct end *e)
{
    char folder[PATH_BYTES_MAX];

    if (slot->exited && os_dumped_core(slot->status) && getcwd(folder, sizeof(folder)) &&
        core_file_find(folder, (pid_t)slot->pid, &e->core))
        e->death.core = str_text(&e->core);
}

static void end_init(struct supervisor *s, uint32_t number, uint32_t running, struct end *e)
{
    const struct slot *slot = slot_at(s, number);
    enum death_cause cause = cause_of(&slot->limit);

    *e = (struct end){ .number = number,
                       .death = { .cause = cause,
                                  .worker = number,
                                  .limit_ms = cause == DEATH_SILENT ? s->rules.stall_ms
                                                                    : slot->limit.allowed.ms,
                                  .stop_signal = slot->stop_signal,
                                  .exited = slot->exited,
                                  .status = slot->status },
                       .text = STR_MAX(MANIFEST_ID_BYTES_MAX + 512),
                       .stacks = STR_MAX(STACKS_BYTES_MAX),
                       .output = STR_MAX(PROTO_TEXT_BYTES_MAX),
                       .core = STR_MAX(PATH_BYTES_MAX) };
    if (slot->ready || s->start == START_FORK)
        read_phase(s, slot, &e->death);
    else
        e->death.phase = DEATH_IN_COLLECTION;
    find_test(s, running, e);
    if (e->test != WORKER_NO_TEST)
        e->death.test = s->manifest->tests[e->test].id;
    find_core(slot, e);
    death_text(&e->death, &e->text);
    if (cause != DEATH_CRASH)
        stacks_take(s, number, &e->stacks);
    add_tail(s, number, "out", &e->output);
    add_tail(s, number, "err", &e->output);
    add_tail(s, number, "log", &e->output);
}

static void end_fini(struct end *e)
{
    str_fini(&e->text);
    str_fini(&e->stacks);
    str_fini(&e->output);
    str_fini(&e->core);
}

static void tell_reporter(struct supervisor *s, const struct end *e)
{
    struct json *doc = json_new_object();

    if (e->test != WORKER_NO_TEST) {
        json_set_text(doc, "id", s->manifest->tests[e->test].id);
        json_set_u64(doc, "k", s->manifest->tests[e->test].k);
    }
    if (e->death.exited && WIFSIGNALED(e->death.status))
        json_set_u64(doc, "signal", (uint64_t)WTERMSIG(e->death.status));
    else if (e->death.exited)
        json_set_u64(doc, "status", (uint64_t)WEXITSTATUS(e->death.status));
    json_set_text(doc, "when", death_when(e->death.phase));
    json_set_bool(doc, "late", e->late);
    json_set_text(doc, "text", str_text(&e->text));
    json_set_text(doc, "stacks", str_text(&e->stacks));
    json_set_text(doc, "output", str_text(&e->output));
    tell_json(s->reporter, FRAME_CRASH, e->test, e->number, doc);
}

/* text, and under it the stacks. */
static char *whole_text(const struct end *e)
{
    struct str whole = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err ignored = ERR_INIT;

    (void)!str_addz(&whole, str_text(&e->text), &ignored);
    if (e->stacks.len > 0)
        (void)!str_addf(&whole, &ignored, "\n\n%s", str_text(&e->stacks));
    return str_take(&whole);
}

static void tell_source(struct supervisor *s, const struct end *e)
{
    uint64_t now = now_us(s), started_us = s->runs[e->test].started_us;
    bool over = e->death.cause == DEATH_TIMEOUT || e->death.cause == DEATH_BACKSTOP;
    uint64_t grown_kib = e->late ? 0 : e->death.grown_kib;
    struct result result = { .worker = e->number,
                             .outcome = over ? OUTCOME_TIMEOUT : OUTCOME_CRASHED,
                             .call_us = e->late ? 0 : now - started_us,
                             .started_ms = (started_us - s->joined_us) / 1000,
                             .mem_mib = memory_told_mib(s, grown_kib, OUTCOME_CRASHED),
                             .amends = e->late,
                             .detail = mem_new(1, sizeof(*result.detail)) };

    result.detail->when = mem_strdup(death_when(e->death.phase));
    result.detail->message = mem_strdup(str_text(&e->text));
    result.detail->text = whole_text(e);
    result.detail->out = mem_strdup(str_text(&e->output));
    if (over)
        s->report.timed_out++;
    if (!e->late) {
        s->report.finished++;
        s->took_us[e->test] = result.call_us;
        memory_died(s, e->test, grown_kib);
    }
    s->last_us = now;
    deliver(s, e->test, &result);
}

void worker_crashed(struct supervisor *s, uint32_t number, uint32_t test)
{
    struct end e;

    end_init(s, number, test, &e);
    s->report.crashed += e.death.cause == DEATH_CRASH || e.death.cause == DEATH_STOPPED ||
                         e.death.cause == DEATH_SILENT;
    tell_reporter(s, &e);
    if (e.test != WORKER_NO_TEST)
        tell_source(s, &e);
    else
        report_error(s, "worker-died", str_text(&e.text));
    tell(s->reporter, FRAME_DOWN, number, 1, str_text(&e.text));
    end_fini(&e);
}
