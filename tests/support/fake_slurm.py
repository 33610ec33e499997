"""A Slurm of a folder: jobs run at once on this machine, and the controller can be away or forget a job.

The commands are links to this file. They do what snakemake-executor-plugin-slurm asks of them and no more.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "srun", "scancel", "sinfo", "sacctmgr")


class FakeSlurm:
    """The folder, as a test sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "jobs").mkdir()
        for name in COMMANDS:
            command = folder / "bin" / name
            command.write_text(f'#!/bin/sh\nexec {sys.executable} -S -E {__file__} {name} "$@"\n')
            command.chmod(0o755)

    def environment(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**os.environ, "FAKE_SLURM": str(self.folder), "PATH": path}

    def go_away(self) -> None:
        (self.folder / "away").touch()

    def come_back(self) -> None:
        (self.folder / "away").unlink()

    def refuse(self, words: str) -> None:
        """Refuse every submission with these words; with none take them again."""
        (self.folder / "refusal").write_text(words)

    def delay(self, path: str, seconds: float) -> None:
        """Let nobody see a file that a job made until so long after its end, as on a network file system."""
        (self.folder / "late").write_text(f"{path} {seconds}")

    def jobs(self) -> list[Path]:
        return sorted((self.folder / "jobs").glob("*.json"))

    def asked(self) -> int:
        """Count the questions that got no answer."""
        refused = self.folder / "refused"
        return refused.stat().st_size if refused.exists() else 0


def main(command: str, words: list[str]) -> int:
    folder = Path(os.environ["FAKE_SLURM"])
    if command == "srun":
        rest = [index for index, word in enumerate(words) if not word.startswith("-")]
        os.execvp(words[rest[0]], words[rest[0] :])
    if (folder / "away").exists():
        with (folder / "refused").open("a") as file:
            file.write("x")
        print(f"{command}: error: Unable to contact slurm controller (connect failure)", file=sys.stderr)
        return 1
    if command == "scontrol":
        print("MinJobAge               = 300 sec\nMaxArraySize            = 1001")
    elif command == "sbatch":
        refusal = folder / "refusal"
        if refusal.exists() and (said := refusal.read_text()):
            print(f"sbatch: error: Batch job submission failed: {said}", file=sys.stderr)
            return 1
        print(submit(folder, words))
    elif command in ("squeue", "sacct"):
        return show(folder, command, words)
    return 0


def submit(folder: Path, words: list[str]) -> int:
    # a number is never used again, also that of a job which was forgotten
    number = len({path.stem for path in (folder / "jobs").iterdir()}) + 1
    while True:
        try:
            record = (folder / "jobs" / f"{number}.json").open("x")
            break
        except FileExistsError:
            number += 1
    wrap = next(word for word in words if word.startswith("--wrap=")).removeprefix("--wrap=")
    output = words[words.index("--output") + 1].replace("%j", str(number))
    end = folder / "jobs" / f"{number}.end"
    late = folder / "late"
    path, seconds = late.read_text().split() if late.exists() else ("none", "0")
    hide, show = f"mv {path} {folder}/hidden", f"sleep {seconds}; mv {folder}/hidden {path}"
    script = f"( {wrap} ); status=$?; test -e {path} && {hide}; echo $status > {end}; test -e {folder}/hidden && {show}"
    with open(output, "w") as log:
        subprocess.Popen(
            ["/bin/sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, "SLURM_JOB_ID": str(number)},
        )  # fmt: skip
    with record:
        json.dump({"name": words[words.index("--job-name") + 1]}, record)
    return number


def show(folder: Path, command: str, words: list[str]) -> int:
    text = " ".join(words)
    found = re.search(r"--(name|jobs)[ =](\S+)", text)
    if not found:
        return 0
    wanted, shown = found[2].split(","), 0
    for file in sorted((folder / "jobs").glob("*.json")):
        name = json.loads(file.read_text() or "{}").get("name")
        if (name if found[1] == "name" else file.stem) not in wanted:
            continue
        end = file.with_suffix(".end")
        state = "RUNNING" if not end.exists() else "COMPLETED" if end.read_text().strip() == "0" else "FAILED"
        print(state if "--format=%T" in text else f"{file.stem}|{state}")
        shown += 1
    if not shown and found[1] == "jobs":
        print("slurm_load_jobs error: Invalid job id specified", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
