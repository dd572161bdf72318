"""Every form of body meets every encoding and container: read, or one line that names what the body is instead."""

import pytest

from tests.batch.test_contents import CSV, variants
from tests.rides import ride_event
from tests.web.client import JSON, app, post

ROW = '{"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}'
FORMS = {
    "an event": ("/predict", JSON, ride_event(1).decode()),
    "events": ("/predict", JSON, f"[{ride_event(1).decode()}]"),
    "rows in JSON": ("/invocations", JSON, f'{{"dataframe_records": [{ROW}]}}'),
    "rows in CSV": ("/invocations", {"content-type": "text/csv"}, CSV),
}
NOT_UTF_8 = "'utf-8' codec can't decode byte 0xe9"
EVENT = {
    "UTF-8": None,
    "BOM": "UTF-8 with a byte-order mark (BOM); this stream carries plain JSON",
    "UTF-16": "text in UTF-16; this stream carries plain JSON",
    "UTF-16 without mark": "text in UTF-16; this stream carries plain JSON",
    "Latin-1": NOT_UTF_8,
    "gzip": "gzip-compressed data; this stream carries plain JSON",
    "zstd": "zstd-compressed data; this stream carries plain JSON",
    "empty": "no data at all",
    "truncated": "Input data was truncated",
    "HTML": "HTML or XML; this stream carries plain JSON",
    "Parquet": "a Parquet file; this stream carries plain JSON",
}
ROWS = {
    "UTF-8": None,
    "BOM": None,
    "UTF-16": "the body is text in UTF-16; wanted application/json in UTF-8",
    "UTF-16 without mark": "the body is text in UTF-16; wanted application/json in UTF-8",
    "Latin-1": NOT_UTF_8,
    "gzip": "the body is gzip-compressed data; wanted application/json in UTF-8",
    "zstd": "the body is zstd-compressed data; wanted application/json in UTF-8",
    "empty": "Input data was truncated",
    "truncated": "Input data was truncated",
    "HTML": "the body is HTML or XML; wanted application/json in UTF-8",
    "Parquet": "the body is a Parquet file; wanted application/json in UTF-8",
}
# What a refusal says, None where the body is read.
VERDICTS = {
    "an event": EVENT,
    "events": EVENT | {"UTF-16 without mark": "the body is text in UTF-16; wanted application/json in UTF-8"},
    "rows in JSON": ROWS,
    "rows in CSV": {name: said and said.replace("application/json", "text/csv") for name, said in ROWS.items()}
    | {"empty": "not CSV in UTF-8 with a header: it is empty", "truncated": "a row has 3 values for the 4 columns"},
}


def bodies(form: str) -> dict[str, bytes]:
    text = FORMS[form][2]
    latin = text.replace("PULocationID", "PULocationIDé").encode("latin-1")
    return variants(text) | {"truncated": text[:-4].encode(), "Latin-1": latin}


def test_every_content_has_a_verdict() -> None:
    for form in FORMS:
        assert bodies(form).keys() == VERDICTS[form].keys()


@pytest.mark.parametrize(("form", "content"), [(form, content) for form in FORMS for content in VERDICTS[form]])
def test_a_body_is_read_or_told_what_it_is(form: str, content: str) -> None:
    path, headers, _ = FORMS[form]
    reply = post(app(), bodies(form)[content], path, headers)
    verdict = VERDICTS[form][content]
    if verdict is None:
        assert reply.status == 200
        return
    one_item = (form, content) == ("events", "Latin-1")  # a list is split, and its items are read one by one
    assert reply.status == (207 if one_item else 400)
    answer = reply.json[0] if one_item else reply.json
    said = answer["detail" if path == "/predict" else "message"]
    assert (verdict in said, "\n" in said) == (True, False), said
