"""The official ONNX checker on every graph below some folders.

Beyond the checker: every value that a node gives is declared with its type, and where the official shape inference knows a
value of a graph of standard operators it finds the same. Prints the number of graphs; exits 1 at the first that is wrong.

usage: check_onnx.py FOLDER...
"""

import sys
from pathlib import Path

import onnx
from onnx import shape_inference


def sides(value):
    """Fixed sizes as numbers, named ones as None."""
    shape = value.type.tensor_type.shape
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in shape.dim]


def check(path):
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    assert opsets[""] == 20, f"opset {opsets}"
    fused = any(node.domain for node in graph.node)
    assert fused == ("com.microsoft" in opsets), f"{opsets} with fused nodes: {fused}"
    declared = {value.name: value for value in [*graph.value_info, *graph.output]}
    produced = {name for node in graph.node for name in node.output if name}
    assert produced == set(declared), f"declared and produced differ: {produced ^ set(declared)}"
    stored = {tensor.name for tensor in graph.initializer}
    read = {name for node in graph.node for name in node.input}
    unused = (stored | {value.name for value in graph.input}) - read
    assert not unused, f"no node reads {unused}"
    if fused:
        return
    del graph.value_info[:]
    inferred = shape_inference.infer_shapes(model, strict_mode=True).graph
    known = {value.name: value for value in inferred.value_info if value.type.tensor_type.HasField("shape")}
    inner = produced - {value.name for value in graph.output}
    assert len(inner - set(known)) * 4 <= len(inner), f"no shape inferred of {inner - set(known)}"
    for name, value in known.items():
        ours = declared[name]
        assert ours.type.tensor_type.elem_type == value.type.tensor_type.elem_type, name
        pairs = list(zip(sides(ours), sides(value)))
        assert len(sides(ours)) == len(sides(value)), f"{name}: {sides(ours)} {sides(value)}"
        assert all(a == b for a, b in pairs if a is not None and b is not None), f"{name}: {pairs}"


def main():
    paths = sorted(path for folder in sys.argv[1:] for path in Path(folder).rglob("*.onnx"))
    for path in paths:
        try:
            check(path)
        except Exception as error:
            sys.exit(f"{path}: {type(error).__name__}: {error}")
    print(len(paths))


main()
