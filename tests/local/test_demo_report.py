"""The report of the demo: samples of what came out, escaped, and what to do next."""

from dataclasses import replace

from stream_consumer.local.demo.report import render
from tests.local.outcomes import HOSTILE, SHOWN, outcome

ABOUT = [("model", "ride-duration, version 3"), ("command", "stream-consumer demo")]


def rendered() -> str:
    return render(outcome(), ABOUT, [("put", "207")], [])


def test_dead_letters_stand_beside_predictions_and_each_reason_has_one() -> None:
    page = rendered()
    assert "<caption>5 of 7, of each reason</caption>" in page
    table = page.partition("Some dead letters")[2].partition("</table>")[0]
    assert [key for key in range(7) if f"<th scope='row'>key-{key}</th>" in table] == [0, 1, 2, 5, 6]
    message = "<td>$.ride.trip_distance: Expected `float`, got `str`</td>"
    assert f"<td>schema</td>{message}<td>shardId-000000000000:0</td>" in table


def test_what_producers_wrote_is_escaped() -> None:
    page = rendered()
    assert HOSTILE not in page
    assert f"<td>$.ride.trip_distance: {SHOWN}</td>" in page
    assert f"<th scope='row'>{SHOWN}</th>" in page, "the identifier of a prediction"


def test_a_run_without_dead_letters_has_no_table_of_them() -> None:
    page = render(replace(outcome(), letters=[]), ABOUT, [], [])
    assert "dead letters</h2>" not in page
    assert "The first predictions" in page


def test_it_says_what_was_run_and_what_to_do_next() -> None:
    page = rendered()
    assert "<td>ride-duration, version 3</td>" in page
    assert "<td>stream-consumer demo</td>" in page
    assert page.rindex("What next") > page.rindex("<img")
