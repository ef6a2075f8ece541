-- A small warehouse in which every committed expectation holds. The tables (schema valid, named <subject>__<model>) are made
-- from the columns of the dbt models; columns that are not named here stay null.
insert into valid.governance__dim_administrative_unit
    (unit_code, valid_from, valid_to, unit_level, unit_name, name_without_type, unit_type, parent_code, province_code,
     area_km2, latitude, longitude, _delivery)
select (epoch.first_code + n)::text, epoch.valid_from, epoch.valid_to, 'commune', 'Xã ' || n, n::text, 'Xã', '24',
       epoch.province_code, case when epoch.valid_to is null then 40 end, 21.2, 106.1, 1
from (
    values (10000, 209, '24', date '1900-01-01', date '2024-12-31'), (20000, 126, '27', '1900-01-01', '2024-11-30'),
           (10000, 192, '24', '2025-01-01', '2025-06-30'), (20000, 121, '27', '2024-12-01', '2025-06-30'),
           (10000, 99, '24', '2025-07-01', null)
) as epoch (first_code, communes, province_code, valid_from, valid_to), generate_series(1, epoch.communes) as n
union all
select province_code, valid_from, valid_to, 'province', 'Tỉnh ' || province_code, province_code, 'Tỉnh', null,
       province_code, null, null, null, null
from (
    values ('24', date '1900-01-01', date '2025-06-30'), ('27', '1900-01-01', '2025-06-30'), ('24', '2025-07-01', null)
) as province (province_code, valid_from, valid_to);

insert into valid.governance__dim_administrative_unit_link
    (from_code, from_valid_from, to_code, to_valid_from, link_kind, weight, _delivery)
select (first_code + n)::text, from_valid_from, (first_to_code + (n - 1) % successors + 1)::text, to_valid_from, 'whole', 1, 1
from (
    values (10000, 209, date '1900-01-01', 10000, 192, date '2025-01-01'),
           (20000, 126, '1900-01-01', 20000, 121, '2024-12-01'),
           (10000, 192, '2025-01-01', 10000, 99, '2025-07-01'),
           (20000, 121, '2024-12-01', 10000, 99, '2025-07-01')
) as change (first_code, communes, from_valid_from, first_to_code, successors, to_valid_from),
generate_series(1, communes) as n;

insert into valid.governance__dim_commune_code (reported_code, valid_from, valid_to, commune_code, commune_count, _delivery)
select unit_code, valid_from, valid_to,
       case when valid_to is null then unit_code else (10000 + (unit_code::int - 1) % 99 + 1)::text end, 1, _delivery
from valid.governance__dim_administrative_unit
where unit_level = 'commune';

insert into valid.education__dim_school
    (school_code, school_name, school_level, ownership, commune_code, commune_code_reported, founded_year, class_count,
     pupil_count, teacher_count, room_count, site_area_m2, national_standard_level, budget_vnd, _delivery)
select '2400000' || n, 'Trường ' || n, case n % 2 when 0 then 'TH' else 'MN' end, 'CONG_LAP', (10000 + n)::text,
       (10000 + n)::text, 1990, 10, 300, 20, 12, 5000.5, n % 3, 2000000000, 2
from generate_series(10, 29) as n;

insert into valid.education__mart_school_by_commune
    (commune_code, school_level, school_count, national_standard_school_count, class_count, pupil_count, teacher_count,
     pupils_per_class, _delivery)
select commune_code, school_level, count(*), count(*) filter (where national_standard_level > 0), sum(class_count),
       sum(pupil_count), sum(teacher_count), 30, max(_delivery)
from valid.education__dim_school
group by commune_code, school_level;

insert into valid.health__dim_health_facility
    (facility_code, facility_name, ownership, professional_level, bed_count, commune_code, commune_code_reported,
     commune_reported_on, opened_on, is_active, updated_at, _delivery)
select '240' || n, 'Trạm ' || n, 'CONG', 'CO_BAN', 20, (10000 + n)::text, (10000 + n)::text, '2025-08-01', '2025-08-01',
       true, '2025-09-01 08:00+07', 3
from generate_series(10, 29) as n;

insert into valid.health__fct_health_licence
    (licence_no, facility_code, scope, issued_on, expires_on, status, updated_at, _delivery)
select 'GP-' || n, '240' || n, 'Nội khoa', '2024-01-01', case when n % 2 = 0 then date '2999-01-01' end, 'HIEU_LUC',
       '2025-09-01 08:00+07', 3
from generate_series(10, 29) as n;

insert into valid.enterprises__dim_enterprise
    (enterprise_code, enterprise_name, legal_form, status, is_active, registered_at, changed_at, change_count,
     charter_capital_vnd, is_fdi, commune_code, commune_code_reported, commune_reported_on, industry_code,
     industry_version, _delivery)
select '23000000' || n, 'Công ty ' || n, 'TNHH1', 'HOAT_DONG', true, '2019-01-01 08:00', '2025-08-01 08:00', 1, 1000000000,
       n % 5 = 0, (10000 + n)::text, (10000 + n)::text, '2025-08-01', '2620', 'VSIC2018', 4
from generate_series(10, 29) as n;

insert into valid.smart_city__mart_commune_profile
    (commune_code, commune_name, unit_type, area_km2, active_health_facility_count, bed_count,
     health_licence_in_force_count, preschool_count, primary_school_count, lower_secondary_school_count,
     upper_secondary_school_count, continuing_education_centre_count, pupil_count, teacher_count, class_count,
     pupils_per_class, active_enterprise_count, active_fdi_enterprise_count, active_enterprise_capital_vnd, _delivery)
select unit_code, unit_name, unit_type, area_km2, 1, 20, 1, 1, 1, 1, 0, 0, 300, 20, 10, 30, 5, 1, 5000000000, 4
from valid.governance__dim_administrative_unit
where unit_level = 'commune' and valid_to is null;
