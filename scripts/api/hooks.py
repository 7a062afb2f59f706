"""What schemathesis cannot know of this gateway."""

from datetime import datetime

import schemathesis
from hypothesis import strategies as st


def interval(first, second):
    """Two instants in order, as the vendor's reference writes them."""
    early, late = sorted([first, second])
    return f"{early:%Y-%m-%dT%H:%M:%S}.000Z/{late:%Y-%m-%dT%H:%M:%S}.001Z"


# A pattern cannot say that the end is after the start.
INSTANTS = st.datetimes(min_value=datetime(2023, 1, 1), max_value=datetime(2026, 1, 1))
schemathesis.openapi.format("interval", st.builds(interval, INSTANTS, INSTANTS))


@schemathesis.hook
def map_body(context, body):
    """JSON Schema counts 1.0 among the integers; the gateway takes digits alone, and its descriptions say so."""
    if not isinstance(body, dict):
        return body
    whole = {"companyId", "offset", "limit"}
    as_digits = lambda value: int(value) if isinstance(value, float) and value.is_integer() else value
    return {name: as_digits(value) if name in whole else value for name, value in body.items()}


@schemathesis.check
def what_the_description_allows_is_not_refused_as_wrong(ctx, response, case):
    """Schema and validation are one: the other half is negative_data_rejection."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code != 400:
        return
    # A HEAD has no words; what it is refused for, the GET is too.
    if response.request.method == "HEAD":
        return
    code = response.json()["code"]
    assert code == "upstream_rejected", f"a request that the description allows is refused: {response.text}"
