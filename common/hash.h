/* hash.h - SHA-256 through OpenSSL; names manifests, tokens and files. */
#pragma once

#include "base.h"

#define HASH_BYTES     32
#define HASH_HEX_BYTES 65 /* 64 digits and a NUL */

struct hash;

struct hash *hash_new(void);
void hash_add(struct hash *h, const void *bytes, size_t len);
void hash_add_u32(struct hash *h, uint32_t value);       /* little endian */
void hash_end(struct hash *h, char out[HASH_HEX_BYTES]); /* frees h */

/* Both at once. */
void hash_hex(const void *bytes, size_t len, char out[HASH_HEX_BYTES]);

/* 64-bit hash for tables: FNV-1a with a final mix; not for secrets. */
uint64_t hash_fast(const void *bytes, size_t len);
