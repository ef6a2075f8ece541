-- Builds and promotion: the only way into the live tables. Functions run as kho_owner with a fixed search path; their SQL is
-- built from the catalogue only. A build goes building -> frozen -> promoted; anything else ends dropped or failed.

create or replace function release.lock(subject text) returns void
language sql volatile set search_path = pg_catalog, pg_temp as $$
    select pg_advisory_xact_lock(hashtextextended('kho.subject:' || subject, 0))
$$;

create or replace function release.current(subject text) returns int
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce(max(r.release), 0) from kho.release r where r.subject = $1
$$;

-- Number of the build under way, for the rows that dbt writes. Outside a build (an engineer runs dbt by hand) it is the number
-- that comes next, so that rows written by hand are never older than the release for a watermark.
create or replace function release.current_build(subject text) returns bigint
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce((select max(b.build) from kho.build b where b.subject = $1 and b.state = 'building'),
                    (select coalesce(max(b.build), 0) + 1 from kho.build b))
$$;

-- Start a build: whatever was under way for the subject is over.
create or replace function release.begin(subject text, night date) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    new_build bigint;
begin
    perform release.lock($1);
    update kho.build b set state = 'failed', reason = coalesce(b.reason, 'superseded') where b.subject = $1 and b.state = 'building';
    insert into kho.build (subject, night, base_release, state) values ($1, $2, release.current($1), 'building')
    returning build into new_build;
    return new_build;
end $$;

-- dbt has built the candidate by these models (name -> version): a model whose version changes later is built afresh.
create or replace function release.built(build bigint, versions jsonb) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    update kho.build b set versions = $2 where b.build = $1 and b.state = 'building'
$$;

-- The transformation failed: say so on the build. `reason` must hold no values of rows.
create or replace function release.fail(build bigint, reason text) returns void
language sql volatile security definer set search_path = pg_catalog, pg_temp as $$
    update kho.build b set state = 'failed', reason = $2 where b.build = $1 and b.state in ('building', 'frozen')
$$;

-- A warehouse model declares itself (dbt post-hook): its key, and whether its candidate carries _build and _deleted.
create or replace function release.declare(subject text, table_name text, key text[], watermark boolean) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into kho.warehouse_table as w (subject, table_name, key, watermark) values ($1, $2, $3, $4)
    on conflict on constraint warehouse_table_pkey do update set key = excluded.key, watermark = excluded.watermark
     where (w.key, w.watermark) is distinct from (excluded.key, excluded.watermark);
end $$;

-- Columns a candidate offers to its live table, in order; refuses what the owner must not run or cannot keep:
-- anything but a plain table of built-in types (a view or a policy would run its author's code as the owner).
create or replace function release.columns_of(candidate regclass, key text[]) returns text[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    bad text; columns text[];
begin
    select c.relkind::text into bad from pg_class c where c.oid = candidate and (c.relkind not in ('r', 'p') or c.relrowsecurity or c.relhasrules);
    if bad is not null then
        raise exception 'candidate % is not a plain table', candidate using errcode = 'KH031';
    end if;
    select string_agg(a.attname, ', ') into bad from pg_attribute a join pg_type t on t.oid = a.atttypid
     where a.attrelid = candidate and a.attnum > 0 and not a.attisdropped
       and (t.typnamespace <> 'pg_catalog'::regnamespace or t.typname in ('json', 'xml') or a.attgenerated <> '');
    if bad is not null then
        raise exception 'candidate % has columns of a type that cannot be released: %', candidate, bad using errcode = 'KH032';
    end if;
    select string_agg(k, ', ') into bad from unnest(key) k where not delta.has_column(candidate, k);
    if bad is not null then
        raise exception 'candidate % lacks key columns %', candidate, bad using errcode = 'KH033';
    end if;
    select array_agg(a.attname::text order by a.attnum) into columns from pg_attribute a
     where a.attrelid = candidate and a.attnum > 0 and not a.attisdropped and not a.attname = any(key) and a.attname not in ('_build', '_deleted');
    return coalesce(columns, '{}');
end $$;

-- Views for the gate: the table as it will be if promoted, and the frozen rows that change it.
create or replace function release.gate_views(subject text, table_name text, build bigint, key text[], columns text[], baseline boolean) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    stem text := subject || '__' || table_name;
    live regclass := to_regclass(format('%I.%I', subject, table_name));
    frozen text; future text; join_on text;
begin
    execute format('drop view if exists journal.%I, journal.%I', stem || '__future', stem || '__delta');
    if baseline then
        frozen := format('select %s from journal.%I', delta.column_list(key || columns), stem || '__baseline');
        future := frozen;
    else
        select string_agg(format('j.%I = l.%I', k, k), ' and ') into join_on from unnest(key) k;
        frozen := format('select %s from journal.%I where journal_build = %s and journal_op in (''I'', ''U'')',
                         delta.column_list(key || columns), stem, build);
        -- A column that is new in this build is not in the live table yet.
        future := format('select %s from %s l where not exists (select from journal.%I j where j.journal_build = %s and %s) union all %s',
                         (select string_agg(case when delta.has_column(live, c) then format('l.%I', c)
                                                 else format('null::%s', (select format_type(a.atttypid, a.atttypmod) from pg_attribute a
                                                                           where a.attrelid = format('journal.%I', stem)::regclass and a.attname = c)) end,
                                            ', ' order by i) from unnest(key || columns) with ordinality u (c, i)),
                         live, stem, build, join_on, frozen);
    end if;
    execute format('create view journal.%I as %s', stem || '__delta', frozen);
    execute format('create view journal.%I (%s) as %s', stem || '__future', delta.column_list(key || columns), future);
    execute format('grant select on journal.%I, journal.%I to kho_gate', stem || '__delta', stem || '__future');
end $$;

-- A key that stands in a candidate twice. One of its rows may equal the live one and so leave no trace in the frozen rows; but then
-- the candidate has more rows than live will have. Two counts cost a fraction of a search for duplicates.
create or replace function release.check_unique(candidate regclass, live regclass, journal regclass, build bigint, key text[], since bigint, growth bigint)
returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    bad boolean;
begin
    execute format('select exists (select from %s where journal_build = %s and journal_op in (''I'', ''U'') group by %s having count(*) > 1)',
                   journal, build, delta.column_list(key)) into bad;
    if bad then
        null;
    elsif since is null then
        execute format('select (select count(*) from %s %s) <> (select count(*) from %s) + %s', candidate,
                       case when delta.has_column(candidate, '_deleted') then 'where not _deleted' else '' end, live, growth) into bad;
    else
        execute format('select exists (select from %s where _build > %s group by %s having count(*) > 1)', candidate, since, delta.column_list(key)) into bad;
    end if;
    if bad then
        raise exception 'candidate % has several rows of one key', candidate using errcode = 'KH047';
    end if;
end $$;

-- Freeze one table of a build.
create or replace function release.diff_table(subject text, table_name text, build bigint, key text[], watermark boolean, base_release int) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    stem text := subject || '__' || table_name;
    candidate regclass := format('%I.%I', 'candidate_' || subject, table_name)::regclass;
    live regclass := to_regclass(format('%I.%I', subject, table_name));
    columns text[];
    base record; counts record; since bigint; bad text; n bigint;
begin
    -- From here to the commit its author cannot turn it into something that runs code as the owner (a policy, a rule).
    execute format('lock table only %s in access share mode', candidate);
    columns := release.columns_of(candidate, key);
    execute format('select ''x'' from %s where %s limit 1', candidate,
                   (select string_agg(format('%I is null', k), ' or ') from unnest(key) k)) into bad;
    if bad is not null then
        raise exception 'candidate % has rows without a key', candidate using errcode = 'KH034';
    end if;
    if live is null then
        -- A first load is frozen whole, and the frozen table itself becomes the live one.
        execute format('create table journal.%I as select %s from %s%s', stem || '__baseline', delta.column_list(key || columns), candidate,
                       case when delta.has_column(candidate, '_deleted') then ' where not _deleted' else '' end);
        get diagnostics n = row_count;
        execute format('analyze journal.%I', stem || '__baseline');
        perform release.gate_views(subject, table_name, build, key, columns, true);
        insert into kho.build_table values (build, subject, table_name, key, columns, true, n, 0, 0);
        return;
    end if;
    perform release.reconcile_journal(subject, table_name, candidate, live, key, columns);
    if watermark then
        -- The watermark holds only on top of a promoted build of this very candidate, and not after a full refresh
        -- (every row carries this build's number, and rows may have gone without a tombstone).
        select r.kind, r.build into base from kho.release r where r.subject = diff_table.subject and r.release = base_release;
        execute format('select ''x'' from %s where _build <> %s limit 1', candidate, build) into bad;
        if base.kind = 'release' and bad is not null then
            since := base.build;
        end if;
    end if;
    select * into counts from delta.freeze(build, candidate, live, format('journal.%I', stem)::regclass, key, columns, since is null, since);
    perform release.check_unique(candidate, live, format('journal.%I', stem)::regclass, build, key, since, counts.inserted - counts.deleted);
    execute format('analyze journal.%I', stem);
    perform release.gate_views(subject, table_name, build, key, columns, false);
    insert into kho.build_table values (build, subject, table_name, key, columns, false, counts.inserted, counts.updated, counts.deleted);
end $$;

-- The journal has the live table's columns and those that are new in the candidate. Renamed, dropped or retyped ones are for a
-- person to decide: live and journal must change together (release.rename_column, release.drop_column).
create or replace function release.reconcile_journal(subject text, table_name text, candidate regclass, live regclass, key text[], columns text[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    journal_name text := subject || '__' || table_name;
    bad text; new_column record; live_key text[];
begin
    select array_agg(a.attname::text order by array_position(i.indkey::int2[], a.attnum)) into live_key
      from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey) where i.indrelid = live and i.indisprimary;
    if live_key is distinct from key then
        raise exception 'the key of %.% is % in the release and % in the candidate', subject, table_name, live_key, key using errcode = 'KH035';
    end if;
    select string_agg(a.attname, ', ') into bad from pg_attribute a
     where a.attrelid = live and a.attnum > 0 and not a.attisdropped and not a.attname = any(key || columns);
    if bad is not null then
        raise exception 'columns % of %.% are missing in the candidate: rename or drop them in the release first', bad, subject, table_name using errcode = 'KH036';
    end if;
    select string_agg(a.attname, ', ') into bad from pg_attribute a join pg_attribute c on c.attrelid = candidate and c.attname = a.attname
     where a.attrelid = live and a.attnum > 0 and not a.attisdropped and not c.attisdropped and (a.atttypid, a.atttypmod) <> (c.atttypid, c.atttypmod);
    if bad is not null then
        raise exception 'columns % of %.% have another type in the candidate', bad, subject, table_name using errcode = 'KH037';
    end if;
    if to_regclass(format('journal.%I', journal_name)) is null then
        execute format('create table journal.%I (journal_build bigint not null, journal_op text not null, like %s)', journal_name, live);
        execute format('alter table journal.%I %s', journal_name,
                       (select string_agg(format('alter %I drop not null', k), ', ') from unnest(key) k));
        execute format('create index on journal.%I (journal_build)', journal_name);
        execute format('create index on journal.%I (%s, journal_build)', journal_name, delta.column_list(key));
        execute format('grant select on journal.%I to kho_release', journal_name);
    end if;
    for new_column in select a.attname, format_type(a.atttypid, a.atttypmod) as pg_type from pg_attribute a
                       where a.attrelid = candidate and a.attname = any(columns)
                         and not delta.has_column(format('journal.%I', journal_name)::regclass, a.attname) order by a.attnum loop
        execute format('drop view if exists journal.%I, journal.%I', journal_name || '__future', journal_name || '__delta');
        execute format('alter table journal.%I add column %I %s', journal_name, new_column.attname, new_column.pg_type);
    end loop;
end $$;

-- Remove what builds that never were promoted have left.
create or replace function release.drop_unpromoted(subject text, before bigint) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    old record;
begin
    for old in select t.build, t.table_name, t.baseline from kho.build_table t join kho.build b using (build)
                where b.subject = drop_unpromoted.subject and b.build < before and b.state in ('building', 'frozen', 'failed') loop
        execute format('drop view if exists journal.%I, journal.%I', subject || '__' || old.table_name || '__future',
                       subject || '__' || old.table_name || '__delta');
        if old.baseline then
            execute format('drop table if exists journal.%I', subject || '__' || old.table_name || '__baseline');
        else
            execute format('delete from journal.%I where journal_build = %s', subject || '__' || old.table_name, old.build);
        end if;
    end loop;
    update kho.build b set state = 'dropped' where b.subject = drop_unpromoted.subject and b.build < before and b.state in ('building', 'frozen');
end $$;

create or replace function release.diff(subject text, build bigint) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    the_build record; declared record; n int := 0;
begin
    perform release.lock(subject);
    select * into the_build from kho.build b where b.build = diff.build and b.subject = diff.subject;
    if the_build.state is distinct from 'building' then
        raise exception 'build % of % is not under way (%)', build, subject, coalesce(the_build.state, 'unknown') using errcode = 'KH038';
    end if;
    perform release.drop_unpromoted(subject, build);
    for declared in select w.table_name, w.key, w.watermark from kho.warehouse_table w where w.subject = diff.subject order by w.table_name loop
        perform release.diff_table(subject, declared.table_name, build, declared.key, declared.watermark, the_build.base_release);
        n := n + 1;
    end loop;
    if n = 0 then
        raise exception 'subject % has declared no table', subject using errcode = 'KH039';
    end if;
    update kho.build b set state = 'frozen' where b.build = diff.build;
end $$;

-- Put the frozen rows of a build that passed its gate into the live tables. The caller appends the ledger row and commits.
create or replace function release.promote(subject text, build bigint, by_whom text) returns int
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    the_build record; the_gate record; evidence bytea; t record; new_release int; new_column record; stem text;
begin
    perform release.lock(subject);
    select * into the_build from kho.build b where b.build = promote.build and b.subject = promote.subject;
    if the_build.state is distinct from 'frozen' then
        raise exception 'build % of % cannot be released: it is %', build, subject, coalesce(the_build.state, 'unknown') using errcode = 'KH040';
    end if;
    select * into the_gate from kho.gate g where g.build = promote.build;
    select l.payload_hash into evidence from kho.ledger l where l.kind = 'gate' and l.subject = promote.subject and l.ref = promote.build;
    if the_gate.verdict is null or evidence is null then
        raise exception 'build % of % has not been through its gate', build, subject using errcode = 'KH041';
    elsif evidence <> kho.evidence('gate', subject, build) then
        raise exception 'the gate of build % of % is not what the ledger says', build, subject using errcode = 'KH042';
    elsif the_gate.verdict <> 'pass' then
        raise exception 'the gate holds build % of %', build, subject using errcode = 'KH043';
    elsif the_build.base_release <> release.current(subject) then
        raise exception 'live has moved on since build % of % began', build, subject using errcode = 'KH044';
    end if;
    for t in select * from kho.build_table b where b.build = promote.build order by b.table_name loop
        stem := subject || '__' || t.table_name;
        if t.baseline then
            execute format('drop view if exists journal.%I, journal.%I', stem || '__future', stem || '__delta');
            execute format('alter table journal.%I rename to %I', stem || '__baseline', t.table_name);
            execute format('alter table journal.%I set schema %I', t.table_name, subject);
            execute format('alter table %I.%I add primary key (%s)', subject, t.table_name, delta.column_list(t.key));
            execute format('grant select on %I.%I to kho_analyst, kho_transform, kho_gate, kho_release, kho_exchange, kho_portal', subject, t.table_name);
        else
            for new_column in select a.attname, format_type(a.atttypid, a.atttypmod) as pg_type from pg_attribute a
                               where a.attrelid = format('journal.%I', stem)::regclass and a.attname = any(t.columns)
                                 and not delta.has_column(format('%I.%I', subject, t.table_name)::regclass, a.attname) order by a.attnum loop
                execute format('alter table %I.%I add column %I %s', subject, t.table_name, new_column.attname, new_column.pg_type);
            end loop;
            perform delta.apply(build, format('journal.%I', stem)::regclass, format('%I.%I', subject, t.table_name)::regclass, t.key, t.columns, false);
        end if;
    end loop;
    new_release := the_build.base_release + 1;
    insert into kho.release (subject, release, build, kind, by_whom) values (subject, new_release, build, 'release', by_whom);
    update kho.build b set state = 'promoted' where b.build = promote.build;
    return new_release;
end $$;
