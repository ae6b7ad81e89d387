"""Client of a gateway's administration: `AdminClient`, `AsyncAdminClient`; the protos are in `llmgateway.admin.v1`.

The administration listens on a port of its own and takes keys of its own. `llmgateway` does not import this module.
"""

from llmgateway.admin.aio import AsyncAdminClient
from llmgateway.admin.client import DEFAULT_ADMIN_ADDRESS, AdminClient
from llmgateway.admin.requests import CloudStatus

__all__ = ["DEFAULT_ADMIN_ADDRESS", "AdminClient", "AsyncAdminClient", "CloudStatus"]
