/* certs.h - the certificates makespand makes for itself: a CA of its own and a server certificate.
 *
 * Files in the data folder: ca.pem, ca.key, server.pem (certificate and CA), server.key; keys are
 * readable by their owner only. The server's key survives renewals, so that a pin stays good. An
 * operator may put a server.pem and server.key of their own there: without a ca.key beside them
 * they are used as they are and never renewed. */
#pragma once

#include <stdbool.h>

#include "clock.h"
#include "str.h"

#define CERTS_NAMES_MAX      64u
#define CERTS_NAME_BYTES_MAX 253u
#define CERTS_RENEW_DAYS     30u  /* renewed when fewer days are left */
#define CERTS_SERVER_DAYS    397u /* the longest that clients commonly accept */
#define CERTS_CA_DAYS        3650u
#define CERTS_PIN_BYTES      64 /* "sha256//", 44 characters of base64 and a NUL */

struct certs {
    char *ca_path, *chain_path, *key_path;
    char pin[CERTS_PIN_BYTES]; /* of the server's public key, as curl's --pinnedpubkey takes it */
    uint64_t expires_ms;       /* Unix time */
    bool made;                 /* something was created or renewed by this call */
    bool ours;                 /* false: the operator's own files */
};

struct certs_opts {
    const char *folder;
    const char *const *names; /* host names and addresses besides localhost's and the machine's */
    size_t name_count;
    uint64_t now_ms; /* Unix time */
};

/* Makes or renews what is missing, runs out, or lacks a name; fills out. */
MUST_USE enum err_code certs_ready(const struct certs_opts *opts, struct certs *out,
                                   struct err *err);
void certs_fini(struct certs *certs);

/* ERR_INVALID unless text is an IP address or a host name (a first label "*" is fine). */
MUST_USE enum err_code certs_check_name(const char *text, struct err *err);
