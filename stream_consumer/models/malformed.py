"""The refusal of a model's part whose numbers are inconsistent."""


class Malformed(ValueError):
    """A part is malformed. The message is the rest of a sentence about the file with the part."""

    def __init__(self, kind: type, fault: str) -> None:
        super().__init__(
            f"holds a {kind.__name__} that {fault}; train the model again, or, if you trust the file, pin it with "
            "MODEL_DIGEST"
        )


def demand(part: object, sound: object, fault: str) -> None:
    """Refuse *part* for its *fault* unless *sound* is true."""
    if not sound:
        raise Malformed(type(part), fault)
