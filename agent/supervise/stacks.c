/* supervise/stacks.c - stacks of workers, as faulthandler writes them at a signal of ours. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "core/death.h"
#include "fs.h"
#include "inner.h"

#define STACKS_WAIT_MS   300 /* for all that were asked */
#define STACKS_BYTES_MAX (64u << 10)

static bool is_alive(const struct slot *slot)
{
    return slot->pid > 0 && !slot->exited && !slot->gone;
}

int stacks_signal(void)
{
#ifdef SIGRTMIN
    return SIGRTMIN + 9; /* hardly a test sets this one for itself */
#else
    return SIGUSR2;
#endif
}

static int open_stacks(const struct supervisor *s, uint32_t number, uint64_t *out_size)
{
    struct str path = STR_MAX(PATH_BYTES_MAX);
    struct err ignored = ERR_INIT;
    struct stat st;
    int fd = -1;

    if (str_addf(&path, &ignored, "%s/gw%u.stack", s->folder, number) == ERR_NONE)
        fd = open(str_text(&path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    str_fini(&path);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)))
        fd_close(&fd);
    *out_size = fd >= 0 ? (uint64_t)st.st_size : 0;
    return fd;
}

void stacks_ask(struct supervisor *s, uint32_t number)
{
    struct slot *slot = slot_at(s, number);
    int fd = open_stacks(s, number, &slot->stacks_from);

    fd_close(&fd);
    keeper_signal(s->opts.keeper, slot->pid, stacks_signal());
}

void stacks_take(struct supervisor *s, uint32_t number, struct str *out)
{
    struct slot *slot = slot_at(s, number);
    struct str raw = STR_MAX(STACKS_BYTES_MAX);
    struct err ignored = ERR_INIT;
    char text[4096];
    uint64_t size;
    ssize_t got;
    int fd = open_stacks(s, number, &size);

    while (fd >= 0 && slot->stacks_from < size) {
        got = pread(fd, text, sizeof(text), (off_t)slot->stacks_from);
        if (got <= 0 || str_add(&raw, text, (size_t)got, &ignored))
            break;
        slot->stacks_from += (uint64_t)got;
    }
    fd_close(&fd);
    death_trim_stacks((struct view){ .at = str_text(&raw), .len = raw.len }, out);
    str_fini(&raw);
}

/* What a worker that was asked has written; it may have ended since. */
static void tell_stacks(struct supervisor *s, uint32_t number)
{
    struct slot *slot = s->slots[number];
    struct str text = STR_MAX(STACKS_BYTES_MAX + 4096);
    struct err ignored = ERR_INIT;

    (void)!str_addf(&text, &ignored, "stacks of gw%u, %s:\n", number,
                    slot->stacks_test == WORKER_NO_TEST ? "between tests"
                                                        : s->manifest->tests[slot->stacks_test].id);
    stacks_take(s, number, &text);
    if (text.len > 0 && text.at[text.len - 1] == '\n')
        text.at[text.len - 1] = '\0'; /* the sink ends the line */
    supervise_say(s, str_text(&text));
    str_fini(&text);
}

void stacks_tell_owed(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i]->stacks_owed)
            tell_stacks(s, i);
        s->slots[i]->stacks_owed = false;
    }
}

static void on_stacks(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    stacks_tell_owed(ctx);
}

void stacks_show_all(struct supervisor *s)
{
    bool any = false;

    for (uint32_t i = 0; i < s->slot_count; i++) {
        const struct worker *w = s->dispatch ? dispatch_worker(s->dispatch, i) : NULL;
        struct slot *slot = s->slots[i];

        if (w && w->met && is_alive(slot)) { /* before that it has no handler */
            stacks_ask(s, i);
            slot->stacks_owed = any = true;
            slot->stacks_test = worker_running(w);
        }
    }
    if (any)
        set_timer(s->stacks_timer, STACKS_WAIT_MS);
    else
        say(s, "no worker runs that could show its stacks");
}

void stacks_new(struct supervisor *s)
{
    s->stacks_timer = evtimer_new(s->opts.base, on_stacks, s);
    INVARIANT(s->stacks_timer);
}

void stacks_free(struct supervisor *s)
{
    event_free(s->stacks_timer);
}
