/* supervise/stray.c - processes that tests have left behind: found, named, and told at the end. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fs.h"
#include "inner.h"
#include "machine/os.h"
#include "mem.h"

/* Helpers that end by themselves when their parent has gone (a pool's resource tracker) get this
 * long to do so. */
#define PAUSE_MS     10u
#define PAUSES_MAX   25u
#define SAID_MAX     10u
#define PROC_MAX     (2u << 20)
#define STRAYS_FOUND 1000u

struct finding {
    struct supervisor *s;
    pid_t pids[STRAYS_FOUND];
    uint32_t count;
};

static bool is_ours(const struct supervisor *s, uint32_t pid)
{
    if (pid == s->command_pid || pid == s->zygote_pid ||
        (s->reporter && pid == peer_pid(s->reporter)) ||
        (s->zygote && pid == peer_pid(s->zygote)) || (s->forker && pid == peer_pid(s->forker)))
        return true;
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i]->pid == pid)
            return true;
    }
    return false;
}

static void note(void *ctx, pid_t pid)
{
    struct finding *f = ctx;
    struct os_process process;

    if (f->count < STRAYS_FOUND && !is_ours(f->s, (uint32_t)pid) && os_process(pid, &process) &&
        !process.ended)
        f->pids[f->count++] = pid;
}

static void look(struct finding *f)
{
    f->count = 0;
    (void)os_each_child(keeper_pid(f->s->opts.keeper), note, f);
}

static bool read_proc(pid_t pid, const char *name, struct str *out)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    bool ok = str_addf(&path, &ignored, "/proc/%ld/%s", (long)pid, name) == ERR_NONE &&
              fs_read(str_text(&path), out, &ignored) == ERR_NONE;

    str_fini(&path);
    return ok;
}

/* A worker leads a session, which its children are in unless they have left it. */
static uint32_t worker_of_session(const struct supervisor *s, pid_t session)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i]->pid == (uint32_t)session)
            return i;
    }
    return STRAY_NO_WORKER;
}

static void describe(const struct supervisor *s, pid_t pid, struct stray *out)
{
    struct str bytes = STR_MAX(PROC_MAX);
    struct os_process process;
    struct stray_time when;
    uint64_t now = now_us(s);
    uint32_t test;

    *out = (struct stray){ .pid = (uint32_t)pid, .worker = STRAY_NO_WORKER };
    if (read_proc(pid, "cmdline", &bytes))
        stray_read_command((struct view){ .at = str_text(&bytes), .len = bytes.len }, out->command);
    str_clear(&bytes);
    if (read_proc(pid, "environ", &bytes))
        stray_read_environment((struct view){ .at = str_text(&bytes), .len = bytes.len },
                               &out->test, &out->worker);
    str_fini(&bytes);
    if (!os_process(pid, &process))
        return;
    if (out->worker == STRAY_NO_WORKER)
        out->worker = worker_of_session(s, process.session);
    out->sure = out->test != NULL;
    if (out->test || !s->runs || now < process.age_us)
        return;
    when = (struct stray_time){ .at_us = now - process.age_us, .worker = out->worker };
    test = stray_test_at(s->runs, s->manifest->count, &when, &out->sure);
    if (test != UINT32_MAX)
        out->test = mem_strdup(s->manifest->tests[test].id);
}

static void say_found(const struct supervisor *s)
{
    uint32_t count = s->report.stray_count;

    say(s, "%u process%s left behind, ended now:", count, count == 1 ? " was" : "es were");
    for (uint32_t i = 0; i < count && i < SAID_MAX; i++) {
        const struct stray *stray = &s->report.strays[i];

        if (stray->test)
            say(s, "  pid %u '%s', started %s %s", stray->pid, stray->command,
                stray->sure ? "by" : "at about the time of", stray->test);
        else if (stray->worker != STRAY_NO_WORKER)
            say(s, "  pid %u '%s', started in worker gw%u", stray->pid, stray->command,
                stray->worker);
        else
            say(s, "  pid %u '%s'", stray->pid, stray->command);
    }
    if (count > SAID_MAX)
        say(s, "  and %u more", count - SAID_MAX);
}

void strays_find(struct supervisor *s)
{
    struct finding *f = mem_new(1, sizeof(*f));

    f->s = s;
    look(f);
    for (uint32_t i = 0; f->count > 0 && i < PAUSES_MAX; i++) {
        struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };

        (void)nanosleep(&pause, NULL);
        look(f);
    }
    if (f->count > 0) {
        s->report.strays = mem_new(f->count, sizeof(*s->report.strays));
        for (uint32_t i = 0; i < f->count; i++)
            describe(s, f->pids[i], &s->report.strays[i]);
        s->report.stray_count = f->count;
        say_found(s);
    }
    free(f);
}

void strays_free(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->report.stray_count; i++)
        free(s->report.strays[i].test);
    free(s->report.strays);
    free(s->runs);
}
