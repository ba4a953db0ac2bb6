"""The no-op as a function of rayfaas."""

import rayfaas


@rayfaas.function(timeout_s=30)
def noop(x: int) -> dict[str, int]:
    return {"x": x}
