"""Claims, on an S3 that keeps the rules of conditional writes. Nothing waits: a lease may be over from the start."""

from collections.abc import Iterator

import pytest
from types_boto3_s3 import S3Client

from stream_consumer.local.demo.embedded_aws import EmbeddedAws
from stream_consumer.worker.output_claim import Claim, ClaimLost

LONG, OVER = 600.0, -10.0


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Client]:
    with EmbeddedAws(buckets=["out"]) as aws:
        yield aws.clients().s3


@pytest.fixture
def target(s3: S3Client, request: pytest.FixtureRequest) -> str:
    del s3
    return f"s3://out/{request.node.name}.parquet"


def claim(s3: S3Client, target: str, owner: str, lease_seconds: float = LONG) -> Claim:
    return Claim(s3, target, owner=owner, lease_seconds=lease_seconds)


def beside(s3: S3Client) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="out").get("Contents", [])]


def test_the_second_to_claim_is_told_how_long_the_first_may_hold(s3: S3Client, target: str) -> None:
    assert claim(s3, target, "first").take() == 0
    assert LONG - 60 < claim(s3, target, "second").take() <= LONG + 2


def test_a_released_claim_leaves_nothing_and_can_be_made_again(s3: S3Client, target: str) -> None:
    first = claim(s3, target, "first")
    assert first.take() == 0
    assert f"{target.removeprefix('s3://out/')}.claim" in beside(s3)
    first.release()
    assert claim(s3, target, "second").take() == 0


def test_an_old_claim_is_taken_over_and_its_maker_learns_it(s3: S3Client, target: str) -> None:
    dead = claim(s3, target, "dead", OVER)
    assert dead.take() == 0
    heir = claim(s3, target, "heir")
    assert heir.take() == 0
    with pytest.raises(ClaimLost, match="was taken over"):
        dead.renew()
    dead.release()  # not its own any more, so it stays
    assert claim(s3, target, "third").take() > 0
    heir.renew()


def test_only_one_takes_an_old_claim_over(s3: S3Client, target: str) -> None:
    """Both have read the same old claim; S3 takes the first write."""
    claim(s3, target, "dead", OVER).take()
    one, other = claim(s3, target, "one"), claim(s3, target, "other")
    found = one._find()  # noqa: SLF001 (what the other read meanwhile)
    assert found
    assert one.take() == 0
    assert not other._write(IfMatch=found.etag)  # noqa: SLF001


def test_a_renewal_in_between_keeps_an_old_claim_from_being_taken_over(s3: S3Client, target: str) -> None:
    slow, other = claim(s3, target, "slow", OVER), claim(s3, target, "other")
    slow.take()
    found = other._find()  # noqa: SLF001 (as above)
    assert found
    slow.renew()
    assert not other._write(IfMatch=found.etag)  # noqa: SLF001


def test_a_claim_whose_answer_was_lost_is_still_ones_own(s3: S3Client, target: str) -> None:
    """The client asks again, and S3 says that somebody holds it."""
    claim(s3, target, "me").take()
    again = claim(s3, target, "me")
    assert again.take() == 0
    stale = claim(s3, target, "me")
    stale.take()
    again.renew()  # changes the ETag that stale knows
    stale.renew()


def test_a_claim_that_was_removed_cannot_be_renewed(s3: S3Client, target: str) -> None:
    mine = claim(s3, target, "me")
    mine.take()
    mine.release()
    with pytest.raises(ClaimLost):
        mine.renew()


def test_a_service_that_fails_is_not_a_claim(s3: S3Client) -> None:
    with pytest.raises(s3.exceptions.ClientError, match=r"NoSuchBucket|Forbidden|AccessDenied"):
        claim(s3, "s3://no-such-bucket-at-all/a.parquet", "me").renew()
