/* Unpacking never passes its cap; what unpacks packs and unpacks to the same. */
#include <string.h>

#include "gz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PLAIN_BYTES_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str plain = STR_MAX(PLAIN_BYTES_MAX);
    struct str packed = STR_MAX(2 * PLAIN_BYTES_MAX);
    struct str again = STR_MAX(PLAIN_BYTES_MAX);
    struct err err = ERR_INIT;

    if (!gz_unpack(data, size, &plain, &err)) {
        INVARIANT(!gz_pack(str_text(&plain), plain.len, &packed, &err));
        INVARIANT(!gz_unpack(packed.at, packed.len, &again, &err));
        INVARIANT(again.len == plain.len);
        INVARIANT(memcmp(str_text(&again), str_text(&plain), plain.len) == 0);
    }
    str_fini(&plain);
    str_fini(&packed);
    str_fini(&again);
    return 0;
}
