"""A function of rayfaas that imports what data scientists import. The benchmark edits its VERSION."""

import numpy
import pandas
from sklearn.linear_model import LinearRegression  # type: ignore[import-untyped]

import rayfaas

VERSION = 1


@rayfaas.function(scale_down_after_s=1)
def predict(x: int) -> dict[str, int]:
    line = pandas.DataFrame({"x": numpy.arange(4.0), "y": numpy.arange(4.0)})
    model = LinearRegression().fit(line[["x"]].to_numpy(), line["y"])
    return {"x": round(float(model.predict([[x]])[0])), "version": VERSION}
