/* supervise/memory_told.c - what was measured of memory is told: in results, in the closing words,
 * to the next run of this folder. */
#include <string.h>

#include "inner.h"

uint32_t memory_told_mib(const struct supervisor *s, uint64_t kib, enum outcome outcome)
{
    uint64_t mib = (kib + 1023) / 1024;

    if (kib == 0) /* hardly any; but what waits beside others in its worker is not measured */
        return s->threads <= 1 && outcome_is_good(outcome) ? 1 : 0;
    return mib < PROTO_MEM_MIB_MAX ? (uint32_t)mib : PROTO_MEM_MIB_MAX;
}

static void note_hungry(struct supervise_report *report, const struct manifest_test *test,
                        uint64_t kib)
{
    uint32_t at = report->hungry_count;

    while (at > 0 && report->hungry[at - 1].kib < kib)
        at--;
    if (at == SUPERVISE_HUNGRY)
        return;
    if (report->hungry_count < SUPERVISE_HUNGRY)
        report->hungry_count++;
    memmove(report->hungry + at + 1, report->hungry + at,
            (report->hungry_count - at - 1) * sizeof(*report->hungry));
    report->hungry[at] = (struct supervise_hungry){ .id = test->id, .k = test->k, .kib = kib };
}

/* What the next run of this folder will know. */
static void remember(struct supervisor *s)
{
    const char *path = s->opts.local->footprint_path;
    struct footprint now = { 0 }; /* another run may have written since this one began */
    struct err ignored = ERR_INIT;

    if (!path)
        return;
    (void)!footprint_load(path, &now, &ignored); /* what cannot be read is written anew */
    footprint_learn(&now, memory_worker_bytes(s), s->manifest, s->memory.test_kib);
    if (s->opts.local->threads <= 1) /* else tests wait while others of their worker do not */
        footprint_learn_busy(&now, s->busy_us, s->tests_us);
    if (s->start_seen)
        footprint_learn_start(&now, s->early_why, start_stamp(s));
    else if (s->start == START_EARLY)
        footprint_learn_unseen_start(&now);
    (void)!footprint_save(path, &now, &ignored);
    footprint_fini(&now);
}

static void explain_spared(struct supervisor *s)
{
    struct str text = STR_MAX(SUPERVISE_CREW_BYTES - 1);
    struct err ignored = ERR_INIT;

    (void)!str_addf(&text, &ignored,
                    "%u of %u workers: tests keep %u CPU%s busy (--all-workers starts all)",
                    s->wanted, s->workers, s->crew.cpus, s->crew.cpus == 1 ? "" : "s");
    memcpy(s->report.crew, str_text(&text), text.len + 1);
    str_fini(&text);
}

/* Why there were so many workers, by what is known now. */
static void explain(struct supervisor *s)
{
    struct str text = STR_MAX(SUPERVISE_CREW_BYTES - 1);
    struct crew_input in = s->crew_in;
    struct crew crew;

    if (memory_worker_bytes(s) > 0 &&
        s->crew.bound != CREW_BY_MEMORY) { /* else what it was taken to need */
        in.worker_bytes = memory_worker_bytes(s);
        in.source = CREW_MEASURED;
    }
    crew_plan(&in, &crew);
    crew.workers = s->workers;
    crew_text(&in, &crew, &text);
    memcpy(s->report.crew, str_text(&text), text.len + 1);
    str_fini(&text);
}

void memory_report(struct supervisor *s)
{
    if (!s->memory.test_kib)
        return;
    for (uint32_t i = 0; i < s->manifest->count; i++) {
        if (s->memory.test_kib[i] != UINT64_MAX && s->memory.test_kib[i] > 0)
            note_hungry(&s->report, &s->manifest->tests[i], s->memory.test_kib[i]);
    }
    s->report.worker_bytes = memory_worker_bytes(s);
    s->report.worker_peak_bytes = s->memory.peak_bytes;
    if (!s->crew_fixed) /* nobody asks why there are as many as were asked for */
        explain(s);
    else if (s->wanted < s->workers)
        explain_spared(s);
    remember(s);
}
