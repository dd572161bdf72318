"""An alias: its version changes beside invocations, of which none is lost, refused or moved."""

import threading
from concurrent.futures import ThreadPoolExecutor

from stream_consumer.local.runtime.alias import Alias
from stream_consumer.local.runtime.functions import Invocation

SECONDS = 10


class Version:
    """A version that answers with its name once it may."""

    def __init__(self, name: str, *, held: bool = False) -> None:
        self.arn = "arn:aws:lambda:us-east-1:000000000000:function:demo"
        self.began = threading.Event()
        self.may_end = threading.Event()
        self._name = name
        if not held:
            self.may_end.set()

    def invoke(self, payload: bytes) -> Invocation:
        self.began.set()
        assert self.may_end.wait(SECONDS)
        return Invocation("request", payload + self._name.encode())


def test_further_invocations_go_to_the_new_version_and_those_begun_end_on_the_old() -> None:
    old, new = Version(" by 1", held=True), Version(" by 2")
    alias = Alias(old)
    with ThreadPoolExecutor(3) as threads:
        begun = threads.submit(alias.invoke, b"a")
        assert old.began.wait(SECONDS)
        pointed = threads.submit(alias.point_to, new)
        # Until the alias points elsewhere the old version takes these, too, and holds them.
        further = threads.submit(alias.invoke, b"b")
        assert not pointed.done(), "the old version is at work, so it may not be closed"
        old.may_end.set()
        assert begun.result(SECONDS).payload == b"a by 1"
        pointed.result(SECONDS)
        assert further.result(SECONDS).payload in {b"b by 1", b"b by 2"}
    assert alias.invoke(b"c").payload == b"c by 2"


def test_it_has_the_name_of_an_alias() -> None:
    assert Alias(Version("1")).arn == "arn:aws:lambda:us-east-1:000000000000:function:demo:live"
