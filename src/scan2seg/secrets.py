"""What must not be read by others: user names and passwords in addresses."""

import re

_CREDENTIALS = re.compile(r"://[^\s'\"]*@")
_QUERY = re.compile(r"(://[^\s'\"?]*)\?[^\s'\"]*")


def hide_credentials(text: str) -> str:
    """Return a text, or an address, without the ``user:password@`` and the ``?token=...`` of the addresses in it.

    Rather too much is taken away than too little: a password may hold a slash or an ``@`` itself.
    """
    return _QUERY.sub(r"\1", _CREDENTIALS.sub("://", text))
