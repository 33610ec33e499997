"""What JSON holds: results as they are read back or written; settings have frozen models of their own."""

from typing import Any

Json = dict[str, Any]
"""A JSON document, or a part of one."""
