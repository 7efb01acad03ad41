"""Writes two detectors of bright things into a folder: plain.onnx (boxes and scores) and yolox.onnx (undecoded cells).

Both look at 64 × 64 pixels. `plain` gives the cells of a 4 × 4 grid, scored by their mean red and green as two classes, and
reads NHWC RGB bytes; `yolox` gives cells of strides 16 and 32 whose objectness is the mean of the first channel that it
reads (blue, where it is fed BGR), and reads NCHW floats.
"""

import pathlib
import sys

import numpy
from onnx import TensorProto, helper, numpy_helper, save

folder = pathlib.Path(sys.argv[1])


def write(name, nodes, inputs, outputs, constants):
    values = [numpy_helper.from_array(numpy.asarray(value), key) for key, value in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, values)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / f"{name}.onnx")


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


node = helper.make_node
rows, columns = numpy.mgrid[:4, :4].astype(numpy.float32)
cells = numpy.stack([columns, rows, columns + 1, rows + 1], -1).reshape(1, 16, 4) / 4
write(
    "plain",
    [
        node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        node("AveragePool", ["planes"], ["means"], kernel_shape=[16, 16], strides=[16, 16]),
        node("Reshape", ["means", "flat"], ["rows"]),
        node("Transpose", ["rows"], ["cells"], perm=[0, 2, 1]),
        node("Slice", ["cells", "zero", "two", "last"], ["classes"]),
        node("Div", ["classes", "white"], ["scores"]),
        node("Identity", ["boxes_of_cells"], ["boxes"]),
    ],
    [value("pixels", TensorProto.UINT8, [1, 64, 64, 3])],
    [value("boxes", TensorProto.FLOAT, [1, 16, 4]), value("scores", TensorProto.FLOAT, [1, 16, 2])],
    {
        "flat": numpy.array([1, 3, 16], numpy.int64),
        "zero": numpy.array([0], numpy.int64),
        "two": numpy.array([2], numpy.int64),
        "last": numpy.array([2], numpy.int64),
        "white": numpy.float32(255),
        "boxes_of_cells": cells,
    },
)


def grid(stride):
    count = (64 // stride) ** 2
    name = f"s{stride}"
    return [
        node("AveragePool", ["first"], [f"{name}.mean"], kernel_shape=[stride, stride], strides=[stride, stride]),
        node("Reshape", [f"{name}.mean", f"{name}.shape"], [f"{name}.rows"]),
        node("Div", [f"{name}.rows", "white"], [f"{name}.object"]),
        node("Concat", [f"{name}.before", f"{name}.object", f"{name}.after"], [name], axis=2),
    ], {
        f"{name}.shape": numpy.array([1, count, 1], numpy.int64),
        # Centre in the middle of the cell, as large as the cell.
        f"{name}.before": numpy.tile(numpy.float32([0.5, 0.5, 0, 0]), (1, count, 1)),
        f"{name}.after": numpy.tile(numpy.float32([0.25, 1]), (1, count, 1)),
    }


fine, of_fine = grid(16)
coarse, of_coarse = grid(32)
write(
    "yolox",
    [
        node("Slice", ["images", "zero", "one", "axis"], ["first"]),
        *fine,
        *coarse,
        node("Concat", ["s16", "s32"], ["output"], axis=1),
    ],
    [value("images", TensorProto.FLOAT, [1, 3, 64, 64])],
    [value("output", TensorProto.FLOAT, [1, 20, 7])],
    {
        "zero": numpy.array([0], numpy.int64),
        "one": numpy.array([1], numpy.int64),
        "axis": numpy.array([1], numpy.int64),
        "white": numpy.float32(255),
        **of_fine,
        **of_coarse,
    },
)
