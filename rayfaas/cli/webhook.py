"""`rayfaas webhook`: what receivers of webhooks need."""

from __future__ import annotations

import click

from rayfaas.client import Client


@click.group()
def webhook() -> None:
    """What receivers of webhooks need."""


@webhook.command()
def secret() -> None:
    """Print the secret with which their signatures are checked, as libraries of Standard Webhooks take it."""
    with Client() as client:
        click.echo(client.webhook_secret())
