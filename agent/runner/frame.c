#include "frame.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define NUMBER_BYTES 8u

static uint32_t get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint16_t get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint64_t get_u64(const char *at)
{
    uint8_t bytes[NUMBER_BYTES];

    memcpy(bytes, at, sizeof(bytes));
    return (uint64_t)get_u32(bytes) | (uint64_t)get_u32(bytes + 4) << 32;
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static const char *const names[] = {
    [FRAME_HELLO] = "HELLO",     [FRAME_MANIFEST] = "MANIFEST", [FRAME_COLLECT_END] = "COLLECT_END",
    [FRAME_FORKED] = "FORKED",   [FRAME_EVENT] = "EVENT",       [FRAME_START] = "START",
    [FRAME_REPORT] = "REPORT",   [FRAME_DONE] = "DONE",         [FRAME_LATE] = "LATE",
    [FRAME_SCOPE] = "SCOPE",     [FRAME_IDLE] = "IDLE",         [FRAME_STOP] = "STOP",
    [FRAME_BYE] = "BYE",         [FRAME_SKIP] = "SKIP",         [FRAME_CONFIG] = "CONFIG",
    [FRAME_FORK] = "FORK",       [FRAME_RUN] = "RUN",           [FRAME_SETTLE] = "SETTLE",
    [FRAME_QUIT] = "QUIT",       [FRAME_CANCEL] = "CANCEL",     [FRAME_BLOCK] = "BLOCK",
    [FRAME_FORWARD] = "FORWARD", [FRAME_CRASH] = "CRASH",       [FRAME_UP] = "UP",
    [FRAME_DOWN] = "DOWN",       [FRAME_TOTAL] = "TOTAL",       [FRAME_END] = "END",
    [FRAME_NOTE] = "NOTE",       [FRAME_WORKERS] = "WORKERS",   [FRAME_ASK] = "ASK",
    [FRAME_NONE] = "NONE",       [FRAME_FOUND] = "FOUND",
};

const char *frame_name(enum frame_kind kind)
{
    return (size_t)kind < ARRAY_LEN(names) && names[kind] ? names[kind] : "unknown frame";
}

enum err_code frame_header_decode(const uint8_t bytes[FRAME_HEADER_BYTES], struct frame *out,
                                  struct err *err)
{
    uint32_t size = get_u32(bytes);
    uint16_t kind = get_u16(bytes + 4);

    if (kind < FRAME_HELLO || kind > FRAME_FOUND)
        return err_set(err, ERR_MALFORMED, "frame of kind %u", kind);
    if (size > FRAME_BYTES_MAX)
        return err_set(err, ERR_TOO_LARGE, "%s of %u bytes, at most %u",
                       frame_name((enum frame_kind)kind), size, FRAME_BYTES_MAX);
    *out = (struct frame){
        .kind = (enum frame_kind)kind,
        .flags = get_u16(bytes + 6),
        .a = get_u32(bytes + 8),
        .b = get_u32(bytes + 12),
        .size = size,
    };
    return ERR_NONE;
}

void frame_header_encode(const struct frame *frame, uint8_t out[FRAME_HEADER_BYTES])
{
    INVARIANT(frame->size <= FRAME_BYTES_MAX);
    put_u32(out, frame->size);
    out[4] = (uint8_t)frame->kind;
    out[5] = 0;
    out[6] = (uint8_t)frame->flags;
    out[7] = (uint8_t)(frame->flags >> 8);
    put_u32(out + 8, frame->a);
    put_u32(out + 12, frame->b);
}

/* One NUL-terminated text of a payload. */
static enum err_code take_text(const struct frame *frame, uint32_t *offset, struct view *out,
                               struct err *err)
{
    const char *at = frame->payload + *offset;
    const char *end = *offset < frame->size ? memchr(at, '\0', frame->size - *offset) : NULL;

    if (!end)
        return err_set(err, ERR_MALFORMED, "%s with a text that does not end",
                       frame_name(frame->kind));
    *out = (struct view){ .at = at, .len = (size_t)(end - at) };
    *offset += (uint32_t)out->len + 1;
    return ERR_NONE;
}

enum err_code frame_test_next(const struct frame *frame, uint32_t *offset, struct frame_test *out,
                              struct err *err)
{
    struct frame_test test;
    uint32_t at = *offset;
    enum err_code rc;

    if ((rc = take_text(frame, &at, &test.id, err)) != ERR_NONE ||
        (rc = take_text(frame, &at, &test.group, err)) != ERR_NONE ||
        (rc = take_text(frame, &at, &test.flags, err)) != ERR_NONE)
        return rc;
    *offset = at;
    *out = test;
    return ERR_NONE;
}

enum err_code frame_found_next(const struct frame *frame, uint32_t *offset,
                               struct manifest_test *out, struct err *err)
{
    struct view id = { 0 }, k = { 0 }, group = { 0 }, flags = { 0 };
    uint32_t at = *offset, number = 0;
    enum err_code rc;

    if ((rc = take_text(frame, &at, &id, err)) != ERR_NONE ||
        (rc = take_text(frame, &at, &k, err)) != ERR_NONE ||
        (rc = take_text(frame, &at, &group, err)) != ERR_NONE ||
        (rc = take_text(frame, &at, &flags, err)) != ERR_NONE ||
        (rc = parse_u32(k.at, 0, MANIFEST_TESTS_MAX, &number, err)) != ERR_NONE)
        return rc;
    *offset = at;
    *out = (struct manifest_test){ .id = id.at, .k = number, .group = group.at, .flags = flags.at };
    return ERR_NONE;
}

enum err_code frame_done_decode(const struct frame *frame, struct frame_done *out, struct err *err)
{
    bool has_times = frame->kind == FRAME_DONE;
    bool has_memory = has_times && (frame->flags & FRAME_DONE_MEMORY) != 0;
    uint32_t times_bytes = has_times ? (has_memory ? 4 : 3) * NUMBER_BYTES : 0;
    bool has_detail = has_times ? (frame->flags & FRAME_DONE_DETAIL) != 0 : frame->size > 0;
    struct frame_done done = { .index = frame->a, .outcome = (enum outcome)frame->b };
    enum err_code rc;

    INVARIANT(frame->kind == FRAME_DONE || frame->kind == FRAME_LATE);
    if (frame->b <= OUTCOME_NONE || frame->b > OUTCOME_CRASHED)
        return err_set(err, ERR_MALFORMED, "%s with outcome %u", frame_name(frame->kind), frame->b);
    if (frame->size < times_bytes || (!has_detail && frame->size != times_bytes))
        return err_set(err, ERR_MALFORMED, "%s of %u bytes", frame_name(frame->kind), frame->size);
    if (has_times) {
        done.setup_us = get_u64(frame->payload);
        done.call_us = get_u64(frame->payload + NUMBER_BYTES);
        done.teardown_us = get_u64(frame->payload + 2 * NUMBER_BYTES);
        if (has_memory)
            done.mem_kib = get_u64(frame->payload + 3 * NUMBER_BYTES);
        if (done.mem_kib > FRAME_MEM_KIB_MAX)
            return err_set(err, ERR_MALFORMED, "DONE with %llu KiB of memory",
                           (unsigned long long)done.mem_kib);
    }
    if (has_detail) {
        done.detail = mem_new(1, sizeof(*done.detail));
        rc = detail_decode(frame->payload + times_bytes, frame->size - times_bytes, done.detail,
                           err);
        if (rc) {
            free(done.detail);
            return err_wrap(err, "%s", frame_name(frame->kind));
        }
    }
    *out = done;
    return ERR_NONE;
}

enum err_code frame_scope_decode(const struct frame *frame, struct frame_scope *out,
                                 struct err *err)
{
    struct view kind, id;
    uint32_t offset = 0;
    enum err_code rc;

    if (frame->b != SCOPE_SETUP && frame->b != SCOPE_TEARDOWN)
        return err_set(err, ERR_MALFORMED, "SCOPE with part %u", frame->b);
    if ((rc = take_text(frame, &offset, &kind, err)) != ERR_NONE ||
        (rc = take_text(frame, &offset, &id, err)) != ERR_NONE)
        return rc;
    *out = (struct frame_scope){
        .us = frame->a, .part = (enum frame_scope_part)frame->b, .kind = kind.at, .id = id.at
    };
    return ERR_NONE;
}

enum err_code frame_skip_decode(const struct frame *frame, struct frame_skip *out, struct err *err)
{
    struct view id = { 0 };
    struct view text = { 0 };
    uint32_t offset = 0;
    enum err_code rc;

    if ((rc = take_text(frame, &offset, &id, err)) != ERR_NONE ||
        (rc = take_text(frame, &offset, &text, err)) != ERR_NONE)
        return rc;
    *out = (struct frame_skip){ .id = id.at, .text = text.at };
    return ERR_NONE;
}
