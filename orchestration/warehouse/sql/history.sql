-- Earlier releases and the shape of live tables: restoring, renaming, dropping and describing. Functions run as kho_owner with a fixed
-- search path, as those of release.sql do. Belongs here too: who may call what.

-- The image of one table at an earlier release, for the keys that have changed since: into the temporary table `past`.
create or replace function release.past(subject text, table_name text, key text[], to_build bigint) returns text[]
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    journal_table regclass := format('journal.%I', subject || '__' || table_name)::regclass;
    columns text[];
begin
    select array_agg(a.attname::text order by a.attnum) into columns from pg_attribute a
     where a.attrelid = format('%I.%I', subject, table_name)::regclass and a.attnum > 0 and not a.attisdropped and not a.attname = any(key);
    columns := coalesce(columns, '{}');
    drop table if exists pg_temp.past;
    execute format('create temporary table past on commit drop as select distinct on (%1$s) %2$s, journal_op = ''I'' as _deleted from %3$s j '
                   'where j.journal_op in (''I'', ''B'', ''D'') and j.journal_build > %4$s '
                   'and j.journal_build in (select r.build from kho.release r where r.subject = %5$L) order by %1$s, j.journal_build',
                   delta.column_list(key), delta.column_list(key || columns), journal_table, to_build, subject);
    return columns;
end $$;

-- Restore an earlier release as a new one. The caller appends the ledger row and commits.
create or replace function release.rollback(subject text, to_release int, by_whom text) returns int
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    target record; t record; new_build bigint; columns text[]; counts record; current_release int;
begin
    perform release.lock(subject);
    current_release := release.current(subject);
    select * into target from kho.release r where r.subject = rollback.subject and r.release = to_release;
    if target.release is null or to_release >= current_release then
        raise exception 'subject % has no earlier release %', subject, to_release using errcode = 'KH045';
    end if;
    new_build := release.begin(subject, (select b.night from kho.build b where b.build = target.build));
    perform release.drop_unpromoted(subject, new_build);
    for t in select distinct on (b.table_name) b.table_name, b.key from kho.build_table b join kho.release r using (build)
              where r.subject = rollback.subject order by b.table_name, b.build desc loop
        if to_regclass(format('journal.%I', subject || '__' || t.table_name)) is null then
            continue;  -- never changed since its first load
        end if;
        columns := release.past(subject, t.table_name, t.key, target.build);
        select * into counts from delta.freeze(new_build, 'pg_temp.past'::regclass, format('%I.%I', subject, t.table_name)::regclass,
                                               format('journal.%I', subject || '__' || t.table_name)::regclass, t.key, columns, false);
        perform delta.apply(new_build, format('journal.%I', subject || '__' || t.table_name)::regclass,
                            format('%I.%I', subject, t.table_name)::regclass, t.key, columns, false);
        insert into kho.build_table values (new_build, subject, t.table_name, t.key, columns, false, counts.inserted, counts.updated, counts.deleted);
    end loop;
    insert into kho.release (subject, release, build, kind, restores, by_whom)
    values (subject, current_release + 1, new_build, 'rollback', to_release, by_whom);
    update kho.build b set state = 'promoted' where b.build = new_build;
    return current_release + 1;
end $$;

-- Only what has been released has a shape to change: these two must not reach any other table of the owner.
create or replace function release.check_released(subject text, table_name text) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (select from kho.build_table b join kho.release r using (build) where b.subject = $1 and b.table_name = $2) then
        raise exception '%.% has never been released', $1, $2 using errcode = 'KH046';
    end if;
end $$;

-- A column changes its name or goes: in the live table and in its journal together, so that earlier releases stay within reach.
create or replace function release.rename_column(subject text, table_name text, old_name text, new_name text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform release.lock($1);
    perform release.check_released($1, $2);
    execute format('drop view if exists journal.%I, journal.%I', $1 || '__' || $2 || '__future', $1 || '__' || $2 || '__delta');
    execute format('alter table %I.%I rename column %I to %I', $1, $2, $3, $4);
    if to_regclass(format('journal.%I', $1 || '__' || $2)) is not null then
        execute format('alter table journal.%I rename column %I to %I', $1 || '__' || $2, $3, $4);
    end if;
end $$;

create or replace function release.drop_column(subject text, table_name text, column_name text) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform release.lock($1);
    perform release.check_released($1, $2);
    execute format('drop view if exists journal.%I, journal.%I', $1 || '__' || $2 || '__future', $1 || '__' || $2 || '__delta');
    execute format('alter table %I.%I drop column %I', $1, $2, $3);
    if to_regclass(format('journal.%I', $1 || '__' || $2)) is not null then
        execute format('alter table journal.%I drop column %I', $1 || '__' || $2, $3);
    end if;
end $$;

-- Descriptions of a released table and its columns, from dbt's models; written only where they differ. "" is the table itself.
create or replace function release.describe(subject text, table_name text, descriptions jsonb) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    live regclass := to_regclass(format('%I.%I', $1, $2));
    found record;
begin
    for found in select d.key as name, d.value as text, a.attnum from jsonb_each_text(descriptions) d
                   left join pg_attribute a on a.attrelid = live and a.attname = d.key and a.attnum > 0 and not a.attisdropped loop
        if found.name = '' and obj_description(live, 'pg_class') is distinct from found.text then
            execute format('comment on table %s is %L', live, found.text);
        elsif found.attnum is not null and col_description(live, found.attnum) is distinct from found.text then
            execute format('comment on column %s.%I is %L', live, found.name, found.text);
        end if;
    end loop;
end $$;

revoke execute on all functions in schema release, delta from public;
grant execute on function release.begin(text, date), release.declare(text, text, text[], boolean), release.current_build(text),
    release.current(text), release.fail(bigint, text), release.built(bigint, jsonb) to kho_transform;
grant execute on function release.diff(text, bigint), release.promote(text, bigint, text), release.rollback(text, int, text), release.lock(text),
    release.rename_column(text, text, text, text), release.drop_column(text, text, text), release.describe(text, text, jsonb), release.current(text), release.fail(bigint, text)
    to kho_release;
