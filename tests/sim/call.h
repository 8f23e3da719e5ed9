/* call.h - one exchange of a fake agent with the coordinator; the network between them. */
#pragma once

#include "sim.h"

/* One exchange: the request, kept until it is answered or given up, sent again on a timeout. */
struct call {
    struct call *next;
    struct world *w;
    uint64_t id;
    uint32_t agent;
    enum call_kind kind;
    bool answered_once;
    uint64_t sent_ms; /* the first time */
    char run[ID_TEXT_BYTES], token[TOKEN_TEXT_BYTES];
    struct join_request join;
    struct collected_request collected;
    struct manifest_part part;
    char digest[MANIFEST_DIGEST_BYTES];
    struct str part_bytes;
    struct pull_request pull;
    struct results_request results;
    struct drain_request drain;
    struct leave_request leave;
};

struct call *call_find(uint64_t id);
void call_drop(uint64_t id); /* no answer is wanted any more */
void call_send(struct world *w, struct call *c);

void say_join(struct world *w, uint32_t at);
void say_collected(struct world *w, uint32_t at);
void say_part(struct world *w, uint32_t at);
void say_pull(struct world *w, uint32_t at);
void say_results(struct world *w, uint32_t at);
void say_drain(struct world *w, uint32_t at);
void say_leave(struct world *w, uint32_t at);
