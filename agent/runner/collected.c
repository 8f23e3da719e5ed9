/* collected.c - what a process says at the end of its collection, and what it says of itself before
 * a fork (declared in frame.h). */
#include <stdlib.h>

#include "frame.h"
#include "json.h"
#include "mem.h"

static enum err_code fact(const struct json *obj, const char *key, char **out, struct err *err)
{
    const char *text = NULL;
    enum err_code rc = json_opt_text(obj, key, START_FACT_BYTES_MAX, &text, err);

    if (!rc && text)
        *out = mem_strdup(text);
    return rc;
}

enum err_code start_facts_read(const struct json *parent, struct start_facts *out, struct err *err)
{
    struct start_facts facts = { 0 };
    const struct json *obj = NULL;
    enum err_code rc = json_opt_object(parent, "facts", &obj, err);

    if (!rc && obj &&
        ((rc = fact(obj, "threads", &facts.threads, err)) != ERR_NONE ||
         (rc = fact(obj, "files", &facts.files, err)) != ERR_NONE ||
         (rc = fact(obj, "modules", &facts.modules, err)) != ERR_NONE ||
         (rc = fact(obj, "identity", &facts.identity, err)) != ERR_NONE)) {
        start_facts_fini(&facts);
    }
    if (!rc)
        *out = facts;
    return rc;
}

enum err_code frame_collected_decode(const struct frame *frame, struct frame_collected *out,
                                     struct err *err)
{
    struct frame_collected collected = { .status = frame->a, .runs = frame->b == 1 };
    const char *reason = NULL;
    struct json *doc = NULL;
    enum err_code rc;

    if ((rc = json_parse(frame->payload, frame->size, &doc, err)) == ERR_NONE &&
        (rc = json_opt_text(doc, "reason", PROTO_TEXT_BYTES_MAX, &reason, err)) == ERR_NONE)
        rc = start_facts_read(doc, &collected.facts, err);
    if (!rc)
        collected.reason = mem_strdup(reason && reason[0] ? reason : "the collection failed");
    json_free(doc);
    if (rc)
        return err_wrap(err, "COLLECT_END");
    *out = collected;
    return ERR_NONE;
}

void frame_collected_fini(struct frame_collected *collected)
{
    free(collected->reason);
    start_facts_fini(&collected->facts);
    *collected = (struct frame_collected){ .runs = false };
}
