/* tls.h - the server's side of TLS: one context, replaced as a whole on reload; sessions from it.
 *
 * TLS 1.2 or later, no renegotiation, one ticket, buffers given back while idle. The only file,
 * with certs.c, that speaks to OpenSSL's TLS. */
#pragma once

#include "err.h"

struct tls;
struct ssl_st; /* OpenSSL's SSL, as libevent declares it too */

typedef void (*tls_gone_fn)(void *user);

/* Reads chain and key (PEM). gone is called once for each session when it is freed. */
MUST_USE enum err_code tls_new(const char *chain_path, const char *key_path, tls_gone_fn gone,
                               struct tls **out, struct err *err);
void tls_free(struct tls *tls); /* after its sessions */

/* Reads the files again: new connections get the new certificate, old ones keep theirs. On failure
 * everything stays as it was. */
MUST_USE enum err_code tls_reload(struct tls *tls, struct err *err);

/* A session that waits for a client's hello; user comes back from tls_session_user() and gone. */
struct ssl_st *tls_session_new(struct tls *tls, void *user);
void *tls_session_user(const struct tls *tls, const struct ssl_st *session);

/* Tells the peer that nothing more comes (close_notify); once everything is written. */
void tls_session_end(struct ssl_st *session);
