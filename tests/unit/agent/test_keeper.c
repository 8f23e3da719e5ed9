#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs.h"
#include "machine/keeper.h"

#define PATIENCE_MS 10000

static char *const env[] = { "PATH=/usr/bin:/bin", "GREETING=hello", NULL };

static struct keeper_event next_event(struct keeper *keeper)
{
    struct pollfd readable = { .fd = keeper_fd(keeper), .events = POLLIN };
    struct keeper_event event = { .pid = 0 };
    struct err err = ERR_INIT;
    bool any = false;

    while (!any) {
        assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
        assert_int_equal(keeper_next(keeper, &event, &any, &err), ERR_NONE);
    }
    return event;
}

static struct keeper *start(void)
{
    struct keeper *keeper = NULL;
    struct err err = ERR_INIT;

    assert_int_equal(keeper_start(&keeper, &err), ERR_NONE);
    return keeper;
}

static struct keeper_event spawn_shell(struct keeper *keeper, const char *script)
{
    char *argv[] = { "sh", "-c", (char *)(uintptr_t)script, NULL };
    struct err err = ERR_INIT;

    assert_int_equal(keeper_spawn(keeper, argv, env, &err), ERR_NONE);
    return next_event(keeper);
}

static bool lives(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static void test_keeper_relays_the_exit_status_of_what_it_spawned(void **state)
{
    struct keeper *keeper = start();
    struct keeper_event event = spawn_shell(keeper, "test \"$GREETING\" = hello && exit 7");
    int32_t pid = event.pid;

    (void)state;
    assert_int_equal(event.kind, KEEPER_SPAWNED);
    event = next_event(keeper);
    assert_int_equal(event.kind, KEEPER_EXITED);
    assert_int_equal(event.pid, pid);
    assert_true(WIFEXITED(event.status));
    assert_int_equal(WEXITSTATUS(event.status), 7);
    keeper_stop(keeper);
}

/* The agent ends what a killed keeper leaves, but not the children that its own process had before:
 * a script that ends with exec of the agent may have started a service. */
static void test_keeper_stop_ends_what_it_adopted_when_the_keeper_was_killed(void **state)
{
    pid_t stranger = fork();
    struct keeper *keeper;
    struct keeper_event event;
    int status;

    (void)state;
    if (stranger == 0) {
        for (;;)
            (void)pause();
    }
    keeper = start();
    event = spawn_shell(keeper, "sleep 1000");
    assert_int_equal(event.kind, KEEPER_SPAWNED);
    assert_int_equal(kill(keeper_pid(keeper), SIGKILL), 0);
    keeper_stop(keeper);
    assert_false(lives(event.pid));
    assert_true(lives(stranger));
    assert_int_equal(kill(stranger, SIGKILL), 0);
    assert_int_equal(waitpid(stranger, &status, 0), stranger);
}

/* The reason comes back as errno, for a name in the search path and for a path. */
static void test_keeper_tells_why_a_command_cannot_start(void **state)
{
    struct keeper *keeper = start();
    char *missing[] = { "no-such-command-here", NULL };
    char *folder[] = { "/etc", NULL };
    struct err err = ERR_INIT;
    struct keeper_event event;

    (void)state;
    assert_int_equal(keeper_spawn(keeper, missing, env, &err), ERR_NONE);
    event = next_event(keeper);
    assert_int_equal(event.kind, KEEPER_SPAWN_FAILED);
    assert_int_equal(event.status, ENOENT);
    assert_int_equal(keeper_spawn(keeper, folder, env, &err), ERR_NONE);
    event = next_event(keeper);
    assert_int_equal(event.kind, KEEPER_SPAWN_FAILED);
    assert_int_equal(event.status, EACCES);
    keeper_stop(keeper);
}

/* An orphan is the keeper's: its end is told, too. */
static void test_keeper_adopts_orphans(void **state)
{
    struct keeper *keeper = start();
    struct keeper_event event = spawn_shell(keeper, "(sleep 0.05; exit 9) & exit 3");
    int32_t shell = event.pid;

    (void)state;
    if (!keeper_holds_all(keeper)) {
        keeper_stop(keeper);
        skip();
    }
    event = next_event(keeper);
    assert_int_equal(event.pid, shell);
    assert_int_equal(WEXITSTATUS(event.status), 3);
    event = next_event(keeper);
    assert_int_not_equal(event.pid, shell);
    assert_int_equal(WEXITSTATUS(event.status), 9);
    keeper_stop(keeper);
}

/* When the agent lets go, nothing below the keeper lives on: not even a session of its own. */
static void test_keeper_stop_kills_detached_sessions(void **state)
{
    struct keeper *keeper = start();
    struct err err = ERR_INIT;
    struct str text = STR_MAX(64), path = STR_MAX(PATH_BYTES_MAX), script = STR_MAX(1024);
    char *folder = NULL;
    struct keeper_event event;
    uint32_t pid = 0;

    (void)state;
    assert_int_equal(fs_tempdir("msp-test", &folder, &err), ERR_NONE);
    assert_int_equal(str_addf(&path, &err, "%s/pid", folder), ERR_NONE);
    assert_int_equal(
        str_addf(&script, &err,
                 "setsid sh -c 'trap \"\" TERM HUP; echo $$ >%s.new; mv %s.new %s; sleep 100' & "
                 "while ! test -e %s; do sleep 0.01; done",
                 path.at, path.at, path.at, path.at),
        ERR_NONE);
    assert_int_equal(keeper_sweep(keeper, folder, &err), ERR_NONE);
    event = spawn_shell(keeper, script.at);
    assert_int_equal(event.kind, KEEPER_SPAWNED);
    event = next_event(keeper);
    assert_int_equal(event.kind, KEEPER_EXITED);
    assert_int_equal(fs_read(path.at, &text, &err), ERR_NONE);
    text.at[strcspn(text.at, "\n")] = '\0';
    assert_int_equal(parse_u32(text.at, 1, INT32_MAX, &pid, &err), ERR_NONE);
    assert_true(lives((pid_t)pid));
    keeper_stop(keeper);
    assert_false(lives((pid_t)pid));
    assert_false(fs_exists(folder));
    str_fini(&text);
    str_fini(&path);
    str_fini(&script);
    free(folder);
}

/* A pid that is not below the keeper is never signalled, whoever asks. */
static void test_keeper_signal_spares_strangers(void **state)
{
    struct keeper *keeper = start();
    pid_t stranger = fork();
    int status = 0;
    struct keeper_event event;

    (void)state;
    if (stranger == 0) {
        (void)pause();
        _exit(0);
    }
    keeper_signal(keeper, (uint32_t)stranger, SIGKILL);
    event = spawn_shell(keeper, "exit 0"); /* orders are obeyed one after the other */
    assert_int_equal(event.kind, KEEPER_SPAWNED);
    assert_int_equal(waitpid(stranger, &status, WNOHANG), 0);
    (void)kill(stranger, SIGKILL);
    assert_int_equal(waitpid(stranger, &status, 0), stranger);
    keeper_stop(keeper);
}

static void test_keeper_signals_what_it_spawned(void **state)
{
    struct keeper *keeper = start();
    struct keeper_event event = spawn_shell(keeper, "exec sleep 100");

    (void)state;
    keeper_signal(keeper, (uint32_t)event.pid, SIGTERM);
    event = next_event(keeper);
    assert_true(WIFSIGNALED(event.status));
    assert_int_equal(WTERMSIG(event.status), SIGTERM);
    keeper_stop(keeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keeper_relays_the_exit_status_of_what_it_spawned),
        cmocka_unit_test(test_keeper_stop_ends_what_it_adopted_when_the_keeper_was_killed),
        cmocka_unit_test(test_keeper_tells_why_a_command_cannot_start),
        cmocka_unit_test(test_keeper_adopts_orphans),
        cmocka_unit_test(test_keeper_stop_kills_detached_sessions),
        cmocka_unit_test(test_keeper_signal_spares_strangers),
        cmocka_unit_test(test_keeper_signals_what_it_spawned),
    };

    return cmocka_run_group_tests_name("agent/keeper", tests, NULL, NULL);
}
