/* auth.h - who may do what: tokens with a project, a role and an end; only their hashes are kept.
 *
 * A project token ("msp_...") is found in the store by its SHA-256. A session's token ("mss_...")
 * follows from the nonce of its join, which only the agent has, so that a repeated join gives the
 * same token again; the run keeps its hash. Not for: HTTP headers. */
#pragma once

#include "hash.h"
#include "id.h"
#include "proto.h"
#include "store/store.h"

enum role { ROLE_READ = 1, ROLE_AGENT = 2, ROLE_ADMIN = 3 }; /* numbers as stored */

#define AUTH_BEARER_BYTES_MAX 200u

struct auth_grant {
    char project[PROTO_NAME_BYTES_MAX + 1]; /* "" for every project */
    enum role role;
};

struct auth_new {
    const char *project; /* "" for every project */
    const char *label;
    enum role role;
    uint64_t now_ms;     /* Unix time */
    uint64_t expires_ms; /* 0: never */
};

/* Makes and stores a token; the text is shown once and never kept. */
MUST_USE enum err_code auth_token_new(struct store *store, const struct auth_new *want,
                                      char out[TOKEN_TEXT_BYTES], struct err *err);

/* What a bearer may do. ERR_TOKEN: none, unknown or expired. */
MUST_USE enum err_code auth_check(struct store *store, const char *bearer, uint64_t now_ms,
                                  struct auth_grant *out, struct err *err);

/* ERR_FORBIDDEN when the grant is for another project or a smaller role. */
MUST_USE enum err_code auth_allows(const struct auth_grant *grant, const char *project,
                                   enum role least, struct err *err);

/* The token of a session and the hash that is kept of it. */
void auth_session_token(const char *session, const char *nonce, char out[TOKEN_TEXT_BYTES]);
