"""Prints the rows of a NumPy file as JSON, one a line: [key, number, …]; the keys lie beside it."""

import json
import pathlib
import sys

import numpy

file = pathlib.Path(sys.argv[1])
matrix = numpy.load(file, allow_pickle=False)
assert matrix.dtype == numpy.float32, matrix.dtype
for key, row in zip(json.loads(file.with_suffix(".keys.json").read_text()), matrix, strict=True):
    print(json.dumps([key, *map(float, row)]))
