-- Reconciliation: what the receiver should hold, what it says it holds, and messages for the difference.
-- The temporary tables of a session, all made here and owned by kho_owner: `ours`, `theirs` (filled by the sender from the receiver's
-- answers), `drift`. Whatever else the session has under these names is refused: a view would run its author's code as the owner.
-- Keys are rendered keys, hashes are md5 of the content (exchange.content), buckets the first two hex digits of md5 of the key.

-- Every record as it is released now and would be rendered today, into pg_temp.ours. Refuses while a release is not planned yet: its
-- changes are on their way by themselves.
create or replace function exchange.image(obligation_id smallint, rendering jsonb) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    o kho.obligation := exchange.only_sender(obligation_id);
    n bigint;
begin
    perform release.lock(o.subject);
    if o.planned_release = 0 or o.planned_release <> release.current(o.subject) then
        raise exception 'the newest release of % is not planned for % yet', o.subject, o.obligation using errcode = 'KH063';
    end if;
    drop table if exists pg_temp.ours;
    execute format('create temporary table ours as select %s as key, left(md5(%1$s), 2) as bucket, md5(%s) as hash, %s as problem from %I.%I r',
                   exchange.key(rendering, 'r'), exchange.content(rendering, 'r'), exchange.problem(rendering, 'r'), o.subject, o.table_name);
    get diagnostics n = row_count;
    analyze pg_temp.ours;
    grant select on pg_temp.ours to kho_exchange;
    return n;
end $$;

create or replace function exchange.only_own_tables(names text[]) returns void
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from unnest(names) n left join pg_class c on c.relname = n and c.relnamespace = pg_my_temp_schema()
                where c.oid is null or c.relkind <> 'r' or c.relowner <> 'kho_owner'::regrole or c.relhasrules or c.relhastriggers or c.relrowsecurity) then
        raise exception 'the tables of this comparison are not the engine''s' using errcode = 'KH065';
    end if;
end $$;

-- An empty table for the receiver's records: key, hash of the content, the record itself.
create or replace function exchange.begin_listing(obligation_id smallint) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    o kho.obligation := exchange.only_sender($1);
begin
    drop table if exists pg_temp.theirs;
    create temporary table theirs (key text, hash text, record jsonb);
    grant insert on pg_temp.theirs to kho_exchange;
end $$;

-- Compare the given buckets (null: all) record by record, into pg_temp.drift (key, kind, known). A difference is known while a message
-- of its key is on its way or is a dead letter that tells why; one that could not be rendered is no longer known once it can be.
-- `foreign`: the receiver has it and we never sent it; another sender may have put it there.
create or replace function exchange.compare(obligation_id smallint, buckets text[],
                                            out missing bigint, out different bigint, out extra bigint, out known bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    o kho.obligation := exchange.only_sender(obligation_id);
begin
    perform exchange.only_own_tables(array['ours', 'theirs']);
    if (select count(*) <> count(distinct t.key) from pg_temp.theirs t) then
        raise exception 'the listing of % holds a key twice', o.obligation using errcode = 'KH066';
    end if;
    drop table if exists pg_temp.drift;
    create temporary table drift as
        with reasons as (
            select m.key from kho.batch b join kho.message m
                on m.obligation_id = b.obligation_id and m.seq between b.first_seq and b.last_seq and m.batch = b.batch
             where b.obligation_id = o.obligation_id and b.state <> 'confirmed'
            union
            -- A deletion that was refused for what it said is tried again with what the receiver itself says.
            select m.key from kho.message m join kho.batch b using (obligation_id, batch)
             where m.obligation_id = o.obligation_id and m.code is not null and m.closed_by is null and m.item is not null and b.operation <> 'delete'
        )
        select coalesce(x.key, t.key) as key, case when t.key is null then 'missing' when x.key is null then 'extra' else 'different' end as kind,
               x.problem is not null or r.key is not null as known,
               x.key is null and not exists (select from kho.message m where m.obligation_id = o.obligation_id and m.key = t.key) as is_foreign
          from (select * from pg_temp.ours where buckets is null or bucket = any(buckets)) x
          full join pg_temp.theirs t on t.key = x.key
          left join reasons r on r.key = coalesce(x.key, t.key)
         where x.key is null or t.key is null or x.hash <> t.hash;
    select count(*) filter (where d.kind = 'missing' and not d.known), count(*) filter (where d.kind = 'different' and not d.known),
           count(*) filter (where d.kind = 'extra' and not d.known), count(*) filter (where d.known)
      into missing, different, extra, known from pg_temp.drift d;
end $$;

-- Put the difference into the outbox, as messages of reconciliation `number`; what we never sent is taken back only when a person has
-- `confirmed` that nobody else may have put it there. Returns how many.
create or replace function exchange.repair(obligation_id smallint, number int, rendering jsonb, batch_size int, due_on date, confirmed boolean) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    o kho.obligation := exchange.only_sender(obligation_id);
    of_release text := format('select %s', o.planned_release);
    ours text; theirs text; their_rendering jsonb;
begin
    perform exchange.only_own_tables(array['ours', 'theirs', 'drift']);
    perform release.lock(o.subject);
    if o.planned_release <> release.current(o.subject) then
        raise exception 'the newest release of % is not planned for % yet', o.subject, o.obligation using errcode = 'KH063';
    end if;
    ours := format('select l.* from %I.%I l join pg_temp.drift d on d.key = %s where not d.known and d.kind = ', o.subject, o.table_name, exchange.key(rendering, 'l'));
    -- What the receiver has and we do not is taken back as the receiver holds it.
    select format('select %s from pg_temp.theirs t join pg_temp.drift d on d.key = t.key where not d.known and d.kind = ''extra'' and (%L or not d.is_foreign)',
                  string_agg(format('t.record ->> %L as %I', f ->> 'field', f ->> 'field'), ', '), confirmed),
           jsonb_agg(jsonb_build_object('field', f ->> 'field', 'column', f ->> 'field', 'format', 'text', 'required', false, 'key_position', f -> 'key_position'))
      into theirs, their_rendering from jsonb_array_elements(rendering) f;
    return exchange.store(o, 'delete', theirs, of_release, their_rendering, batch_size, due_on, number)
         + exchange.store(o, 'insert', ours || '''missing''', of_release, rendering, batch_size, due_on, number)
         + exchange.store(o, 'update', ours || '''different''', of_release, rendering, batch_size, due_on, number);
end $$;

revoke execute on all functions in schema exchange from public;
grant execute on function exchange.declare(text, text, text), exchange.plan(smallint, jsonb, int, date), exchange.claim(smallint, int, int[]),
    exchange.confirm(smallint, int[], bytea[], int), exchange.resolve(smallint, int, bytea, int, jsonb, uuid[], uuid[]),
    exchange.put_back(smallint, int[], boolean, boolean, bytea), exchange.adopt(smallint, double precision), exchange.isolate(smallint, int, int, text, text),
    exchange.take_back(smallint, int), exchange.retry(smallint, bigint[], text), exchange.image(smallint, jsonb), exchange.compare(smallint, text[]),
    exchange.repair(smallint, int, jsonb, int, date, boolean), exchange.begin_listing(smallint) to kho_exchange;
grant execute on function release.current(text) to kho_exchange, kho_portal;
