#include "service/auth.h"

#include <string.h>

enum err_code auth_token_new(struct store *store, const struct auth_new *want,
                             char out[TOKEN_TEXT_BYTES], struct err *err)
{
    char token[TOKEN_TEXT_BYTES];
    char hash[HASH_HEX_BYTES];
    struct store_token row = { .hash = hash,
                               .project = want->project,
                               .label = want->label,
                               .role = (uint32_t)want->role,
                               .created_ms = want->now_ms,
                               .expires_ms = want->expires_ms };
    enum err_code rc;

    if (strlen(want->project) > PROTO_NAME_BYTES_MAX)
        return err_set(err, ERR_INVALID, "project name of %zu bytes", strlen(want->project));
    token_new("msp_", token);
    hash_hex(token, strlen(token), hash);
    rc = store_token_put(store, &row, err);
    if (!rc)
        memcpy(out, token, sizeof(token));
    return rc;
}

struct found {
    struct auth_grant grant;
    uint64_t expires_ms;
};

static enum err_code take_token(void *ctx, const struct store_token *token, struct err *err)
{
    struct found *found = ctx;

    if (strlen(token->project) >= sizeof(found->grant.project) || token->role < ROLE_READ ||
        token->role > ROLE_ADMIN)
        return err_set(err, ERR_IO, "stored token of project '%s', role %u", token->project,
                       token->role);
    memcpy(found->grant.project, token->project, strlen(token->project) + 1);
    found->grant.role = (enum role)token->role;
    found->expires_ms = token->expires_ms;
    return ERR_NONE;
}

enum err_code auth_check(struct store *store, const char *bearer, uint64_t now_ms,
                         struct auth_grant *out, struct err *err)
{
    struct found found = { .expires_ms = 0 };
    char hash[HASH_HEX_BYTES];
    enum err_code rc;

    if (!bearer)
        return err_set(err, ERR_TOKEN, "no credential: give a token in Authorization: Bearer");
    if (strlen(bearer) > AUTH_BEARER_BYTES_MAX)
        return err_set(err, ERR_TOKEN, "credential of %zu bytes", strlen(bearer));
    hash_hex(bearer, strlen(bearer), hash);
    rc = store_token_find(store, hash, take_token, &found, err);
    if (rc == ERR_NOT_FOUND)
        return err_set(err, ERR_TOKEN,
                       "this token is not known here: another coordinator's, or revoked");
    if (rc)
        return rc;
    if (found.expires_ms && now_ms >= found.expires_ms)
        return err_set(err, ERR_TOKEN, "the token has expired");
    *out = found.grant;
    return ERR_NONE;
}

enum err_code auth_allows(const struct auth_grant *grant, const char *project, enum role least,
                          struct err *err)
{
    if (grant->project[0] && strcmp(grant->project, project) != 0)
        return err_set(err, ERR_FORBIDDEN, "the token is for project '%s', not for '%s'",
                       grant->project, project);
    if (grant->role < least)
        return err_set(err, ERR_FORBIDDEN, "the token may only read");
    return ERR_NONE;
}

void auth_session_token(const char *session, const char *nonce, char out[TOKEN_TEXT_BYTES])
{
    struct hash *h = hash_new();
    char hex[HASH_HEX_BYTES];

    hash_add(h, "makespan session token", 23); /* with its NUL: a domain of its own */
    hash_add(h, session, strlen(session) + 1);
    hash_add(h, nonce, strlen(nonce));
    hash_end(h, hex);
    /* 56 of 64 digits, 224 bits, are what fits beside the prefix. */
    memcpy(out, "mss_", 4);
    memcpy(out + 4, hex, 56);
    out[60] = '\0';
}
