/* options.h - makespand's command line and environment, and the exit codes it promises. */
#pragma once

#include "cfg.h"
#include "log.h"

enum makespand_exit { /* as in sysexits.h; --help lists them */
                      MAKESPAND_OK = 0,
                      MAKESPAND_USAGE = 64,
                      MAKESPAND_IN_USE =
                          69, /* the port or the data folder belongs to another program */
                      MAKESPAND_INTERNAL = 70, /* our own bug */
                      MAKESPAND_CREATE = 73,   /* a file or folder cannot be made */
                      MAKESPAND_STORE = 74,    /* the store cannot be read or written */
                      MAKESPAND_CONFIG = 78,   /* a certificate or key is not usable */
};

enum makespand_command {
    COMMAND_SERVE,
    COMMAND_TOKEN_CREATE,
    COMMAND_TOKEN_LIST,
    COMMAND_TOKEN_REVOKE,
    COMMAND_STORE_CHECK,
    COMMAND_STORE_BACKUP
};

struct options {
    enum makespand_command command;
    char *data;             /* folder; owned */
    const char *store;      /* URL, NULL: SQLite in the data folder */
    const char *agent_dir;  /* NULL: beside this program */
    struct cfg_list listen; /* none: "[::]:8443" */
    struct cfg_list names;
    enum log_form log_form;
    enum log_level log_level;
    uint32_t connections_max; /* 0: the default */
    uint32_t keep_days;       /* 0: for ever */
    uint32_t ready_fd;        /* UINT32_MAX: none */
    const char *access_log;   /* NULL: none */
    /* token */
    const char *project, *role, *label;
    uint64_t expires_ms; /* from now, 0: never */
    const char *revoke;  /* the beginning of a token's hash, as the list shows it */
    /* store */
    const char *backup; /* file to write */
};

#define OPTIONS_LISTEN_DEFAULT    "[::]:8443"
#define OPTIONS_KEEP_DAYS_DEFAULT 90u

/* Fills out; *out_help is the help text asked for (the caller's) or NULL. */
MUST_USE enum err_code options_read(int argc, char *const *argv, struct options *out,
                                    char **out_help, struct err *err);
void options_fini(struct options *options);
