"""All entries of the zoo. Each kind has a module of its own."""

from tests.zoo import broken, columns, estimators, foreign, pyfuncs, signatures, texts
from tests.zoo.entry import Entry

ZOO: tuple[Entry, ...] = (
    *columns.ENTRIES,
    *estimators.ENTRIES,
    *texts.ENTRIES,
    *signatures.ENTRIES,
    *pyfuncs.ENTRIES,
    *foreign.ENTRIES,
    *broken.ENTRIES,
)
