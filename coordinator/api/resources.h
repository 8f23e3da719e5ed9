/* resources.h - the functions of the resource files that the table in routes.c names. */
#pragma once

#include "api/request.h"

extern const struct api_message join_request_message;
extern const struct api_message collected_request_message;
extern const struct api_message pull_request_message;
extern const struct api_message results_request_message;
extern const struct api_message drain_request_message;
extern const struct api_message leave_request_message;
extern const struct api_message durations_message;

void api_join(struct api_request *r);
char *api_join_encode(const union answer *answer);

void api_collected(struct api_request *r);
char *api_collected_encode(const union answer *answer);
void api_part(struct api_request *r);
char *api_part_encode(const union answer *answer);

void api_pull(struct api_request *r);
char *api_pull_encode(const union answer *answer);

void api_results(struct api_request *r);
char *api_results_encode(const union answer *answer);

void api_drain(struct api_request *r);
void api_leave(struct api_request *r);

void api_runs(struct api_request *r);
char *api_runs_encode(const union answer *answer);
void api_run_status(struct api_request *r);
char *api_run_status_encode(const union answer *answer);

void api_verdict(struct api_request *r);
void api_close(struct api_request *r);
char *api_verdict_encode(const union answer *answer);

void api_report(struct api_request *r);
char *api_report_encode(const union answer *answer);

void api_suite(struct api_request *r);
char *api_suite_encode(const union answer *answer);
void api_durations_export(struct api_request *r);
void api_durations_import(struct api_request *r);

void api_agent(struct api_request *r);
void api_agent_digest(struct api_request *r);

void api_metrics(struct api_request *r);
void api_health(struct api_request *r);
void api_ready(struct api_request *r);
