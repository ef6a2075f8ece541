-- What is released becomes messages: rendering, storing, planning. Set-based; the rows never leave the server.
-- Functions run as kho_owner with a fixed search path; the sender's role can neither write an item nor read anything unreleased.
-- SQL is built only from column names the catalogue knows and from quoted literals.

-- -- rendering ------------------------------------------------------------------------------------------------------------

-- One field of a message as an expression over the row `alias`: text, null where there is nothing to say.
-- field: {"field", "column" | "constant", "format", "codes": {from: to} | null, "required", "key_position"}
create or replace function exchange.expression(field jsonb, alias text) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    col text := alias || '.' || quote_ident(field ->> 'column');
begin
    if field ->> 'constant' is not null then
        return quote_literal(field ->> 'constant') || '::text';
    elsif jsonb_typeof(field -> 'codes') = 'object' then
        return (select format('(case %s::text %s end)', col, string_agg(format('when %L then %L', c.key, c.value), ' ' order by c.key))
                  from jsonb_each_text(field -> 'codes') c);
    end if;
    return case field ->> 'format'
        when 'text' then col || '::text'
        when 'number' then col || '::text'
        when 'date8' then format('to_char(%s, ''YYYYMMDD'')', col)
        when 'date14' then format('to_char(%s, ''YYYYMMDD000000'')', col)
        when 'timestamp14' then format('to_char(%s at time zone ''Asia/Ho_Chi_Minh'', ''YYYYMMDDHH24MISS'')', col)
        when 'bool_true_false' then format('(case when %1$s then ''True'' when not %1$s then ''False'' end)', col)
        when 'bool_1_0' then format('(case when %1$s then ''1'' when not %1$s then ''0'' end)', col)
    end;
end $$;

-- The values of a record in byte order of their names, joined by U+001F: what both sides hash when they compare.
create or replace function exchange.content(rendering jsonb, alias text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select format('concat_ws(E''\x1f'', %s)', string_agg(format('coalesce(%s, '''')', exchange.expression(f, alias)), ', ' order by (f ->> 'field') collate "C"))
      from jsonb_array_elements(rendering) f
$$;

-- The key of a record: its key fields as rendered, joined by U+001F.
create or replace function exchange.key(rendering jsonb, alias text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select format('concat_ws(E''\x1f'', %s)', string_agg(format('coalesce(%s, '''')', exchange.expression(f, alias)), ', ' order by (f ->> 'key_position')::int))
      from jsonb_array_elements(rendering) f where f ->> 'key_position' is not null
$$;

-- The fields as the inside of a JSON object; `lenient`: a code without a mapping stands as it is.
create or replace function exchange.fields(rendering jsonb, alias text, lenient boolean default false) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select string_agg(format('%L || to_json(coalesce(%s, %s''''))::text', case when n = 1 then '' else ',' end || to_json(f ->> 'field') || ':',
                             exchange.expression(f, alias),
                             case when lenient and f ->> 'column' is not null then format('%s.%I::text, ', alias, f ->> 'column') else '' end), ' || ' order by n)
      from (select f, row_number() over (order by (f ->> 'field') collate "C") as n from jsonb_array_elements(rendering) f) u
$$;

-- The first field that cannot be rendered, as `code field`: a code without a mapping in force, or nothing where something must be.
create or replace function exchange.problem(rendering jsonb, alias text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
    select format('coalesce(%s)', string_agg(p, ', ' order by n)) from (
        select n, format('case when %s is not null and %s is null then %L end', alias || '.' || quote_ident(f ->> 'column'),
                         exchange.expression(f, alias), 'unmapped ' || (f ->> 'field')) as p
          from jsonb_array_elements(rendering) with ordinality u (f, n) where jsonb_typeof(f -> 'codes') = 'object'
        union all
        select n + 1000, format('case when coalesce(%s, '''') = '''' then %L end', exchange.expression(f, alias), 'missing ' || (f ->> 'field'))
          from jsonb_array_elements(rendering) with ordinality u (f, n) where (f ->> 'required')::boolean
    ) x having count(*) > 0
    union all select 'null::text' where not exists (
        select from jsonb_array_elements(rendering) f where jsonb_typeof(f -> 'codes') = 'object' or (f ->> 'required')::boolean)
$$;

-- -- planning -------------------------------------------------------------------------------------------------------------

create or replace function exchange.declare(obligation text, subject text, table_name text) returns smallint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    found record;
begin
    select o.obligation_id, o.subject, o.table_name into found from kho.obligation o where o.obligation = declare.obligation;
    if found.obligation_id is null then
        insert into kho.obligation (obligation, subject, table_name) values (obligation, subject, table_name)
        on conflict on constraint obligation_obligation_key do nothing returning obligation_id, subject, table_name into found;
    elsif (found.subject, found.table_name) <> (subject, table_name) then
        raise exception 'obligation % is owed from %.%, not from %.%', obligation, found.subject, found.table_name, subject, table_name using errcode = 'KH060';
    end if;
    return found.obligation_id;
end $$;

-- Only the session that holds the obligation's lock may plan and send: one sender, so order is order.
create or replace function exchange.only_sender(obligation_id smallint) returns kho.obligation
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    found kho.obligation;
    lock bigint;
begin
    select * into found from kho.obligation o where o.obligation_id = $1;
    lock := hashtextextended('kho.exchange:' || found.obligation, 0);
    if not exists (select from pg_locks l where l.locktype = 'advisory' and l.pid = pg_backend_pid() and l.granted and l.objsubid = 1
                      and (l.classid::bigint << 32 | l.objid::bigint) = lock) then
        raise exception 'this session is not the sender of %', coalesce(found.obligation, '?') using errcode = 'KH061';
    end if;
    return found;
end $$;

-- Store messages for the rows of `source` (a query giving op rows aliased r), in batches of one operation. Returns how many.
-- The release is read in the same statement as the rows, so both are of one moment.
create or replace function exchange.store(o kho.obligation, operation text, source text, release_sql text, rendering jsonb, batch_size int, due_on date,
                                          reconciliation int default null) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    base bigint; base_batch int; n bigint; bad bigint; of_release int;
    -- What is to be gone is gone whatever it said: a deletion is never held up by a code or a gap.
    lenient boolean := operation = 'delete';
begin
    select x.last_seq into base from kho.obligation x where x.obligation_id = o.obligation_id;
    select coalesce(max(b.batch), 0) into base_batch from kho.batch b where b.obligation_id = o.obligation_id;
    execute format($sql$
        with of_release as materialized (select (%1$s) as release),
        rendered as (
            select row_number() over () as n, md5(concat_ws(E'\x1f', %2$L, c.release, %3$L, %4$s))::uuid as id, %5$s as key, %6$s as fields, %7$s as problem
              from (%8$s) r cross join of_release c
        ), stored as (
            insert into kho.message (obligation_id, seq, batch, key, id, item, code, reason_vi, reason_en, owner, rejected_at)
            select %9$s, %10$s + n, %11$s + 1 + (n - 1) / %12$s, key, id,
                   case when problem is null then '{"MaThongDiep":"' || id || '",' || fields || '}' end, split_part(problem, ' ', 1),
                   case split_part(problem, ' ', 1) when 'unmapped' then 'trường ' || split_part(problem, ' ', 2) || ': mã chưa có ánh xạ còn hiệu lực'
                        when 'missing' then 'trường ' || split_part(problem, ' ', 2) || ': bắt buộc nhưng trống' end,
                   case split_part(problem, ' ', 1) when 'unmapped' then 'field ' || split_part(problem, ' ', 2) || ': the code has no mapping in force'
                        when 'missing' then 'field ' || split_part(problem, ' ', 2) || ': required but empty' end,
                   case split_part(problem, ' ', 1) when 'unmapped' then 'kho' when 'missing' then 'source' end,
                   case when problem is not null then clock_timestamp() end
              from rendered
        )
        select release from of_release
    $sql$, release_sql, o.obligation, coalesce(reconciliation::text, ''), exchange.content(rendering, 'r'), exchange.key(rendering, 'r'),
           exchange.fields(rendering, 'r', lenient), case when lenient then 'null::text' else exchange.problem(rendering, 'r') end, source, o.obligation_id, base, base_batch, batch_size)
       into of_release;
    -- Counted afterwards, from the indexes: what the statement itself returned would be kept in memory until its end.
    select coalesce(max(m.seq), base) - base into n from kho.message m where m.obligation_id = o.obligation_id and m.seq > base;
    select count(*) into bad from kho.message m where m.obligation_id = o.obligation_id and m.seq > base and m.code is not null and m.closed_by is null;
    insert into kho.batch (obligation_id, batch, release, reconciliation, operation, first_seq, last_seq, messages, due_on)
    select o.obligation_id, base_batch + 1 + i, of_release, reconciliation, operation, base + 1 + i * batch_size, least(base + (i + 1) * batch_size, base + n),
           least(batch_size, n - i * batch_size), due_on
      from generate_series(0, (n + batch_size - 1) / batch_size - 1) i;
    update kho.obligation x set last_seq = base + n, refused = x.refused + bad, planned_release = greatest(x.planned_release, of_release) where x.obligation_id = o.obligation_id;
    if bad > 0 then
        perform exchange.regroup(o.obligation_id, array(select m.seq from kho.message m where m.obligation_id = o.obligation_id and m.seq > base and m.code is not null));
        update kho.batch b set state = 'confirmed', finished_at = clock_timestamp()
         where b.obligation_id = o.obligation_id and b.first_seq > base and b.state = 'pending'
           and not exists (select from kho.message m where m.obligation_id = b.obligation_id and m.seq between b.first_seq and b.last_seq
                                                       and m.batch = b.batch and m.code is null);
        perform exchange.close_letters(o.obligation_id, array(select b.batch from kho.batch b where b.obligation_id = o.obligation_id
                                                                 and b.first_seq > base and b.state = 'confirmed'));
    end if;
    if n > 10000 then
        analyze kho.message, kho.batch;  -- the queries of the sender must not be planned for what was there before
    end if;
    return n;
end $$;

-- Move messages out of their batches into new ones, one for each batch they were in; pending, at the same place in the order.
create or replace function exchange.regroup(obligation_id smallint, seqs bigint[], other_operation boolean default false) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    base int; old record;
begin
    for old in select b.*, array_agg(m.seq order by m.seq) as moved
                 from kho.message m join kho.batch b using (obligation_id, batch)
                where m.obligation_id = regroup.obligation_id and m.seq = any(seqs) group by b.obligation_id, b.batch order by b.first_seq loop
        select max(b.batch) + 1 into base from kho.batch b where b.obligation_id = regroup.obligation_id;
        insert into kho.batch (obligation_id, batch, release, reconciliation, operation, first_seq, last_seq, messages, attempts, due_on)
        values (obligation_id, base, old.release, old.reconciliation,
                case when not other_operation then old.operation when old.operation = 'insert' then 'update' else 'insert' end,
                old.moved[1], old.moved[cardinality(old.moved)], cardinality(old.moved), case when other_operation then 0 else old.attempts end, old.due_on);
        update kho.message m set batch = base, switched = m.switched or other_operation
         where m.obligation_id = regroup.obligation_id and m.seq = any(old.moved);
        -- What has been confirmed is evidence and stays as it was sent.
        if old.state <> 'confirmed' then
            if old.messages = cardinality(old.moved) then
                delete from kho.batch b where b.obligation_id = regroup.obligation_id and b.batch = old.batch;
            else
                update kho.batch b set messages = b.messages - cardinality(old.moved) where b.obligation_id = regroup.obligation_id and b.batch = old.batch;
            end if;
        end if;
    end loop;
end $$;

-- Plan the next release that is not planned yet, or, the first time, everything there is. Returns the messages stored; null when
-- there is nothing to plan. `rendering`, `batch_size` and `due_on` are the terms in force.
create or replace function exchange.plan(obligation_id smallint, rendering jsonb, batch_size int, due_on date) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    o kho.obligation := exchange.only_sender(obligation_id);
    live regclass := to_regclass(format('%I.%I', o.subject, o.table_name));
    journal text; next_one record; join_on text; n bigint := 0;
begin
    if o.planned_release >= release.current(o.subject) then
        return null;
    elsif live is null then
        raise exception '%.% is not released', o.subject, o.table_name using errcode = 'KH064';
    end if;
    if o.planned_release = 0 or exists (select from kho.build_table t join kho.release r using (build)
                                         where r.subject = o.subject and r.release > o.planned_release and t.table_name = o.table_name and t.baseline) then
        return exchange.store(o, 'insert', format('select * from %s', live),
                              format('select max(x.release) from kho.release x where x.subject = %L', o.subject), rendering, batch_size, due_on);
    end if;
    select r.release, r.build, t.key into next_one from kho.release r left join kho.build_table t on t.build = r.build and t.table_name = o.table_name
     where r.subject = o.subject and r.release > o.planned_release order by r.release limit 1;
    if next_one.key is not null then
        journal := format('select * from journal.%I where journal_build = %s and journal_op = ', o.subject || '__' || o.table_name, next_one.build);
        select string_agg(format('b.%1$I = u.%1$I', k), ' and ') into join_on from unnest(next_one.key) k;
        n := exchange.store(o, 'delete', journal || '''D''', next_one.release::text, rendering, batch_size, due_on)
           + exchange.store(o, 'insert', journal || '''I''', next_one.release::text, rendering, batch_size, due_on)
           -- A version whose message would say the same is no version upstream.
           + exchange.store(o, 'update', format('select u.* from (%s''U'') u join (%s''B'') b on %s where %s <> %s', journal, journal, join_on,
                                                exchange.content(rendering, 'u'), exchange.content(rendering, 'b')),
                            next_one.release::text, rendering, batch_size, due_on);
    end if;
    update kho.obligation x set planned_release = next_one.release where x.obligation_id = plan.obligation_id;
    return n;
end $$;
