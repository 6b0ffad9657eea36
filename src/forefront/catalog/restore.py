"""Put back into a converted graph what OpenVINO GenAI loses of a GGUF file.

Of an F16 file it rounds every constant to float16, the frequencies of the rotary positions among them: off by up to a
part in two thousand, so that at position 2,000 a pair of channels is turned by half a radian too far. Of any file it
leaves out the scaling of these frequencies.
"""

from pathlib import Path

import numpy as np

from forefront.catalog.gguf_file import Floats, GgufFile
from forefront.catalog.rotary import RotaryError, plain_frequencies, scaled_frequencies
from forefront.engine.runtime import ops, ov

# What a Sin or a Cos of the positions is computed from, upwards to the constant; the first input leads there each time.
_PATH = ["Concat", "Transpose", "MatMul", "Broadcast"]


def restore(xml: Path, file: GgufFile) -> None:
    """Correct the graph `xml` (and its `.bin`) in place. Raises `RotaryError` if the frequencies are not found."""
    model = ov.Core().read_model(xml)
    turned, rounded = _restore_frequencies(model, file), _restore_vectors(model, file)
    if turned or rounded:
        save_graph(model, xml)


def _restore_frequencies(model: ov.Model, file: GgufFile) -> bool:
    """Let all positions turn as the file says. Returns whether the graph has changed."""
    plain, wanted = plain_frequencies(file), scaled_frequencies(file)
    changed = False
    for constant in _frequency_constants(model):
        found = _values(constant)
        # Small frequencies are among float16's subnormal numbers, 6e-8 apart.
        if found.size != plain.size or not np.allclose(found.ravel(), plain, rtol=1e-3, atol=1e-7):
            raise RotaryError("the converter computes other rotary positions than the file asks for")
        if not np.allclose(found.ravel(), wanted, rtol=1e-6, atol=0):
            _replace(constant, wanted.reshape(found.shape))
            changed = True
    return changed


def _frequency_constants(model: ov.Model) -> list[ov.Node]:
    found = {}
    for node in model.get_ordered_ops():
        if node.get_type_name() in ("Sin", "Cos"):
            constant = _frequency_constant(node)
            found[constant.get_friendly_name()] = constant
    if not found:
        raise RotaryError("the converted graph has no rotary positions")
    return list(found.values())


def _frequency_constant(node: ov.Node) -> ov.Node:
    for kind in _PATH:
        node = node.input_value(0).get_node()
        if node.get_type_name() != kind:
            break
    else:
        source = node.input_value(0).get_node()
        constant = source.input_value(0).get_node() if source.get_type_name() == "Convert" else source
        if constant.get_type_name() == "Constant":
            return constant
    raise RotaryError("the rotary positions of the converted graph were not found")


def _restore_vectors(model: ov.Model, file: GgufFile) -> bool:
    """Put norms and biases that were rounded to float16 back as they were. Returns whether the graph has changed."""
    # Names are lost on the way. Should two vectors round to the same, either is as near as the rounded one.
    exact = {vector.astype(np.float16).tobytes(): vector for vector in file.vectors().values()}
    changed = False
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Constant" or node.get_element_type() != ov.Type.f16:
            continue
        shape = tuple(node.get_output_shape(0))
        if int(np.prod(shape)) > max(shape, default=0):
            continue  # a matrix
        vector = exact.get(node.data.tobytes())
        if vector is not None:
            _replace(node, vector.reshape(shape))
            changed = True
    return changed


def _values(constant: ov.Node) -> Floats:
    return np.asarray(constant.data, np.float32)


def _replace(constant: ov.Node, values: Floats) -> None:
    """Put float32 values in the place of a constant, or of its conversion to float32."""
    old = constant.output(0)
    if constant.get_element_type() == ov.Type.f16:
        (target,) = old.get_target_inputs()
        old = target.get_node().output(0)
    new = ops.constant(values)
    for target in old.get_target_inputs():
        target.replace_source_output(new.output(0))


def save_graph(model: ov.Model, xml: Path) -> None:
    """Write a graph, changed since it was read from `xml` (and its `.bin`), in their place."""
    # The model still reads its weights from the old file while it is written.
    new = xml.with_name("restored.xml")
    ov.save_model(model, new, compress_to_fp16=False)
    new.with_suffix(".bin").replace(xml.with_suffix(".bin"))
    new.replace(xml)
