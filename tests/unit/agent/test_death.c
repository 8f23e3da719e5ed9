#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/death.h"

#define KILLED_BY(sig) (sig) /* as waitpid packs it on every system we know */
#define EXITED(code)   ((code) << 8)

static void assert_text(const struct death *death, const char *expected)
{
    struct str text = STR_MAX(4096);

    death_text(death, &text);
    assert_string_equal(str_text(&text), expected);
    str_fini(&text);
}

static void test_death_text_names_test_phase_and_signal_when_a_worker_crashed(void **state)
{
    (void)state;
    assert_text(&(struct death){ .cause = DEATH_CRASH,
                                 .worker = 3,
                                 .test = "a.py::x",
                                 .phase = DEATH_IN_SETUP,
                                 .exited = true,
                                 .status = KILLED_BY(SIGSEGV),
                                 .core = "/tmp/core.17",
                                 .grown_kib = 50 * 1024 },
                "worker 'gw3' crashed while running 'a.py::x' in its set-up: killed by SIGSEGV "
                "(11), its memory grew by up to 50 MiB, core dumped: /tmp/core.17");
    assert_text(&(struct death){ .cause = DEATH_CRASH,
                                 .worker = 0,
                                 .phase = DEATH_IN_FINISH,
                                 .exited = true,
                                 .status = EXITED(3) },
                "worker 'gw0' crashed between tests at the end of the session: exit status 3");
    assert_text(&(struct death){ .cause = DEATH_CRASH, .test = "a.py::x", .phase = DEATH_IN_WIDER },
                "worker 'gw0' crashed between tests in the teardown of wider fixtures, after "
                "'a.py::x': its end was not seen");
}

static void test_death_text_tells_the_limit_when_it_was_over(void **state)
{
    (void)state;
    assert_text(&(struct death){ .cause = DEATH_TIMEOUT,
                                 .test = "a.py::x",
                                 .phase = DEATH_IN_CALL,
                                 .limit_ms = 1500,
                                 .exited = true,
                                 .status = KILLED_BY(SIGTERM) },
                "'a.py::x' was over its time limit of 1.5 s in its call (worker 'gw0'): killed by "
                "SIGTERM (15)");
    assert_text(&(struct death){ .cause = DEATH_STOPPED,
                                 .test = "a.py::x",
                                 .stop_signal = SIGTTOU,
                                 .exited = true,
                                 .status = KILLED_BY(40) },
                "worker 'gw0' was stopped by SIGTTOU (22) and did not go on, while running "
                "'a.py::x': killed by signal 40");
    assert_text(&(struct death){ .cause = DEATH_SILENT,
                                 .limit_ms = 300000,
                                 .exited = true,
                                 .status = KILLED_BY(SIGKILL) },
                "worker 'gw0' did not answer for 300 s between tests: killed by SIGKILL (9)");
}

static void assert_trimmed(const char *stacks, const char *expected)
{
    struct str out = STR_MAX(4096);

    death_trim_stacks(view_of(stacks), &out);
    assert_string_equal(str_text(&out), expected);
    str_fini(&out);
}

/* What a test did stays; how pytest came to call it goes; other text is left as it is. */
static void test_death_trim_stacks_drops_the_machinery_when_it_follows_a_test(void **state)
{
    (void)state;
    assert_trimmed("Thread 1:\n"
                   "  File \"/x/test_a.py\", line 3 in test_a\n"
                   "  File \"/y/_pytest/python.py\", line 1 in a\n"
                   "  File \"/y/pluggy/_hooks.py\", line 1 in b\n"
                   "  File \"/x/start.py\", line 9 in main\n"
                   "Thread 2:\n"
                   "  File \"/y/_pytest/a.py\", line 1 in a\n"
                   "  File \"/y/_pytest/b.py\", line 1 in b\n"
                   "  File \"/y/_pytest/c.py\", line 1 in c\n"
                   "  File \"/y/_pytest/d.py\", line 1 in d",
                   "Thread 1:\n"
                   "  File \"/x/test_a.py\", line 3 in test_a\n"
                   "  (frames of pytest)\n"
                   "  File \"/x/start.py\", line 9 in main\n"
                   "Thread 2:\n"
                   "  File \"/y/_pytest/a.py\", line 1 in a\n"
                   "  File \"/y/_pytest/b.py\", line 1 in b\n"
                   "  File \"/y/_pytest/c.py\", line 1 in c\n"
                   "  (frames of pytest)\n");
    assert_trimmed("  see /y/_pytest/python.py\n", "  see /y/_pytest/python.py\n");
    assert_trimmed("", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_death_text_names_test_phase_and_signal_when_a_worker_crashed),
        cmocka_unit_test(test_death_text_tells_the_limit_when_it_was_over),
        cmocka_unit_test(test_death_trim_stacks_drops_the_machinery_when_it_follows_a_test),
    };

    return cmocka_run_group_tests_name("death", tests, NULL, NULL);
}
