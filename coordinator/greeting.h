/* greeting.h - what makespand says on standard output when it starts: where it listens and the
 * lines to paste into CI. Pure text. */
#pragma once

#include "str.h"

#define GREETING_BYTES_MAX (16u << 10)

struct greeting {
    const char *address;    /* as bound: "[::]:8443", "127.0.0.1:41231" */
    const char *first_name; /* of --name, NULL for none */
    const char *machine;    /* its host name */
    const char *pin;        /* sha256//... */
    const char *folder;
    const char *token;    /* made just now, NULL on a later start */
    bool own_certificate; /* the operator's, which runners may trust without the pin */
    bool has_agent;       /* the agent's program can be handed out */
};

/* "https://HOST:PORT" as others reach it: the first name, else the machine's, unless only a certain
 * address is bound. */
MUST_USE enum err_code greeting_url(const struct greeting *g, struct str *out, struct err *err);

/* Everything; the line "makespand: listening on https://ADDRESS" first. */
MUST_USE enum err_code greeting_text(const struct greeting *g, struct str *out, struct err *err);
