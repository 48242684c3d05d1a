"""Who meets which limits, what is reserved and given back, and what clients read of it."""

from pathlib import Path

import pytest

from services.errors import RateLimited
from services.limits import headers
from services.limits.limiter import OUTPUT_TOKENS, BucketLimiter
from services.limits.standing import Standing, Window, seconds
from services.limits.tiers import TierError, load
from services.vocabulary.call import Call
from services.vocabulary.limits import PER_MINUTE_MAX, Limits, Rates, ScopeLimits, check
from services.vocabulary.usage import Usage
from tests.limits.kit import ANN, Clock, accounts_of, key_limits, local_store

CLOCK = Clock()


def limiter(*scopes: ScopeLimits, slug=lambda name: name) -> BucketLimiter:
    return BucketLimiter(accounts_of(*scopes, slug=slug), local_store(CLOCK))


async def admit(limiter: BucketLimiter, model: str = "m", *, input: int = 1, output: int | None = None):
    return await limiter.admit(Call(model=model, items=[], max_output_tokens=output), ANN, input_tokens=input)


def scope(kind, **limits) -> ScopeLimits:
    return ScopeLimits(kind, f"{kind}_1", Limits(**limits))


async def refused(
    limiter: BucketLimiter, model: str = "m", *, input: int = 1, output: int | None = None
) -> RateLimited:
    with pytest.raises(RateLimited) as error:
        await admit(limiter, model, input=input, output=output)
    return error.value


# ---- which limits ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tightest", ["organisation", "team", "user", "key"])
async def test_the_tightest_scope_wins(tightest: str):
    """Whichever it is; the error names it, and the headers are its."""
    numbers = {kind: 2 if kind == tightest else 10 for kind in ("organisation", "team", "user", "key")}
    one = limiter(*(scope(kind, requests_per_minute=number) for kind, number in numbers.items()))
    assert dict((await admit(one)).headers)["x-ratelimit-limit-requests"] == "2"
    await admit(one)
    error = await refused(one)
    assert error.message.startswith(f"Rate limit of the {tightest}: 2 requests per minute, of which 0 are left.")
    assert dict(error.headers)["x-ratelimit-remaining-requests"] == "0"


async def test_a_key_without_limits_has_the_default_tier():
    """And so has its headers; one that is unlimited has none."""
    assert dict((await admit(limiter())).headers)["x-ratelimit-limit-requests"] == "600000"
    organisation = limiter(scope("organisation", requests_per_minute=5))
    assert dict((await admit(organisation)).headers)["x-ratelimit-limit-tokens"] == "500000000"
    assert (await admit(limiter(key_limits("unlimited")))).headers == []


async def test_own_numbers_replace_those_of_the_tier():
    """One by one; a tier that is no more is the default, which must not be a way out."""
    own = dict((await admit(limiter(key_limits("free", requests_per_minute=33)))).headers)
    assert (own["x-ratelimit-limit-requests"], own["x-ratelimit-limit-tokens"]) == ("33", "10000")
    gone = dict((await admit(limiter(key_limits("gone")))).headers)
    assert gone["x-ratelimit-limit-requests"] == "600000"


async def test_a_model_has_limits_besides_those_of_all():
    """By its slug, under whatever name it is asked for; other models are not touched by it."""
    names = {"openai/m": "m", "m-latest": "m"}
    one = limiter(
        key_limits(requests_per_minute=100, models={"m": Rates(requests_per_minute=2)}),
        slug=lambda name: names.get(name, name),
    )
    await admit(one, "openai/m")
    await admit(one, "m-latest")
    error = await refused(one, "m")
    assert error.message.startswith("Rate limit of the key for m: 2 requests per minute")
    assert dict((await admit(one, "other")).headers)["x-ratelimit-limit-requests"] == "100"


async def test_the_model_that_serves_is_the_one_that_pays():
    """With `auto` it is known only at the end; what was reserved elsewhere is given back."""
    one = limiter(
        key_limits(
            requests_per_minute=100, models={"m": Rates(requests_per_minute=1), "auto": Rates(requests_per_minute=1)}
        )
    )
    (await admit(one, "auto")).settle(Usage(), "m")
    (await admit(one, "auto")).settle(Usage(), "other")
    await refused(one, "m")
    await admit(one, "auto")
    await refused(one, "auto")


async def test_limits_that_change_hold_from_then_on():
    """What was used under the old ones is used under the new."""
    book = accounts_of(key_limits(requests_per_minute=2))
    one = BucketLimiter(book, local_store(CLOCK))
    await admit(one)
    await admit(one)
    await refused(one)
    book._book.scopes = [key_limits(requests_per_minute=3)]
    await admit(one)
    await refused(one)


# ---- what is reserved, and given back --------------------------------------------------------------------------------


async def test_what_was_reserved_becomes_what_was_used():
    """Input by the estimate, output by what the client allows or a modest guess; the truth comes at the end, once."""
    one = limiter(key_limits(input_tokens_per_minute=1000, output_tokens_per_minute=10_000))
    first = await admit(one, input=900)
    assert first.standing.input_tokens == Window(1000, 100, 54_000)
    assert first.standing.output_tokens.remaining == 10_000 - OUTPUT_TOKENS
    first.settle(Usage(input=100, cache_read=200, output=50))
    first.settle(Usage(input=999, output=999))
    second = await admit(one, input=700, output=9950)
    assert second.standing.input_tokens.remaining == 0
    assert second.standing.output_tokens.remaining == 0


async def test_a_long_answer_is_let_in_and_owed():
    """A client that allows more output than a minute has reserves the whole minute, and what is more is a debt."""
    one = limiter(key_limits(output_tokens_per_minute=100))
    (await admit(one, output=128_000)).settle(Usage(output=300))
    error = await refused(one, output=10)
    assert error.message == (
        "Rate limit of the key: 100 output tokens per minute, of which 0 are left and about 10 needed. Try again in 2m6s."
    )
    assert (error.retry_after, dict(error.headers)["retry-after-ms"]) == (126, "126000")


async def test_failures_count_as_requests_and_not_as_tokens():
    """Nobody has counted anything; and what the caller's own credential serves does not count at all."""
    one = limiter(key_limits(requests_per_minute=2, input_tokens_per_minute=10))
    (await admit(one, input=10)).settle(None)
    (await admit(one, input=10)).exempt()
    (await admit(one, input=10)).settle(None)
    error = await refused(one, input=10)
    assert "2 requests per minute" in error.message


async def test_places_come_free_however_a_request_ends():
    """Settled or exempt, once."""
    one = limiter(key_limits(concurrent_requests=1))
    for end in (lambda a: a.settle(None), lambda a: a.exempt(), lambda a: a.settle(Usage(input=3), "m")):
        admission = await admit(one)
        assert (await refused(one)).message == "Rate limit of the key: 1 requests at once, and as many are under way."
        end(admission)
        end(admission)
    await admit(one)
    await refused(one)


# ---- what clients read -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0s"), (1, "1ms"), (999, "999ms"), (1000, "1s"), (1500, "1.5s"), (7660, "7.66s"), (60_000, "1m0s"),
     (360_000, "6m0s"), (61_001, "1m1.001s"), (3_600_000, "1h0m0s"), (86_400_000, "24h0m0s")],
)  # fmt: skip
def test_times_are_written_as_openai_writes_them(ms: int, text: str):
    """As durations of Go."""
    assert seconds(ms) == text


def test_both_families_of_headers():
    """OpenAI's has one kind of tokens: the one of which fewer are left; Anthropic's has each, and times of day."""
    standing = Standing(Window(60, 59, 1000), Window(1000, 900, 6000), Window(500, 100, 48_000))
    assert headers.openai(standing) == [
        ("x-ratelimit-limit-requests", "60"),
        ("x-ratelimit-remaining-requests", "59"),
        ("x-ratelimit-reset-requests", "1s"),
        ("x-ratelimit-limit-tokens", "500"),
        ("x-ratelimit-remaining-tokens", "100"),
        ("x-ratelimit-reset-tokens", "48s"),
    ]
    theirs = dict(headers.anthropic(standing, 1_800_000_000.0))
    assert theirs["anthropic-ratelimit-requests-reset"] == "2027-01-15T08:00:01Z"
    assert theirs["anthropic-ratelimit-input-tokens-remaining"] == "900"
    assert theirs["anthropic-ratelimit-output-tokens-limit"] == "500"
    assert theirs["anthropic-ratelimit-tokens-remaining"] == "100"
    assert headers.openai(Standing(None, None, None)) == []


# ---- tiers -----------------------------------------------------------------------------------------------------------


def test_an_operator_adds_and_replaces_tiers(tmp_path: Path):
    """By name; the others stay."""
    (tmp_path / "tiers.yaml").write_text(
        "default: {requests_per_minute: 9}\ngold: {models: {m: {concurrent_requests: 1}}}"
    )
    tiers = load(tmp_path / "tiers.yaml")
    assert tiers.names >= {"default", "gold", "free", "unlimited"}
    assert tiers.resolved(Limits(tier="default")) == Limits(requests_per_minute=9)
    assert tiers.resolved(Limits(tier="gold")).models == {"m": Rates(concurrent_requests=1)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("gold: {rpm: 1}", "tier gold: Object contains unknown field `rpm`"),
        ("gold: {requests_per_minute: -1}", "tier gold: requests_per_minute is -1, and must be between 0 and"),
        ("gold: {requests_per_minute: many}", "tier gold: Expected `int | null`, got `str`"),
        ("- gold", "must be a mapping"),
        ("a: [", "tiers.yaml"),
    ],
)
def test_a_wrong_tier_is_said_where_it_is(tmp_path: Path, text: str, says: str):
    """With the file and its name."""
    file = tmp_path / "tiers.yaml"
    file.write_text(text)
    with pytest.raises(TierError, match="tiers") as error:
        load(file)
    assert says in str(error.value)


def test_limits_are_checked_before_they_are_stored():
    """Tiers that exist, and numbers that the arithmetic can hold."""
    tiers = {"free"}
    assert check(Limits(tier="free", requests_per_minute=PER_MINUTE_MAX), tiers) is None
    assert check(Limits(tier="fre"), tiers) == "there is no tier `fre`; there are free"
    assert "requests_per_minute is -1" in str(check(Limits(requests_per_minute=-1), tiers))
    wrong = Limits(models={"m": Rates(output_tokens_per_minute=PER_MINUTE_MAX + 1)})
    assert "models['m'].output_tokens_per_minute" in str(check(wrong, tiers))
