with

commune as (

    select
        unit_code as commune_code,
        unit_name as commune_name,
        unit_type,
        area_km2,
        _delivery
    from {{ ref('dim_administrative_unit') }}
    where
        unit_level = 'commune'
        and valid_to is null

),

facility as (

    select
        commune_code,
        count(*) filter (where is_active) as facility_count,
        sum(bed_count) filter (where is_active) as bed_count,
        max(_delivery) as _delivery
    from {{ ref('dim_health_facility') }}
    group by commune_code

),

licence as (

    select
        facility.commune_code,
        count(*) filter (where licence.status = 'HIEU_LUC') as licence_count,
        max(licence._delivery) as _delivery
    from {{ ref('fct_health_licence') }} as licence
    inner join {{ ref('dim_health_facility') }} as facility
        on licence.facility_code = facility.facility_code
    group by facility.commune_code

),

school as (

    select
        commune_code,
        count(*) filter (where school_level = 'MN') as preschool_count,
        count(*) filter (where school_level = 'TH') as primary_count,
        count(*) filter (where school_level = 'THCS') as lower_secondary_count,
        count(*) filter (where school_level = 'THPT') as upper_secondary_count,
        count(*) filter (where school_level = 'GDTX') as continuing_education_count,
        sum(pupil_count) as pupil_count,
        sum(teacher_count) as teacher_count,
        sum(class_count) as class_count,
        sum(pupil_count) filter (where class_count > 0) as pupil_in_class_count,
        max(_delivery) as _delivery
    from {{ ref('dim_school') }}
    group by commune_code

),

enterprise as (

    select
        commune_code,
        count(*) filter (where is_active) as enterprise_count,
        count(*) filter (where is_active and is_fdi) as fdi_enterprise_count,
        sum(charter_capital_vnd) filter (where is_active) as charter_capital_vnd,
        max(_delivery) as _delivery
    from {{ ref('dim_enterprise') }}
    group by commune_code

)

select
    commune.commune_code,
    commune.commune_name,
    commune.unit_type,
    commune.area_km2,
    coalesce(facility.facility_count, 0)::integer as active_health_facility_count,
    coalesce(facility.bed_count, 0)::integer as bed_count,
    coalesce(licence.licence_count, 0)::integer as health_licence_in_force_count,
    coalesce(school.preschool_count, 0)::integer as preschool_count,
    coalesce(school.primary_count, 0)::integer as primary_school_count,
    coalesce(school.lower_secondary_count, 0)::integer as lower_secondary_school_count,
    coalesce(school.upper_secondary_count, 0)::integer as upper_secondary_school_count,
    coalesce(school.continuing_education_count, 0)::integer as continuing_education_centre_count,
    coalesce(school.pupil_count, 0)::integer as pupil_count,
    coalesce(school.teacher_count, 0)::integer as teacher_count,
    coalesce(school.class_count, 0)::integer as class_count,
    round(school.pupil_in_class_count::numeric / nullif(school.class_count, 0), 2)::numeric(8, 2) as pupils_per_class,
    coalesce(enterprise.enterprise_count, 0)::integer as active_enterprise_count,
    coalesce(enterprise.fdi_enterprise_count, 0)::integer as active_fdi_enterprise_count,
    coalesce(enterprise.charter_capital_vnd, 0)::numeric(24, 0) as active_enterprise_capital_vnd,
    greatest(
        commune._delivery, facility._delivery, licence._delivery, school._delivery, enterprise._delivery
    ) as _delivery
from commune
left join facility on commune.commune_code = facility.commune_code
left join licence on commune.commune_code = licence.commune_code
left join school on commune.commune_code = school.commune_code
left join enterprise on commune.commune_code = enterprise.commune_code
