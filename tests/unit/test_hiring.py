"""Workers are let in with the certificate of their team alone, whose files go with it."""

import asyncio
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest

from scan2seg.hiring import hire
from scan2seg.workers import Workers


async def knock(address: str, **given: Any) -> None:
    """Come in and go; a client of Dask that is not let in may hang the next one when it is collected."""
    from distributed.comm import connect

    comm = await connect(address, timeout=5, **given)
    await comm.close()


def test_nobody_takes_part_without_the_certificate_of_this_team(tmp_path: Path) -> None:
    from distributed.security import Security

    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    with hire(Workers(1, 1), tmp_path) as (_, cluster):
        (certificates,) = tmp_path.iterdir()
        assert stat.S_IMODE(certificates.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in certificates.glob("*.pem")} == {0o600}
        address = cluster.scheduler_address
        assert address.startswith("tls://127.0.0.1:")
        asyncio.run(knock(address, **cluster.security.get_connection_args("client")))
        other = Security.temporary().get_connection_args("client")
        for stranger in ({"ssl_context": careless}, other):
            with pytest.raises(OSError, match=r"Timed out|TLS|certificate"):
                asyncio.run(knock(address, **stranger))
        with pytest.raises(OSError, match=r"Timed out|tcp"):
            asyncio.run(knock(address.replace("tls", "tcp")))
    assert not list(tmp_path.iterdir())
