/* uploads.h - manifests on their way to a run, and who is asked for them. uploads.c has the parts
 * and what they come to, collected.c what agents say and are told. Internal to service/. */
#pragma once

#include "service/live.h"

MUST_USE enum err_code digest_check(const char *digest, struct err *err);

struct upload *upload_find(const struct live *live, const char *digest); /* or NULL */
/* The store is looked at first. NULL: the run has too many. */
struct upload *upload_new(struct live *live, const char *digest, struct err *err);
/* This session is asked for the parts. */
void upload_assign(struct live *live, struct upload *u, uint32_t session, const char *runtime);
/* Reads what there is; who waits is answered when that is done. */
void upload_start(struct live *live, struct upload *u);

/* collected.c: the answers, and what a manifest that is known means for a session that has it. */
void collected_act(struct live *live, struct reply reply, enum collected_action action);
void collected_go(struct live *live, struct reply reply);
MUST_USE enum err_code collected_take_part(struct live *live, uint32_t session, const char *runtime,
                                           const struct manifest *manifest, struct err *err);
