-- The delta, Kho's one primitive: freeze the difference between two relations of one shape, then apply exactly the frozen
-- rows. It serves landing (delivery -> raw) and promotion (candidate -> live); both run the two functions below and nothing else.
--
-- A delta table has journal_build bigint, journal_op text and the carried columns. Operations:
--   I  inserted, after-image     U  updated, after-image     D  deleted, before-image     B  updated, before-image
-- Functions run with their caller's rights; SQL is built only from names the catalogue knows. No row is touched one by one.

create or replace function delta.column_list(columns text[], prefix text default '') returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select string_agg(prefix || quote_ident(c), ', ' order by i) from unnest(columns) with ordinality u (c, i)
$$;

-- Columns of `columns` as `rel` has them; one it lacks reads as null of the type that `like_rel` gives it.
create or replace function delta.select_list(columns text[], rel regclass, like_rel regclass, alias text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
    select string_agg(case when a.attname is not null then alias || '.' || quote_ident(c) || ' as ' || alias || i
                           else 'null::' || format_type(w.atttypid, w.atttypmod) || ' as ' || alias || i end, ', ' order by i)
      from unnest(columns) with ordinality u (c, i)
      left join pg_attribute a on a.attrelid = rel and a.attname = c and a.attnum > 0 and not a.attisdropped
      left join pg_attribute w on w.attrelid = like_rel and w.attname = c and w.attnum > 0 and not w.attisdropped
$$;

create or replace function delta.has_column(rel regclass, column_name text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
    select exists (select from pg_attribute where attrelid = rel and attname = column_name and attnum > 0 and not attisdropped)
$$;

-- Freeze into `into_rel` the rows by which `new_rel` differs from `old_rel`.
--   key        key columns, NOT NULL in both relations
--   columns    the other columns carried; those whose name begins with "_" are carried but not compared
--   whole      true: `new_rel` is everything there is, a key it lacks is deleted; false: it holds changes only
--   since      with whole = false: only rows of `new_rel` whose _build is greater
--   present    relation of keys (same column names) that count as present although `new_rel` lacks them
-- A row marked _deleted counts as absent in either relation.
create or replace function delta.freeze(build bigint, new_rel regclass, old_rel regclass, into_rel regclass, key text[], columns text[],
                             whole boolean, since bigint default null, before_images boolean default true, present regclass default null,
                             out inserted bigint, out updated bigint, out deleted bigint)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    all_columns text[] := key || columns;
    n_key int := cardinality(key);
    n_all int := cardinality(all_columns);
    new_marks boolean := delta.has_column(new_rel, '_deleted');
    old_marks boolean := delta.has_column(old_rel, '_deleted');
    join_on text; differs text; new_source text; old_source text; new_here text; old_here text; keep text := '';
    new_values text; old_values text;
begin
    select string_agg(format('n.n%s = o.o%s', i, i), ' and ') into join_on from generate_series(1, n_key) i;
    select string_agg(format('d.n%s', i), ', ') into new_values from generate_series(1, n_all) i;
    select string_agg(format('d.o%s', i), ', ') into old_values from generate_series(1, n_all) i;
    select coalesce(format('row(%s) is distinct from row(%s)', string_agg(format('n.n%s', i), ', '), string_agg(format('o.o%s', i), ', ')),
                    'false') into differs
      from generate_series(n_key + 1, n_all) i where left(all_columns[i], 1) <> '_';

    new_source := format('select %s%s from %s n', delta.select_list(all_columns, new_rel, into_rel, 'n'),
                         case when new_marks and not whole then ', n._deleted as gone' else '' end, new_rel);
    if whole and new_marks then new_source := new_source || ' where not n._deleted'; end if;
    if since is not null then
        if whole then raise exception 'a watermark goes with changes, not with the whole' using errcode = 'KH020'; end if;
        -- Counted before they are joined: few rows are looked up in `old_rel`, whose size then does not matter.
        drop table if exists pg_temp.changed;
        execute format('create temporary table changed on commit drop as %s where n._build > %s', new_source, since);
        analyze pg_temp.changed;
        new_source := 'select * from pg_temp.changed';
    end if;
    old_source := format('select %s from %s o', delta.select_list(all_columns, old_rel, into_rel, 'o'), old_rel)
                  || case when old_marks then ' where not o._deleted' else '' end;
    new_here := 'n.n1 is not null' || case when new_marks and not whole then ' and not n.gone' else '' end;
    old_here := 'o.o1 is not null';
    if whole and present is not null then
        select format(' and not (n.n1 is null and exists (select from %s p where %s))', present,
                      string_agg(format('p.%I = o.o%s', key[i], i), ' and ')) into keep from generate_series(1, n_key) i;
    end if;

    -- First what differs, then into the delta: only a query that writes no existing table may use more than one process.
    drop table if exists pg_temp.difference;
    execute format($sql$
        create temporary table difference on commit drop as
            select n.*, o.*, (%1$s) as new_here, (%2$s) as old_here
              from (%3$s) n %4$s join (%5$s) o on %6$s
             where ((%1$s) and not (%2$s)) or (not (%1$s) and (%2$s)) or ((%1$s) and (%2$s) and %7$s)
    $sql$, new_here, old_here, new_source, case when whole then 'full' else 'left' end, old_source, join_on, differs);
    execute format($sql$
        with frozen as (
            insert into %1$s (journal_build, journal_op, %2$s)
            select %3$s, v.* from (select * from pg_temp.difference d where true %4$s) d
             cross join lateral (values (case when d.old_here then 'U' else 'I' end, %5$s),
                                        (case when d.new_here then 'B' else 'D' end, %6$s)) v (op, %7$s)
             where case v.op when 'B' then d.old_here and %8$s when 'D' then d.old_here else d.new_here end
            returning journal_op
        )
        select count(*) filter (where journal_op = 'I'), count(*) filter (where journal_op = 'U'), count(*) filter (where journal_op = 'D')
          from frozen
    $sql$, into_rel, delta.column_list(all_columns), build, replace(replace(keep, 'n.n1', 'd.n1'), 'o.o', 'd.o'),
           new_values, old_values, (select string_agg('c' || i, ', ') from generate_series(1, n_all) i), before_images::text)
    into inserted, updated, deleted;
    drop table pg_temp.difference;
    drop table if exists pg_temp.changed;
end $$;

-- Apply the frozen rows of `build` to `target`. With tombstones, deleted rows stay with _deleted = true, and _delivery of every
-- touched row becomes the build's number. Refuses when the target no longer is what the delta was computed against.
create or replace function delta.apply(build bigint, delta_rel regclass, target regclass, key text[], columns text[], tombstones boolean,
                            out inserted bigint, out updated bigint, out deleted bigint)
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    join_on text; assign text; upsert text; expected record;
begin
    select string_agg(format('t.%I = d.%I', k, k), ' and ') into join_on from unnest(key) k;
    select string_agg(format('%I = d.%I', c, c), ', ') into assign from unnest(columns) c;
    if tombstones then
        assign := concat_ws(', ', assign, format('_delivery = %s, _deleted = false', build));
        execute format('update %s t set _deleted = true, _delivery = %s from %s d where d.journal_build = %s and d.journal_op = ''D'' and %s and not t._deleted',
                       target, build, delta_rel, build, join_on);
    else
        execute format('delete from %s t using %s d where d.journal_build = %s and d.journal_op = ''D'' and %s',
                       target, delta_rel, build, join_on);
    end if;
    get diagnostics deleted = row_count;
    updated := 0;
    if assign is not null then
        execute format('update %s t set %s from %s d where d.journal_build = %s and d.journal_op = ''U'' and %s',
                       target, assign, delta_rel, build, join_on);
        get diagnostics updated = row_count;
    end if;
    if tombstones then
        -- A key that comes back finds its tombstone.
        select format(' on conflict (%s) do update set %s where t._deleted', delta.column_list(key),
                      string_agg(format('%I = excluded.%I', c, c), ', '))
          into upsert from unnest(columns || array['_delivery', '_deleted']) c;
    end if;
    execute format('insert into %s as t (%s%s) select %s%s from %s d where d.journal_build = %s and d.journal_op = ''I''%s',
                   target, delta.column_list(key || columns), case when tombstones then ', _delivery, _deleted' else '' end,
                   delta.column_list(key || columns, 'd.'), case when tombstones then format(', %s, false', build) else '' end,
                   delta_rel, build, coalesce(upsert, ''));
    get diagnostics inserted = row_count;
    execute format('select count(*) filter (where journal_op = ''I'') i, count(*) filter (where journal_op = ''U'') u, '
                   'count(*) filter (where journal_op = ''D'') d from %s where journal_build = %s', delta_rel, build) into expected;
    if (inserted, deleted) is distinct from (expected.i, expected.d) or (assign is not null and updated <> expected.u) then
        raise exception 'target % has moved on since the delta was frozen', target using errcode = 'KH021';
    end if;
end $$;

grant execute on all functions in schema delta to kho_loader;
