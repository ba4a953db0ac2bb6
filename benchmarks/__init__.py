"""Measures rayfaas and its peers in one run, on one machine, with the same work, payload and load.

`python -m benchmarks` takes turns: in each round every system is started, warmed up, measured and stopped once, in an
order that rotates, and nothing else runs meanwhile. Figures are medians over rounds; ratios are taken within a round
and the median of those is told, so that a machine that slows down for a minute does not favour anybody.
"""
