{{ config(materialized='incremental', unique_key='facility_code') }}

with

facility as (

    -- a register entry states the address as of its last change
    select
        facility_code,
        facility_name,
        ownership,
        professional_level,
        bed_count,
        commune_code,
        phone,
        opened_on,
        is_active,
        updated_at,
        _delivery,
        _deleted,
        (updated_at at time zone 'Asia/Ho_Chi_Minh')::date as commune_reported_on
    from {{ ref('stg_health__facility') }}
    {{ only_changed(ref('stg_health__facility'), 'facility_code', resolves_commune=true) }}

)

select
    facility.facility_code,
    facility.facility_name,
    facility.ownership,
    facility.professional_level,
    facility.bed_count,
    commune_now.commune_code,
    facility.commune_code as commune_code_reported,
    facility.commune_reported_on,
    facility.phone,
    facility.opened_on,
    facility.is_active,
    facility.updated_at,
    facility._delivery,
    (select release.current_build('health')) as _build,
    facility._deleted
from facility
{{ today_commune('facility.commune_code', 'facility.commune_reported_on') }}
