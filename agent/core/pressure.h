/* pressure.h - what to do when memory runs short, and when there is enough again. Pure.
 *
 * First one worker gets no new tests, so that nothing more grows there; if that does not help, a
 * worker is retired after its test, which gives back all that it holds; and so on, down to one.
 * When there is room again, the same way back, slower. One step at a time, each with time to show
 * what it does. Not for: how many workers to start with (crew). */
#pragma once

#include <stdbool.h>

#include "base.h"

/* Gone so soon, as fast as memory went since the last look, it counts as short; or as critical, and
 * then all workers but one are held at once. On a busy machine a look comes late, and the next may,
 * too: what is gone by the next look, as late as this one, is critical, by the one after it short.
 */
#define PRESSURE_SOON_MS      1000u
#define PRESSURE_VERY_SOON_MS 400u

/* How often to look: seldom, more often when little is left, and at least four times before what is
 * left is gone. */
#define PRESSURE_LOOK_MS      500u
#define PRESSURE_LOOK_NEAR_MS 100u
#define PRESSURE_LOOK_MIN_MS  25u

/* How long a step is given before the next one. */
#define PRESSURE_HOLD_MS   1000u /* without new tests, before a worker is retired */
#define PRESSURE_RETIRE_MS 1000u /* between two that are retired: the memory has to come back */
#define PRESSURE_CALM_MS   2000u /* of plenty, before new tests go to a held worker again */
#define PRESSURE_ADD_MS    5000u /* of plenty, before a worker more */
#define PRESSURE_STUCK_MS  5000u /* neither short nor plenty: a held worker is retired */

enum pressure_advice {
    PRESSURE_NOTHING,
    PRESSURE_HOLD,   /* give one worker more no new tests */
    PRESSURE_RETIRE, /* send a held worker home, and hire none for it */
    PRESSURE_RESUME, /* let a held worker go on */
    PRESSURE_ADD,    /* one worker more than now */
};

struct pressure_now {
    uint64_t now_ms;
    uint64_t total_bytes, free_bytes; /* total 0: unknown, then nothing is ever advised */
    bool stalled;                     /* processes waited for memory */
    uint32_t working, held, leaving;  /* workers: that get tests, that get none, on their way out */
    uint32_t wanted;                  /* as many as there would be without all this */
    uint64_t worker_bytes;            /* what one more would need */
};

struct pressure { /* begins as zeroes */
    uint64_t acted_ms, plenty_ms;
    uint64_t looked_ms, free_bytes; /* the last time */
    uint64_t gone_ms;               /* as it looked then, until nothing is left */
    uint64_t took_ms;               /* to that look from the one before */
    bool looked, plenty;
};

enum pressure_advice pressure_step(struct pressure *p, const struct pressure_now *now);

/* When to ask for the next step, after one. */
uint64_t pressure_next_look_ms(const struct pressure *p, const struct pressure_now *now);

/* Below this much free memory it is short. */
uint64_t pressure_low_bytes(uint64_t total_bytes);
