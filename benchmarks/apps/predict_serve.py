"""The same as a deployment of Ray Serve, which may scale to zero at once. The benchmark edits its VERSION."""

import numpy
import pandas
from ray import serve
from sklearn.linear_model import LinearRegression  # type: ignore[import-untyped]
from starlette.requests import Request

VERSION = 1
# Both are set to Ray Serve's quickest: its defaults wait 2 s for a replica's end and 10 s for its count of calls.
TO_ZERO: dict[str, float] = {"min_replicas": 0, "max_replicas": 1, "upscale_delay_s": 0, "downscale_delay_s": 1}
TO_ZERO |= {"look_back_period_s": 1, "metrics_interval_s": 0.5}


class Predict:
    async def __call__(self, request: Request) -> dict[str, int]:
        x = (await request.json())["x"]
        line = pandas.DataFrame({"x": numpy.arange(4.0), "y": numpy.arange(4.0)})
        model = LinearRegression().fit(line[["x"]].to_numpy(), line["y"])
        return {"x": round(float(model.predict([[x]])[0])), "version": VERSION}


STEADY = serve.deployment(Predict, name="Predict", graceful_shutdown_wait_loop_s=0.1)
SCALING = STEADY.options(autoscaling_config=TO_ZERO)  # type: ignore[attr-defined]
