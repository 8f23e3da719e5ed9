#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "options/ci.h"

#define VARIABLES_MAX 12
#define DIGEST        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* "NAME=value" texts, as an environment. */
struct world {
    const char *variables[VARIABLES_MAX];
};

static const char *look_up(void *ctx, const char *name)
{
    const struct world *world = ctx;
    size_t len = strlen(name);

    for (size_t i = 0; i < VARIABLES_MAX && world->variables[i]; i++)
        if (strncmp(world->variables[i], name, len) == 0 && world->variables[i][len] == '=')
            return world->variables[i] + len + 1;
    return NULL;
}

struct ci_case {
    struct world world;
    const char *name, *project, *key, *instance;
    uint32_t attempt, index, total;
};

/* One job as each CI describes it: what it is called, under which key its copies meet, which copy
 * it is, counted from 0. */
static void test_ci_reads_what_each_system_says(void **state)
{
    static const struct ci_case cases[] = {
        { { { "GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=acme/web", "GITHUB_RUN_ID=4711",
              "GITHUB_RUN_ATTEMPT=2", "GITHUB_JOB=test", "GITHUB_ACTION=__run_3", "RUNNER_NAME=r1",
              "RUNNER_TRACKING_ID=github_77" } },
          "github",
          "acme/web",
          "github/4711/test/__run_3/unit/0123456789ab",
          "2/r1/github_77",
          2,
          PROTO_SLOT_NONE,
          0 },
        { { { "GITLAB_CI=true", "CI_PROJECT_PATH=acme/web", "CI_PIPELINE_ID=9",
              "CI_JOB_NAME=test 2/5", "CI_JOB_ID=1234", "CI_NODE_INDEX=2", "CI_NODE_TOTAL=5" } },
          "gitlab",
          "acme/web",
          "gitlab/9/test/-/unit/0123456789ab",
          "1234",
          0,
          1,
          5 },
        { { { "GITLAB_CI=true", "CI_PIPELINE_ID=9", "CI_JOB_NAME=test: [debian, 3.11]",
              "CI_JOB_ID=1", "CI_NODE_TOTAL=1" } },
          "gitlab",
          NULL,
          "gitlab/9/test/-/unit/0123456789ab",
          "1",
          0,
          PROTO_SLOT_NONE,
          1 },
        { { { "BUILDKITE=true", "BUILDKITE_ORGANIZATION_SLUG=acme", "BUILDKITE_PIPELINE_SLUG=web",
              "BUILDKITE_BUILD_ID=b-1", "BUILDKITE_STEP_ID=s-1", "BUILDKITE_JOB_ID=j-1",
              "BUILDKITE_RETRY_COUNT=1", "BUILDKITE_PARALLEL_JOB=0",
              "BUILDKITE_PARALLEL_JOB_COUNT=3" } },
          "buildkite",
          "acme/web",
          "buildkite/b-1/s-1/-/unit/0123456789ab",
          "j-1",
          2,
          0,
          3 },
        { { { "CIRCLECI=true", "CIRCLE_PROJECT_USERNAME=acme", "CIRCLE_PROJECT_REPONAME=web",
              "CIRCLE_WORKFLOW_ID=w-2", "CIRCLE_WORKFLOW_WORKSPACE_ID=w-1", "CIRCLE_JOB=test",
              "CIRCLE_BUILD_NUM=55", "CIRCLE_NODE_INDEX=3", "CIRCLE_NODE_TOTAL=4" } },
          "circleci",
          "acme/web",
          "circleci/w-1/test/-/unit/0123456789ab",
          "55/3",
          0,
          3,
          4 },
        { { { "TF_BUILD=True", "BUILD_REPOSITORY_NAME=web", "BUILD_BUILDID=8",
              "SYSTEM_STAGENAME=ci", "SYSTEM_PHASENAME=test", "SYSTEM_JOBID=abc",
              "SYSTEM_JOBATTEMPT=1", "SYSTEM_JOBPOSITIONINPHASE=2", "SYSTEM_TOTALJOBSINPHASE=2" } },
          "azure",
          "web",
          "azure/8/ci/test/-/unit/0123456789ab",
          "abc/1",
          1,
          1,
          2 },
        { { { "JENKINS_URL=http://j", "JOB_NAME=acme/web/main", "BRANCH_NAME=main",
              "BUILD_NUMBER=12", "BUILD_TAG=jenkins-acme-web-main-12", "EXECUTOR_NUMBER=1" } },
          "jenkins",
          "acme/web",
          "jenkins/acme/web/main/12/-/-/unit/0123456789ab",
          "jenkins-acme-web-main-12/1",
          0,
          PROTO_SLOT_NONE,
          0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct ci_case *c = &cases[i];
        struct ci ci;
        char *key;

        ci_read(look_up, (void *)(uintptr_t)&c->world, &ci);
        key = ci_run_key(&ci, "unit", DIGEST);
        assert_string_equal(ci.name, c->name);
        if (c->project)
            assert_string_equal(ci.project, c->project);
        else
            assert_null(ci.project);
        assert_string_equal(key, c->key);
        assert_string_equal(ci.instance, c->instance);
        assert_int_equal(ci.attempt, c->attempt);
        assert_int_equal(ci.index, c->index);
        assert_int_equal(ci.total, c->total);
        free(key);
        ci_fini(&ci);
    }
}

static void test_ci_is_unknown_outside_of_a_job(void **state)
{
    struct world world = { { "HOME=/root", "GITHUB_ACTIONS=" } };
    struct ci ci;

    (void)state;
    ci_read(look_up, &world, &ci);
    assert_null(ci.name);
    assert_null(ci_run_prefix(&ci));
    assert_null(ci_run_key(&ci, "unit", DIGEST));
    assert_int_equal(ci.index, PROTO_SLOT_NONE);
    ci_fini(&ci);
}

/* An index that does not fit is no index; text where a number should be is none either. */
static void test_ci_ignores_numbers_that_make_no_sense(void **state)
{
    struct world over = { { "CIRCLECI=true", "CIRCLE_NODE_INDEX=4", "CIRCLE_NODE_TOTAL=4" } };
    struct world text = { { "CIRCLECI=true", "CIRCLE_NODE_INDEX=one", "CIRCLE_NODE_TOTAL=-1" } };
    struct world zero = { { "GITLAB_CI=true", "CI_NODE_INDEX=0", "CI_NODE_TOTAL=2" } };
    struct ci ci;

    (void)state;
    ci_read(look_up, &over, &ci);
    assert_int_equal(ci.index, PROTO_SLOT_NONE);
    assert_int_equal(ci.total, 0);
    ci_fini(&ci);
    ci_read(look_up, &text, &ci);
    assert_int_equal(ci.index, PROTO_SLOT_NONE);
    assert_int_equal(ci.total, 0);
    ci_fini(&ci);
    ci_read(look_up, &zero, &ci);
    assert_int_equal(ci.index, PROTO_SLOT_NONE);
    ci_fini(&ci);
}

/* All that follows the attempt stays the same in a retry, so both attempts meet in one run. */
static void test_ci_key_is_the_same_in_a_retry(void **state)
{
    struct world first = { { "GITHUB_ACTIONS=true", "GITHUB_RUN_ID=1", "GITHUB_RUN_ATTEMPT=1",
                             "GITHUB_JOB=t", "GITHUB_ACTION=__run" } };
    struct world second = { { "GITHUB_ACTIONS=true", "GITHUB_RUN_ID=1", "GITHUB_RUN_ATTEMPT=2",
                              "GITHUB_JOB=t", "GITHUB_ACTION=__run" } };
    struct ci a;
    struct ci b;
    char *key_a;
    char *key_b;

    (void)state;
    ci_read(look_up, &first, &a);
    ci_read(look_up, &second, &b);
    key_a = ci_run_key(&a, "unit", DIGEST);
    key_b = ci_run_key(&b, "unit", DIGEST);
    assert_string_equal(key_a, key_b);
    assert_int_not_equal(a.attempt, b.attempt);
    free(key_a);
    free(key_b);
    ci_fini(&a);
    ci_fini(&b);
}

static void test_ci_gitlab_names_lose_only_what_tells_copies_apart(void **state)
{
    static const struct {
        const char *variable, *job;
    } cases[] = {
        { "CI_JOB_NAME=test 10/12", "test" },
        { "CI_JOB_NAME=unit tests", "unit tests" },
        { "CI_JOB_NAME=build/deb", "build/deb" },
        { "CI_JOB_NAME=a/1", "a/1" },
        { "CI_JOB_NAME=v 1/", "v 1/" },
        { "CI_JOB_NAME=1/2", "1/2" },
        { "CI_JOB_NAME=lint: fast", "lint: fast" },
        { "CI_JOB_NAME=x: [a]", "x" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct world world = { { "GITLAB_CI=true", cases[i].variable } };
        struct ci ci;

        ci_read(look_up, &world, &ci);
        assert_string_equal(ci.job, cases[i].job);
        ci_fini(&ci);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ci_reads_what_each_system_says),
        cmocka_unit_test(test_ci_is_unknown_outside_of_a_job),
        cmocka_unit_test(test_ci_ignores_numbers_that_make_no_sense),
        cmocka_unit_test(test_ci_key_is_the_same_in_a_retry),
        cmocka_unit_test(test_ci_gitlab_names_lose_only_what_tells_copies_apart),
    };

    return cmocka_run_group_tests_name("agent/ci", tests, NULL, NULL);
}
