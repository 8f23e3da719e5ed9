/* commit_inner.h - what the two files of the group commit share: commit.c has the thread and the
 * loop's side, commit_settle.c what becomes of what was queued. */
#pragma once

#include "store/commit.h"

/* Everything travels through one list, so that changes, resumes and jobs keep their order. */
enum entry_kind { ENTRY_CHANGE, ENTRY_RESUME, ENTRY_JOB };

struct entry {
    struct entry *next;
    enum entry_kind kind;
    struct commit_item *item; /* ENTRY_CHANGE */
    char run[ID_TEXT_BYTES];  /* ENTRY_RESUME */
    struct commit_job job;    /* ENTRY_JOB */
    size_t bytes;             /* what it counts for in queued_bytes */
    enum err_code rc;         /* set by the worker */
    struct err *err;          /* owned; NULL while rc is ERR_NONE */
};

struct list {
    struct entry *first;
    struct entry **end; /* where the next one goes */
};

void list_init(struct list *list);
void list_add(struct list *list, struct entry *entry);
void list_move(struct list *to, struct list *from); /* all of from behind to; from is empty then */
struct entry *list_pop(struct list *list);          /* NULL: it is empty */
void entry_free(struct entry *entry);

/* Touched by the commit thread alone, or by the loop where there is none. */
struct settler {
    struct store *store;
    char (*stopped)[ID_TEXT_BYTES]; /* runs whose changes are refused */
    size_t stopped_count, stopped_cap;
};

/* One step at the head of taken, which is not empty: a group of changes, a resume, or a job. What
 * its caller is to hear of goes to the end of settled. */
void settle_some(struct settler *settler, struct list *taken, struct list *settled);
void settler_fini(struct settler *settler);
