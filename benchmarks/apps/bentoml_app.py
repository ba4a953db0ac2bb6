"""The no-op as a service of BentoML."""

import bentoml  # type: ignore[import-not-found] # in an environment of its own


@bentoml.service(workers=2, traffic={"timeout": 30}, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Noop:
    @bentoml.api  # type: ignore[untyped-decorator]
    def noop(self, x: int) -> dict[str, int]:
        return {"x": x}
