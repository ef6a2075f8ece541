{{ config(materialized='incremental', unique_key='licence_no') }}

select
    licence_no,
    facility_code,
    scope,
    issued_on,
    expires_on,
    status,
    updated_at,
    _delivery,
    (select release.current_build('health')) as _build,
    _deleted
from {{ ref('stg_health__licence') }}
{{ only_changed(ref('stg_health__licence'), 'licence_no') }}
