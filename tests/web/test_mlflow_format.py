"""``POST /invocations`` and ``GET /ping``: what MLflow's and SageMaker's clients find."""

import io

import pandas as pd
import pytest

from stream_consumer.contract.event_schema import Column
from tests.rides import minutes_of, ride_event
from tests.web.client import JSON, ServedModel, app, ask, post

CSV = {"content-type": "text/csv"}
HEADER = b"PULocationID,DOLocationID,trip_distance\n"
MINUTES = [minutes_of(130, 205, 3.66), minutes_of(74, 75, 1.1)]
RIDE = b'{"PULocationID": 130, "DOLocationID": 205, "trip_distance": 3.66}'
COLUMNS = b'["PULocationID","DOLocationID","trip_distance"]'


@pytest.mark.parametrize(
    "body",
    [
        b'{"dataframe_split": {"index": [0, 1], "columns": %b, "data": [[130, 205, 3.66], [74, 75, 1.1]]}}' % COLUMNS,
        b'{"dataframe_records": [%b, {"trip_distance": 1.1, "PULocationID": 74, "DOLocationID": 75}]}' % RIDE,
        b'{"instances": [%b, {"PULocationID": 74, "DOLocationID": 75, "trip_distance": 1.1}], "params": {}}' % RIDE,
        b'{"instances": [[130, 205, 3.66], [74, 75, 1.1]]}',
        b'{"inputs": {"trip_distance": [3.66, 1.1], "PULocationID": [130, 74], "DOLocationID": [205, 75]}}',
        b'{"inputs": [[130, 205, 3.66], [74, 75, 1.1]]}',
    ],
)
def test_every_form_of_the_protocol_gives_the_same_predictions(body: bytes) -> None:
    reply = post(app(), body, "/invocations")
    assert (reply.status, reply.json) == (200, {"predictions": MINUTES})


def test_csv_with_a_header_is_read_by_the_columns_types() -> None:
    body = b"\xef\xbb\xbfDOLocationID,PULocationID,trip_distance,note\r\n205,130,3.66,x\r\n\r\n75,74,1.1,\r\n"
    assert post(app(), body, "/invocations", CSV).json == {"predictions": MINUTES}


def test_cells_of_every_kind() -> None:
    """An empty cell is a missing value; a number in a column of text stays text."""
    columns = [
        Column("payment", "string"),
        Column("tolls", "double", required=False),
        Column("shared", "boolean"),
    ]
    model = ServedModel(lambda payment, tolls, shared: len(payment) + 10 * (tolls or 0) + 100 * shared, columns=columns)
    body = b'payment,tolls,shared\n"a, b",1.5,True\n12,,false\n'
    assert post(app(model), body, "/invocations", CSV).json == {"predictions": [119.0, 2.0]}


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        *((" 130", 130.0), ("130 ", 130.0), ("+5", 5.0), ("007", 7.0), ("-00", 0.0), (".5", 0.5), ("-.5", -0.5)),
        *(("1.", 1.0), ("+01.50E+2", 150.0), ("0", 0.0), ("1.e-2", 0.01), ("0.1", 0.1)),
    ],
)
def test_a_cell_is_the_number_that_pandas_reads_there(cell: str, value: float) -> None:
    """MLflow's server reads CSV with pandas."""
    assert pd.read_csv(io.StringIO(f"a\n{cell}\n"), dtype={"a": "float64"})["a"].tolist() == [value]
    model = ServedModel(lambda a: a, columns=[Column("a", "double")])
    assert post(app(model), f"a\n{cell}\n".encode(), "/invocations", CSV).json == {"predictions": [value]}


@pytest.mark.parametrize("cell", ["1_000", "0x10", "--5", "+-5", ".", "e5", "1.5.", "1 2", "inf", "\u0661", "true"])
def test_a_cell_that_is_no_number_is_refused_as_text(cell: str) -> None:
    model = ServedModel(lambda a: a, columns=[Column("a", "double")])
    reply = post(app(model), f"a\n{cell}\n".encode(), "/invocations", CSV)
    assert reply.json["errors"][0]["detail"] == "Expected `float`, got `str`"


def test_a_cell_of_an_integer_column_has_no_fraction() -> None:
    """Whole numbers lose no digit, and those with a point are taken as in JSON, where MLflow takes them."""
    model = ServedModel(lambda n: n - 9007199254740990, columns=[Column("n", "long")])
    assert post(app(model), b"n\n+09007199254740993\n", "/invocations", CSV).json == {"predictions": [3.0]}
    for cell in (b"9007199254740993.", b"9007199254740993.0"):
        assert post(app(model), b"n\n" + cell + b"\n", "/invocations", CSV).json == {"predictions": [3.0]}
    for cell in (b"1.5", b"1e2"):
        reply = post(app(model), b"n\n" + cell + b"\n", "/invocations", CSV)
        assert reply.json["errors"][0]["detail"] == "Expected `int`, got `float`"


def test_a_cell_full_of_digits_is_read_in_one_go() -> None:
    """Trying each division of them between two parts of an expression would take minutes."""
    reply = post(app(), HEADER + b"130,205," + b"0" * 60_000 + b"1" * 60_000 + b"x\n", "/invocations", CSV)
    assert reply.json["errors"][0]["detail"] == "Expected `float`, got `str`"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"dataframe_split": {"columns": ["a", "b"], "data": [[1], [2], [3]]}}', JSON),
        (b'{"inputs": [[1], [2], [3]]}', JSON),
        (b'{"inputs": {"a": [1, 2, 3]}}', JSON),
        (HEADER + b"1\n\n2\n3\n", CSV),
        (HEADER + b'1,2,3\n1,2,3\n1,2,3\n"never read', CSV),
    ],
)
def test_too_many_rows_are_refused_before_any_of_them_is_looked_at(body: bytes, headers: dict[str, str]) -> None:
    """A megabyte of rows would keep the event loop for a second."""
    reply = post(app(WEB_MAX_ITEMS="2"), body, "/invocations", headers)
    assert (reply.status, reply.json["error_code"]) == (413, "BAD_REQUEST")
    assert "more than the 2 items that are decided in one request" in reply.json["message"]
    two = HEADER + b"130,205,3.66\n\n74,75,1.1\n\n"
    assert post(app(WEB_MAX_ITEMS="2"), two, "/invocations", CSV).json == {"predictions": MINUTES}


@pytest.mark.parametrize("body", [b"130,205,3.66\n", b"130,205,3.66\n74,75,1.1\n", b"PULocationID,a\n"])
def test_csv_whose_first_line_does_not_name_the_columns_is_refused(body: bytes) -> None:
    """SageMaker's CSVSerializer sends rows without a header: the first of them would be lost, or all there is."""
    reply = post(app(), body, "/invocations", CSV)
    assert (reply.status, reply.json["error_code"]) == (400, "BAD_REQUEST")
    assert "'DOLocationID', 'trip_distance']; wanted a header of ['PULocationID'," in reply.json["message"]


def test_a_csv_header_needs_no_optional_column_but_some_column() -> None:
    model = ServedModel(
        lambda a, b: (a or 0) + (b or 0), columns=[Column(name, "long", required=False) for name in "ab"]
    )
    assert post(app(model), b"b\n7\n", "/invocations", CSV).json == {"predictions": [7.0]}
    reply = post(app(model), b"7\n", "/invocations", CSV)
    assert "the first line does not name a column; wanted a header of ['a', 'b']" in reply.json["message"]


def test_an_invalid_row_refuses_the_request_as_mlflow_does_and_names_the_row() -> None:
    body = b'{"instances": [[130, 205, 3.66], [266, 205, 3.66], [1, "x", 1]]}'
    reply = post(app(), body, "/invocations")
    assert (reply.status, reply.headers["content-type"]) == (400, "application/json")
    assert reply.json == {
        "error_code": "BAD_REQUEST",
        "message": "2 of 3 rows are invalid: "
        "row 1: bounds at $.ride.PULocationID: Expected `int` <= 265; "
        "row 2: schema at $.ride.DOLocationID: Expected `int`, got `str`",
        "errors": [
            {
                "index": 1,
                "reason": "bounds",
                "path": "$.ride.PULocationID",
                "detail": "Expected `int` <= 265",
            },
            {
                "index": 2,
                "reason": "schema",
                "path": "$.ride.DOLocationID",
                "detail": "Expected `int`, got `str`",
            },
        ],
    }


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b"{", JSON, "Input data was truncated"),
        (b"1", JSON, "Expected `object`, got `int`"),
        (b"[1]", JSON, 'the body is a list; wanted {"dataframe_records": [row, …]} around it'),
        (b'{"columns": ["a"], "data": [[1]]}', JSON, 'of MLflow 1; wanted {"dataframe_split": …} around it'),
        (b"{}", JSON, "wanted a JSON object with one of dataframe_split, dataframe_records, instances, inputs"),
        (b'{"inputs": [], "instances": []}', JSON, "it has ['inputs', 'instances']"),
        (b'{"inputs": [[1, 2]]}', JSON, "a row has 2 values for the 3 columns"),
        (b'{"inputs": {"a": [1], "b": []}}', JSON, "the columns ['a', 'b'] are not of one length"),
        (b'{"inputs": {}}', JSON, "the columns have no rows: []"),
        (b'{"instances": {"a": [], "b": []}}', JSON, "the columns have no rows: ['a', 'b']"),
        (b'{"inputs": 7}', JSON, "Expected `array`, got `int`"),
        (b'{"dataframe_split": {"columns": ["a"]}}', JSON, "missing required field `data`"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[-NaN]]}}', JSON, "JSON is malformed"),
        (b'{"dataframe_split": {"columns": ["a"], "data": [[Infinity]]}}', JSON, "JSON is malformed"),
        (b'{"inputs": [[NaN]], "NaN', JSON, "Input data was truncated"),
        (b"", CSV, "not CSV in UTF-8 with a header"),
        (b"\xff", CSV, "'utf-8' codec can't decode byte 0xff"),
        (HEADER[:-1] + b",note\n130,205,3.66,\xff\n", CSV, "'utf-8' codec can't decode byte 0xff"),
        (b'{"inputs": [[130, 205, 3.66]], "note": "\xff"}', JSON, "'utf-8' codec can't decode byte 0xff"),
        (b'{"instances": [%b, "note": "\xff"}]}' % RIDE[:-1], JSON, "'utf-8' codec can't decode byte 0xff"),
        (b'{"note": %b, "inputs": [[130, 205, 3.66]]}' % (b"[" * 100_000 + b"]" * 100_000), JSON, "nested too deeply"),
        (b'{"inputs":' * 100_000 + b"1" + b"}" * 100_000, JSON, "nested too deeply"),
        (HEADER + b"1,2,3,4\n", CSV, "a row has 4 values for the 3 columns"),
        (HEADER + b"1\n", CSV, "a row has 1 values for the 3 columns"),
    ],
)
def test_what_is_not_of_the_protocol_is_400(body: bytes, headers: dict[str, str], message: str) -> None:
    reply = post(app(), body, "/invocations", headers)
    assert (reply.status, reply.json["error_code"]) == (400, "BAD_REQUEST")
    assert message in reply.json["message"]


@pytest.mark.parametrize(
    ("environ", "headers", "status", "code"),
    [
        ({"WEB_MAX_ITEMS": "1"}, JSON, 413, "BAD_REQUEST"),
        ({}, {"content-type": "application/vnd.apache.parquet"}, 415, "BAD_REQUEST"),
        ({}, {"content-type": "application/x-parquet"}, 415, "BAD_REQUEST"),
        ({"WEB_TOKEN": "a-token-of-ours-0001"}, JSON, 401, "UNAUTHENTICATED"),
        ({"WEB_MAX_ITEMS": "2", "WEB_QUEUE_ITEMS": "2"}, JSON, 503, "TEMPORARILY_UNAVAILABLE"),
    ],
)
def test_other_refusals_have_mlflows_form_too(
    environ: dict[str, str], headers: dict[str, str], status: int, code: str
) -> None:
    application = app(**environ)
    application._batcher.queued = 1  # noqa: SLF001 (as much as waits while a call runs)
    reply = post(application, b'{"inputs": [[130, 205, 3.66], [74, 75, 1.1]]}', "/invocations", headers)
    assert (reply.status, reply.json["error_code"]) == (status, code)


def test_values_keep_their_own_bytes() -> None:
    """No number is rounded on the way, nor does an integer become a fraction or the other way round."""
    seen = []

    def row(value: int) -> float:
        seen.append(value)
        return 1.0

    model = ServedModel(row, columns=[Column("n", "long")])
    body = b'{"dataframe_split": {"columns": ["n"], "data": [[9007199254740993]]}}'
    assert post(app(model), body, "/invocations").status == 200
    assert seen == [9007199254740993]


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": [[130.0, -205.00, 3.0]]}',
        b'{"inputs": {"n": [130.0], "m": [-205.0], "x": [3.0]}}',
        b'{"inputs": {"n": 130.0, "m": -205.0, "x": 3}}',
        b'{"instances": [{"n": 130.0, "m": -205.0, "x": 3.0, "more": 1.0}]}',
        b'{"dataframe_split": {"columns": ["n", "m", "x"], "data": [[130.0, -205, 3.0]]}}',
        b'\xef\xbb\xbf{"dataframe_records": [{"n": 130.000, "m": -205.0, "x": 3.0}]}',
    ],
)
def test_a_whole_number_may_have_a_point_as_pandas_writes_integers_beside_missing_ones(body: bytes) -> None:
    seen: list[list[int | float]] = []

    def row(*values: float) -> float:
        seen.append(list(values))
        return 1.0

    model = ServedModel(row, columns=[Column("n", "long"), Column("m", "integer"), Column("x", "double")])
    assert post(app(model), body, "/invocations").json == {"predictions": [1.0]}
    assert seen == [[130, -205, 3.0]]
    assert list(map(type, seen[0])) == [int, int, float]
    reply = post(app(model), body.replace(b"130.0", b"130.5"), "/invocations")
    assert reply.json["errors"][0]["detail"] == "Expected `int`, got `float`", "nothing is cut off"


@pytest.mark.parametrize("body", [b'{"inputs": [1, 2]}', b'{"instances": [1, 2]}', b'{"inputs": {"n": [1, 2]}}'])
def test_a_list_of_scalars_is_a_list_of_rows_for_a_model_of_one_column(body: bytes) -> None:
    model = ServedModel(lambda n: n, columns=[Column("n", "long")])
    assert post(app(model), body, "/invocations").json == {"predictions": [1.0, 2.0]}


@pytest.mark.parametrize(
    "body", [b'{"inputs": [["YWJj\\nZGVm\\r\\n"]]}', b'{"dataframe_records": [{"image": "YWJj\\nZGVm\\n"}]}']
)
def test_base64_may_have_line_ends_as_pythons_encodebytes_writes_it(body: bytes) -> None:
    model = ServedModel(lambda image: float(image == b"abcdef"), columns=[Column("image", "binary")])
    assert post(app(model), body, "/invocations").json == {"predictions": [1.0]}


def test_a_text_keeps_its_line_ends() -> None:
    model = ServedModel(lambda text: float(len(text)), columns=[Column("text", "string")])
    body = b'{"dataframe_records": [{"text": "a\\nb\\r\\n1.0"}]}'
    assert post(app(model), body, "/invocations").json == {"predictions": [8.0]}


def test_a_missing_value_in_a_data_frame_is_missing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client sends pandas' NaN as Python's json writes it."""
    import requests  # noqa: PLC0415 (seconds)
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient  # noqa: PLC0415 (seconds)

    model = ServedModel(
        lambda note, tip: -1.0 if tip is None else tip + len(note or ""),
        columns=[Column("note", "string", required=False), Column("tip", "double", required=False)],
    )

    def send(url: str, data: str, headers: dict[str, str]) -> requests.Response:
        reply = post(
            app(model), data.encode(), url.removeprefix("http://here:1"), {"content-type": headers["Content-Type"]}
        )
        response = requests.Response()
        response.status_code, response._content = reply.status, reply.body  # noqa: SLF001 (as its adapter does)
        return response

    monkeypatch.setattr(requests, "post", send)
    client = ScoringServerClient("here", 1)  # type: ignore[no-untyped-call]
    frame = pd.DataFrame({"note": ['"NaN"', None, "\\"], "tip": [1.5, 2.5, float("nan")]})
    assert client.invoke(frame).get_predictions().to_numpy().ravel().tolist() == [6.5, 2.5, -1.0]


def test_nan_is_no_value_of_a_required_column() -> None:
    reply = post(app(), b'{"inputs": [[130, 205, NaN]]}', "/invocations")
    assert reply.json["errors"] == [
        {"index": 0, "reason": "schema", "path": "$.ride.trip_distance", "detail": "Expected `float`, got `null`"}
    ]


def test_a_ride_event_is_no_row() -> None:
    assert post(app(), ride_event(1), "/invocations").status == 400


@pytest.mark.parametrize("path", ["/ping", "/health"])
def test_ping_says_whether_predictions_can_be_had(path: str) -> None:
    application = app()
    assert ask(application, "GET", path).status == 200
    application.drain()
    assert ask(application, "GET", path).status == 503
