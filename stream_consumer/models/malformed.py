"""The refusal of a part of a model whose numbers do not fit each other."""


class Malformed(ValueError):
    """The rest of a sentence about the file that holds the part."""

    def __init__(self, kind: type, fault: str) -> None:
        super().__init__(
            f"holds a {kind.__name__} that {fault}; train the model again, or, if you trust the file, pin it with "
            "MODEL_DIGEST"
        )


def demand(part: object, sound: object, fault: str) -> None:
    """Refuse *part* for its *fault* unless it is *sound*."""
    if not sound:
        raise Malformed(type(part), fault)
