"""Adds a weight that no node reads to an ONNX file.

usage: add_unused_weight.py FILE
"""

import sys

import onnx

model = onnx.load(sys.argv[1])
model.graph.initializer.append(onnx.helper.make_tensor("unused", onnx.TensorProto.FLOAT, [1], [0.0]))
onnx.save(model, sys.argv[1])
