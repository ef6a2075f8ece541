-- Tickets: one per kind of problem (dataset, column, rule), kept in step with the quarantine by every applied delivery.
-- Belongs here: opening, counting, closing. Stays out: which rows are in quarantine (landing), deadlines (the caller knows
-- the holidays), levels of escalation (they follow from the dates). Nobody may write kho.ticket but through this function,
-- and it closes only what no waiting row has any more: there is no way to close a ticket by hand.

create or replace function kho.keep_tickets(dataset text, delivery bigint, owner text, due_on date, second_due_on date,
                                            out opened bigint, out closed bigint)
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    receipt record;
begin
    select d.agency, d.night into receipt from kho.delivery d
     where d.delivery_id = keep_tickets.delivery and d.dataset = keep_tickets.dataset and d.outcome = 'applied'
       and not exists (select from kho.delivery l
                        where l.dataset = d.dataset and l.outcome = 'applied' and l.delivery_id > d.delivery_id);
    if not found then
        raise exception 'tickets follow the newest applied delivery of a dataset' using errcode = 'KH080';
    end if;
    -- All parts see the tickets as they were before: a kind is either waiting or not, so none is touched twice.
    with kinds as materialized (
        select coalesce(p.column_name, '') as column_name, p.code as rule, count(distinct q.quarantine_id) as n,
               max(q.delivery_id) as newest
          from quarantine.row q join quarantine.problem p on p.quarantine_id = q.quarantine_id
         where q.dataset = keep_tickets.dataset and q.state in ('open', 'noted') group by 1, 2
    ), known as materialized (
        select t.ticket, t.column_name, t.rule from kho.ticket t
         where t.dataset = keep_tickets.dataset and t.closed_by is null
    ), gone as (
        update kho.ticket t set closed_by = keep_tickets.delivery, closed_on = receipt.night, open_rows = 0
          from known k
         where t.ticket = k.ticket
           and not exists (select from kinds s where s.column_name = k.column_name and s.rule = k.rule)
        returning t.ticket
    ), kept as (
        update kho.ticket t set open_rows = s.n, last_delivery = greatest(t.last_delivery, s.newest), owner = keep_tickets.owner
          from known k join kinds s on s.column_name = k.column_name and s.rule = k.rule
         where t.ticket = k.ticket
    ), made as (
        insert into kho.ticket (dataset, agency, column_name, rule, owner, opened_by, opened_on, due_on, second_due_on, open_rows,
                                last_delivery, reopens)
        select keep_tickets.dataset, receipt.agency, s.column_name, s.rule, keep_tickets.owner, keep_tickets.delivery, receipt.night,
               keep_tickets.due_on, keep_tickets.second_due_on, s.n, s.newest,
               (select max(t.ticket) from kho.ticket t
                 where t.dataset = keep_tickets.dataset and t.column_name = s.column_name and t.rule = s.rule)
          from kinds s
         where not exists (select from known k where k.column_name = s.column_name and k.rule = s.rule)
         order by s.column_name, s.rule
        returning ticket
    )
    select (select count(*) from made), (select count(*) from gone) into keep_tickets.opened, keep_tickets.closed;
end $$;
comment on function kho.keep_tickets(text, bigint, text, date, date) is
    'Mở, đếm, đóng phiếu theo lần giao mới nhất. Tickets of a dataset brought in step with its quarantine by its newest applied delivery.';

revoke execute on function kho.keep_tickets(text, bigint, text, date, date) from public;
grant execute on function kho.keep_tickets(text, bigint, text, date, date) to kho_loader;
