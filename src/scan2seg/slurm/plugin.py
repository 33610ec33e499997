"""Changes to snakemake-executor-plugin-slurm: it outlasts an absent controller and takes up the jobs of a dead run.

As it is, a question that fails makes the plugin hand back no jobs; Snakemake, which has emptied its list by then, asks
for nothing again and waits for ever. A submission that fails for the same reason fails the job. And the jobs of a
snakemake that was killed are submitted anew. ``tests/unit/slurm/test_plugin.py`` says when the code that is changed
here has changed.
"""

import os
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from scan2seg.slurm.controller import ENDED, Controller, ask_state, is_unreachable
from scan2seg.slurm.submissions import Submission, describe, forget, recall, remember
from scan2seg.workflow_outputs import SINCE

PLUGIN = "snakemake_executor_plugin_slurm"
LONGEST = 40
"""Seconds between two questions about jobs, at most, unless the profile's first interval is longer."""


def extend_plugin() -> None:
    """Change the plugin where Snakemake has loaded it; again without effect."""
    module = sys.modules.get(PLUGIN)
    if module is None or hasattr(module.Executor, "controller"):
        return
    from snakemake.logging import logger

    module.Executor.controller = Controller(logger)
    module.Executor.submissions = {}
    _extend_questions(module)
    _extend_submission(module.Executor)
    _extend_end(module.Executor)


class _Words:
    """Stands in for a logger, and keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def debug(self, message: str) -> None:
        self.said.append(message)


def _extend_questions(module: Any) -> None:
    """Let a question without an answer leave all jobs active, and ask for the jobs of earlier runs too."""
    executor, query = module.Executor, module.query_job_status
    controller: Controller = executor.controller
    submissions: dict[str, Submission] = executor.submissions
    check = executor.check_active_jobs

    async def query_patiently(command: str, logger: Any) -> tuple[dict[str, str], float]:
        words = _Words()
        states, seconds = await query(command, words)
        controller.hear(states is not None, "\n".join(words.said))
        # the plugin takes a job that no answer names for one that is not known yet, and keeps it
        if states is None:
            return {}, 0.0

        def is_made(job: str) -> bool:
            return submissions[job].is_made(submissions[job].submitted)

        try:
            return controller.complete(states, submissions, is_made), seconds
        except ConnectionError as error:
            controller.hear(False, str(error))
            return states, seconds

    async def check_active_jobs(self: Any, active_jobs: list[Any]) -> AsyncIterator[Any]:
        async for job in check(self, active_jobs):
            yield job
        # the plugin asks less often the longer nothing has ended, up to every three minutes
        first = self.workflow.executor_settings.init_seconds_before_status_checks
        longest = first if controller.silent_since is not None else max(first, LONGEST)
        self.next_seconds_between_status_checks = min(self.next_seconds_between_status_checks, longest)

    def naming_all(make: Any) -> Any:
        def make_command(run: str) -> str:
            names = dict.fromkeys([run, *(submission.run for submission in list(submissions.values()))])
            return str(make(",".join(names)))

        return make_command

    executor.check_active_jobs = check_active_jobs
    module.query_job_status = query_patiently
    module.query_job_status_squeue = naming_all(module.query_job_status_squeue)
    module.query_job_status_sacct = naming_all(module.query_job_status_sacct)


def _extend_submission(executor: Any) -> None:
    """Let a submission wait for the controller, and take a job that an earlier run has submitted."""
    controller: Controller = executor.controller
    submit, report_error = executor.run_job, executor._report_job_error_threadsafe
    refusal = threading.local()

    def run_job(self: Any, job: Any) -> None:
        while True:
            refusal.words = None
            try:
                if not _take_up(self, job):
                    submit(self, job)
            except ConnectionError as error:
                refusal.words = str(error)
            if refusal.words is None:
                return
            controller.hear(False, refusal.words)
            if not controller.wait(self.workflow.executor_settings.init_seconds_before_status_checks):
                return

    def report(self: Any, job_info: Any, msg: str) -> None:
        if is_unreachable(msg):
            refusal.words = msg.partition("\n")[0]
        else:
            report_error(self, job_info, msg)

    executor.run_job = run_job
    executor._report_job_error_threadsafe = report


def _take_up(self: Any, job: Any) -> bool:
    """Wait for the Slurm job of an earlier run in place of a new one; tell whether there is one."""
    from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

    earlier = recall(job)
    if earlier is None:
        return False
    state = ask_state(earlier.job)
    # what was made before this run began is known to Snakemake; if it asks for it again, that is wanted
    if earlier.is_made(float(os.environ[SINCE])):
        self.logger.info(f"Slurm job {earlier.job} of an earlier run has ended: what it made is taken")
        self.controller.settle(earlier.job, "COMPLETED")
    elif state is None or state in ENDED:
        return False
    else:
        self.logger.info(
            f"Slurm job {earlier.job} of an earlier run is {state.lower()}: nothing is submitted in its place"
        )
    self.submissions[earlier.job] = earlier
    taken = SubmittedJobInfo(job, external_jobid=earlier.job, aux={"slurm_logfile": Path(earlier.log)})
    self._report_job_submission_threadsafe(taken)
    return True


def _extend_end(executor: Any) -> None:
    """Keep a record of each submitted job until its end is seen; let an interrupt end all waiting."""
    controller: Controller = executor.controller
    submissions: dict[str, Submission] = executor.submissions
    submitted, success, failure = (
        executor._report_job_submission_threadsafe,
        executor.report_job_success,
        executor.report_job_error,
    )
    cancel, shutdown = executor.cancel_jobs, executor.shutdown

    def report_submission(self: Any, job_info: Any) -> None:
        number = str(job_info.external_jobid)
        if number not in submissions:
            submissions[number] = describe(job_info.job, number, self.run_uuid, job_info.aux["slurm_logfile"])
            remember(submissions[number])
        submitted(self, job_info)

    def report_success(self: Any, job_info: Any) -> None:
        _close(submissions, job_info)
        success(self, job_info)

    def report_failure(self: Any, job_info: Any, *words: Any, **named: Any) -> None:
        _close(submissions, job_info)
        failure(self, job_info, *words, **named)

    def cancel_jobs(self: Any, active_jobs: list[Any]) -> None:
        controller.leaving.set()
        try:
            cancel(self, active_jobs)
        except Exception as error:
            self.logger.error(f"{error}\nThe same command takes up what still waits or runs.")

    def shut_down(self: Any) -> None:
        controller.leaving.set()
        shutdown(self)

    executor._report_job_submission_threadsafe = report_submission
    executor.report_job_success, executor.report_job_error = report_success, report_failure
    executor.cancel_jobs, executor.shutdown = cancel_jobs, shut_down


def _close(submissions: dict[str, Submission], job_info: Any) -> None:
    submissions.pop(str(job_info.external_jobid), None)
    forget(job_info.job)
