/* supervise/stop.c - the run is to stop: by a signal to us, by one that the command had, by the
 * clock. */
#include <signal.h>

#include "core/death.h"
#include "inner.h"
#include "plan/habits.h"

#define GRACE_INTERRUPT_MS 700u /* for the running tests after Ctrl-C: all is over within 1 s */
#define GRACE_DRAIN_MS     (HABIT_GRACE_US / 1000)

/* To the command, unless the terminal has told it already. */
static void pass_on(struct supervisor *s, uint32_t sig)
{
    if (s->command_pid > 0 && !(s->foreground && sig == SIGINT))
        keeper_signal(s->opts.keeper, s->command_pid, (int)sig);
}

static void stop_run(struct supervisor *s, uint32_t sig)
{
    uint32_t grace_ms = sig == SIGINT ? GRACE_INTERRUPT_MS : GRACE_DRAIN_MS;
    struct str name = STR_MAX(32);

    death_signal_name((int)sig, &name);
    say(s, "stopping: %s; running tests have %u ms to end, a second signal kills them",
        str_text(&name), grace_ms);
    running_say(s, "still running: ");
    s->source->ops->drain(s->source, str_text(&name));
    start_grace(s, grace_ms);
    if (sig == SIGINT)
        interrupt_workers(s);
    stop_tests(s, ENDING_INTERRUPTED, FRAME_ANY, str_text(&name));
    str_fini(&name);
}

void first_signal(struct supervisor *s, uint32_t sig)
{
    s->signal = sig;
    s->signal_us = now_us(s);
    s->told_to_go = sig != SIGINT && s->phase < PHASE_END;
    switch (s->phase) {
    case PHASE_JOIN:
        s->report.exit = SIGNAL_EXIT + sig;
        finish(s);
        return;
    case PHASE_START:
        say(s, "stopping: no test has started");
        s->killing = true; /* no workers: the grace ends the command */
        start_grace(s, GRACE_DRAIN_MS);
        pass_on(s, sig);
        return;
    case PHASE_INLINE:
        pass_on(s, sig);
        return;
    case PHASE_COLLECT:
    case PHASE_SEAL:
    case PHASE_RUN:
        if (!s->out_of_time) /* else it is being stopped, in a time of its own */
            stop_run(s, sig);
        return;
    case PHASE_END:
    case PHASE_LEAVE:
        return;
    }
    UNREACHABLE("phase");
}

void infer_signal(struct supervisor *s, uint32_t sig)
{
    if (s->signal)
        return;
    s->signal_inferred = true;
    first_signal(s, sig);
}

/* What runs shows where it is before it is interrupted. */
void out_of_time(struct supervisor *s)
{
    double seconds = (double)s->opts.local->run_timeout_ms / 1e3;
    struct err text = ERR_INIT;

    if (s->signal || s->phase >= PHASE_END)
        return;
    s->out_of_time = true;
    err_set(&text, ERR_TIMEOUT, "the run's time limit of %g s is over", seconds);
    say(s, "%s", text.text);
    if (s->phase == PHASE_START || s->phase == PHASE_INLINE) {
        if (s->command_pid > 0)
            keeper_signal(s->opts.keeper, s->command_pid, SIGINT);
        s->killing = true; /* no workers: the grace ends the command */
        start_grace(s, GRACE_END_MS);
        return;
    }
    stacks_show_all(s);
    s->source->ops->drain(s->source, text.text);
    start_grace(s, GRACE_INTERRUPT_MS);
    interrupt_workers(s);
    stop_tests(s, ENDING_STOPPED, FRAME_ANY, text.text);
}
