"""Functions for the demo: which digit is on a scanned image? The images are scikit-learn's, 8 by 8 pixels."""

from collections.abc import Iterator
from functools import cache

from sklearn.base import ClassifierMixin
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

import rayfaas


@cache
def classifier() -> ClassifierMixin:
    """Trained once per executor, on the half of the images that no caller sends."""
    digits = load_digits()
    images, _, labels, _ = train_test_split(digits.data, digits.target, test_size=0.5, random_state=0)
    return GaussianNB().fit(images, labels)


@rayfaas.function()
def digit(images: list[list[float]]) -> list[int]:
    """The digit on each image; an image is 64 brightnesses from 0 to 16, row by row."""
    return classifier().predict(images).tolist()


@rayfaas.function()
def read_aloud(images: list[list[float]]) -> Iterator[str]:
    """One word for each image, as it is read."""
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    for image in images:
        yield words[digit([image])[0]]


@rayfaas.function()
def brightness(image: list[float]) -> float:
    """How bright an image is, relative to its dark pixels: it raises where there are none."""
    return sum(image) / sum(pixel < 1 for pixel in image)
