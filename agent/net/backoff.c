#include "backoff.h"

bool backoff_retryable(enum err_code code)
{
    switch (code) {
    case ERR_UNREACHABLE:
    case ERR_TIMEOUT:
    case ERR_UNAVAILABLE:
    case ERR_IO:
        return true;
    case ERR_NONE:
    case ERR_USAGE:
    case ERR_INVALID:
    case ERR_MALFORMED:
    case ERR_TOO_LARGE:
    case ERR_VERSION:
    case ERR_DISK_FULL:
    case ERR_NOT_FOUND:
    case ERR_METHOD:
    case ERR_CONFLICT:
    case ERR_TOKEN:
    case ERR_FORBIDDEN:
    case ERR_RUN_UNKNOWN:
    case ERR_RUN_CLOSED:
    case ERR_SESSION_GONE:
    case ERR_SLOT_TAKEN:
    case ERR_FINGERPRINT:
    case ERR_MISMATCH:
    case ERR_INCOMPLETE:
    case ERR_MACHINES:
    case ERR_TLS:
    case ERR_HANDSHAKE:
    case ERR_RUNNER:
    case ERR_INTERNAL:
        return false;
    }
    UNREACHABLE("error code");
}

uint32_t backoff_ms(uint32_t tries, uint64_t chance, uint32_t asked_ms)
{
    uint32_t full = BACKOFF_FIRST_MS;
    uint32_t wait;

    for (uint32_t i = 1; i < tries && full < BACKOFF_MAX_MS; i++)
        full *= 2;
    if (full > BACKOFF_MAX_MS)
        full = BACKOFF_MAX_MS;
    wait = full / 2 + (uint32_t)(chance % (full / 2 + 1));
    if (asked_ms > BACKOFF_ASKED_MAX_MS)
        asked_ms = BACKOFF_ASKED_MAX_MS;
    return wait > asked_ms ? wait : asked_ms;
}

bool backoff_within(uint64_t since_ms, uint64_t now_ms, uint64_t wait_ms, uint64_t patience_ms)
{
    uint64_t spent = now_ms - since_ms;

    return spent <= patience_ms && wait_ms <= patience_ms - spent;
}
