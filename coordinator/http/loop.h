/* loop.h - the one event loop of the program: timers, signals, and a bell that other threads ring.
 *
 * Everything but loop_ring() is for the loop's own thread. Not for: sockets (server.c). */
#pragma once

#include "err.h"

struct loop;
struct loop_source; /* a timer, a signal or a bell */
struct event_base;  /* libevent's, for the files of this folder */

typedef void (*loop_fn)(void *ctx);

MUST_USE enum err_code loop_new(struct loop **out, struct err *err);
void loop_free(struct loop *loop); /* after everything below that belongs to it */

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Calls fn every interval_ms until freed. */
struct loop_source *loop_every(struct loop *loop, uint64_t interval_ms, loop_fn fn, void *ctx);

/* Calls fn once after each loop_arm, which may be called again before that and inside fn. */
struct loop_source *loop_timer(struct loop *loop, loop_fn fn, void *ctx);
void loop_arm(struct loop_source *timer, uint64_t delay_ms);

/* Calls fn on the loop after signal signo, as often as it takes. */
struct loop_source *loop_on_signal(struct loop *loop, int signo, loop_fn fn, void *ctx);

/* A bell: any thread rings, fn runs on the loop soon after; rings before it ran are one. */
struct loop_source *loop_bell(struct loop *loop, loop_fn fn, void *ctx);
void loop_ring(struct loop_source *bell);

/* NULL is fine. A bell: when no thread can ring it any more. */
void loop_source_free(struct loop_source *source);

struct event_base *loop_base(struct loop *loop);
