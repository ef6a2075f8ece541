{{ config(materialized='incremental', unique_key='parcel_code') }}

select
    parcel_code,
    address,
    commune_code,
    land_use_code,
    registered_on,
    sheet_number,
    area_m2,
    is_mortgaged,
    land_use_code in ('ONT', 'ODT') as is_residential,
    updated_at,
    _delivery,
    (select release.current_build('land')) as _build, -- once, not for each row
    _deleted
from {{ ref('stg_land_office__parcel') }}
{{ only_changed(ref('stg_land_office__parcel'), 'parcel_code') }}
