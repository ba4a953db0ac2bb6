"""What the answers of a deprecated function say of that, in the standard headers: Deprecation (RFC 9745), Sunset (RFC
8594), and a Link to what to call instead (RFC 8288)."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import format_datetime

from rayfaas.gateway.asgi import HeaderList
from rayfaas.gateway.snapshot import DeprecationRoute


def deprecation_headers(deprecation: DeprecationRoute) -> HeaderList:
    """What answers of a deprecated function say of that."""
    headers = [(b"deprecation", b"@%d" % deprecation.at_s)]
    if deprecation.sunset_s is not None:
        sunset = datetime.fromtimestamp(deprecation.sunset_s, timezone.utc)
        headers.append((b"sunset", format_datetime(sunset, usegmt=True).encode()))
    if deprecation.successor is not None:
        headers.append((b"link", f'</call/{deprecation.successor}>; rel="successor-version"'.encode()))
    return headers
