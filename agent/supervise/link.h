/* link.h - the agent's socket for the processes of its machine, and one peer per connection.
 *
 * Checks who connects (user, key, version), cuts the bytes into frames, sends frames; while one
 * peer cannot follow, the others are not read. Not for: what a frame means or who may say it. */
#pragma once

#include "runner/frame.h"

struct event_base;
struct link;
struct peer;

/* To be woken for each word of a worker costs as much as to understand it. */
#define LINK_REST_MS 2u

struct link_events {
    /* A peer has said a good HELLO; hello is lent. False closes the connection. */
    bool (*joined)(void *ctx, struct peer *peer, const struct hello *hello);
    void (*frame)(void *ctx, struct peer *peer, const struct frame *frame);
    /* After all that has come of a joined peer was told: true when it waits for no answer, and what
     * it says next may be read LINK_REST_MS later, together. */
    bool (*may_rest)(void *ctx, const struct peer *peer);
    /* The connection of a joined peer has ended; why is NULL for a plain end of file. The peer is
     * freed afterwards. Not told after peer_close. */
    void (*closed)(void *ctx, struct peer *peer, const char *why);
    /* Someone connected who may not; why is for people. */
    void (*refused)(void *ctx, const char *why);
    /* Nobody could connect for two seconds, and will not; told once. */
    void (*deaf)(void *ctx, int errnum);
};

struct link_opts {
    struct event_base *base;
    const char *path; /* its folder must be private */
    const char *key;  /* lent until free */
    const struct link_events *events;
    void *ctx;
};

MUST_USE enum err_code link_new(const struct link_opts *opts, struct link **out, struct err *err);
void link_free(struct link *link); /* closes all; nothing is told */

/* Sends a frame; payload is copied. Lost when the peer is gone, which is told by closed. */
void peer_send(struct peer *peer, const struct frame *frame);

enum frame_role peer_role(const struct peer *peer);
uint32_t peer_slot(const struct peer *peer);
uint32_t peer_pid(const struct peer *peer);
void peer_close(struct peer *peer);
