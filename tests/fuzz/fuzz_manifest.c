/* A manifest that decodes must encode to a text that decodes to the same. (The text itself may
 * differ: an encoder shares as many bytes as it can, a decoder takes any number.) */
#include <string.h>

#include "manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest *m = NULL;
    struct manifest *again = NULL;
    struct str text = STR_MAX(MANIFEST_TEXT_BYTES_MAX);
    struct err err = ERR_INIT;

    if (manifest_decode((const char *)data, size, &m, &err))
        return 0;
    INVARIANT(!manifest_encode(m, &text, &err));
    INVARIANT(!manifest_decode(text.at, text.len, &again, &err));
    INVARIANT(strcmp(m->digest, again->digest) == 0);
    for (uint32_t i = 0; i < m->count; i++) {
        INVARIANT(manifest_find(m, m->tests[i].id, m->tests[i].k) == i);
        INVARIANT(manifest_id_scope(m->tests[i].id).len <= strlen(m->tests[i].id));
        INVARIANT(manifest_id_file(m->tests[i].id).len <= manifest_id_family(m->tests[i].id).len);
    }
    manifest_free(again);
    manifest_free(m);
    str_fini(&text);
    return 0;
}
