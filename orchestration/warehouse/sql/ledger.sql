-- The ledger: a chain of HMACs over hashes of evidence. The key never enters the database: a client asks for the next
-- link (`ledger_next`), computes its MAC and hands it in (`ledger_append`), as the last statements before its commit.
-- The payload hash is computed here, from the evidence rows themselves, so that a verifier can compute it again.

create or replace function kho.evidence(kind text, subject text, ref bigint) returns bytea
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
#variable_conflict use_variable
declare
    payload jsonb;
begin
    if kind = 'receipt' then
        select jsonb_build_array(d.delivery_id, d.dataset, d.night, d.source_name, d.as_of, d.received_at, encode(d.sha256, 'hex'), d.size_bytes,
                                 d.received, d.accepted, d.quarantined, d.duplicates, d.inserted, d.updated, d.deleted, d.unchanged,
                                 d.cursor_before, d.cursor_after, d.deletions_withheld, d.outcome, d.confirms, d.confirmed_by)
          into payload from kho.delivery d where d.dataset = subject and d.delivery_id = ref;
    elsif kind = 'gate' then
        select jsonb_build_array(g.build, g.subject, g.verdict, g.rules_hash, g.full_scan, g.checked_at,
                   (select jsonb_agg(jsonb_build_array(r.table_name, r.expectation_id, r.severity, r.success, r.unexpected_count)
                                     order by r.table_name collate "C", r.expectation_id collate "C")
                      from kho.gate_result r where r.build = g.build))
          into payload from kho.gate g where g.subject = evidence.subject and g.build = ref;
    elsif kind in ('release', 'rollback') then
        select jsonb_build_array(r.subject, r.release, r.build, r.kind, r.restores, r.released_at, r.by_whom,
                   (select jsonb_agg(jsonb_build_array(t.table_name, t.baseline, t.inserted, t.updated, t.deleted)
                                     order by t.table_name collate "C")
                      from kho.build_table t where t.build = r.build))
          into payload from kho.release r where r.subject = evidence.subject and r.release = ref and r.kind = evidence.kind;
    elsif kind = 'exchange' then
        select jsonb_build_array(e.obligation, e.run, e.started_at, e.finished_at, e.outcome, e.planned, e.confirmed, e.rejected,
                   (select jsonb_agg(jsonb_build_array(b.batch, b.release, b.reconciliation, b.operation, b.messages, encode(b.sent_sha256, 'hex'))
                                     order by b.batch)
                      from kho.batch b join kho.obligation o using (obligation_id) where o.obligation = e.obligation and b.run = e.run))
          into payload from kho.exchange_run e where e.obligation = evidence.subject and e.run = ref;
    elsif kind = 'publication' then
        select jsonb_build_array(v.dataset, v.version, v.subject, v.release, v.published_at, v.row_count, v.files,
                                 encode(v.content_sha256, 'hex'), encode(v.declaration_sha256, 'hex'))
          into payload from kho.portal_version v where v.dataset = evidence.subject and v.version = ref;
    end if;
    if payload is null then
        raise exception 'no evidence of kind % for % number %', kind, subject, ref using errcode = 'KH010';
    end if;
    return sha256(convert_to(payload::text, 'UTF8'));
end $$;

create or replace function kho.ledger_next(kind text, subject text, ref bigint,
                                out seq bigint, out at text, out payload_hash bytea, out prev bytea)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
#variable_conflict use_column
begin
    -- One writer at a time; held until the caller's commit, which follows at once.
    perform pg_advisory_xact_lock(hashtextextended('kho.ledger', 0));
    select coalesce(max(l.seq), 0) + 1 into ledger_next.seq from kho.ledger l;
    select l.mac into ledger_next.prev from kho.ledger l where l.seq = ledger_next.seq - 1;
    ledger_next.prev := coalesce(ledger_next.prev, '\x00'::bytea);
    ledger_next.at := to_char(clock_timestamp(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    ledger_next.payload_hash := kho.evidence(ledger_next.kind, ledger_next.subject, ledger_next.ref);
end $$;

create or replace function kho.ledger_append(seq bigint, at text, kind text, subject text, ref bigint, mac bytea) returns void
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
#variable_conflict use_variable
declare
    head record;
    allowed text[];
begin
    -- Each role may testify only to what its stage does.
    allowed := case session_user
        when 'kho_loader' then array['receipt']
        when 'kho_gate' then array['gate']
        when 'kho_release' then array['release', 'rollback']
        when 'kho_exchange' then array['exchange']
        when 'kho_portal' then array['publication']
        else array[]::text[] end;
    if not kind = any(allowed) then
        raise exception 'role % may not write % to the ledger', session_user, kind using errcode = 'KH011';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('kho.ledger', 0));
    select coalesce(max(l.seq), 0) as seq into head from kho.ledger l;
    if seq <> head.seq + 1 then
        raise exception 'the ledger has moved on: link % after head %', seq, head.seq using errcode = 'KH012';
    end if;
    insert into kho.ledger (seq, at, kind, subject, ref, payload_hash, prev, mac)
    values (seq, at::timestamptz, kind, subject, ref, kho.evidence(kind, subject, ref),
            coalesce((select l.mac from kho.ledger l where l.seq = head.seq), '\x00'::bytea), mac);
end $$;

-- All there is to testify to, whether or not the ledger has it.
create or replace view kho.testimony as
    select 'receipt' as kind, dataset as subject, delivery_id as ref from kho.delivery
    union all select 'gate', subject, build from kho.gate
    union all select kind, subject, release from kho.release
    union all select ledger_kind, obligation, run from kho.exchange_run
    union all select ledger_kind, dataset, version from kho.portal_version;
comment on view kho.testimony is 'Mọi bằng chứng phải có trong sổ cái. Every piece of evidence that the ledger must hold.';
grant select on kho.testimony to kho_release;

revoke execute on all functions in schema kho from public;
grant execute on function kho.ledger_next(text, text, bigint), kho.ledger_append(bigint, text, text, text, bigint, bytea)
    to kho_loader, kho_gate, kho_release, kho_exchange, kho_portal;
grant execute on function kho.evidence(text, text, bigint) to kho_release;
