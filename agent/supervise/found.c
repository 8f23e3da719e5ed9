/* supervise/found.c - tests that turn up when a file is imported late: by a worker of this machine,
 * or elsewhere, and now they come here. They go behind all others; the source says who runs them.
 */
#include <stdlib.h>

#include "inner.h"
#include "json.h"
#include "mem.h"

/* What was predicted and asked for of the tests that are known already stays. */
static void widen_suite(struct supervisor *s)
{
    struct suite *before = s->suite, *suite = suite_new(s->manifest);

    for (uint32_t i = 0; i < suite->test_count; i++) {
        if (i < before->test_count)
            suite->tests[i] = before->tests[i];
        else
            suite->tests[i].flags |= POOL_GUESS;
    }
    for (uint32_t i = 0; i < before->scope_count; i++)
        suite->scopes[i] = before->scopes[i];
    s->suite = suite;
    dispatch_grow(s->dispatch, suite);
    paid_grow(s->paid, suite);
    suite_free(before);
}

static void widen(struct supervisor *s, uint32_t before)
{
    uint32_t count = s->manifest->count;

    s->fences = mem_extend(s->fences, before, count, sizeof(*s->fences));
    s->granted = mem_extend(s->granted, before, count, sizeof(*s->granted));
    s->took_us = mem_extend(s->took_us, before, count, sizeof(*s->took_us));
    s->runs = mem_extend(s->runs, before, count, sizeof(*s->runs));
    memory_grow(s, before);
    widen_suite(s);
    s->report.collected = count;
    tell_total(s, count, NULL);
}

/* If it is not known already. */
static void add(struct supervisor *s, const struct manifest_test *test)
{
    struct err err = ERR_INIT;

    if (manifest_find(s->manifest, test->id, test->k) == UINT32_MAX &&
        manifest_extend(s->manifest, test, &err))
        report_error(s, "collection", err.text); /* red: it must not be lost silently */
}

/* No silent change of what the run is about. */
static void tell_people(struct supervisor *s, uint32_t before)
{
    uint32_t more = s->manifest->count - before - 1;
    struct str text = STR_MAX(PROTO_TEXT_BYTES_MAX);
    struct err ignored = ERR_INIT;

    (void)!manifest_show(s->manifest->tests[before].id, s->manifest->tests[before].k, &text,
                         &ignored);
    if (more)
        (void)!str_addf(&text, &ignored, " and %u more", more);
    (void)!str_addz(&text, " were found that were not collected, and join the run", &ignored);
    supervise_say(s, str_text(&text));
    str_fini(&text);
}

/* Those behind so many are new. */
static void found_here(struct supervisor *s, uint32_t before)
{
    if (s->manifest->count == before)
        return;
    widen(s, before);
    tell_people(s, before);
    s->source->ops->found(s->source, s->manifest->tests + before, s->manifest->count - before);
}

void found_frame(struct supervisor *s, const struct frame *frame, struct err *err)
{
    struct str flags = STR_MAX(FRAME_BYTES_MAX);
    uint32_t before, offset = 0;
    struct manifest_test test;

    if (!s->dispatch || !s->source->ops->found) {
        err_set(err, ERR_MALFORMED, "FOUND");
        return;
    }
    before = s->manifest->count;
    for (uint32_t i = 0; i < frame->a; i++) {
        if (frame_found_next(frame, &offset, &test, err) ||
            flags_with_dist(s, view_of(test.flags), &flags, err))
            break;
        test.flags = str_text(&flags);
        add(s, &test);
    }
    str_fini(&flags);
    found_here(s, before);
}

void found_own(struct supervisor *s, const struct manifest *own)
{
    uint32_t before = s->manifest->count;

    if (!s->opts.local->sharded.known || !s->dispatch || !s->source->ops->found)
        return;
    for (uint32_t i = 0; i < own->count; i++)
        add(s, &own->tests[i]);
    found_here(s, before);
}

void found_elsewhere(struct supervisor *s, const struct found_test *tests, uint32_t count)
{
    uint32_t before = s->manifest->count;

    for (uint32_t i = 0; i < count; i++) {
        struct manifest_test test = found_test_lent(&tests[i]);

        add(s, &test);
    }
    if (s->manifest->count > before)
        widen(s, before);
}
