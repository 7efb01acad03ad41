"""Writes small vision encoders into a folder, of the kinds that users bring, and some that cannot be used.

vit.onnx         tokens after a class token, open batch, opset 17, means by axes that are an attribute, and a pooled output
registers.onnx   tokens after a class token and four registers, weights in registers.bin, computed in 16 bits, opset 13
resnet.onnx      maps inside a classifier whose only output is logits; fixed batch, opset 11, old softmax, squeeze and split
nhwc.onnx        channels last, open sizes, opset 21
bytes.onnx       reads bytes, channels last; blue comes first by what it multiplies
one.onnx         says that it takes any batch, and reshapes to one image
wide.onnx        64 × 96 pixels; a map of two thirds
finder.onnx      boxes of the cells of a 4 × 4 grid with class scores and features, in parts, as centre and size; one batch
loose.onnx       the same as corners in pixels, without a batch and with one score a box, as many boxes as are bright
and two_inputs, four, old, text, logits, ambiguous, mixed: refused.
"""

import pathlib
import sys

import numpy
from onnx import TensorProto, helper, numpy_helper, save, save_model

folder = pathlib.Path(sys.argv[1])
random = numpy.random.default_rng(7)
node = helper.make_node
FLOAT, HALF, BYTES, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT64


def value(name, shape, kind=FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def draw(*shape, scale=0.3, kind=numpy.float32):
    return (random.standard_normal(shape) * scale).astype(kind)


def write(name, opset, nodes, inputs, outputs, constants, beside=False):
    values = [numpy_helper.from_array(numpy.asarray(numbers), key) for key, numbers in constants.items()]
    graph = helper.make_graph(nodes, name, inputs, outputs, values)
    ir = 10 if opset > 20 else 8
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
    if beside:
        save_model(model, folder / f"{name}.onnx", save_as_external_data=True, location=f"{name}.bin", size_threshold=0)
    else:
        save(model, folder / f"{name}.onnx")


def whole(*numbers):
    return numpy.array(numbers, numpy.int64)


def tokens(kind, before, batch):
    """A transformer's first layer over patches of 8 × 8 of 32 × 32 pixels: 4 × 4 tokens, 24 wide."""
    d = 24
    nodes = [
        node("Conv", ["pixel_values", "patch"], ["patches"], kernel_shape=[8, 8], strides=[8, 8]),
        node("Reshape", ["patches", "flat"], ["flattened"]),
        node("Transpose", ["flattened"], ["places"], perm=[0, 2, 1]),
        node("Shape", ["pixel_values"], ["sizes"]),
        node("Gather", ["sizes", "first"], ["count"]),
        node("Concat", ["count", "shape_of_first"], ["shape"], axis=0),
        node("Expand", ["class", "shape"], ["before"]),
        node("Concat", ["before", "places"], ["all"], axis=1),
        node("Add", ["all", "position"], ["x"]),
        node("MatMul", ["x", "query"], ["q"]),
        node("MatMul", ["x", "key"], ["k"]),
        node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], ["scores"]),
        node("Softmax", ["scores"], ["attention"], axis=-1),
        node("MatMul", ["attention", "x"], ["mixed"]),
        node("Add", ["x", "mixed"], ["last_hidden_state"]),
    ]
    constants = {
        "patch": draw(d, 3, 8, 8, scale=0.1, kind=kind),
        "flat": whole(0, d, -1),
        "first": whole(0),
        "shape_of_first": whole(before, d),
        "class": draw(1, before, d, kind=kind),
        "position": draw(1, before + 16, d, kind=kind),
        "query": draw(d, d, kind=kind),
        "key": draw(d, d, kind=kind),
    }
    elem = HALF if kind == numpy.float16 else FLOAT
    inputs = [value("pixel_values", [batch, 3, 32, 32], elem)]
    return nodes, inputs, [value("last_hidden_state", [batch, before + 16, d], elem)], constants


nodes, inputs, outputs, constants = tokens(numpy.float32, 1, "batch")
nodes.append(node("ReduceMean", ["last_hidden_state"], ["pooler_output"], axes=[1], keepdims=0))
write("vit", 17, nodes, inputs, outputs + [value("pooler_output", ["batch", 24])], constants)
write("registers", 13, *tokens(numpy.float16, 5, "n"), beside=True)

write(
    "resnet",
    11,
    [
        node("Conv", ["image", "w1", "b1"], ["c1"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c1", "gain", "shift", "mean", "variance"], ["n1"]),
        node("Relu", ["n1"], ["stage1"]),
        node("Split", ["stage1"], ["half1", "half2"], axis=1, split=[4, 4]),
        node("Concat", ["half2", "half1"], ["swapped"], axis=1),
        node("Conv", ["swapped", "w2"], ["c2"], kernel_shape=[3, 3], strides=[4, 4], pads=[1, 1, 1, 1]),
        node("Dropout", ["c2"], ["kept"], ratio=0.5),
        # Over channels, rows and columns together, as a softmax of old is.
        node("Softmax", ["kept"], ["weights"], axis=1),
        node("Mul", ["kept", "weights"], ["weighted"]),
        node("Add", ["kept", "weighted"], ["stage2"]),
        node("ReduceMean", ["stage2"], ["mean4"], axes=[2, 3], keepdims=1),
        node("Squeeze", ["mean4"], ["pooled"], axes=[2, 3]),
        node("Gemm", ["pooled", "head"], ["logits"]),
    ],
    [value("image", [1, 3, 64, 64])],
    [value("logits", [1, 10])],
    {
        "w1": draw(8, 3, 3, 3),
        "b1": draw(8),
        "gain": draw(8) + 1,
        "shift": draw(8),
        "mean": draw(8),
        "variance": numpy.abs(draw(8)) + 1,
        "w2": draw(16, 8, 3, 3),
        "head": draw(16, 10),
    },
)
write(
    "nhwc",
    21,
    [
        node("Transpose", ["x"], ["planes"], perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "w"], ["c"], kernel_shape=[5, 5], strides=[8, 8], pads=[2, 2, 2, 2]),
        node("Gelu", ["c"], ["g"]),
        node("Transpose", ["g"], ["map"], perm=[0, 2, 3, 1]),
    ],
    [value("x", ["n", "h", "w", 3])],
    [value("map", ["n", "h2", "w2", 12])],
    {"w": draw(12, 3, 5, 5)},
)
write(
    "bytes",
    13,
    [
        node("Cast", ["x"], ["floats"], to=FLOAT),
        node("Mul", ["floats", "by"], ["scaled"]),
        node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        node("AveragePool", ["planes"], ["map"], kernel_shape=[8, 8], strides=[8, 8]),
    ],
    [value("x", [1, 32, 32, 3], BYTES)],
    [value("map", [1, 3, 4, 4])],
    {"by": numpy.array([0.01, 0.001, 0.0001], numpy.float32)},
)
write(
    "one",
    18,
    [
        node("Conv", ["x", "w"], ["c"], kernel_shape=[8, 8], strides=[8, 8]),
        node("Reshape", ["c", "single"], ["map"]),
    ],
    [value("x", ["batch", 3, 32, 32])],
    [value("map", ["batch", 6, 4, 4])],
    {"w": draw(6, 3, 8, 8), "single": whole(1, 6, 4, 4)},
)
write(
    "wide",
    16,
    [node("Conv", ["x", "w"], ["map"], kernel_shape=[16, 16], strides=[16, 16])],
    [value("x", [1, 3, 64, 96])],
    [value("map", [1, 6, 4, 6])],
    {"w": draw(6, 3, 16, 16, scale=0.05)},
)
rows, columns = numpy.mgrid[:4, :4].astype(numpy.float32)
centres = numpy.stack([columns + 0.5, rows + 0.5, columns * 0 + 1, rows * 0 + 1], -1).reshape(1, 16, 4) / 4
finder = [
    node("AveragePool", ["x"], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
    node("Reshape", ["means", "flat"], ["planes"]),
    node("Transpose", ["planes"], ["cells"], perm=[0, 2, 1]),
    node("Sigmoid", ["cells"], ["classes"]),
    node("MatMul", ["cells", "by"], ["features"]),
]
by = draw(3, 5)
write(
    "finder",
    17,
    finder + [node("Identity", ["cells_boxes"], ["boxes"])],
    [value("x", [1, 3, 32, 32])],
    [value("boxes", [1, 16, 4]), value("classes", [1, 16, 3]), value("features", [1, 16, 5])],
    {"flat": whole(1, 3, 16), "by": by, "cells_boxes": centres},
)
corners = numpy.stack([columns, rows, columns + 1, rows + 1], -1).reshape(16, 4) * 8
write(
    "loose",
    17,
    finder
    + [
        node("ReduceMax", ["classes"], ["largest"], axes=[2], keepdims=0),
        node("Squeeze", ["largest", "first"], ["all_scores"]),
        node("Squeeze", ["features", "first"], ["all_features"]),
        node("Greater", ["all_scores", "half"], ["bright"]),
        node("Compress", ["all_scores", "bright"], ["scores"], axis=0),
        node("Compress", ["all_features", "bright"], ["found"], axis=0),
        node("Compress", ["corners", "bright"], ["boxes"], axis=0),
    ],
    [value("x", [1, 3, 32, 32])],
    [value("boxes", ["n", 4]), value("scores", ["n"]), value("found", ["n", 5])],
    {"flat": whole(1, 3, 16), "by": by, "first": whole(0), "half": numpy.float32(0.5), "corners": corners},
)
plain = [node("Conv", ["x", "w"], ["map"], kernel_shape=[8, 8], strides=[8, 8])]
image, weights = value("x", [1, 3, 32, 32]), {"w": draw(6, 3, 8, 8)}
out = value("map", [1, 6, 4, 4])
write("old", 10, plain, [image], [out], weights)
write("four", 13, plain, [value("x", [4, 3, 32, 32])], [value("map", [4, 6, 4, 4])], weights)
write(
    "two_inputs",
    13,
    plain + [node("Add", ["map", "more"], ["sum"])],
    [image, value("more", [1, 6, 4, 4])],
    [value("sum", [1, 6, 4, 4])],
    weights,
)
write("text", 13, [node("Cast", ["ids"], ["y"], to=FLOAT)], [value("ids", [1, 16], INT64)], [value("y", [1, 16])], {})
write(
    "logits",
    13,
    plain + [node("GlobalAveragePool", ["map"], ["mean"]), node("Flatten", ["mean"], ["logits"])],
    [image],
    [value("logits", [1, 6])],
    weights,
)
write("ambiguous", 13, plain + [node("Relu", ["map"], ["other"])], [image], [out, value("other", [1, 6, 4, 4])], weights)
