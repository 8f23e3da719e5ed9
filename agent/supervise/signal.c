/* supervise/signal.c - signals to the agent: stop, stop at once, stand still, show stacks. */
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

#include <event2/event.h>

#include "inner.h"

#define SAID_TWICE_US 100000u

static const int signals_taken[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };

static void signal_group_of_each_worker(struct supervisor *s, int sig)
{
    for (uint32_t i = 0; i < s->slot_count; i++) {
        if (s->slots[i]->pid > 0 && !s->slots[i]->exited)
            keeper_signal_group(s->opts.keeper, s->slots[i]->pid, sig);
    }
}

/* These are no children of the keeper where a wrapper stands between; while a connection is open,
 * the pid at its other end is taken. */
static void signal_peer(const struct peer *peer, int sig)
{
    if (peer && peer_pid(peer) > 0)
        (void)kill((pid_t)peer_pid(peer), sig);
}

/* Ctrl-Z. Workers have sessions of their own, so the terminal does not stop them: we do. A terminal
 * has stopped the rest of the command already; somebody's kill has not. */
static void stand_still(struct supervisor *s)
{
    uint64_t from_ms = clock_mono_ms(s->opts.clock);

    signal_group_of_each_worker(s, SIGSTOP);
    signal_peer(s->forker, SIGSTOP);
    signal_peer(s->zygote, SIGSTOP);
    signal_peer(s->reporter, SIGSTOP);
    if (s->command_pid > 0)
        keeper_signal(s->opts.keeper, s->command_pid, SIGTSTP);
    (void)kill(getpid(), SIGSTOP);
    /* Here SIGCONT has come. */
    if (s->command_pid > 0)
        keeper_signal(s->opts.keeper, s->command_pid, SIGCONT);
    signal_peer(s->reporter, SIGCONT);
    signal_peer(s->zygote, SIGCONT);
    signal_peer(s->forker, SIGCONT);
    signal_group_of_each_worker(s, SIGCONT);
    (void)event_base_update_cache_time(s->opts.base); /* timers count from what it holds */
    limits_stood_still(s, clock_mono_ms(s->opts.clock) - from_ms);
}

/* timeout(1) signals what it has started, and then its whole group. */
static bool said_twice(const struct supervisor *s, uint32_t sig)
{
    return sig == s->signal && sig != SIGINT && now_us(s) - s->signal_us < SAID_TWICE_US;
}

static void on_signal(evutil_socket_t fd, short what, void *ctx)
{
    struct supervisor *s = ctx;
    uint32_t sig = (uint32_t)fd;

    (void)what;
    if (sig == SIGTSTP) {
        stand_still(s);
        return;
    }
    if (sig == SIGQUIT) {
        stacks_show_all(s);
        return;
    }
    /* A debugger or a prompt of pytest's own handles Ctrl-C; only its end is ours. */
    if (s->phase == PHASE_INLINE && sig == SIGINT && s->foreground)
        return;
    if (s->signal_inferred) { /* our own copy of what the command died of */
        s->signal_inferred = false;
        if (sig == s->signal && now_us(s) - s->signal_us < SAID_TWICE_US)
            return;
    }
    if (s->signal == 0) {
        first_signal(s, sig);
        return;
    }
    if (said_twice(s, sig))
        return;
    s->report.exit = SIGNAL_EXIT + sig;
    finish(s);
}

/* A signal that was ignored when we started (nohup) stays so. What came of a signal to the whole
 * group, such as the end of the process that collects, is to be seen after the signal. */
void take_signals(struct supervisor *s)
{
    _Static_assert(ARRAY_LEN(signals_taken) <= SIGNALS_MAX, "room for the signals");
    for (size_t i = 0; i < ARRAY_LEN(signals_taken); i++) {
        struct sigaction was;

        if (sigaction(signals_taken[i], NULL, &was) != 0 || was.sa_handler == SIG_IGN)
            continue;
        s->signals[i] = evsignal_new(s->opts.base, signals_taken[i], on_signal, s);
        INVARIANT(s->signals[i]);
        if (event_base_get_npriorities(s->opts.base) > 1)
            INVARIANT(event_priority_set(s->signals[i], 0) == 0);
        INVARIANT(event_add(s->signals[i], NULL) == 0);
    }
}
