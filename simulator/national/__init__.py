"""The national systems at the far end: what the province takes from them and owes to them.

Purpose: independent receivers with a memory of their own. What one was told, what it applied and what it answered can
be read from its record, so that a message lost, doubled or sent out of order by the sender is seen there; it refuses
what the real one refuses and fails in the ways in which the real ones fail.
Belongs here: the base (`record`, `faults`, `call`, `service`, `codes`, `modes`), one module per system, running one as a process of its
own (`command`).
Stays out: what the province holds (`province`), what its agencies' systems say (`views`, `systems`), who sends. Nothing
here imports them: lists of codes and persons come in as files or iterators.

A system of one's own is three things:

    class ReportingFaults(FaultPlan):                       # 1. which kind of fault makes sense for which service
        strikes = {TOKEN: TOKEN_KINDS, "GuiBaoCao": (*ANSWER_KINDS, *BATCH_KINDS, "old_list", "skew")}

    class Reporting(Service):                               # 2. the service
        name, plan_type = "reporting", ReportingFaults
        api = "/apiBaoCao/1.0"                              # as the gateway's refusals name it
        def route(self, call): ...                          # TOKEN, a key of `strikes`, or None (404)
        def malformed(self, call): ...                      # bad_request() or None
        def perform(self, call, writing):                   # applies and refuses items; returns the answer's content
            for position, item in enumerate(call.items):
                code = "99" if call.unseen(position) else self._judge(item, call, writing)
                ...
                writing.put("report", "insert", key, content, message_id)   # or .remove, .refuse, .process
            return {"error_code": "00", "message": "", "soBanGhi": …, "loi": […]}

    SYSTEM = Reporting                                      # 3. by this `command` finds it under its module's name

What the base does without being asked: token (`grant`, `admit`; a login with sessions overrides both and uses
`session`, `in_session`, `worn` and `expire`), counting, the fault of this request, 404, 400, every kind of `faults` but
three, one transaction a request with its line in the log, a stable port, key and secret in `home`, `up`, `down`, `stop`,
coming back after kill -9.

What the system itself must heed in `perform`: `call.unseen(position)` (half a batch), and of `call.fault` the kinds that
it lists in its `strikes`: "contrary" (existence answered the wrong way round), "old_list" (the codes of the epoch before:
ask `codes.communes(call.list_day)`) and "lax_order" (any order of steps). "skew" and "utc" come by themselves when it
asks `call.now` and never the machine's clock; what a system's clock shows is set by `record.set_clock` or --clock.

Other shapes of answer: override `code_field`, `count_field`, `failed`, `fail`, `miscount`, `expire`; `perform` may
return a whole `Answer`, which is sent as it is (the kinds "wrong_code" and "miscount" do not touch it). What takes long
(a backend behind a gateway) is done in `prepare`. `load(folder)` reads the lists given with --lists. Codes and messages
are data: MESSAGES, code -> Vietnamese text, in the module. A code that means "not processed" (99) is no reason to call
`writing.process`.

    with Reporting(home, ReportingFaults((Fault(2, "late", "GuiBaoCao"),))) as service:
        service.base, service.key, service.secret            # http://127.0.0.1:…
        service.record.effects()                             # in order; .refusals(), .requests(), .objects("report")
        service.record.alter("report", remove=["…"])         # behind everybody's back
        service.down(); service.up()

In a process of its own: `python -m simulator national NAME --home H --lists FOLDER --faults JSON`; once H/NAME.json is
there, it answers. Where a failure mode is simulated is added to `modes.FAULT_MODES`; `tests/simulator/national_client.py`
has a client (curl) and runs the committed messages of `examples/`.
"""

from simulator.gateway import TOKEN_PATH, Answer, json_answer
from simulator.national.call import STAMP, Call, bad_request, faulty, parse
from simulator.national.faults import (
    ANSWER_KINDS,
    BATCH_KINDS,
    KINDS,
    TOKEN,
    TOKEN_KINDS,
    Fault,
    FaultPlan,
    Kind,
)
from simulator.national.record import Effect, Record, Refusal, Request, Writing
from simulator.national.service import Service

__all__ = [
    "ANSWER_KINDS", "BATCH_KINDS", "KINDS", "STAMP", "TOKEN", "TOKEN_KINDS", "TOKEN_PATH", "Answer", "Call", "Effect",
    "Fault", "FaultPlan", "Kind", "Record", "Refusal", "Request", "Service", "Writing", "bad_request", "faulty",
    "json_answer", "parse",
]  # fmt: skip
