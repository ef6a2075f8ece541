{{ config(materialized='incremental', unique_key='enterprise_code') }}

with

enterprise as (

    -- a registration states the address as of its last change
    select
        *,
        (changed_at at time zone 'Asia/Ho_Chi_Minh')::date as commune_reported_on
    from {{ ref('stg_enterprise_registry__enterprise') }}
    {{ only_changed(ref('stg_enterprise_registry__enterprise'), 'enterprise_code', resolves_commune=true) }}

)

select
    enterprise.enterprise_code,
    enterprise.enterprise_name,
    enterprise.enterprise_short_name,
    enterprise.legal_form,
    enterprise.status,
    enterprise.status = 'HOAT_DONG' as is_active,
    enterprise.registered_at,
    enterprise.changed_at,
    enterprise.change_count,
    enterprise.charter_capital_vnd,
    enterprise.is_fdi,
    enterprise.address,
    commune_now.commune_code,
    enterprise.commune_code as commune_code_reported,
    enterprise.commune_reported_on,
    enterprise.industrial_zone,
    enterprise.industry_code,
    enterprise.industry_version,
    enterprise._delivery,
    (select release.current_build('enterprises')) as _build,
    enterprise._deleted
from enterprise
{{ today_commune('enterprise.commune_code', 'enterprise.commune_reported_on') }}
