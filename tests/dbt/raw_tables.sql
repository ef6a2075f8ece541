-- The raw tables as landing would create them from the contracts, and the two functions of schema release that the
-- models call. Personal columns are there so that the tests can show that no model carries them on.
create schema raw;

create table raw.home_affairs__unit_e0 (
    ward_code text primary key, ward_name text, district_code text, district_name text, province_code text,
    _delivery bigint not null, _deleted boolean not null
);
create table raw.home_affairs__unit_e1 (like raw.home_affairs__unit_e0 including all);
create table raw.home_affairs__unit_e2 (
    ward_code text primary key, ward_name text, area_km2 numeric(8, 2), latitude numeric(8, 5), longitude numeric(8, 5),
    _delivery bigint not null, _deleted boolean not null
);
create table raw.home_affairs__link_e0_e1 (
    from_code text, from_name text, to_code text, to_name text,
    _delivery bigint not null, _deleted boolean not null, primary key (from_code, to_code)
);
create table raw.home_affairs__link_e1_e2 (
    from_code text, from_name text, from_district text, from_province_code text, to_code text, to_name text,
    _delivery bigint not null, _deleted boolean not null, primary key (from_code, to_code)
);
create table raw.health__facility (
    facility_code text primary key, facility_name text, ownership text, professional_level text, bed_count integer,
    commune_code text, phone text, opened_on date, is_active boolean, updated_at timestamptz,
    _delivery bigint not null, _deleted boolean not null
);
create table raw.health__licence (
    licence_no text primary key, facility_code text, scope text, issued_on date, expires_on date, status text,
    responsible_person text, responsible_id text, updated_at timestamptz,
    _delivery bigint not null, _deleted boolean not null
);
create table raw.education__school (
    school_code text primary key, school_name text, level text, ownership text, commune_code text,
    founded_year integer, class_count integer, pupil_count integer, teacher_count integer, room_count integer,
    site_area_m2 numeric(12, 2), national_standard integer, budget_million_vnd numeric(14, 3), principal_name text,
    _delivery bigint not null, _deleted boolean not null
);
create table raw.enterprise_registry__enterprise (
    enterprise_code text primary key, name_vi text, name_short text, legal_form text, registered_at timestamptz,
    changed_at timestamptz, change_count integer, charter_capital_vnd numeric(20, 0), address text, commune_code text,
    representative_name text, industry_code text, industry_version text, status text, industrial_zone text,
    is_fdi boolean, _delivery bigint not null, _deleted boolean not null
);

create schema release;
create table release.declared (subject text, model text, key text[], watermark boolean, primary key (subject, model));
create table release.build (build bigint);
insert into release.build values (1);
create function release.current_build(subject text) returns bigint stable language sql
as 'select build from release.build';
create function release.declare(subject text, model text, key text[], watermark boolean) returns void language sql
as 'insert into release.declared values ($1, $2, $3, $4)
    on conflict on constraint declared_pkey do update set key = excluded.key, watermark = excluded.watermark';
