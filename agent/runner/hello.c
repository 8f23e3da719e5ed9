/* hello.c - the first frame of every connection (declared in frame.h). */
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "json.h"
#include "mem.h"

#define HELLO_TEXT_BYTES_MAX 4096u
#define PID_MAX              4194304u /* 2^22, the kernel's own limit */

static enum err_code own_text(const struct json *obj, const char *key, char **out, struct err *err)
{
    const char *text = NULL;
    enum err_code rc = json_opt_text(obj, key, HELLO_TEXT_BYTES_MAX, &text, err);

    if (!rc && text)
        *out = mem_strdup(text);
    return rc;
}

static enum err_code small_number(const struct json *obj, const char *key, uint32_t *out,
                                  struct err *err)
{
    uint64_t value = *out;
    enum err_code rc = json_opt_u64(obj, key, 0, UINT32_MAX, &value, err);

    if (!rc)
        *out = (uint32_t)value;
    return rc;
}

/* null, a number, "auto" or "logical". */
static enum err_code numprocesses(const struct json *obj, struct hello *hello, struct err *err)
{
    struct err not_text = ERR_INIT;
    const char *word = NULL;
    uint64_t count = UINT64_MAX;
    enum err_code rc;

    if (json_opt_text(obj, "numprocesses", HELLO_TEXT_BYTES_MAX, &word, &not_text) == ERR_NONE) {
        if (!word)
            return ERR_NONE;
        if (strcmp(word, "auto") != 0 && strcmp(word, "logical") != 0)
            return err_set(err, ERR_MALFORMED, "numprocesses '%s'", word);
        hello->numprocesses = strcmp(word, "auto") == 0 ? NUMPROCESSES_AUTO : NUMPROCESSES_LOGICAL;
        return ERR_NONE;
    }
    rc = json_opt_u64(obj, "numprocesses", 0, PROTO_WORKERS_MAX, &count, err);
    if (!rc) {
        hello->numprocesses = NUMPROCESSES_GIVEN;
        hello->workers = (uint32_t)count;
    }
    return rc;
}

static enum err_code members(const struct json *obj, struct hello *hello, struct err *err)
{
    uint64_t version = 0, pid = 0;
    enum err_code rc;

    if ((rc = json_get_u64(obj, "version", 0, UINT32_MAX, &version, err)) != ERR_NONE)
        return rc;
    if (version != FRAME_PROTOCOL)
        return err_set(err, ERR_VERSION, "the runner's side speaks version %llu, this agent %u",
                       (unsigned long long)version, FRAME_PROTOCOL);
    if ((rc = json_get_u64(obj, "pid", 1, PID_MAX, &pid, err)) != ERR_NONE ||
        (rc = own_text(obj, "key", &hello->key, err)) != ERR_NONE ||
        (rc = own_text(obj, "python", &hello->python, err)) != ERR_NONE ||
        (rc = own_text(obj, "pytest", &hello->pytest, err)) != ERR_NONE ||
        (rc = own_text(obj, "rootdir", &hello->rootdir, err)) != ERR_NONE ||
        (rc = own_text(obj, "distributions", &hello->distributions, err)) != ERR_NONE ||
        (rc = own_text(obj, "dist", &hello->dist, err)) != ERR_NONE ||
        (rc = own_text(obj, "inline", &hello->run_inline, err)) != ERR_NONE ||
        (rc = own_text(obj, "recalls", &hello->recalls, err)) != ERR_NONE ||
        (rc = small_number(obj, "maxprocesses", &hello->max_workers, err)) != ERR_NONE ||
        (rc = small_number(obj, "maxfail", &hello->maxfail, err)) != ERR_NONE ||
        (rc = small_number(obj, "tests_per_worker", &hello->threads, err)) != ERR_NONE ||
        (rc = small_number(obj, "max_worker_restart", &hello->max_restarts, err)) != ERR_NONE ||
        (rc = start_facts_read(obj, &hello->facts, err)) != ERR_NONE)
        return rc;
    hello->pid = (uint32_t)pid;
    if (!hello->key)
        return err_set(err, ERR_MALFORMED, "no key");
    return numprocesses(obj, hello, err);
}

enum err_code hello_decode(const struct frame *frame, struct hello *out, struct err *err)
{
    struct hello hello = { .role = (enum frame_role)frame->a,
                           .slot = frame->b,
                           .max_restarts = UINT32_MAX };
    struct json *doc = NULL;
    enum err_code rc;

    if (frame->a < ROLE_REPORTER || frame->a > ROLE_FORKER)
        return err_set(err, ERR_MALFORMED, "HELLO of role %u", frame->a);
    rc = json_parse(frame->payload, frame->size, &doc, err);
    if (!rc)
        rc = members(doc, &hello, err);
    json_free(doc);
    if (rc) {
        hello_fini(&hello);
        return err_wrap(err, "HELLO");
    }
    *out = hello;
    return ERR_NONE;
}

void hello_fini(struct hello *hello)
{
    free(hello->key);
    free(hello->python);
    free(hello->pytest);
    free(hello->rootdir);
    free(hello->distributions);
    free(hello->dist);
    free(hello->run_inline);
    free(hello->recalls);
    start_facts_fini(&hello->facts);
    *hello = (struct hello){ .role = ROLE_NONE };
}
