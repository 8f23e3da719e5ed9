/* main.c - makespan: which subcommand, and the exit status of the process. */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command/command.h"
#include "machine/os.h"
#include "proto.h"
#include "suggest.h"

struct subcommand {
    const char *name;
    const char *about;
    enum err_code (*run)(int argc, char *const *argv, uint32_t *out_exit, struct err *err);
};

static const struct subcommand subcommands[] = {
    { "run", "run a test suite: alone, or as one of many machines", command_run },
    { "watch", "run the tests again whenever a file changes", command_watch },
    { "status", "how a run stands", command_status },
    { "verdict", "wait until a run is decided, and exit with it", command_verdict },
    { "report", "one report of all machines, as JUnit XML or JSON", command_report },
    { "durations", "import, export or merge the durations of tests", command_durations },
    { "split", "which tests fall to one machine of a matrix, without a coordinator",
      command_split },
    { "simulate", "how long the suite would take on how many machines", command_simulate },
    { "matrix", "how many parallel jobs, as a CI wants to be told", command_matrix },
    { "doctor", "check the way to the coordinator and what it would be told", command_doctor },
};

/* The one table from what went wrong to the exit status; docs/operations.md lists the statuses. */
static enum exit_code exit_of(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return EXIT_OK;
    case ERR_USAGE:
    case ERR_INVALID:
    case ERR_MALFORMED:
    case ERR_TOO_LARGE:
        return EXIT_USAGE;
    case ERR_MISMATCH:
        return EXIT_MISMATCH;
    case ERR_INCOMPLETE:
        return EXIT_INCOMPLETE;
    case ERR_MACHINES:
        return EXIT_MACHINES;
    case ERR_HANDSHAKE:
        return EXIT_HANDSHAKE;
    case ERR_UNREACHABLE:
    case ERR_TLS:
    case ERR_TIMEOUT:
    case ERR_UNAVAILABLE:
        return EXIT_UNREACHABLE;
    case ERR_METHOD:
    case ERR_INTERNAL:
        return EXIT_INTERNAL;
    case ERR_VERSION:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_TOKEN:
    case ERR_FORBIDDEN:
    case ERR_RUN_UNKNOWN:
    case ERR_RUN_CLOSED:
    case ERR_SESSION_GONE:
    case ERR_SLOT_TAKEN:
    case ERR_FINGERPRINT:
        return EXIT_REFUSED;
    case ERR_RUNNER:
        return EXIT_RUNNER;
    case ERR_IO:
    case ERR_DISK_FULL:
        return EXIT_OUTPUT;
    }
    UNREACHABLE("error code");
}

static void print_help(void)
{
    printf("Usage: makespan COMMAND [OPTIONS]\n\n"
           "Runs a test suite in the shortest time that the machines allow, and turns green\n"
           "only if every collected test has its verdict.\n\n"
           "    makespan run -- pytest tests/\n\n"
           "runs on this machine, on as many workers as it has CPUs. With MAKESPAN_URL (and\n"
           "MAKESPAN_TOKEN) set, the same line in every job of a CI matrix shares the suite\n"
           "among all of them.\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        printf("  %-10s %s\n", subcommands[i].name, subcommands[i].about);
    printf("  %-10s %s\n  %-10s %s\n\n", "help", "this text, or 'makespan help COMMAND'", "version",
           "the version of this program");
    printf("'makespan COMMAND --help' tells the rest.\n");
}

static const struct subcommand *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++) {
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    }
    return NULL;
}

static enum err_code unknown(const char *name, struct err *err)
{
    struct suggestion near = { 0 };

    suggest(&near, view_of(name), "help");
    suggest(&near, view_of(name), "version");
    for (size_t i = 0; i < ARRAY_LEN(subcommands); i++)
        suggest(&near, view_of(name), subcommands[i].name);
    if (near.word)
        return err_set(err, ERR_USAGE, "there is no command '%s'; did you mean '%s'?", name,
                       near.word);
    return err_set(err, ERR_USAGE, "there is no command '%s'; 'makespan help' lists them", name);
}

static bool is_one_of(const char *word, const char *a, const char *b, const char *c)
{
    return strcmp(word, a) == 0 || strcmp(word, b) == 0 || strcmp(word, c) == 0;
}

static enum err_code dispatch(int argc, char *const *argv, uint32_t *out_exit, struct err *err)
{
    const struct subcommand *command;

    if (argc < 2)
        return err_set(err, ERR_USAGE,
                       "a command is needed, for example 'makespan run -- pytest tests/'; "
                       "'makespan help' tells more");
    if (is_one_of(argv[1], "version", "--version", "-V")) {
        printf("makespan %s\n", MAKESPAN_VERSION);
        return ERR_NONE;
    }
    if (is_one_of(argv[1], "help", "--help", "-h")) {
        char *help[] = { argc > 2 ? argv[2] : argv[1], "--help", NULL };

        if (argc < 3 || argv[1][0] == '-' || argv[2][0] == '-') {
            print_help();
            return ERR_NONE;
        }
        command = find(argv[2]);
        return command ? command->run(2, help, out_exit, err) : unknown(argv[2], err);
    }
    command = find(argv[1]);
    return command ? command->run(argc - 1, argv + 1, out_exit, err) : unknown(argv[1], err);
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    uint32_t status = EXIT_OK;
    enum err_code rc;

    (void)signal(SIGPIPE, SIG_IGN);
    (void)os_hide(); /* tests must not read a token from us, nor from what is forked of us */
    rc = dispatch(argc, argv, &status, &err);
    if (rc) {
        (void)fprintf(stderr, "makespan: %s\n", err.text);
        return (int)exit_of(rc);
    }
    if (fflush(stdout) != 0) {
        (void)fprintf(stderr, "makespan: standard output could not be written\n");
        return EXIT_OUTPUT;
    }
    return (int)status;
}
