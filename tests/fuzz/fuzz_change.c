/* A store with any bytes in it: changes, each with its length in two bytes before it, are decoded,
 * checked and applied to one run. What passes must encode to the same again, and break nothing. */
#include <stdlib.h>
#include <string.h>

#include "core/change.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct manifest *two_tests(void)
{
    struct manifest *m = manifest_new();
    struct err err = ERR_INIT;

    INVARIANT(!manifest_add(m, view_of("a.py::x"), view_of(""), view_of(""), &err));
    INVARIANT(!manifest_add(m, view_of("a.py::y"), view_of(""), view_of(""), &err));
    manifest_seal(m);
    return m;
}

static void encode_again(const struct change *change)
{
    struct str once = STR_MAX(CHANGE_BYTES_MAX);
    struct str twice = STR_MAX(CHANGE_BYTES_MAX);
    struct change back = { .kind = CHANGE_NONE };
    struct err err = ERR_INIT;

    INVARIANT(!change_encode(change, &once, &err));
    INVARIANT(!change_decode(once.at, once.len, &back, &err));
    INVARIANT(!change_encode(&back, &twice, &err));
    INVARIANT(once.len == twice.len && memcmp(once.at, twice.at, once.len) == 0);
    change_fini(&back);
    str_fini(&once);
    str_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *run = run_new();
    struct err err = ERR_INIT;

    while (size >= 2) {
        size_t len = (size_t)data[0] | (size_t)data[1] << 8;
        struct change change = { .kind = CHANGE_NONE };

        data += 2;
        size -= 2;
        if (len > size)
            len = size;
        if (!change_decode(data, len, &change, &err)) {
            encode_again(&change);
            if (change.kind == CHANGE_SEAL)
                change.as.seal.manifest = two_tests();
            if (!change_check(run, &change, &err))
                run_apply(run, &change);
            change_fini(&change);
        }
        data += len;
        size -= len;
    }
    if (run->change_count > 0) {
        char digest[HASH_HEX_BYTES];

        run_digest(run, digest);
    }
    run_free(run);
    return 0;
}
