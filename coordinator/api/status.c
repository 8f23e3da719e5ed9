#include "status.h"

unsigned api_status(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return 200;
    case ERR_USAGE:
    case ERR_INVALID:
    case ERR_MALFORMED:
    case ERR_VERSION:
        return 400;
    case ERR_TOKEN:
        return 401;
    case ERR_FORBIDDEN:
        return 403;
    case ERR_NOT_FOUND:
    case ERR_RUN_UNKNOWN:
        return 404;
    case ERR_METHOD:
        return 405;
    case ERR_CONFLICT:
    case ERR_RUN_CLOSED:
    case ERR_SLOT_TAKEN:
    case ERR_FINGERPRINT:
    case ERR_MISMATCH:
    case ERR_INCOMPLETE:
    case ERR_MACHINES:
        return 409;
    case ERR_SESSION_GONE:
        return 410;
    case ERR_TOO_LARGE:
        return 413;
    case ERR_IO:
    case ERR_DISK_FULL:
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
        return 503;
    case ERR_UNREACHABLE:
    case ERR_TLS:
    case ERR_HANDSHAKE:
    case ERR_RUNNER:
    case ERR_INTERNAL:
        return 500;
    }
    UNREACHABLE("err code");
}
