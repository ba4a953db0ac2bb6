"""python -m benchmarks.soak [--functions 400] [--deploys 2000]: what grows when much is deployed and deleted.

Functions are created, called and deleted one after the other, then one of them is deployed again and again. Memory,
open files and processes are counted before and after, when what was called has ended.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import click

import rayfaas
from benchmarks.cold_start import executors, wait_for_none
from benchmarks.deployer import Deployer
from benchmarks.family import Kin, family, total
from benchmarks.report import markdown_table
from benchmarks.systems.rayfaas_server import start_server
from benchmarks.turn import Turn

_SPEC = {"scaling": {"scale_down_after_s": 1.0}}
_SETTLE_S = 10.0


@click.command()
@click.option("--functions", default=400, show_default=True, help="Functions to create, call and delete.")
@click.option("--deploys", default=2000, show_default=True, help="Deploys of one function.")
def main(functions: int, deploys: int) -> None:
    """Print a table of what each kind of process had before and after."""
    with Turn(os.environ) as turn:
        server = start_server(turn)
        deployer = Deployer(server)
        with rayfaas.Client(url=server.url, token=server.token) as client:
            looks = {"at first": look(turn, client, deployer)}
            started = time.perf_counter()
            for number in range(functions):
                come_and_go(deployer, f"f{number}")
            print(f"{functions} functions in {time.perf_counter() - started:.0f} s", flush=True)
            looks[f"after {functions:,} functions"] = look(turn, client, deployer)
            print(table(looks), flush=True)
            took_s = [redeploy(deployer, number) for number in range(deploys)]
            few = max(1, deploys // 20)
            first, last = (sorted(each)[len(each) // 2] * 1e3 for each in (took_s[:few], took_s[-few:]))
            print(
                f"{deploys} deploys in {sum(took_s):.0f} s: {first:.0f} ms, the last {last:.0f} ms (medians of {few})",
                flush=True,
            )
            looks[f"after {deploys:,} deploys"] = look(turn, client, deployer)
    print(table(looks))


def come_and_go(deployer: Deployer, name: str) -> None:
    deployer.deploy(name, deployer.bundle(f"def f(x=None):\n    return {name!r}\n"), spec=_SPEC)
    deployer.call(name)
    deployer.ask("DELETE", f"/v1/functions/default/{name}")


def redeploy(deployer: Deployer, number: int) -> float:
    took_s = deployer.deploy("again", deployer.bundle(f"def f(x=None):\n    return {number}\n"), spec=_SPEC)
    deployer.call("again")
    return took_s


def look(turn: Turn, client: rayfaas.Client, deployer: Deployer) -> dict[str, Kin]:
    """When nothing runs: after one deploy and call, so that what is made at the first is there."""
    redeploy(deployer, -1)
    wait_for_none(lambda: executors(client))
    time.sleep(_SETTLE_S)
    kin = family(turn.processes())
    return kin | {"all": total(kin)}


def table(looks: Mapping[str, Mapping[str, Kin]]) -> str:
    roles = next(iter(looks.values()))
    rows = [[role, *(_told(each[role]) for each in looks.values())] for role in roles]
    return markdown_table(["MiB, open files, processes", *looks], rows)


def _told(kin: Kin) -> str:
    return f"{kin.pss_mb:,.0f}, {kin.files:,}, {kin.processes}"


if __name__ == "__main__":
    main()
