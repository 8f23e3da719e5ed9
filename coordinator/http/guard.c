#include "guard.h"

static void enter(struct guard *guard, enum guard_phase phase, uint64_t now_ms)
{
    *guard = (struct guard){ .phase = phase, .since_ms = now_ms, .moved_ms = now_ms };
}

struct guard guard_accepted(uint64_t now_ms)
{
    return (struct guard){ .phase = GUARD_RECEIVING, .since_ms = now_ms, .moved_ms = now_ms };
}

void guard_step(struct guard *guard, enum guard_event event, uint64_t bytes, uint64_t now_ms)
{
    switch (event) {
    case GUARD_EV_BYTES:
        if (guard->phase == GUARD_IDLE)
            enter(guard, GUARD_RECEIVING, now_ms);
        if (guard->phase == GUARD_HELD) /* of a next request that waits its turn */
            return;
        guard->bytes += bytes;
        guard->moved_ms = now_ms;
        return;
    case GUARD_EV_DISPATCHED:
        enter(guard, GUARD_HELD, now_ms);
        return;
    case GUARD_EV_ANSWERED:
        enter(guard, GUARD_SENDING, now_ms);
        return;
    case GUARD_EV_SENT:
        enter(guard, GUARD_IDLE, now_ms);
        return;
    }
    UNREACHABLE("guard event");
}

bool guard_overdue(const struct guard *guard, const struct guard_limits *limits, bool crowded,
                   uint64_t now_ms)
{
    uint64_t age_ms = now_ms - guard->since_ms;
    uint64_t may_ms = limits->grace_ms + guard->bytes * 1000u / limits->slowest_bytes_per_s;

    switch (guard->phase) {
    case GUARD_RECEIVING:
        return age_ms > may_ms;
    case GUARD_SENDING:
        return age_ms > may_ms || now_ms - guard->moved_ms > limits->stall_ms;
    case GUARD_IDLE:
        return age_ms > (crowded ? limits->idle_crowded_ms : limits->idle_ms);
    case GUARD_HELD:
        return false;
    }
    UNREACHABLE("guard phase");
}
