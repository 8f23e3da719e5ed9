/* The table of paths. docs/openapi.yaml has the same ones; a test compares. */
#include "resources.h"

#define RUN    "/v1/runs/{run}"
#define SUITE  "/v1/projects/{project}/suites/{suite}"
#define NOBODY BODY_NONE, NULL

static const struct route table[] = {
    { HTTP_POST, "/v1/join", NEED_AGENT, BODY_JSON, &join_request_message, api_join,
      api_join_encode },
    { HTTP_POST, RUN "/collected", NEED_SESSION, BODY_JSON, &collected_request_message,
      api_collected, api_collected_encode },
    { HTTP_PUT, RUN "/manifest/{digest}/{part}", NEED_SESSION, BODY_BYTES, NULL, api_part,
      api_part_encode },
    { HTTP_POST, RUN "/pull", NEED_SESSION, BODY_JSON, &pull_request_message, api_pull,
      api_pull_encode },
    { HTTP_POST, RUN "/results", NEED_SESSION, BODY_JSON, &results_request_message, api_results,
      api_results_encode },
    { HTTP_POST, RUN "/drain", NEED_SESSION, BODY_JSON, &drain_request_message, api_drain,
      api_results_encode },
    { HTTP_POST, RUN "/leave", NEED_SESSION, BODY_JSON, &leave_request_message, api_leave,
      api_verdict_encode },

    { HTTP_GET, "/v1/runs", NEED_READER, NOBODY, api_runs, api_runs_encode },
    { HTTP_GET, RUN, NEED_READER, NOBODY, api_run_status, api_run_status_encode },
    { HTTP_GET, RUN "/verdict", NEED_READER, NOBODY, api_verdict, api_verdict_encode },
    { HTTP_POST, RUN "/close", NEED_AGENT, NOBODY, api_close, api_verdict_encode },
    { HTTP_GET, RUN "/report", NEED_READER, NOBODY, api_report, api_report_encode },

    { HTTP_GET, SUITE, NEED_READER, NOBODY, api_suite, api_suite_encode },
    { HTTP_GET, SUITE "/durations", NEED_READER, NOBODY, api_durations_export, NULL },
    { HTTP_PUT, SUITE "/durations", NEED_AGENT, BODY_JSON, &durations_message, api_durations_import,
      NULL },

    { HTTP_GET, "/agent/linux-x86_64", NEED_NOTHING, NOBODY, api_agent, NULL },
    { HTTP_GET, "/agent/linux-x86_64.sha256", NEED_NOTHING, NOBODY, api_agent_digest, NULL },
    { HTTP_GET, "/metrics", NEED_READER, NOBODY, api_metrics, NULL },
    { HTTP_GET, "/healthz", NEED_NOTHING, NOBODY, api_health, NULL },
    { HTTP_GET, "/readyz", NEED_NOTHING, NOBODY, api_ready, NULL },
};

const struct route *routes(size_t *out_count)
{
    *out_count = ARRAY_LEN(table);
    return table;
}
