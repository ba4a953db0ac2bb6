"""Raw comments → preprocess → train → embed, over a folder that they share. No line in it is about lineage.

    rayfaas deploy examples/lineage.py
    python examples/lineage.py /tmp/comments

Then ask: `rayfaas why /tmp/comments/vectors.parquet --column vector`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import rayfaas

COMMENTS = ["good service", "bad coffee", "good coffee, good day"]


@rayfaas.function()
def preprocess(folder: str) -> int:
    """The words of each comment."""
    comments = json.loads(Path(folder, "comments.json").read_text())
    words = pa.table({"words": [comment.replace(",", "").split() for comment in comments]})
    pq.write_table(words, f"{folder}/words.parquet")
    return len(words)


@rayfaas.function()
def train(folder: str) -> int:
    """A model: how often each word occurs."""
    counts: dict[str, int] = {}
    for words in pq.read_table(f"{folder}/words.parquet")["words"].to_pylist():
        for word in words:
            counts[word] = counts.get(word, 0) + 1
    with open(f"{folder}/model.json", "w") as file:
        json.dump(counts, file)
    return len(counts)


@rayfaas.function()
def embed(folder: str) -> int:
    """Each comment as numbers, beside its words."""
    model = json.loads(Path(folder, "model.json").read_text())
    table = pq.read_table(f"{folder}/words.parquet")
    vectors = [[model[word] for word in words] for words in table["words"].to_pylist()]
    pq.write_table(table.append_column("vector", [vectors]), f"{folder}/vectors.parquet")
    return len(vectors)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "comments.json").write_text(json.dumps(COMMENTS))
    for step in (preprocess, train, embed):
        sys.stdout.write(f"{step.name}: {step.remote(str(folder))}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "/tmp/comments").resolve())
