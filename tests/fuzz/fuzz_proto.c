/* Every decoder of messages over the same bytes; what decodes must encode and decode again. */
#include <stdlib.h>
#include <string.h>

#include "proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define X(name)                                                                                    \
    static void try_##name(const char *bytes, size_t size)                                         \
    {                                                                                              \
        struct name m;                                                                             \
        struct err err = ERR_INIT;                                                                 \
        char *text;                                                                                \
        char *again;                                                                               \
                                                                                                   \
        if (name##_decode(bytes, size, &m, &err))                                                  \
            return;                                                                                \
        text = name##_encode(&m);                                                                  \
        name##_fini(&m);                                                                           \
        INVARIANT(!name##_decode(text, strlen(text), &m, &err));                                   \
        again = name##_encode(&m);                                                                 \
        INVARIANT(strcmp(text, again) == 0);                                                       \
        name##_fini(&m);                                                                           \
        free(text);                                                                                \
        free(again);                                                                               \
    }
PROTO_MESSAGES(X)
#undef X

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;

#define X(name) try_##name(bytes, size);
    PROTO_MESSAGES(X)
#undef X
    return 0;
}
