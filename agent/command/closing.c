#include "closing.h"

#include <stdio.h>
#include <stdlib.h>

#include "json.h"

#define HUNGRY_KIB (64u << 10) /* a test that needed less is not worth a word */

static const char *started_how(enum start_mode mode)
{
    switch (mode) {
    case START_FORK:
        return " (forked)";
    case START_EARLY:
        return " (started early)";
    case START_SPAWN:
        return " (started afresh)";
    }
    UNREACHABLE("start mode");
}

/* What decided how many workers there were, and who needed most. */
static void close_memory(const struct supervise_report *report)
{
    const struct supervise_hungry *most = &report->hungry[0];

    if (report->crew[0])
        (void)fprintf(stderr, "makespan: %s\n", report->crew);
    if (report->hungry_count > 0 && most->kib >= HUNGRY_KIB)
        (void)fprintf(stderr, "makespan: most memory needed %s: %llu MiB\n", most->id,
                      (unsigned long long)(most->kib / 1024));
    if (report->retired > 0)
        (void)fprintf(stderr, "makespan: memory was short: %u worker%s sent home early\n",
                      report->retired, report->retired == 1 ? " was" : "s were");
}

static const char *why_nothing(enum closing_mode mode, const struct supervise_report *report)
{
    if (mode == CLOSING_SPLIT || mode == CLOSING_FALLBACK)
        return "no tests fell to this machine";
    if (report->collected == 0)
        return "no tests were collected";
    return report->complete ? "no tests were left for this machine: others ran them all"
                            : "this machine was given no tests";
}

void closing_text(enum closing_mode mode, const struct supervise_report *report)
{
    if (report->granted == 0 && (mode != CLOSING_ALONE || report->collected == 0)) {
        (void)fprintf(stderr, "makespan: %s\n", why_nothing(mode, report));
        return;
    }
    (void)fprintf(stderr, "makespan: %u of %u tests ran here on %u worker%s%s in %.2f s",
                  report->finished, report->granted, report->workers,
                  report->workers == 1 ? "" : "s", started_how(report->start),
                  (double)report->wall_us / 1e6);
    if (report->bound_us > 0)
        (void)fprintf(stderr, " (lower bound %.2f s, ratio %.2f)", (double)report->bound_us / 1e6,
                      (double)report->wall_us / (double)report->bound_us);
    if (mode != CLOSING_SHARED && report->guessed > 0)
        (void)fprintf(stderr, "; %u of them without recorded durations", report->guessed);
    if (report->crashed > 0)
        (void)fprintf(stderr, "; %u worker%s crashed", report->crashed,
                      report->crashed == 1 ? "" : "s");
    if (report->timed_out > 0)
        (void)fprintf(stderr, "; %u test%s over %s time limit", report->timed_out,
                      report->timed_out == 1 ? " was" : "s were",
                      report->timed_out == 1 ? "its" : "their");
    if (report->out_of_time)
        (void)fputs("; the time limit of the run is over", stderr);
    (void)fprintf(stderr, "; %s\n", report->complete ? "complete" : "not complete");
    close_memory(report);
}

static const char *mode_word(enum closing_mode mode)
{
    switch (mode) {
    case CLOSING_ALONE:
        return "alone";
    case CLOSING_SPLIT:
        return "split";
    case CLOSING_SHARED:
        return "shared";
    case CLOSING_FALLBACK:
        return "fallback";
    }
    UNREACHABLE("closing mode");
}

static struct json *strays_json(const struct supervise_report *report)
{
    struct json *list = json_new_array();

    for (uint32_t i = 0; i < report->stray_count; i++) {
        const struct stray *stray = &report->strays[i];
        struct json *one = json_new_object();

        json_set_u64(one, "pid", stray->pid);
        json_set_text(one, "command", stray->command);
        json_set_text(one, "test", stray->test);
        json_set_bool(one, "sure", stray->sure);
        if (stray->worker != STRAY_NO_WORKER)
            json_set_u64(one, "worker", stray->worker);
        json_append(list, one);
    }
    return list;
}

void closing_json(enum closing_mode mode, const struct supervise_report *report)
{
    struct json *doc = json_new_object(), *hungry = json_new_array();
    char *text;

    json_set_text(doc, "mode", mode_word(mode));
    json_set_u64(doc, "exit", report->exit);
    json_set_bool(doc, "complete", report->complete);
    json_set_bool(doc, "drained", report->drained);
    json_set_u64(doc, "workers", report->workers);
    json_set_text(doc, "start", report->ran ? start_word(report->start) : NULL);
    json_set_u64(doc, "collected", report->collected);
    json_set_u64(doc, "granted", report->granted);
    json_set_u64(doc, "finished", report->finished);
    json_set_u64(doc, "crashed", report->crashed);
    json_set_u64(doc, "timed_out", report->timed_out);
    json_set_bool(doc, "out_of_time", report->out_of_time);
    json_set_u64(doc, "unrun", report->unrun);
    json_set_u64(doc, "abandoned", report->abandoned);
    json_set_u64(doc, "without_history", report->guessed);
    json_set_u64(doc, "wall_us", report->wall_us);
    json_set_u64(doc, "work_us", report->work_us);
    json_set_u64(doc, "bound_us", report->bound_us);
    json_set(doc, "left_behind", strays_json(report));
    json_set_text(doc, "crew", report->crew);
    json_set_u64(doc, "worker_bytes", report->worker_bytes);
    json_set_u64(doc, "worker_peak_bytes", report->worker_peak_bytes);
    json_set_u64(doc, "retired", report->retired);
    for (uint32_t i = 0; i < report->hungry_count; i++) {
        struct json *test = json_new_object();

        json_set_text(test, "id", report->hungry[i].id);
        json_set_u64(test, "k", report->hungry[i].k);
        json_set_u64(test, "bytes", report->hungry[i].kib * 1024);
        json_append(hungry, test);
    }
    json_set(doc, "hungriest", hungry);
    text = json_finish(doc);
    (void)fprintf(stderr, "%s\n", text);
    free(text);
}
