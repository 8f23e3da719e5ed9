#include "pressure.h"

#define MIB              ((uint64_t)1 << 20)
#define LOW_PART         16u /* of all memory */
#define LOW_BYTES_MIN    (48 * MIB)
#define LOW_BYTES_MAX    (1024 * MIB)
#define CRITICAL_PART    3u /* of what is low */
#define PLENTY_TIMES     2u /* what is low */
#define NEAR_TIMES       3u /* what is low: little left */
#define LOOKS_BEFORE     4u /* what is left is gone */
#define STALL_COUNTS_FOR 4u /* a stall with over a quarter free is somebody else's */

uint64_t pressure_low_bytes(uint64_t total_bytes)
{
    uint64_t low = total_bytes / LOW_PART;

    if (low < LOW_BYTES_MIN)
        low = LOW_BYTES_MIN;
    if (low > LOW_BYTES_MAX)
        low = LOW_BYTES_MAX;
    return low < total_bytes / 2 ? low : total_bytes / 2;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool passed(uint64_t now_ms, uint64_t since_ms, uint64_t ms)
{
    return now_ms - since_ms >= ms;
}

static enum pressure_advice act(struct pressure *p, uint64_t now_ms, enum pressure_advice advice)
{
    p->acted_ms = now_ms;
    return advice;
}

static enum pressure_advice when_short(struct pressure *p, const struct pressure_now *now,
                                       bool critical)
{
    bool waited = passed(now->now_ms, p->acted_ms, PRESSURE_HOLD_MS);
    bool clear = now->leaving == 0 || passed(now->now_ms, p->acted_ms, PRESSURE_RETIRE_MS);

    if (critical && now->working > 1)
        return act(p, now->now_ms, PRESSURE_HOLD);
    if (now->held > 0 && (critical || waited) && clear)
        return act(p, now->now_ms, PRESSURE_RETIRE);
    if (now->held == 0 && now->working > 1 && clear)
        return act(p, now->now_ms, PRESSURE_HOLD);
    return PRESSURE_NOTHING;
}

/* When nothing will be left, going on as since the look before. Several steps may follow one look.
 */
static void look_ahead(struct pressure *p, const struct pressure_now *now)
{
    uint64_t lost = p->free_bytes > now->free_bytes ? p->free_bytes - now->free_bytes : 0;
    uint64_t ms = now->now_ms - p->looked_ms;

    if (p->looked && ms == 0)
        return;
    p->gone_ms = p->looked && lost > 0
                     ? now->free_bytes / lost * ms + now->free_bytes % lost * ms / lost
                     : UINT64_MAX;
    p->took_ms = p->looked ? ms : 0;
    p->looked = true;
    p->looked_ms = now->now_ms;
    p->free_bytes = now->free_bytes;
}

static enum pressure_advice when_plenty(struct pressure *p, const struct pressure_now *now,
                                        uint64_t low_bytes)
{
    uint64_t since_ms = p->plenty_ms > p->acted_ms ? p->plenty_ms : p->acted_ms;

    if (now->held > 0)
        return passed(now->now_ms, since_ms, PRESSURE_CALM_MS)
                   ? act(p, now->now_ms, PRESSURE_RESUME)
                   : PRESSURE_NOTHING;
    if (now->working + now->leaving < now->wanted &&
        now->free_bytes > PLENTY_TIMES * low_bytes + now->worker_bytes &&
        passed(now->now_ms, since_ms, PRESSURE_ADD_MS))
        return act(p, now->now_ms, PRESSURE_ADD);
    return PRESSURE_NOTHING;
}

static bool is_short(const struct pressure *p, const struct pressure_now *now, uint64_t low_bytes)
{
    uint64_t soon_ms = most(PRESSURE_SOON_MS, 2 * p->took_ms);

    return now->free_bytes < low_bytes || p->gone_ms < soon_ms ||
           (now->stalled && now->free_bytes < now->total_bytes / STALL_COUNTS_FOR);
}

static bool is_critical(const struct pressure *p, const struct pressure_now *now,
                        uint64_t low_bytes)
{
    return now->free_bytes < low_bytes / CRITICAL_PART ||
           p->gone_ms < most(PRESSURE_VERY_SOON_MS, p->took_ms);
}

enum pressure_advice pressure_step(struct pressure *p, const struct pressure_now *now)
{
    uint64_t low = pressure_low_bytes(now->total_bytes);
    bool plenty = now->free_bytes > PLENTY_TIMES * low && !now->stalled;

    if (now->total_bytes == 0)
        return PRESSURE_NOTHING;
    look_ahead(p, now);
    if (now->working == 0 && now->held > 0) /* whoever worked has gone: somebody must */
        return act(p, now->now_ms, PRESSURE_RESUME);
    if (plenty && !p->plenty)
        p->plenty_ms = now->now_ms;
    p->plenty = plenty;
    if (is_short(p, now, low))
        return when_short(p, now, is_critical(p, now, low));
    if (plenty)
        return when_plenty(p, now, low);
    if (now->held > 0 && now->working > 0 && passed(now->now_ms, p->acted_ms, PRESSURE_STUCK_MS))
        return act(p, now->now_ms, PRESSURE_RETIRE);
    return PRESSURE_NOTHING;
}

uint64_t pressure_next_look_ms(const struct pressure *p, const struct pressure_now *now)
{
    bool near = now->free_bytes < NEAR_TIMES * pressure_low_bytes(now->total_bytes);
    uint64_t ms = near ? PRESSURE_LOOK_NEAR_MS : PRESSURE_LOOK_MS;

    if (p->looked && p->gone_ms / LOOKS_BEFORE < ms)
        ms = p->gone_ms / LOOKS_BEFORE;
    return ms > PRESSURE_LOOK_MIN_MS ? ms : PRESSURE_LOOK_MIN_MS;
}
