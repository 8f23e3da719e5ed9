/* x509.h - keys and certificates as OpenSSL has them: made, signed, read from files and written. */
#pragma once

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define X509_FILE_BYTES_MAX (1u << 20)
#define X509_PIN_BYTES      64 /* "sha256//", 44 characters of base64 and a NUL */

/* What a new certificate is to say; extensions as openssl.cnf has them, NULL to leave one out. */
struct x509_wanted {
    const char *common_name;
    uint32_t days;
    const char *constraints, *usage, *extended, *names;
};

/* Reads a key, or makes one (P-256) that its owner only can read: then *out_made becomes true. */
MUST_USE enum err_code x509_key_ready(const char *path, EVP_PKEY **out, bool *out_made,
                                      struct err *err);

/* Signs a certificate for key by issuer (NULL: by itself), good from an hour before now_ms. */
X509 *x509_make(const struct x509_wanted *want, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                uint64_t now_ms);

/* The first certificate of a PEM file; ERR_TLS where there is none. */
MUST_USE enum err_code x509_read(const char *path, X509 **out, struct err *err);

/* A certificate and, unless NULL, that of who signed it. */
MUST_USE enum err_code x509_write(const char *path, X509 *cert, X509 *issuer, struct err *err);

uint64_t x509_expiry_ms(const X509 *cert); /* Unix time */

/* Of its public key, as curl's --pinnedpubkey takes it. */
void x509_pin(X509 *cert, char out[X509_PIN_BYTES]);
