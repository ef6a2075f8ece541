-- The roles of the stages and what each may do. Purpose: one LOGIN role a stage, none a member of another (a session
-- that may take one role may take the next). Belongs here: schemas, roles, default privileges. Stays out: tables, functions.
-- Run by the administrator during `kho init`; idempotent, so that a province's own administrator may run it again.

do $$
declare
    role_name text;
begin
    foreach role_name in array array['owner', 'loader', 'transform', 'gate', 'release', 'exchange', 'portal', 'analyst', 'dagster'] loop
        if not exists (select from pg_roles where rolname = 'kho_' || role_name) then
            execute format('create role %I login nosuperuser nocreatedb nocreaterole noinherit', 'kho_' || role_name);
        end if;
        -- Statements and values of Kho's sessions stay out of the server's log: error texts quote the offending value.
        execute format('alter role %I set log_min_messages = fatal', 'kho_' || role_name);
        execute format('alter role %I set log_min_error_statement = panic', 'kho_' || role_name);
        execute format('alter role %I set log_statement = none', 'kho_' || role_name);
        execute format('alter role %I set log_min_duration_statement = -1', 'kho_' || role_name);
        execute format('alter role %I set log_parameter_max_length = 0', 'kho_' || role_name);
        -- Dagster writes its own moments without a zone, in UTC.
        execute format('alter role %I set timezone = %L', 'kho_' || role_name,
                       case role_name when 'dagster' then 'UTC' else 'Asia/Ho_Chi_Minh' end);
        execute format('alter role %I set jit = off', 'kho_' || role_name);
    end loop;
end $$;

revoke create on schema public from public;
do $$ begin execute format('revoke all on database %I from public', current_database()); end $$;
do $$ begin
    execute format('grant connect on database %I to kho_owner, kho_loader, kho_transform, kho_gate, kho_release, kho_exchange, kho_portal, kho_analyst',
                   current_database());
    execute format('grant create, temporary on database %I to kho_owner', current_database());
    execute format('grant temporary on database %I to kho_loader, kho_transform, kho_gate, kho_exchange', current_database());
end $$;

create schema if not exists kho authorization kho_owner;
create schema if not exists delta authorization kho_owner;
create schema if not exists release authorization kho_owner;
create schema if not exists identifier authorization kho_owner;
create schema if not exists exchange authorization kho_owner;
create schema if not exists journal authorization kho_owner;
create schema if not exists analytics authorization kho_owner;
create schema if not exists open authorization kho_owner;
create schema if not exists raw authorization kho_loader;
create schema if not exists quarantine authorization kho_owner;
create schema if not exists staging authorization kho_transform;
create schema if not exists intermediate authorization kho_transform;

grant usage on schema kho to kho_loader, kho_transform, kho_gate, kho_release, kho_exchange, kho_portal, kho_analyst;
grant usage on schema identifier to kho_loader, kho_transform, kho_gate, kho_release, kho_exchange, kho_portal, kho_analyst;
grant usage on schema delta to kho_loader;
grant usage on schema release to kho_loader, kho_transform, kho_gate, kho_release, kho_exchange, kho_portal, kho_analyst;
grant usage on schema exchange to kho_exchange;
grant usage on schema quarantine to kho_loader, kho_release;
grant usage on schema journal to kho_gate, kho_release, kho_transform;
grant usage on schema raw to kho_transform, kho_release;
grant usage on schema analytics, open to kho_analyst;
alter default privileges for role kho_loader in schema raw grant select on tables to kho_transform;

do $$
declare
    subject text;
begin
    foreach subject in array array['population', 'enterprises', 'land', 'procedures', 'education', 'health', 'environment',
                                   'science_technology', 'industry_investment', 'budget', 'smart_city', 'governance'] loop
        execute format('create schema if not exists %I authorization kho_owner', subject);
        execute format('create schema if not exists %I authorization kho_transform', 'candidate_' || subject);
        execute format('grant usage on schema %I to kho_analyst, kho_transform, kho_gate, kho_release, kho_exchange, kho_portal', subject);
        execute format('alter default privileges for role kho_owner in schema %I grant select on tables '
                       'to kho_analyst, kho_transform, kho_gate, kho_release, kho_exchange, kho_portal', subject);
        -- Tables that were released before a role came.
        execute format('grant select on all tables in schema %I to kho_portal', subject);
        execute format('grant usage on schema %I to kho_owner', 'candidate_' || subject);
        execute format('alter default privileges for role kho_transform in schema %I grant select on tables to kho_owner',
                       'candidate_' || subject);
    end loop;
end $$;
