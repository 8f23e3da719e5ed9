/* err.h - what went wrong: a code to act on, a text to read.
 *
 * A function that can fail returns enum err_code, is MUST_USE and takes struct err *err last. The
 * text names the thing and the value, lower case, no full stop, never a secret. Not for: printing
 * or retrying; a code is translated once per edge (HTTP status in coordinator/api, retry in
 * agent/backoff.c, exit status in agent/main.c). */
#pragma once

#include "base.h"

#define ERR_TEXT_BYTES 1024

/* Code and its stable name, as it stands in "code" of application/problem+json. */
#define ERR_CODES(X)                                                                               \
    X(ERR_NONE, "none")                                                                            \
    X(ERR_USAGE, "usage")                         /* the command line makes no sense */            \
    X(ERR_INVALID, "invalid")                     /* a value out of its range or form */           \
    X(ERR_MALFORMED, "malformed")                 /* not parseable at all */                       \
    X(ERR_TOO_LARGE, "too-large")                 /* over a stated limit */                        \
    X(ERR_VERSION, "version")                     /* the other side speaks another version */      \
    X(ERR_IO, "io")                               /* file, socket or process trouble */            \
    X(ERR_DISK_FULL, "disk-full")                 /* the store has no room */                      \
    X(ERR_NOT_FOUND, "not-found")                 /* no such thing, no such path */                \
    X(ERR_METHOD, "method-not-allowed")           /* the path exists, the method does not */       \
    X(ERR_CONFLICT, "conflict")                   /* the state does not allow it */                \
    X(ERR_TOKEN, "token-refused")                 /* no, unknown or expired credential */          \
    X(ERR_FORBIDDEN, "forbidden")                 /* known, but not for this */                    \
    X(ERR_RUN_UNKNOWN, "run-unknown")             /* no such run */                                \
    X(ERR_RUN_CLOSED, "run-closed")               /* the run has its verdict */                    \
    X(ERR_SESSION_GONE, "session-gone")           /* the lease on the session has expired */       \
    X(ERR_SLOT_TAKEN, "slot-taken")               /* a live agent fills this slot */               \
    X(ERR_FINGERPRINT, "fingerprint-differs")     /* another suite under the same run key */       \
    X(ERR_MISMATCH, "collection-mismatch")        /* the agents collected different tests */       \
    X(ERR_INCOMPLETE, "run-incomplete")           /* tests were lost or never ran */               \
    X(ERR_MACHINES, "machines-missing")           /* agents that should have come did not */       \
    X(ERR_UNREACHABLE, "coordinator-unreachable") /* no answer within the budget */                \
    X(ERR_TLS, "tls")                             /* certificate or pin not accepted */            \
    X(ERR_TIMEOUT, "timeout")                     /* a stated time has passed */                   \
    X(ERR_UNAVAILABLE, "unavailable")             /* try again later */                            \
    X(ERR_HANDSHAKE, "no-handshake")              /* the runner never spoke to the agent */        \
    X(ERR_RUNNER, "runner-not-started")           /* the runner's command cannot be started */     \
    X(ERR_INTERNAL, "internal")                   /* our own bug */

enum err_code {
#define X(code, name) code,
    ERR_CODES(X)
#undef X
};

struct err {
    enum err_code code;
    char text[ERR_TEXT_BYTES];
};

/* Initialiser: struct err err = ERR_INIT. */
#define ERR_INIT                                                                                   \
    {                                                                                              \
        .code = ERR_NONE, .text = ""                                                               \
    }

/* Fills err and returns code, so that a caller can end with it. A text over the limit is cut. */
enum err_code err_set(struct err *err, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "context: " before the text, keeps and returns the code. Once per layer. */
enum err_code err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ERR_IO (ERR_DISK_FULL for ENOSPC and EDQUOT) with ": strerror(errno)" behind the text. */
enum err_code err_errno(struct err *err, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The stable name of a code, and back; an unknown name is ERR_INTERNAL. */
const char *err_name(enum err_code code);
enum err_code err_code_of(const char *name);
