"""What the benchmark of payloads calls."""

import rayfaas


@rayfaas.function(timeout_s=120)
def echo(x: str) -> dict[str, str]:
    return {"x": x}


@rayfaas.function(timeout_s=120)
def give_back(data: bytes) -> bytes:
    return data
