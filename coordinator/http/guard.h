/* guard.h - how long a connection may take: a machine over what it is doing, pure.
 *
 * A whole request must arrive, and a whole answer be taken, within grace_ms plus what its bytes may
 * take at the slowest rate allowed. So a client that trickles is cut off while one with a large
 * body is not. A request in the handler's hands has no limit here: the handler owns that time. */
#pragma once

#include <stdbool.h>

#include "base.h"

struct guard_limits {
    uint64_t grace_ms;
    uint64_t slowest_bytes_per_s;
    uint64_t stall_ms;        /* of an answer */
    uint64_t idle_ms;         /* kept alive without a request */
    uint64_t idle_crowded_ms; /* the same, when new clients wait for a place */
};

enum guard_phase {
    GUARD_RECEIVING, /* from connect, or from a request's first byte */
    GUARD_HELD,      /* with the handler */
    GUARD_SENDING,
    GUARD_IDLE,
};
enum guard_event {
    GUARD_EV_BYTES,      /* count bytes moved in the phase's direction */
    GUARD_EV_DISPATCHED, /* the request is whole */
    GUARD_EV_ANSWERED,   /* the answer is in the output buffer */
    GUARD_EV_SENT,       /* and has left */
};

struct guard {
    enum guard_phase phase;
    uint64_t since_ms; /* start of the phase */
    uint64_t moved_ms; /* its last byte, or its start */
    uint64_t bytes;    /* moved in this phase */
};

/* A connection was just accepted. */
struct guard guard_accepted(uint64_t now_ms);

void guard_step(struct guard *guard, enum guard_event event, uint64_t bytes, uint64_t now_ms);

/* True when the connection is to be cut; at its deadline it is still good. */
bool guard_overdue(const struct guard *guard, const struct guard_limits *limits, bool crowded,
                   uint64_t now_ms);
