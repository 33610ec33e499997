"""The cluster with an accounting database: MariaDB and slurmdbd, of its own too."""

import shutil
import subprocess

from cluster import Cluster, free_ports
from cluster import reason_to_skip as reason_without_cluster

PROGRAMS = ("slurmdbd", "sacctmgr", "mariadbd", "mariadb-install-db", "mariadb-admin")
ACCOUNT = "beamtime"
"""The account that may be charged, and is where none is named."""
FORBIDDEN = "forbidden"
"""A quality of service that nobody may ask for."""

SLURM_CONF = """
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting_port}
AccountingStoragePass={folder}/munge.socket
AccountingStorageEnforce=associations,limits,qos
"""
SLURMDBD_CONF = """
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
DbdHost=localhost
DbdPort={accounting_port}
SlurmUser=root
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database_port}
StorageUser=root
StorageLoc=accounting
"""


def reason_to_skip() -> str | None:
    """Say why no cluster with accounting can be brought up here, or return None."""
    reason = reason_without_cluster()
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if reason is None and missing:
        reason = f"{', '.join(missing)} not found: apt-get install --no-install-recommends slurmdbd mariadb-server"
    return reason


class AccountedCluster(Cluster):
    """A cluster that charges jobs to accounts and refuses those that are none."""

    accounting = SLURM_CONF

    def _name_ports(self) -> dict[str, int]:
        ports = dict(zip(("accounting_port", "database_port"), free_ports(2), strict=True))
        return {**super()._name_ports(), **ports}

    def _start_accounting(self) -> None:
        data = self.folder / "database"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
        self._start(
            "mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={data}/socket",
            f"--port={self.facts['database_port']}", "--bind-address=127.0.0.1", "--skip-grant-tables",
            "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900",
        )  # fmt: skip
        ping = ("mariadb-admin", "--no-defaults", f"--socket={data}/socket", "ping")
        self._wait_for("the database", lambda: "alive" in self.ask(*ping))
        self._link("slurmdbd.conf", SLURMDBD_CONF)
        self._start("slurmdbd", "-D")
        self._wait_for("the accounting", lambda: "Cluster" in self.ask("sacctmgr", "show", "cluster"))
        for words in (
            ("add", "cluster", "scan2seg"),
            ("add", "account", ACCOUNT),
            ("add", "user", "root", f"account={ACCOUNT}"),
            ("modify", "user", "root", "set", f"defaultaccount={ACCOUNT}"),
            ("add", "qos", FORBIDDEN),
        ):
            self.ask("sacctmgr", "--immediate", *words)
