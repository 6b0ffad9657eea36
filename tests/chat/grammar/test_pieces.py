"""The answer of the child process that compiles grammars, which the server's process unpickles."""

import pickle
import pickletools

from forefront.chat.grammar.automaton.completion import Completer
from forefront.chat.grammar.grammar_source import json_schema_source
from forefront.chat.grammar.grammar_worker import check_grammar
from tests.chat.grammar.sampling import INDEX, PIECES


def test_a_large_grammar_is_read_in_pieces() -> None:
    properties = {f"field {number}": {"enum": [f"one {number}", f"two {number}"]} for number in range(1500)}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    checked = check_grammar(INDEX, json_schema_source(schema, "schema", strict=True))
    data = pickle.dumps(checked)
    # Where the unpickler calls Python, and other threads may run.
    calls = [place for operation, _, place in pickletools.genops(data) if operation.name == "REDUCE" and place]
    gaps = [later - earlier for earlier, later in zip([0, *calls], [*calls, len(data)], strict=True)]
    text = len(checked.llguidance)
    assert len(data) > 10 * 2**16
    assert max(gaps) < text + 2**16

    network = pickle.loads(data).network
    assert checked.network is not None
    assert network.edges == checked.network.edges
    assert network.distances == checked.network.distances
    network.attach(INDEX.longest)
    found = Completer(network, PIECES)
    assert found.distance(found.start()) == Completer(checked.network, PIECES).distance(found.start()) > 0
