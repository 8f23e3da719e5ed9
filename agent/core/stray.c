#include "stray.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static bool starts(struct view text, const char *with, struct view *rest)
{
    size_t len = strlen(with);

    if (text.len < len || memcmp(text.at, with, len) != 0)
        return false;
    *rest = (struct view){ .at = text.at + len, .len = text.len - len };
    return true;
}

static bool ends(struct view text, const char *with)
{
    size_t len = strlen(with);

    return text.len >= len && memcmp(text.at + text.len - len, with, len) == 0;
}

/* "a.py::test_x (call)" without the phase. */
static char *test_of(struct view value)
{
    static const char *const phases[] = { " (setup)", " (call)", " (teardown)" };
    struct str id = STR_MAX(MANIFEST_ID_BYTES_MAX);
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
        if (ends(value, phases[i])) {
            value.len -= strlen(phases[i]);
            break;
        }
    }
    value.len = utf8_valid_len(value.at, value.len);
    if (value.len == 0 || str_add(&id, value.at, value.len, &ignored)) {
        str_fini(&id);
        return NULL;
    }
    return str_take(&id);
}

static void read_worker(struct view value, uint32_t *out_worker)
{
    uint32_t number = 0;

    if (value.len == 0 || value.len > 6)
        return;
    for (size_t i = 0; i < value.len; i++) {
        if (value.at[i] < '0' || value.at[i] > '9')
            return;
        number = number * 10 + (uint32_t)(value.at[i] - '0');
    }
    *out_worker = number;
}

void stray_read_environment(struct view bytes, char **out_test, uint32_t *out_worker)
{
    for (size_t at = 0; at < bytes.len;) {
        const char *end = memchr(bytes.at + at, '\0', bytes.len - at);
        size_t len = end ? (size_t)(end - bytes.at) - at : bytes.len - at;
        struct view entry = { .at = bytes.at + at, .len = len };
        struct view value;

        if (!*out_test && starts(entry, "PYTEST_CURRENT_TEST=", &value))
            *out_test = test_of(value);
        else if (starts(entry, "PYTEST_XDIST_WORKER=gw", &value))
            read_worker(value, out_worker);
        at += len + 1;
    }
}

void stray_read_command(struct view bytes, char out[STRAY_COMMAND_BYTES])
{
    static const char more[] = "...";
    size_t len, valid;
    bool cut;

    while (bytes.len > 0 && bytes.at[bytes.len - 1] == '\0')
        bytes.len--;
    cut = bytes.len >= STRAY_COMMAND_BYTES;
    len = cut ? STRAY_COMMAND_BYTES - sizeof(more) : bytes.len;
    if (len > 0)
        memcpy(out, bytes.at, len);
    for (size_t i = 0; i < len; i++) {
        if (out[i] == '\0')
            out[i] = ' ';
    }
    valid = utf8_valid_len(out, len);
    for (size_t i = 0; i < valid; i++) {
        if ((unsigned char)out[i] < ' ' || out[i] == 0x7f)
            out[i] = '?';
    }
    memcpy(out + valid, cut ? more : "", cut ? sizeof(more) : 1);
}

/* How far from a time a test ran; 0: just then. */
static uint64_t distance_us(const struct stray_run *run, uint64_t at_us)
{
    if (at_us < run->started_us)
        return run->started_us - at_us;
    return run->ended_us > 0 && run->ended_us < at_us ? at_us - run->ended_us : 0;
}

uint32_t stray_test_at(const struct stray_run *runs, uint32_t count, const struct stray_time *when,
                       bool *out_sure)
{
    uint32_t found = UINT32_MAX, near = 0;
    uint64_t best_us = STRAY_BLUR_US + 1;

    for (uint32_t i = 0; i < count; i++) {
        uint64_t far_us = distance_us(&runs[i], when->at_us);

        if (runs[i].started_us == 0 || far_us > STRAY_BLUR_US ||
            (when->worker != STRAY_NO_WORKER && runs[i].worker != when->worker))
            continue;
        near++;
        if (far_us < best_us) {
            best_us = far_us;
            found = i;
        }
    }
    *out_sure = near == 1;
    return found;
}
