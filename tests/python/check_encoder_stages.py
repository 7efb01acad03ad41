"""The official ONNX checker on every vision.onnx below a folder, whose encoders are somebody else's.

The official shape inference must find the outputs' shapes as the graph declares them. Prints the number of graphs.

usage: check_encoder_stages.py FOLDER
"""

import sys
from pathlib import Path

import onnx
from onnx import shape_inference

paths = sorted(Path(sys.argv[1]).rglob("vision.onnx"))
for path in paths:
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path))
    outputs = model.graph.output
    declared = [[dim.dim_value for dim in output.type.tensor_type.shape.dim] for output in outputs]
    for output in outputs:
        output.type.tensor_type.ClearField("shape")
    inferred = shape_inference.infer_shapes(model, strict_mode=True).graph.output
    assert inferred[0].name == "features", path
    for sizes, output in zip(declared, inferred):
        found = [dim.dim_value for dim in output.type.tensor_type.shape.dim]
        assert all(a in (0, b) or b == 0 for a, b in zip(sizes, found)), f"{path}: {output.name} {sizes} {found}"
print(len(paths))
