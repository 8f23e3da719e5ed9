/* Bytes from a runner process, frame after frame: whatever they are, every decoder keeps within
 * them and frees what it made. */
#include <stdlib.h>
#include <string.h>

#include "runner/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_payload(const struct frame *frame)
{
    struct hello hello;
    struct frame_test test;
    struct manifest_test found;
    struct frame_collected collected;
    struct frame_done done;
    struct frame_scope scope;
    struct err err = ERR_INIT;
    uint32_t offset = 0;

    switch ((int)frame->kind) {
    case FRAME_HELLO:
        if (hello_decode(frame, &hello, &err) == ERR_NONE)
            hello_fini(&hello);
        break;
    case FRAME_MANIFEST:
        while (frame_test_next(frame, &offset, &test, &err) == ERR_NONE) {
            INVARIANT(offset <= frame->size);
        }
        break;
    case FRAME_FOUND:
        while (frame_found_next(frame, &offset, &found, &err) == ERR_NONE) {
            INVARIANT(offset <= frame->size);
        }
        break;
    case FRAME_COLLECT_END:
        if (frame_collected_decode(frame, &collected, &err) == ERR_NONE)
            frame_collected_fini(&collected);
        break;
    case FRAME_DONE:
    case FRAME_LATE:
        if (frame_done_decode(frame, &done, &err) == ERR_NONE) {
            INVARIANT(done.outcome > OUTCOME_NONE && done.outcome <= OUTCOME_XPASSED);
            detail_free(done.detail);
        }
        break;
    case FRAME_SCOPE:
        if (frame_scope_decode(frame, &scope, &err) == ERR_NONE)
            INVARIANT(strlen(scope.kind) + strlen(scope.id) + 2 <= frame->size);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame;
    struct err err = ERR_INIT;

    while (size >= FRAME_HEADER_BYTES && !frame_header_decode(data, &frame, &err)) {
        char *payload;

        data += FRAME_HEADER_BYTES;
        size -= FRAME_HEADER_BYTES;
        if (frame.size > size)
            break;
        payload = malloc(frame.size ? frame.size : 1); /* its own block: an overrun is seen */
        if (!payload)
            break;
        memcpy(payload, data, frame.size);
        frame.payload = payload;
        read_payload(&frame);
        free(payload);
        data += frame.size;
        size -= frame.size;
    }
    return 0;
}
