-- Messages move from state to state. All set-based; a batch is one row.
--
-- A batch goes pending -> sending -> confirmed | pending | uncertain; uncertain -> confirmed | pending, after the receiver was asked.
-- Batches of an obligation are sent strictly in the order of their first message, so the versions of a key arrive in order. A message
-- that cannot be delivered as it is carries a code (dead letter) and is closed by the next version of its key that is answered.

-- Take the next batches in order, at most `how_many`, for sending: committed before the first byte leaves. A batch that waits for an
-- answer stops those behind it, unless it is one of `under_way`: those the caller will have seen answered before it sends what it takes
-- now. Their messages are those from first_seq to last_seq that have the batch's number (regrouping takes some out).
create or replace function exchange.claim(obligation_id smallint, how_many int, under_way int[] default '{}')
returns table (batch int, operation text, messages int, first_seq bigint, last_seq bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    o kho.obligation := exchange.only_sender($1);
begin
    return query
    with head as (
        select h.batch, bool_and(h.state = 'pending') over (order by h.first_seq) as free
          from (select b.batch, b.first_seq, b.state from kho.batch b
                 where b.obligation_id = o.obligation_id and b.state <> 'confirmed' and b.batch <> all($3) order by b.first_seq limit how_many) h
    ), taken as (
        update kho.batch b set state = 'sending', sent_at = clock_timestamp() from head
         where b.obligation_id = o.obligation_id and b.batch = head.batch and head.free
        returning b.batch, b.operation, b.messages, b.first_seq, b.last_seq
    )
    select t.* from taken t order by t.first_seq;
end $$;

-- The receiver has taken in every message of these batches. Dead letters of the same keys are over.
create or replace function exchange.confirm(obligation_id smallint, batches int[], hashes bytea[], run int) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    o kho.obligation := exchange.only_sender(obligation_id);
    n bigint;
begin
    with done as (
        update kho.batch b set state = 'confirmed', finished_at = clock_timestamp(), run = confirm.run, sent_sha256 = coalesce(d.hash, b.sent_sha256)
          from unnest(batches, hashes) d (batch, hash)
         where b.obligation_id = o.obligation_id and b.batch = d.batch and b.state in ('sending', 'uncertain')
        returning b.messages
    ) select sum(messages) into n from done;
    update kho.obligation x set confirmed = x.confirmed + coalesce(n, 0) where x.obligation_id = o.obligation_id;
    perform exchange.close_letters(o.obligation_id, batches);
    if n > 0 then
        perform exchange.progress(o.obligation_id);
    end if;
end $$;

-- Dead letters whose key has a later version among the finished messages of these batches.
create or replace function exchange.close_letters(obligation_id smallint, batches int[]) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
    if exists (select from kho.message d where d.obligation_id = close_letters.obligation_id and d.code is not null and d.closed_by is null) then
        update kho.message d set closed_by = m.seq
          from kho.batch b join kho.message m on m.obligation_id = b.obligation_id and m.seq between b.first_seq and b.last_seq and m.batch = b.batch
         where b.obligation_id = close_letters.obligation_id and b.batch = any(batches) and b.state = 'confirmed'
           and d.obligation_id = close_letters.obligation_id and d.key = m.key and d.code is not null and d.closed_by is null and d.seq < m.seq;
    end if;
end $$;

-- One batch has been answered in part. refused: [{"id", "code", "vi", "en", "owner"}]; again: not processed, to be sent once more;
-- switch: to be sent once more by the other operation (insert <-> update). All others of the batch are confirmed.
create or replace function exchange.resolve(obligation_id smallint, batch int, hash bytea, run int, refused jsonb, again uuid[], switch uuid[]) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    o kho.obligation := exchange.only_sender(obligation_id);
    b kho.batch; again_seqs bigint[]; switch_seqs bigint[]; n_refused bigint;
begin
    select * into b from kho.batch x where x.obligation_id = o.obligation_id and x.batch = resolve.batch for update;
    if b.state is null or b.state not in ('sending', 'uncertain') then
        raise exception 'batch % of % is not under way (%)', batch, o.obligation, coalesce(b.state, 'unknown') using errcode = 'KH062';
    end if;
    update kho.message m set code = r.code, reason_vi = r.vi, reason_en = r.en, owner = r.owner, rejected_at = clock_timestamp()
      from jsonb_to_recordset(refused) r (id uuid, code text, vi text, en text, owner text)
     where m.obligation_id = o.obligation_id and m.seq between b.first_seq and b.last_seq and m.batch = b.batch and m.id = r.id;
    get diagnostics n_refused = row_count;
    select coalesce(array_agg(m.seq) filter (where m.id = any(again)), '{}'), coalesce(array_agg(m.seq) filter (where m.id = any(switch)), '{}')
      into again_seqs, switch_seqs
      from kho.message m where m.obligation_id = o.obligation_id and m.seq between b.first_seq and b.last_seq and m.batch = b.batch;
    update kho.obligation x set confirmed = x.confirmed + b.messages - n_refused - cardinality(again_seqs) - cardinality(switch_seqs),
           refused = x.refused + n_refused
     where x.obligation_id = o.obligation_id;
    if cardinality(switch_seqs) > 0 then
        perform exchange.regroup(o.obligation_id, switch_seqs, true);
    end if;
    if cardinality(again_seqs) > 0 then
        -- One that had to be asked about has been counted already.
        update kho.batch x set attempts = x.attempts + (b.state = 'sending')::int where x.obligation_id = o.obligation_id and x.batch = b.batch;
        perform exchange.regroup(o.obligation_id, again_seqs);
    end if;
    update kho.batch x set state = 'confirmed', finished_at = clock_timestamp(), run = resolve.run, sent_sha256 = coalesce(hash, x.sent_sha256)
     where x.obligation_id = o.obligation_id and x.batch = b.batch;
    perform exchange.close_letters(o.obligation_id, array[b.batch]);
    -- What was refused only now may have been overtaken by a version that could not even be written.
    update kho.message d set closed_by = m.seq from kho.message m
     where d.obligation_id = o.obligation_id and d.seq between b.first_seq and b.last_seq and d.batch = b.batch and d.code is not null and d.closed_by is null
       and m.obligation_id = d.obligation_id and m.key = d.key and m.seq > d.seq and m.code is not null and m.closed_by is null;
    -- A receiver that has judged nothing is no better off than before.
    if cardinality(again_seqs) < b.messages then
        perform exchange.progress(o.obligation_id);
    end if;
end $$;

-- The receiver has dealt with something: it is left alone no longer, what failed meanwhile counts from the beginning, and what was put
-- aside meanwhile gets one more chance.
create or replace function exchange.progress(obligation_id smallint) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    o kho.obligation;
begin
    select * into o from kho.obligation x where x.obligation_id = $1;
    if o.failures = 0 and o.set_aside = '{}' and o.next_at is null then
        return;
    end if;
    update kho.obligation x set failures = 0, set_aside = '{}', next_at = null, problem_vi = '', problem_en = '' where x.obligation_id = $1;
    update kho.batch b set attempts = 0 where b.obligation_id = $1 and b.state = 'pending' and b.attempts > 0;
    perform exchange.reopen($1, array(select m.seq from kho.message m where m.obligation_id = $1 and m.seq = any(o.set_aside) and m.retried_by is null), 'kho');
end $$;

-- Dead letters are messages again, the same bytes, in batches of their own; but for those whose key has a later version that may have
-- arrived: sent now, the older one would win. Returns how many.
create or replace function exchange.reopen(obligation_id smallint, seqs bigint[], by_whom text) returns bigint
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
    chosen bigint[];
begin
    select coalesce(array_agg(m.seq), '{}') into chosen from kho.message m
     where m.obligation_id = $1 and m.code is not null and m.closed_by is null and m.item is not null and ($2 is null or m.seq = any($2))
       and not exists (select from kho.batch b join kho.message l on l.obligation_id = b.obligation_id and l.seq between b.first_seq and b.last_seq
                                                               and l.batch = b.batch
                        where b.obligation_id = m.obligation_id and b.state in ('sending', 'uncertain') and l.key = m.key and l.seq > m.seq);
    perform exchange.regroup($1, chosen);
    update kho.message m set code = null, reason_vi = null, reason_en = null, owner = null, rejected_at = null, retried_by = $3
     where m.obligation_id = $1 and m.seq = any(chosen);
    return cardinality(chosen);
end $$;

-- Batches that were not answered: back to pending when the receiver certainly has not processed them, else uncertain. `failed` counts
-- an attempt: a batch that fails again and again is halved until the message that is at fault stands alone. `hash`: of what was sent.
create or replace function exchange.put_back(obligation_id smallint, batches int[], uncertain boolean, failed boolean, hash bytea default null) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    o kho.obligation := exchange.only_sender($1);
begin
    update kho.batch b set state = case when $3 then 'uncertain' else 'pending' end, attempts = b.attempts + $4::int, sent_sha256 = coalesce($5, b.sent_sha256)
     where b.obligation_id = o.obligation_id and b.batch = any($2) and b.state in ('sending', 'uncertain');
end $$;

-- What a sender that died had under way: nobody knows whether it arrived, and it may still be arriving. The receiver is left alone
-- until `settle_seconds` after the claim: the time a claim is good for, and the time in which a call is certainly over.
create or replace function exchange.adopt(obligation_id smallint, settle_seconds double precision) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    o kho.obligation := exchange.only_sender($1);
    n bigint; last_sent timestamptz;
begin
    with adopted as (
        update kho.batch b set state = 'uncertain' where b.obligation_id = o.obligation_id and b.state = 'sending' returning b.sent_at
    ) select count(*), max(sent_at) into n, last_sent from adopted;
    if n > 0 then
        update kho.obligation x set next_at = greatest(x.next_at, last_sent + $2 * interval '1 second') where x.obligation_id = o.obligation_id;
    end if;
    return n;
end $$;

-- A batch that fails again and again: its second half becomes a batch of its own ('halved'); a message that stands alone is put aside as
-- a dead letter of code 'unanswered' ('set aside'), and gets one more chance once the receiver has dealt with something else.
create or replace function exchange.isolate(obligation_id smallint, batch int, run int, reason_vi text, reason_en text) returns text
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    o kho.obligation := exchange.only_sender(obligation_id);
    b kho.batch; alone bigint;
begin
    select * into b from kho.batch x where x.obligation_id = o.obligation_id and x.batch = isolate.batch and x.state = 'pending';
    if b.messages is null then
        return 'left';
    elsif b.messages > 1 then
        perform exchange.regroup(o.obligation_id, array(
            select m.seq from kho.message m where m.obligation_id = o.obligation_id and m.batch = b.batch and m.seq between b.first_seq and b.last_seq
             order by m.seq offset b.messages / 2));
        return 'halved';
    end if;
    update kho.message m set code = 'unanswered', reason_vi = isolate.reason_vi, reason_en = isolate.reason_en, owner = 'receiver', rejected_at = clock_timestamp()
     where m.obligation_id = o.obligation_id and m.batch = b.batch and m.seq between b.first_seq and b.last_seq returning m.seq into alone;
    update kho.batch x set state = 'confirmed', finished_at = clock_timestamp(), run = isolate.run where x.obligation_id = o.obligation_id and x.batch = b.batch;
    update kho.obligation x set refused = x.refused + 1,
           -- Whoever has had the chance is set aside for good.
           set_aside = x.set_aside || array(select m.seq from kho.message m where m.obligation_id = o.obligation_id and m.seq = alone and m.retried_by is null)
     where x.obligation_id = o.obligation_id;
    return 'set aside';
end $$;

-- Too many were put aside, or all there were, and nothing was dealt with meanwhile: it is not they that are at fault. Returns how many
-- come back.
create or replace function exchange.take_back(obligation_id smallint, more_than int) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    o kho.obligation := exchange.only_sender($1);
begin
    if cardinality(o.set_aside) <= $2 then
        return 0;
    end if;
    update kho.obligation x set set_aside = '{}' where x.obligation_id = o.obligation_id;
    update kho.batch b set attempts = 0 where b.obligation_id = o.obligation_id and b.state = 'pending';
    return exchange.reopen(o.obligation_id, o.set_aside, null);
end $$;

-- Dead letters whose cause lay at the receiver: the same bytes once more. Null means all that are open. Returns how many.
create or replace function exchange.retry(obligation_id smallint, seqs bigint[], by_whom text) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
declare
    o kho.obligation := exchange.only_sender($1);
    n bigint := exchange.reopen(o.obligation_id, $2, $3);
begin
    update kho.obligation x set set_aside = array(select a from unnest(x.set_aside) a join kho.message m on m.obligation_id = $1 and m.seq = a and m.code is not null)
     where x.obligation_id = o.obligation_id;
    update kho.batch b set attempts = 0 where b.obligation_id = o.obligation_id and b.state = 'pending';
    return n;
end $$;
