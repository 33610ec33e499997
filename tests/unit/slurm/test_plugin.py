"""The submitting process on a Slurm that is away for a while, forgets a job, or has the jobs of a dead snakemake."""

import hashlib
import inspect
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import snakemake_executor_plugin_slurm as plugin
from fake_slurm import FakeSlurm

SOURCE = Path(__file__).parents[3] / "src"
SNAKEFILE = f"""
import sys
sys.path.insert(0, {str(SOURCE)!r})
import scan2seg.slurm.controller as controller
import scan2seg.slurm.plugin as plugin
from scan2seg.slurm.plugin import extend_plugin
from scan2seg.workflow_outputs import keep_outputs
controller.FORGOTTEN = 1
plugin.LONGEST = 1
keep_outputs(workflow)
extend_plugin()
localrules: all
rule all:
    input: "made/second"
rule first:
    output: "made/first"
    log: "logs/first.log"
    resources: mem_mb=100, runtime=1, slurm_partition="cpu"
    script: "make.py"
rule second:
    input: "made/first"
    output: "made/second"
    log: "logs/second.log"
    resources: mem_mb=100, runtime=1, slurm_partition="cpu"
    script: "make.py"
"""
# works until it is let go, so that a test decides what happens meanwhile
SCRIPT = """
import time
from pathlib import Path
from scan2seg.adapter import job

with job(snakemake) as needed:
    if needed:
        Path("started", snakemake.rule).touch()
        while not Path("go", snakemake.rule).exists():
            time.sleep(0.05)
        with open("made.log", "a") as file:
            print(snakemake.rule, file=file)
        Path(snakemake.output[0]).write_text("x")
"""
# the plugin's code that scan2seg.slurm.plugin was written for
READ = {
    "check_active_jobs": "a15ec905e07e",
    "run_job": "d8a8af5d4605",
    "_report_job_submission_threadsafe": "600c3787c8e6",
    "_report_job_error_threadsafe": "bccc14fdfb49",
    "cancel_jobs": "fa5264a51538",
    "shutdown": "67e48b94f0bc",
    "_wait_for_jobs": "7b4ab4f49ea0",
    "query_job_status": "e0a595a37ef2",
}


@pytest.fixture
def site(tmp_path: Path) -> Iterator["Site"]:
    made = Site(tmp_path)
    yield made
    for process in made.processes:
        if process.poll() is None:
            process.kill()
        process.wait()
    for name in ("first", "second"):
        made.let_go(name)


class Site:
    """A folder with a workflow of two jobs, and a Slurm."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.slurm = folder, FakeSlurm(folder / "slurm")
        self.processes: list[subprocess.Popen[str]] = []
        for name in ("go", "started"):
            (folder / name).mkdir()
        (folder / "Snakefile").write_text(SNAKEFILE)
        (folder / "make.py").write_text(SCRIPT)

    def start(self, command: str = "squeue", latency: int = 2) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "snakemake", "--executor", "slurm", "--jobs", "4", "--latency-wait", str(latency),
                "--slurm-status-command", command, "--slurm-init-seconds-before-status-checks", "1",
            ],
            cwd=self.folder, env=self.slurm.environment(), text=True,
            stdout=(self.folder / "output").open("w"), stderr=subprocess.STDOUT,
            # a test runner in the background ignores the interrupt, and its children would inherit that
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )  # fmt: skip
        self.processes.append(process)
        return process

    def let_go(self, name: str) -> None:
        (self.folder / "go" / name).touch()

    def wait(self, condition: Callable[[], object], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def wait_for_start(self, name: str) -> None:
        self.wait((self.folder / "started" / name).exists)

    def finish(self, process: subprocess.Popen[str]) -> str:
        self.wait(lambda: process.poll() is not None)
        assert process.returncode == 0, self.output()
        assert (self.folder / "made.log").read_text().split() == ["first", "second"]
        return self.output()

    def output(self) -> str:
        return (self.folder / "output").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["squeue", "sacct"])
def test_a_run_outlasts_a_controller_that_is_away(site: Site, command: str) -> None:
    site.let_go("second")
    process = site.start(command)
    site.wait_for_start("first")
    site.slurm.go_away()
    site.let_go("first")
    # the plugin gives up after five questions
    site.wait(lambda: site.slurm.asked() > 8)
    assert process.poll() is None
    site.slurm.come_back()
    output = site.finish(process)
    assert "Slurm does not answer" in output and "Unable to contact slurm controller" in output
    assert "Slurm answers again" in output
    assert len(site.slurm.jobs()) == 2


@pytest.mark.slow
def test_a_submission_waits_for_the_controller(site: Site) -> None:
    site.let_go("first")
    site.let_go("second")
    site.slurm.go_away()
    process = site.start()
    site.wait(lambda: "It said: " in site.output())
    site.slurm.come_back()
    site.finish(process)
    assert len(site.slurm.jobs()) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "refusal", ["Invalid account or account/partition combination specified", "Invalid qos specification"]
)
def test_a_refused_submission_is_said_and_leaves_what_was_there(site: Site, refusal: str) -> None:
    site.let_go("first")
    site.let_go("second")
    # older than what it is made from, so that it would be made anew
    (site.folder / "made").mkdir()
    made = site.folder / "made" / "second"
    for place, name in enumerate(("second", "first")):
        (site.folder / "made" / name).write_text("old")
        os.utime(site.folder / "made" / name, (1000 + place, 1000 + place))
    site.slurm.refuse(refusal)
    process = site.start()
    site.wait(lambda: process.poll() is not None, 300)
    assert process.returncode != 0 and refusal in site.output()
    assert made.read_text() == "old"
    site.slurm.refuse("")
    process = site.start()
    site.wait(lambda: process.poll() is not None, 300)
    assert process.returncode == 0, site.output()
    assert made.read_text() == "x"


@pytest.mark.slow
def test_files_that_appear_late_are_waited_for(site: Site) -> None:
    for name in ("first", "second"):
        site.let_go(name)
    site.slurm.delay("made/first", 8)
    output = site.finish(site.start(latency=40))
    assert "Waiting at most 40 seconds for missing files" in output
    assert len(site.slurm.jobs()) == 2


@pytest.mark.slow
def test_files_that_appear_too_late_end_the_run_and_one_more_command_finishes(site: Site) -> None:
    for name in ("first", "second"):
        site.let_go(name)
    site.slurm.delay("made/first", 20)
    process = site.start()
    site.wait(lambda: process.poll() is not None)
    assert process.returncode != 0
    assert "made/first (missing locally" in site.output() and "--latency-wait" in site.output()
    site.wait((site.folder / "made" / "first").exists)
    (site.slurm.folder / "late").unlink()
    site.finish(site.start())
    # what appeared too late is not made again
    assert len(site.slurm.jobs()) == 2


@pytest.mark.slow
def test_an_interrupt_ends_a_run_whose_controller_is_away(site: Site) -> None:
    site.slurm.go_away()
    process = site.start()
    site.wait(lambda: "It said: " in site.output())
    process.send_signal(signal.SIGINT)
    site.wait(lambda: process.poll() is not None, 20)
    assert process.returncode != 0


@pytest.mark.slow
def test_a_job_that_the_controller_forgot_is_told_by_what_it_made(site: Site) -> None:
    site.let_go("second")
    process = site.start()
    site.wait_for_start("first")
    site.slurm.go_away()
    site.let_go("first")
    site.wait((site.slurm.folder / "jobs/1.end").exists)
    site.slurm.jobs()[0].rename(site.folder / "forgotten")
    site.slurm.come_back()
    assert "Slurm has forgotten job 1; what it makes is there" in site.finish(process)


@pytest.mark.slow
def test_the_jobs_of_a_dead_snakemake_are_waited_for(site: Site) -> None:
    first = site.start()
    site.wait_for_start("first")
    first.kill()
    first.wait()
    second = site.start()
    site.wait(lambda: "nothing is submitted in its place" in site.output())
    site.let_go("first")
    site.let_go("second")
    site.finish(second)
    assert len(site.slurm.jobs()) == 2


@pytest.mark.slow
def test_what_ended_while_no_snakemake_lived_is_not_made_again(site: Site) -> None:
    first = site.start()
    site.wait_for_start("first")
    first.kill()
    first.wait()
    site.let_go("first")
    site.let_go("second")
    site.wait((site.slurm.folder / "jobs/1.end").exists)
    site.finish(site.start())
    assert len(site.slurm.jobs()) == 2


def test_the_changed_code_of_the_plugin_is_as_it_was_read() -> None:
    methods = {name: getattr(plugin.Executor, name) for name in READ if hasattr(plugin.Executor, name)}
    methods["query_job_status"] = plugin.query_job_status
    found = {name: hashlib.sha256(inspect.getsource(part).encode()).hexdigest()[:12] for name, part in methods.items()}
    assert found == READ, "the plugin has changed: read it, adapt scan2seg.slurm.plugin, and put the new hashes here"
