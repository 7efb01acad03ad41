"""A Triton model repository against Triton's published schema (model_config.proto, as tritonclient ships it).

Every config.pbtxt parses, carries its folder's name, has the file of its version; the ensemble's steps are models of the
repository whose tensors are all mapped, from the ensemble's inputs or earlier steps. Prints the number of models.

usage: check_triton.py REPOSITORY
"""

import importlib.util
import sys
from pathlib import Path

import onnx
from google.protobuf import text_format

# The module alone: its package wants a gRPC library.
SCHEMA = next(Path(path) / "tritonclient/grpc/model_config_pb2.py" for path in sys.path if (Path(path) / "tritonclient").is_dir())
spec = importlib.util.spec_from_file_location("model_config_pb2", SCHEMA)
schema = importlib.util.module_from_spec(spec)
spec.loader.exec_module(schema)

KINDS = {onnx.TensorProto.FLOAT: schema.TYPE_FP32, onnx.TensorProto.INT64: schema.TYPE_INT64}


def check_model(folder, config):
    model = onnx.load(str(folder / "1/model.onnx"), load_external_data=False)
    for ours, theirs in [(config.input, model.graph.input), (config.output, model.graph.output)]:
        assert {tensor.name for tensor in ours} == {value.name for value in theirs}, folder
        for tensor in ours:
            value = next(value for value in theirs if value.name == tensor.name)
            assert KINDS[value.type.tensor_type.elem_type] == tensor.data_type, tensor.name
            sizes = [dim.dim_value or -1 for dim in value.type.tensor_type.shape.dim][1:]
            dims = list(tensor.reshape.shape) if tensor.HasField("reshape") else list(tensor.dims)
            assert dims == sizes, f"{folder} {tensor.name}: {dims} {sizes}"


def main():
    repository = Path(sys.argv[1])
    configs = {}
    for folder in sorted(path for path in repository.iterdir() if path.is_dir()):
        config = text_format.Parse((folder / "config.pbtxt").read_text(), schema.ModelConfig())
        assert config.name == folder.name, folder
        assert (folder / "1").is_dir() and config.max_batch_size > 0, folder
        configs[config.name] = config
    ensembles = [config for config in configs.values() if config.platform == "ensemble"]
    assert len(ensembles) == 1, configs.keys()
    for name, config in configs.items():
        if config.platform != "ensemble":
            assert config.backend == "onnxruntime", name
            check_model(repository / name, config)
    ensemble = ensembles[0]
    there = {tensor.name for tensor in ensemble.input}
    for step in ensemble.ensemble_scheduling.step:
        config = configs[step.model_name]
        assert set(step.input_map) == {tensor.name for tensor in config.input}, step.model_name
        assert set(step.output_map) == {tensor.name for tensor in config.output}, step.model_name
        assert set(step.input_map.values()) <= there, f"{step.model_name}: {set(step.input_map.values()) - there}"
        there |= set(step.output_map.values())
    assert {tensor.name for tensor in ensemble.output} <= there
    print(len(configs))


main()
