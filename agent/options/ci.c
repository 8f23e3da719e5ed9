#include "ci.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define PARTS_MAX     3
#define KEY_DIGITS    12 /* of the command's digest in a run key */
#define CI_NUMBER_MAX 1000000u

/* How one CI names what we want. A text is made of variables joined by "/"; of a list with "|" the
 * first that is set counts. */
struct system {
    const char *name, *detect;
    const char *project[PARTS_MAX], *run[PARTS_MAX], *job[PARTS_MAX], *step[PARTS_MAX];
    const char *instance[PARTS_MAX];
    const char *ref, *sha, *event, *link;
    const char *attempt, *index, *total;
    uint32_t attempt_base, index_base; /* the CI's number of the first */
};

static const struct system systems[] = {
    { .name = "github",
      .detect = "GITHUB_ACTIONS",
      .project = { "GITHUB_REPOSITORY" },
      .run = { "GITHUB_RUN_ID" },
      .job = { "GITHUB_JOB" },
      .step = { "GITHUB_ACTION" },
      .instance = { "GITHUB_RUN_ATTEMPT", "RUNNER_NAME", "RUNNER_TRACKING_ID" },
      .ref = "GITHUB_REF",
      .sha = "GITHUB_SHA",
      .event = "GITHUB_EVENT_NAME",
      .attempt = "GITHUB_RUN_ATTEMPT",
      .attempt_base = 1 },
    { .name = "gitlab",
      .detect = "GITLAB_CI",
      .project = { "CI_PROJECT_PATH" },
      .run = { "CI_PIPELINE_ID" },
      .job = { "CI_JOB_NAME" },
      .instance = { "CI_JOB_ID" },
      .ref = "CI_COMMIT_REF_NAME",
      .sha = "CI_COMMIT_SHA",
      .event = "CI_PIPELINE_SOURCE",
      .link = "CI_JOB_URL",
      .index = "CI_NODE_INDEX",
      .total = "CI_NODE_TOTAL",
      .index_base = 1 },
    { .name = "buildkite",
      .detect = "BUILDKITE",
      .project = { "BUILDKITE_ORGANIZATION_SLUG", "BUILDKITE_PIPELINE_SLUG" },
      .run = { "BUILDKITE_BUILD_ID" },
      .job = { "BUILDKITE_STEP_KEY|BUILDKITE_STEP_ID" },
      .instance = { "BUILDKITE_JOB_ID" },
      .ref = "BUILDKITE_BRANCH",
      .sha = "BUILDKITE_COMMIT",
      .event = "BUILDKITE_SOURCE",
      .link = "BUILDKITE_BUILD_URL",
      .attempt = "BUILDKITE_RETRY_COUNT",
      .index = "BUILDKITE_PARALLEL_JOB",
      .total = "BUILDKITE_PARALLEL_JOB_COUNT" },
    { .name = "circleci",
      .detect = "CIRCLECI",
      .project = { "CIRCLE_PROJECT_USERNAME", "CIRCLE_PROJECT_REPONAME" },
      /* "Rerun from failed" is a new workflow with the old one's workspace. */
      .run = { "CIRCLE_WORKFLOW_WORKSPACE_ID|CIRCLE_WORKFLOW_ID" },
      .job = { "CIRCLE_JOB" },
      .instance = { "CIRCLE_WORKFLOW_JOB_ID|CIRCLE_BUILD_NUM", "CIRCLE_NODE_INDEX" },
      .ref = "CIRCLE_BRANCH",
      .sha = "CIRCLE_SHA1",
      .link = "CIRCLE_BUILD_URL",
      .index = "CIRCLE_NODE_INDEX",
      .total = "CIRCLE_NODE_TOTAL" },
    { .name = "azure",
      .detect = "TF_BUILD",
      .project = { "BUILD_REPOSITORY_NAME" },
      .run = { "BUILD_BUILDID" },
      .job = { "SYSTEM_STAGENAME", "SYSTEM_PHASENAME" },
      .instance = { "SYSTEM_JOBID", "SYSTEM_JOBATTEMPT" },
      .ref = "BUILD_SOURCEBRANCH",
      .sha = "BUILD_SOURCEVERSION",
      .event = "BUILD_REASON",
      .attempt = "SYSTEM_JOBATTEMPT",
      .index = "SYSTEM_JOBPOSITIONINPHASE",
      .total = "SYSTEM_TOTALJOBSINPHASE",
      .attempt_base = 1,
      .index_base = 1 },
    { .name = "jenkins",
      .detect = "JENKINS_URL",
      .project = { "JOB_NAME" },
      .run = { "JOB_NAME", "BUILD_NUMBER" },
      .instance = { "BUILD_TAG", "NODE_NAME", "EXECUTOR_NUMBER" },
      .ref = "BRANCH_NAME|GIT_BRANCH",
      .sha = "GIT_COMMIT",
      .link = "BUILD_URL" },
};

struct environment {
    ci_lookup_fn lookup;
    void *ctx;
};

/* The first set and not empty of "A|B"; NULL when none is. */
static const char *value_of(const struct environment *env, const char *names)
{
    char name[64];

    while (names && *names) {
        size_t len = strcspn(names, "|");
        const char *value;

        INVARIANT(len < sizeof(name));
        memcpy(name, names, len);
        name[len] = '\0';
        value = env->lookup(env->ctx, name);
        if (value && *value)
            return value;
        names += len + (names[len] == '|');
    }
    return NULL;
}

static char *copy_of(const struct environment *env, const char *names)
{
    const char *value = value_of(env, names);

    return value ? mem_strdup(value) : NULL;
}

/* The parts that are set, joined; NULL when none is. */
static char *joined(const struct environment *env, const char *const parts[PARTS_MAX])
{
    struct str out = STR_MAX(PROTO_KEY_BYTES_MAX);
    struct err ignored = ERR_INIT;

    for (size_t i = 0; i < PARTS_MAX; i++) {
        const char *value = value_of(env, parts[i]);

        /* What would make the key too long is left out: no CI has such names. */
        if (value && str_addf(&out, &ignored, "%s%s", out.len ? "/" : "", value))
            break;
    }
    if (out.len == 0)
        return NULL;
    return str_take(&out);
}

/* The number of a variable counted from base; none when absent, not a number or under base. */
static uint32_t number_of(const struct environment *env, const char *name, uint32_t base,
                          uint32_t none)
{
    const char *text = name ? value_of(env, name) : NULL;
    struct err ignored = ERR_INIT;
    uint32_t v = 0;

    if (!text || parse_u32(text, base, CI_NUMBER_MAX, &v, &ignored))
        return none;
    return v - base;
}

/* GitLab names the copies of a job "test 2/5" or "test: [debian, 3.11]": what they share is "test".
 */
static void cut_gitlab_copy(char *job)
{
    char *matrix = strstr(job, ": [");
    size_t len = strlen(job);
    size_t i = len;

    if (matrix && job[len - 1] == ']') {
        *matrix = '\0';
        return;
    }
    while (i > 0 && job[i - 1] >= '0' && job[i - 1] <= '9')
        i--;
    if (i == len || i == 0 || job[i - 1] != '/')
        return;
    i--;
    while (i > 0 && job[i - 1] >= '0' && job[i - 1] <= '9')
        i--;
    if (i >= 2 && job[i - 1] == ' ' && job[i] != '/')
        job[i - 1] = '\0';
}

/* The job of a Jenkins multibranch project ends with its branch, which is no part of the project.
 */
static void cut_jenkins_branch(const struct environment *env, char *project)
{
    char *slash = strrchr(project, '/');

    if (slash && value_of(env, "BRANCH_NAME"))
        *slash = '\0';
}

static char *github_link(const struct environment *env)
{
    const char *server = value_of(env, "GITHUB_SERVER_URL");
    const char *repository = value_of(env, "GITHUB_REPOSITORY");
    const char *run = value_of(env, "GITHUB_RUN_ID");
    struct str out = STR_MAX(PROTO_KEY_BYTES_MAX);
    struct err ignored = ERR_INIT;

    if (!server || !repository || !run ||
        str_addf(&out, &ignored, "%s/%s/actions/runs/%s", server, repository, run))
        return NULL;
    return str_take(&out);
}

static void read_system(const struct environment *env, const struct system *s, struct ci *out)
{
    out->name = s->name;
    out->project = joined(env, s->project);
    out->run = joined(env, s->run);
    out->job = joined(env, s->job);
    out->step = joined(env, s->step);
    out->instance = joined(env, s->instance);
    out->ref = copy_of(env, s->ref);
    out->sha = copy_of(env, s->sha);
    out->event = copy_of(env, s->event);
    out->link = copy_of(env, s->link);
    /* Unknown is the largest number, which wraps to 0. */
    out->attempt = number_of(env, s->attempt, s->attempt_base, UINT32_MAX) + 1;
    out->index = number_of(env, s->index, s->index_base, PROTO_SLOT_NONE);
    out->total = number_of(env, s->total, 0, 0);
    if (strcmp(s->name, "gitlab") == 0 && out->job)
        cut_gitlab_copy(out->job);
    if (strcmp(s->name, "jenkins") == 0 && out->project)
        cut_jenkins_branch(env, out->project);
    if (strcmp(s->name, "github") == 0)
        out->link = github_link(env);
    if (out->total > PROTO_SLOTS_MAX || (out->total && out->index >= out->total)) {
        out->index = PROTO_SLOT_NONE;
        out->total = out->total == 1 ? 1 : 0;
    }
}

void ci_read(ci_lookup_fn lookup, void *ctx, struct ci *out)
{
    struct environment env = { .lookup = lookup, .ctx = ctx };

    *out = (struct ci){ .index = PROTO_SLOT_NONE };
    for (size_t i = 0; i < ARRAY_LEN(systems); i++) {
        if (value_of(&env, systems[i].detect)) {
            read_system(&env, &systems[i], out);
            return;
        }
    }
}

void ci_fini(struct ci *ci)
{
    free(ci->project);
    free(ci->run);
    free(ci->job);
    free(ci->step);
    free(ci->instance);
    free(ci->ref);
    free(ci->sha);
    free(ci->event);
    free(ci->link);
    *ci = (struct ci){ .index = PROTO_SLOT_NONE };
}

char *ci_run_prefix(const struct ci *ci)
{
    struct str out = STR_MAX(PROTO_KEY_BYTES_MAX);
    struct err ignored = ERR_INIT;

    if (!ci->name || !ci->run || str_addf(&out, &ignored, "%s/%s/", ci->name, ci->run)) {
        str_fini(&out);
        return NULL;
    }
    return str_take(&out);
}

char *ci_run_key(const struct ci *ci, const char *suite, const char *command_digest)
{
    char *prefix = ci_run_prefix(ci);
    struct str out = STR_MAX(PROTO_KEY_BYTES_MAX);
    struct err ignored = ERR_INIT;

    if (!prefix)
        return NULL;
    if (str_addf(&out, &ignored, "%s%s/%s/%s/%.*s", prefix, ci->job ? ci->job : "-",
                 ci->step ? ci->step : "-", suite, KEY_DIGITS, command_digest))
        str_fini(&out);
    free(prefix);
    return out.at ? str_take(&out) : NULL;
}
