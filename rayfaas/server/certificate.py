"""The certificate of a home server: made at its first use, its own, good until it is deleted.

    python -m rayfaas.server.certificate --home DIR

A process of its own makes it, so that the parent need not hold the library for it in memory.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from rayfaas.config import Home
from rayfaas.whole_file import write_whole

# Nobody looks at the dates: the fingerprint says whether it is the right one.
_YEARS = 50


def ensure_certificate(home: Home) -> None:
    """Key and certificate, in one file of mode 0600, are made where the home has none."""
    if not home.certificate_file.exists():
        write_whole(home.certificate_file, make_certificate())


def make_certificate() -> bytes:
    """A new key and its certificate, signed with itself, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rayfaas")])
    now = datetime.now(timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * _YEARS))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + certificate.public_bytes(Encoding.PEM)


@click.command()
@click.option("--home", required=True, type=click.Path(path_type=Path))
def main(home: Path) -> None:
    ensure_certificate(Home(home))


if __name__ == "__main__":
    main()
