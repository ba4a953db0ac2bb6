"""Lineage as a picture: a tree for a terminal, and the languages of Mermaid and Graphviz."""

from __future__ import annotations

from rich.markup import escape
from rich.tree import Tree

from rayfaas.cli.sentences import name_of
from rayfaas.graph import Graph, Node

_MOST_BRANCHES = 20


def tree(graph: Graph) -> Tree:
    """What stands on several branches is drawn out on the first."""
    root = Tree(_label(graph.node(graph.start)))
    _grow(graph, graph.start, root, {graph.start})
    if graph.is_cut:
        root.add("[dim]… there is more: --depth[/dim]")
    return root


def _grow(graph: Graph, node_id: str, branch: Tree, drawn: set[str]) -> None:
    led = graph.next_to(node_id)
    for edge, node in led[:_MOST_BRANCHES]:
        word = {"read": "read", "wrote": "written by" if graph.direction == "upstream" else "wrote", "called": "called"}
        word["gave"] = "has the result of" if graph.direction == "upstream" else "gave its result to"
        if graph.direction == "downstream":
            word |= {"read": "read by", "called": "called by"}
        doubt = "" if edge.is_certain else " [yellow](not certain)[/yellow]"
        is_drawn = node.id in drawn
        again = " [dim](above)[/dim]" if is_drawn and graph.next_to(node.id) else ""
        grown = branch.add(f"[dim]{word[edge.kind]}[/dim] {_label(node)}{doubt}{again}")
        if not is_drawn:
            drawn.add(node.id)
            _grow(graph, node.id, grown, drawn)
    if len(led) > _MOST_BRANCHES:
        branch.add(f"[dim]… and {len(led) - _MOST_BRANCHES} more[/dim]")


def _label(node: Node) -> str:
    call = f" [dim]{node.call}[/dim]" if node.call else ""
    return f"{escape(name_of(node))}{call}"


def mermaid(graph: Graph) -> str:
    """A flowchart as https://mermaid.js.org draws it."""
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        opening, closing = ("[(", ")]") if node.kind == "artifact" else ("[", "]")
        text = name_of(node).replace("&", "#amp;").replace('"', "#quot;").replace("<", "#lt;").replace(">", "#gt;")
        lines.append(f'    {ids[node.id]}{opening}"{_one_line(text)}"{closing}')
    for edge in graph.edges:
        arrow = "-->" if edge.is_certain else "-.->"
        lines.append(f"    {ids[edge.source]} {arrow}|{edge.kind}| {ids[edge.target]}")
    return "\n".join(lines)


def dot(graph: Graph) -> str:
    """A graph as https://graphviz.org draws it."""
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["digraph lineage {", "    rankdir=LR;"]
    for node in graph.nodes:
        shape = "cylinder" if node.kind == "artifact" else "box"
        text = _one_line(name_of(node).replace("\\", "\\\\").replace('"', '\\"'))
        lines.append(f'    {ids[node.id]} [shape={shape}, label="{text}"];')
    for edge in graph.edges:
        style = "" if edge.is_certain else ", style=dashed"
        lines.append(f'    {ids[edge.source]} -> {ids[edge.target]} [label="{edge.kind}"{style}];')
    return "\n".join([*lines, "}"])


def _one_line(text: str) -> str:
    return " ".join(text.split())
