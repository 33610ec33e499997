"""A real Slurm of two nodes, in a temporary folder: munged, slurmctld and slurmds as this process's own children."""

import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel", "srun", "setpriv")
# job steps find their configuration only here: a private SLURM_CONF is not passed on to them
SITE = Path("/etc/slurm")
LOCK = Path("/run/lock/scan2seg-slurm.lock")
MARK = "scan2seg-slurm-"
NODES = ("testnode1", "testnode2")

# The default partition is neither of the profile's: a job in it was submitted without one.
# The sizes are claims, not facts: two cores can serve sixteen, since most jobs wait or are small.
SLURM_CONF = """
ClusterName=scan2seg
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
ReturnToService=2
{accounting}
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherParams=OverMemoryKill
JobAcctGatherFrequency=task=1
JobCompType=jobcomp/none
MinJobAge=3600
KillWait=5
GresTypes=gpu
NodeName=testnode1 Port={first_port} NodeHostname={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:2
NodeName=testnode2 Port={second_port} NodeHostname={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 Gres=gpu:2
PartitionName=unnamed Nodes=ALL Default=YES MaxTime=INFINITE State=UP
PartitionName=cpu Nodes=ALL MaxTime=INFINITE State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE State=UP
"""
# a GPU without a device file drains the node; any two files will do
GRES_CONF = """
NodeName=testnode[1-2] Name=gpu File=/dev/null
NodeName=testnode[1-2] Name=gpu File=/dev/zero
"""


class ClusterError(Exception):
    """The cluster does not come up."""


def reason_to_skip() -> str | None:
    """Say why no cluster can be brought up here, or return None."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        packages = "slurmctld slurmd slurm-client munge"
        return f"{', '.join(missing)} not found: apt-get install --no-install-recommends {packages}"
    if os.geteuid() != 0:
        return "bringing up a Slurm needs root"
    conf = SITE / "slurm.conf"
    if os.path.lexists(conf) and not _is_ours(conf):
        return f"{conf} is there: this machine has a Slurm of its own, which the tests leave alone"
    return None


def _is_ours(path: Path) -> bool:
    return path.is_symlink() and MARK in os.readlink(path)


class Cluster:
    """The daemons and their folder; a context manager that leaves neither behind."""

    accounting = "AccountingStorageType=accounting_storage/none"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=MARK, dir="/tmp"))
        # munged refuses a socket in a folder that others cannot enter
        self.folder.chmod(0o755)
        self.daemons: list[subprocess.Popen[bytes]] = []
        self.links: list[Path] = []
        self.facts: dict[str, object] = {}
        self.lock = LOCK.open("w")

    def __enter__(self) -> Self:
        try:
            # a second test run on this machine waits for the first one
            fcntl.flock(self.lock, fcntl.LOCK_EX)
            self._configure()
            self._start("munged", "--foreground", "--force", *self._munge_options())
            self._wait_for("the authentication", lambda: (self.folder / "munge.socket").exists())
            self._start_accounting()
            self._start("slurmctld", "-D")
            for node in NODES:
                self._start("slurmd", "-D", "-N", node)
            self._wait_for("the nodes", lambda: set(self.node_states()) == {"idle"})
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, *command: str) -> str:
        """Run a Slurm client and return what it prints, or nothing where it fails."""
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return result.stdout if result.returncode == 0 else ""

    def queue(self) -> list[str]:
        """Return the ids of the jobs that wait or run."""
        return self.ask("squeue", "--noheader", "--format=%i").split()

    def jobs(self) -> list[dict[str, str]]:
        """Return every job since the start, in order: the fields that ``scontrol show job`` prints."""
        lines = self.ask("scontrol", "--oneliner", "show", "job").splitlines()
        jobs = [dict(part.split("=", 1) for part in line.split() if "=" in part) for line in lines]
        return sorted((job for job in jobs if "JobId" in job), key=lambda job: int(job["JobId"]))

    def node_states(self) -> list[str]:
        """Return the state of every node."""
        return self.ask("sinfo", "--noheader", "--Node", "--format=%T", "--partition=cpu").split()

    @contextmanager
    def without_node(self, node: str) -> Iterator[None]:
        """Let a node fail, with all that runs there; it is idle again afterwards."""
        daemon = next(daemon for daemon in self.daemons if list(daemon.args)[-1] == node)
        self.daemons.remove(daemon)
        daemon.kill()
        daemon.wait()
        _kill_jobs_of(node)
        # Slurm would hear of it after SlurmdTimeout, 300 s
        self.ask("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        try:
            yield
        finally:
            self._start("slurmd", "-D", "-N", node)
            self.ask("scontrol", "update", f"nodename={node}", "state=resume")
            self._wait_for("the node", lambda: not {"down", "down*"} & set(self.node_states()))

    @contextmanager
    def without_controller(self) -> Iterator[None]:
        """Stop the controller for a while; it knows its jobs when it is back."""
        index = next(index for index, daemon in enumerate(self.daemons) if "slurmctld" in daemon.args)
        _stop(self.daemons.pop(index))
        try:
            yield
        finally:
            self._start("slurmctld", "-D")
            self._wait_for("the controller", lambda: "UP" in self.ask("scontrol", "ping"))

    @contextmanager
    def limiting(self, partition: str, limit: str, value: str) -> Iterator[None]:
        """Set a limit of a partition for a while."""
        self.ask("scontrol", "update", f"partitionname={partition}", f"{limit}={value}")
        try:
            yield
        finally:
            # as it is in the file
            self.ask("scontrol", "reconfigure")

    def close(self) -> None:
        """Cancel what is left, stop the daemons, remove the files."""
        try:
            for job in self.queue() if self.daemons else []:
                self.ask("scancel", "--signal=KILL", "--full", job)
                self.ask("scancel", job)
            deadline = time.monotonic() + 20
            while self.daemons and self.queue() and time.monotonic() < deadline:
                time.sleep(0.2)
        finally:
            for daemon in reversed(self.daemons):
                _stop(daemon)
            for link in self.links:
                link.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.lock.close()

    def _configure(self) -> None:
        reason = reason_to_skip()
        if reason is not None:
            raise ClusterError(reason)
        for name in ("state", "log", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        self.facts = {"folder": self.folder, "host": socket.gethostname(), **self._name_ports()}
        SITE.mkdir(exist_ok=True)
        self._link("slurm.conf", SLURM_CONF.replace("{accounting}", self.accounting))
        self._link("gres.conf", GRES_CONF)

    def _name_ports(self) -> dict[str, int]:
        return dict(zip(("controller_port", "first_port", "second_port"), free_ports(3), strict=True))

    def _link(self, name: str, text: str) -> None:
        """Write a file of the configuration and let Slurm find it; the one with a password is for its owner alone."""
        file, link = self.folder / name, SITE / name
        file.write_text(text.format(**self.facts))
        file.chmod(0o600 if name == "slurmdbd.conf" else 0o644)
        if _is_ours(link):
            link.unlink()
        link.symlink_to(file)
        self.links.append(link)

    def _start_accounting(self) -> None:
        """Start what keeps the accounts; here nothing does."""

    def _munge_options(self) -> list[str]:
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munged.pid", "seed-file": "munge.seed"}
        return [f"--{option}={self.folder / name}" for option, name in files.items()]

    def _start(self, *command: str) -> None:
        """Start a daemon that ends with this process, even where this process is killed."""
        log = (self.folder / "log" / f"{command[0]}.{len(self.daemons)}.log").open("wb")
        self.daemons.append(
            subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )
        log.close()

    def _wait_for(self, what: str, ready: object, seconds: float = 30) -> None:
        assert callable(ready)
        deadline = time.monotonic() + seconds
        while not ready():
            if time.monotonic() > deadline or any(daemon.poll() is not None for daemon in self.daemons):
                logs = [f"{log.name}:\n{log.read_text()[-2000:]}" for log in sorted((self.folder / "log").iterdir())]
                raise ClusterError(f"{what} did not come up\n" + "\n".join(logs))
            time.sleep(0.1)


def _kill_jobs_of(node: str) -> None:
    """Kill all that runs on a node, first those that would tell the controller of its end."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SLURMD_NODENAME") == node or f"[{node}" in process.name():
                found.append(process)
        except psutil.Error:
            continue
    stepds = {parent.pid: parent for process in found for parent in process.parents() if "slurmstepd" in parent.name()}
    for process in (*stepds.values(), *found):
        with suppress(psutil.Error):
            process.kill()


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(timeout=10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
