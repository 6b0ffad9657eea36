"""Every operation of the server. A test compares this table with the application's routes."""

from typing import Final

from forefront.server.openapi.operations.administration import ADMIN_OPERATIONS
from forefront.server.openapi.operations.completions import COMPLETION_OPERATIONS
from forefront.server.openapi.operations.messages import MESSAGE_OPERATIONS
from forefront.server.openapi.operations.models import MODEL_OPERATIONS
from forefront.server.openapi.operations.monitoring_and_pages import SERVER_OPERATIONS
from forefront.server.openapi.operations.responses import RESPONSE_OPERATIONS

OPERATIONS: Final = (
    *COMPLETION_OPERATIONS,
    *RESPONSE_OPERATIONS,
    *MESSAGE_OPERATIONS,
    *MODEL_OPERATIONS,
    *ADMIN_OPERATIONS,
    *SERVER_OPERATIONS,
)
