"""The CI templates do what they say: their own steps, run as the CI would, against a real coordinator."""

import os
import re
import unittest

import yaml

import harness

TEMPLATES = harness.ROOT / "ci-templates"
SHARDS = 4
TESTS = 30

GITHUB = {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_REPOSITORY": "owner/name", "GITHUB_RUN_ID": "4711",
          "GITHUB_RUN_ATTEMPT": "1", "GITHUB_WORKFLOW": "tests", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main",
          "GITHUB_SHA": "0" * 40, "GITHUB_SERVER_URL": "https://forge.example"}
GITLAB = {"GITLAB_CI": "true", "CI": "true", "CI_PROJECT_PATH": "owner/name", "CI_PIPELINE_ID": "4711",
          "CI_COMMIT_SHA": "0" * 40, "CI_COMMIT_REF_NAME": "main", "CI_NODE_TOTAL": str(SHARDS)}


class TemplateTest(harness.TestCase):
    def setUp(self):
        super().setUp()
        self.coordinator_ = self.coordinator()
        tools = self.suite({"pip": "#!/bin/sh\nexit 0\n", "pytest": f'#!/bin/sh\nexec {harness.PYTHON} -m pytest "$@"\n'},
                           "tools")
        for tool in tools.iterdir():
            tool.chmod(0o755)
        self.path_ = f"{tools}:{os.environ['PATH']}"

    def checkout(self, name, bad=False):
        """A machine's own copy of the project."""
        tests = {f"tests/test_{number}.py": f"def test_{number}(): assert {not (bad and number == 7)}\n"
                 for number in range(TESTS)}  # the same tests, good or bad: a flaky one
        return self.suite({"requirements.txt": "pytest\n", **tests}, name)

    def shell(self, name, script, cwd, env):
        """A step as CI systems run it: a file of commands given to bash -e."""
        file = cwd / f".step-{len(list(cwd.iterdir()))}.sh"
        file.write_text(script)
        environ = harness.clean_environ(PATH=self.path_, **env)
        return self._keep(harness.Process(name, ["bash", "--noprofile", "--norc", "-eo", "pipefail", file], environ, cwd))

    # GitHub Actions

    def github_steps(self, job, context, env):
        """The run steps of a job whose condition holds, with expressions filled in."""
        workflow = yaml.safe_load((TEMPLATES / "github-actions.yml").read_text())
        for step in workflow["jobs"][job]["steps"]:
            if "run" not in step or "== ''" in str(step.get("if", "")):
                continue
            filled = {key: re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda match: context[match.group(1)], str(value))
                      for key, value in step.get("env", {}).items()}
            yield step["run"], {**env, **filled}

    def github_job(self, job, shard, folder, attempt=1):
        env = {**GITHUB, **self.coordinator_.environ(), "GITHUB_JOB": job, "RUNNER_NAME": f"runner {shard}",
               "GITHUB_RUN_ATTEMPT": str(attempt)}
        context = {"secrets.MAKESPAN_TOKEN": env.pop("MAKESPAN_TOKEN"), "matrix.shard": str(shard)}
        last = None
        for script, environ in self.github_steps(job, context, env):
            if last is not None:
                self.assertEqual(last.wait(), 0, last.output)
            last = self.shell(f"{job} {shard}", script, folder, environ)
        return last

    def github(self, bad):
        jobs = [self.github_job("tests", shard, self.checkout(f"github-{shard}", bad)) for shard in range(SHARDS)]
        statuses = [job.wait() for job in jobs]
        for job in jobs:
            self.assertNotIn("(epoch 2)", job.output, "two jobs took one place in the matrix")
        folder = self.checkout("github-verdict")
        verdict = self.github_job("verdict", 0, folder)
        return jobs, statuses, verdict.wait(), folder / "junit.xml"

    def test_github_actions_green(self):
        _, statuses, verdict, junit = self.github(bad=False)
        self.assertEqual((statuses, verdict), ([0] * SHARDS, 0))
        self.assertEqual(len(harness.ElementTree.parse(junit).findall(".//testcase")), TESTS)

    def test_github_actions_red(self):
        """Jobs that live to see the end of a red run are red with it; the machine that is named is where the test failed."""
        jobs, statuses, verdict, _ = self.github(bad=True)
        ran_it = [shard for shard, job in enumerate(jobs) if "FAILED tests/test_7.py::test_7" in job.output]
        self.assertEqual(len(ran_it), 1, "the bad test ran on one machine")
        self.assertEqual(statuses[ran_it[0]], 1)
        self.assertEqual(verdict, 1)
        self.assertRegex(self._started[-1].output, r"(?m)^red: 1 of 30 tests failed$")
        self.assertRegex(self._started[-1].output,
                         rf"(?m)^  failed: tests/test_7.py::test_7 \(machine {ran_it[0]}\)$")

    def test_github_actions_rerun_of_failed_jobs(self):
        """Only the failed job comes again: it runs the failed test and nothing else, and that turns the run green."""
        _, statuses, verdict, _ = self.github(bad=True)
        self.assertEqual(verdict, 1)
        again = [shard for shard, status in enumerate(statuses) if status]
        jobs = [self.github_job("tests", shard, self.checkout(f"again-{shard}"), attempt=2) for shard in again]
        self.assertEqual([job.wait() for job in jobs], [0] * len(again))
        self.assertRegex("\n".join(job.output for job in jobs), r"\b1 passed\b")
        verdict = self.github_job("verdict", 0, self.checkout("again-verdict"), attempt=2)
        self.assertEqual(verdict.wait(), 0, verdict.output)

    # GitLab

    def gitlab_job(self, job, index, folder):
        template = yaml.safe_load((TEMPLATES / "gitlab-ci.yml").read_text())
        script = [*template[".agent"]["before_script"], *template[job]["script"]]
        env = {**GITLAB, **self.coordinator_.environ(), "CI_JOB_ID": str(100 + index)}
        if job == "tests":
            env.update(CI_JOB_NAME=f"tests {index}/{SHARDS}", CI_NODE_INDEX=str(index), CI_JOB_NAME_SLUG="tests")
        else:
            env.update(CI_JOB_NAME=job, CI_NODE_TOTAL="1")
        return self.shell(f"{job} {index}", "\n".join(script) + "\n", folder, env)

    def test_gitlab(self):
        jobs = [self.gitlab_job("tests", index, self.checkout(f"gitlab-{index}")) for index in range(1, SHARDS + 1)]
        self.assertEqual([job.wait() for job in jobs], [0] * SHARDS)
        folder = self.checkout("gitlab-verdict")
        self.assertEqual(self.gitlab_job("verdict", 0, folder).wait(), 0)
        self.assertEqual(len(harness.ElementTree.parse(folder / "junit.xml").findall(".//testcase")), TESTS)

    # Plain shell

    def test_plain_shell(self):
        def machine(index, *words):
            env = {**self.coordinator_.environ(), "MAKESPAN_RUN_KEY": "build 4711"}
            if index is not None:
                env.update(MAKESPAN_INDEX=index, MAKESPAN_TOTAL=2)
            folder = self.checkout(f"plain-{index}")
            environ = harness.clean_environ(PATH=self.path_, **env)
            return self._keep(harness.Process(f"machine {index}", ["sh", TEMPLATES / "plain.sh", *words], environ, folder))

        machines = [machine(index, "pytest", "tests/") for index in range(2)]
        self.assertEqual([each.wait() for each in machines], [0, 0])
        verdict = machine(None, "verdict")
        self.assertEqual(verdict.wait(), 0, verdict.output)
        self.assertIn(f"{TESTS} tests: {TESTS} passed", verdict.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
