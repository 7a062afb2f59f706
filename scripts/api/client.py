"""A client as openapi-python-client makes it: it must get answers, as its types."""

import os

from wesal_gateway_client import Client
from wesal_gateway_client.api.auth import log_in
from wesal_gateway_client.api.queues import query_queue_summary
from wesal_gateway_client.api.surveys import get_organization, query_surveys
from wesal_gateway_client.models import LoginRequest, OrganizationAnswer, QueuesRequest, SurveysRequest

client = Client(base_url=os.environ["WESAL_GATEWAY"], headers={"X-Api-Key": os.environ["WESAL_GATEWAY_KEY"]})

organization = get_organization.sync(client=client)
assert isinstance(organization, OrganizationAnswer), organization
assert organization.data.companies[0].id == 100301

queue = "01756dxx-xxxx-xxxx-xxxx-7c12cf9a0dxx"
summary = query_queue_summary.sync(client=client, body=QueuesRequest(queues=[queue]))
assert summary.data.result[0].name == "Sales", summary

session = log_in.sync(client=client, body=LoginRequest(email="check", password=os.environ["WESAL_GATEWAY_KEY"]))
assert session.data.access_token.startswith("eyJ")

refused = query_surveys.sync_detailed(client=client, body=SurveysRequest(company_id=1, limit=0))
assert refused.status_code == 400 and b'"/limit"' in refused.content, refused

print("the Python client is answered")
