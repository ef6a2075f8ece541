select
    licence_no,
    facility_code,
    scope,
    issued_on,
    expires_on,
    status,
    updated_at,
    _delivery,
    _deleted
from {{ source('health', 'licence') }}
