/* ask.h - one question after another to the coordinator, for commands that wait for the answer.
 *
 * Owns an event loop and a client. Not for: run, which does much at once (remote.h). */
#pragma once

#include "client.h"

struct ask;

/* The target is lent until ask_close; it must have a url. */
MUST_USE enum err_code ask_open(const struct target *target, struct ask **out, struct err *err);
void ask_close(struct ask *a);

/* Sends and waits. The answer's body is appended to out. What stands in the way for less than the
 * patience is waited for. */
MUST_USE enum err_code ask_get(struct ask *a, const char *path, uint32_t timeout_ms,
                               struct str *out, struct err *err);
MUST_USE enum err_code ask_send(struct ask *a, const char *method, const char *path,
                                char *take_json, struct str *out, struct err *err);

/* One try, told in full: for diagnosis. */
struct ask_probe {
    uint32_t status; /* 0: no answer */
    uint64_t dns_us, connect_us, tls_us, total_us;
    char address[64], date[64];
    struct str body; /* str_fini it */
};
enum ask_credential { ASK_ANONYMOUS, ASK_TOKEN };
MUST_USE enum err_code ask_probe(struct ask *a, const char *path, enum ask_credential credential,
                                 struct ask_probe *out, struct err *err);

/* The run that the target means: by its run key; else the one of this CI's workflow run; else the
 * newest of the project and suite. *out_run is the caller's. ERR_RUN_UNKNOWN when there is none,
 * ERR_USAGE when there are several. */
MUST_USE enum err_code ask_find_run(struct ask *a, char **out_run, struct err *err);
