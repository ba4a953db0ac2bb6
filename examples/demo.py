"""`make demo`: deploy, call, edit, stream, fail and query, on a cluster of its own that is gone afterwards.

Every step says how long it took and checks what came of it; the demo ends with an error where a check fails.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import rayfaas

RAYFAAS = [sys.executable, "-m", "rayfaas"]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="rf-") as directory:
        home, folder = Path(directory) / "home", Path(directory) / "mine"
        os.environ |= {"RAYFAAS_HOME": str(home), "COLUMNS": "120"}
        shutil.copytree(Path(__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__", "demo.py"))
        try:
            with timed("A server and a local Ray cluster, from nothing"):
                rayfaas_("up", "--port", str(free_port()), "--cpus", "2")
            show(folder / "digits.py")
        finally:
            rayfaas_("down")


def show(file: Path) -> None:
    _, images, _, labels = train_test_split(*load_digits(return_X_y=True), test_size=0.5, random_state=0)
    with timed("1. Deploy the functions in digits.py"):
        rayfaas_("deploy", str(file))
    with timed("2. Call it with curl, on one image"):
        call_by_curl("digit", [images[0].tolist()])
    with rayfaas.Client() as client:
        digit = rayfaas.get("digit").with_options(client=client)
        with timed(f"   … and with the SDK, on {len(images)} images that it was not trained on"):
            first = accuracy(digit.remote(images.tolist()), labels)
        edit(file)
        with timed("3. Another classifier, deployed again: the next call is answered by version 2"):
            rayfaas_("deploy", str(file), "digit", "-m", "support vectors")
            second = accuracy(digit.remote(images.tolist()), labels)
        check(second > first, "the second classifier is better")
        with timed("4. A generator: its items come while they are made"):
            stream(client, images[:5].tolist(), labels[:5].tolist())
    with timed("5. A function that raises: type, message and remote traceback"):
        done = subprocess.run([*RAYFAAS, "call", "brightness", "[9, 9]"], stderr=subprocess.PIPE, text=True)
        sys.stdout.write(done.stderr)
        check(done.returncode == 6 and "ZeroDivisionError" in done.stderr, "the caller sees the user's exception")
    with timed("6. Who called what? One row for each version and caller"):
        ask()


def edit(file: Path) -> None:
    text = file.read_text()
    text = text.replace("from sklearn.naive_bayes import GaussianNB", "from sklearn.svm import SVC")
    file.write_text(text.replace("GaussianNB()", "SVC(gamma=0.001)"))
    say("   (digits.py: GaussianNB() is now SVC(gamma=0.001))")


def call_by_curl(function: str, images: list[list[float]]) -> None:
    home = Path(os.environ["RAYFAAS_HOME"])
    url = f"{json.loads((home / 'server.json').read_text())['url']}/call/{function}"
    authorization = f"Authorization: Bearer {(home / 'token').read_text()}"
    content_type = "Content-Type: application/json"
    body = json.dumps({"images": images})
    say('   $ curl -H "Authorization: Bearer $(cat $RAYFAAS_HOME/token)" \\')
    say(f"     -H \"{content_type}\" -d '{body[:40]}…' {url}")
    if shutil.which("curl"):
        command = ["curl", "--silent", "--show-error", "--fail-with-body", "-H", authorization]
        command += ["-H", content_type, "--data-binary", "@-", url]
        answer = subprocess.run(command, input=body, text=True, check=True, stdout=subprocess.PIPE).stdout
    else:
        say("   (this machine has no curl: the same request by httpx)")
        headers = dict(header.split(": ", 1) for header in (authorization, content_type))
        answer = httpx.post(url, content=body, headers=headers).raise_for_status().text
    say(f"   {answer}")
    check(len(json.loads(answer)) == 1, "one digit for one image")


def stream(client: rayfaas.Client, images: list[list[float]], labels: list[int]) -> None:
    words = []
    for word in rayfaas.get("read_aloud").with_options(client=client).stream(images):
        words.append(word)
        say(f"   {word}")
    check(len(words) == len(labels), "as many items as images")


def ask() -> None:
    columns = "function, version, caller, count(*) AS calls, quantile_cont(duration_ms, 0.5) AS p50_ms"
    query = f"SELECT {columns} FROM calls GROUP BY ALL ORDER BY function, version"
    rayfaas_("sql", query)
    with rayfaas.Client() as client:
        found = [(row[0], row[1], row[3]) for row in client.sql(query).rows]
    expected = [("default/brightness", 1, 1), ("default/digit", 1, 2), ("default/digit", 2, 1)]
    check(found == [*expected, ("default/read_aloud", 1, 1)], f"exactly the calls that were made, not {found}")


def accuracy(predicted: list[int], labels: np.ndarray) -> float:
    share = float(np.mean(np.array(predicted) == labels))
    say(f"   accuracy: {share:.3f}")
    check(share > 0.7, "better than guessing")
    return share


def rayfaas_(*arguments: str) -> None:
    say(f"   $ {shlex.join(['rayfaas', *arguments])}")
    done = subprocess.run([*RAYFAAS, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        say(f"   {line}")


@contextmanager
def timed(step: str) -> Iterator[None]:
    say(f"\n{step}")
    started = time.perf_counter()
    yield
    say(f"   [{time.perf_counter() - started:.2f} s]")


def check(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(f"The demo failed: it should hold that {what}.")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


if __name__ == "__main__":
    main()
