#include "hash.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "mem.h"

struct hash {
    EVP_MD_CTX *ctx;
};

struct hash *hash_new(void)
{
    struct hash *h = mem_new(1, sizeof(*h));

    h->ctx = EVP_MD_CTX_new();
    INVARIANT(h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1);
    return h;
}

void hash_add(struct hash *h, const void *bytes, size_t len)
{
    INVARIANT(EVP_DigestUpdate(h->ctx, bytes, len) == 1);
}

void hash_add_u32(struct hash *h, uint32_t value)
{
    unsigned char bytes[4];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    hash_add(h, bytes, sizeof(bytes));
}

void hash_end(struct hash *h, char out[HASH_HEX_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char raw[HASH_BYTES];

    INVARIANT(EVP_DigestFinal_ex(h->ctx, raw, NULL) == 1);
    for (size_t i = 0; i < sizeof(raw); i++) {
        out[2 * i] = digits[raw[i] >> 4];
        out[2 * i + 1] = digits[raw[i] & 15];
    }
    out[HASH_HEX_BYTES - 1] = '\0';
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void hash_hex(const void *bytes, size_t len, char out[HASH_HEX_BYTES])
{
    struct hash *h = hash_new();

    hash_add(h, bytes, len);
    hash_end(h, out);
}

uint64_t hash_fast(const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    uint64_t h = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}
