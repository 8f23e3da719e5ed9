/* cfg.h - one table of options gives flags, environment variables and --help.
 *
 * An option on the command line beats the environment, which beats the default (what *into held).
 * An empty variable counts as unset; an empty value on the command line is a mistake (a variable of
 * the caller's that is not set). GNU long options (--name VALUE, --name=VALUE; -n VALUE,
 * -nVALUE where a short form is given); "--" ends the options. Errors are ERR_USAGE with one
 * sentence naming the option, the value and what to do; the command ends then, as some values may
 * be set already. Never for secrets: argv and the environment are shown to others. */
#pragma once

#include "str.h"

enum cfg_kind {
    CFG_FLAG,     /* bool *; a variable says 1, true, yes, on or 0, false, no, off */
    CFG_TEXT,     /* const char **, lent from argv or environ */
    CFG_U32,      /* uint32_t *, within min and max */
    CFG_DURATION, /* uint64_t * of milliseconds, at most max */
    CFG_SIZE,     /* uint64_t * of bytes, at most max */
    CFG_LIST,     /* struct cfg_list *, may be given again and again */
};

struct cfg_list {
    const char **items; /* free() it */
    size_t count, cap;
};

struct cfg_option {
    const char *name;  /* long name without dashes */
    char short_name;   /* 0: none */
    const char *env;   /* NULL: none */
    const char *value; /* how --help names the value, NULL for a flag */
    const char *help;  /* one or more lines; NULL hides the option */
    enum cfg_kind kind;
    void *into;
    uint64_t min, max;
    const char *bare;    /* its value when given without one; another one then follows "=" */
    const char *section; /* the heading of --help that begins with this option; NULL: no new one */
};

struct cfg_command {
    const char *usage;   /* lines after "Usage: " */
    const char *about;   /* paragraphs */
    const char *tail;    /* examples, exit codes; may be NULL */
    const char *way_out; /* said behind an option that does not exist; NULL: --help lists all */
    const struct cfg_option *options;
    size_t option_count;
    /* NULL: the first word that is no option ends the options. Otherwise options may stand anywhere
     * before "--", and the other words are collected here. */
    struct cfg_list *words;
};

/* Reads environment, then argv[1..]; *out_rest is the index of the first word that is not an option
 * (after "--" if there was one; argc when all words were collected). Sets *out_help when -h or
 * --help was given, and then checks nothing else. */
MUST_USE enum err_code cfg_parse(const struct cfg_command *command, int argc, char *const *argv,
                                 int *out_rest, bool *out_help, struct err *err);

/* The --help text, wrapped for 80 columns; the caller's. */
char *cfg_help(const struct cfg_command *command);
