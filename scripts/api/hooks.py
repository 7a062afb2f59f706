"""What schemathesis cannot know of this gateway."""

import os
import re
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


KNOWN_QUEUES = ["01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx", "02795dxx-xxxx-xxxx-xxxx-2f13cf5a0dxx"]
IS_PLAIN = re.compile(r"[^\x00-\x1f\x7f-\x9f]{1,128}")


def half(text):
    """Whether this is one of the half of the cases that are turned into what Wesal knows."""
    return len(text) % 2 == 0


@schemathesis.hook
def map_body(context, body):
    if not isinstance(body, dict):
        return body
    body = dict(body)
    # JSON Schema counts 1.0 among the integers; the gateway takes digits alone, and its descriptions say so.
    for name in ("companyId", "offset", "limit"):
        if isinstance(body.get(name), float) and body[name].is_integer():
            body[name] = int(body[name])
    # What is drawn by chance Wesal does not know: there would be no success to look at. What is wrong stays wrong.
    queues, company, email = body.get("queues"), body.get("companyId"), body.get("email")
    if isinstance(queues, list) and all(isinstance(one, str) and IS_PLAIN.fullmatch(one) for one in queues):
        if half("".join(queues)):
            body["queues"] = [KNOWN_QUEUES[len(one) % 2] for one in queues]
    if type(company) is int and 0 < company < 2**53 and company % 2 == 0:
        body["companyId"] = 100301 + company % 5
        if isinstance(body.get("filters"), list) and company % 4 == 0:
            del body["filters"]
    if isinstance(email, str) and email.strip() and half(email):
        password = body.get("password")
        if context.operation.path.endswith("/login"):
            body["email"] = "check"
            if isinstance(password, str):
                body["password"] = os.environ["WESAL_GATEWAY_KEY"]
        # The gateway's own password may hold no control character, which depends on whose email it is.
        elif not isinstance(password, str) or IS_PLAIN.fullmatch(password):
            body["email"] = os.environ["WESAL_EMAIL"]
    return body


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
