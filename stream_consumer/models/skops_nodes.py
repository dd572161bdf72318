"""
The nodes of a skops file in the form that skops writes.

The rule: if skops calls a node's content, or C code reads the content while the object is constructed, only the form
that skops writes is accepted. The ids with which a node refers to an earlier node are dropped. With ids, a kilobyte can
describe an object of any size. Without ids, a node holds only its literal content.
"""

from collections.abc import Callable, Iterator
from typing import Any

Node = dict[str, Any]


def nodes_of(schema: Any) -> Iterator[Node]:
    """Yield every value in *schema* that skops could take for a node, and drop its id."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                value.pop("__id__", None)
                yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def is_as_written(node: Node) -> bool:
    """Whether skops writes nodes like *node*. A missing item raises KeyError."""
    check = _SHAPES.get(node["__loader__"])
    return check is None or check(node)


def _has_plain_keys(node: Node) -> bool:
    keys = node["key_types"]
    return keys["__loader__"] == "ListNode" and all(key["__loader__"] == "TypeNode" for key in keys["content"])


def _calls_a_function(node: Node) -> bool:
    return bool(node["content"]["func"]["__loader__"] == "FunctionNode")


def _has_no_state(node: Node) -> bool:
    """Whether a loss is made by its arguments only. C code assumes the length of a state."""
    return not node["content"]["content"]


# The classes whose ``__setstate__`` is C code, with the length of the expected tuple.
_STATES = {"sklearn.metrics._dist_metrics": 3, "sklearn.neighbors._ball_tree": 13, "sklearn.neighbors._kd_tree": 13}


def _has_a_whole_state(node: Node) -> bool:
    length = _STATES.get(node["__module__"])
    return length is None or (
        node["content"]["__loader__"] == "TupleNode" and len(node["content"]["content"]) == length
    )


def _has_an_array_of_words(node: Node) -> bool:
    words = _item(_item(node["content"], "state"), "key")
    return bool(words["__loader__"] == "NdArrayNode")


def _is_the_default_generator(node: Node) -> bool:
    """Whether a generator is a result of ``numpy.random.default_rng``, with a state of whole numbers."""
    generator, seed = node["content"]["bit_generator"], node["content"]["seed_seq"]
    return (_item(generator, "bit_generator")["content"], _item(seed, "pool_size")["content"]) == ('"PCG64"', "4")


def _item(node: Node, key: str) -> Node:
    item: Node = node["content"][key]
    return item if node["__loader__"] == "DictNode" else {"__loader__": None, "content": {}}


_SHAPES: dict[str, Callable[[Node], bool]] = {
    "DictNode": _has_plain_keys,
    "LossNode": _has_no_state,
    "ObjectNode": _has_a_whole_state,
    "PartialNode": _calls_a_function,
    "RandomGeneratorNode": _is_the_default_generator,
    "RandomStateNode": _has_an_array_of_words,
}
