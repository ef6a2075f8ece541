"""The jobs, and the schedules that start the first of a night and the comparison of a week.

Landing is a job of its own: within one run a failed source would skip every model behind it. Publishing and sending are jobs of
their own too: a receiver that is down must not hold up a release, nor a dataset that is held an exchange.
Belongs here: which assets run together. Stays out: what starts a job after another one (`sensors`).
"""

import dagster as dg

from orchestration import settings
from orchestration.automation.retention import retention
from orchestration.components.common import NIGHT_TAG
from orchestration.components.national import RECONCILIATION_TAG

#: Runs that `kho night` drives itself carry this tag; the chain sensor leaves them alone.
DRIVER_TAG = "kho/driver"
STAGE_TAG = "kho/stage"

_RAW = dg.AssetSelection.key_prefixes("raw") | dg.AssetSelection.assets(retention)
_NATIONAL = dg.AssetSelection.key_prefixes("national")
_PORTAL = dg.AssetSelection.key_prefixes("portal")

landing = dg.define_asset_job(
    "landing", selection=_RAW, executor_def=dg.in_process_executor, tags={STAGE_TAG: "landing"},
    description="Hỏi mọi nguồn, nhận dữ liệu theo hợp đồng. Every source is asked; deliveries land under contract.",
)  # fmt: skip
warehouse = dg.define_asset_job(
    "warehouse", selection=dg.AssetSelection.all() - _RAW - _NATIONAL - _PORTAL, executor_def=dg.in_process_executor,
    tags={STAGE_TAG: "warehouse"},
    description="Dựng, kiểm tra và phát hành mọi lĩnh vực. Every subject is built, gated and released.",
)  # fmt: skip
publish = dg.define_asset_job(
    "publish", selection=_PORTAL, executor_def=dg.in_process_executor, tags={STAGE_TAG: "publish"},
    description="Công bố dữ liệu mở từ bản phát hành. Open data is published from what was released.",
)  # fmt: skip
exchange = dg.define_asset_job(
    "exchange", selection=_NATIONAL - dg.AssetSelection.tag(RECONCILIATION_TAG, ""), executor_def=dg.in_process_executor,
    tags={STAGE_TAG: "exchange"},
    description="Gửi phần thay đổi đã phát hành lên hệ thống quốc gia. What was released is sent to the national systems.",
)  # fmt: skip
reconcile = dg.define_asset_job(
    "reconcile", selection=_NATIONAL, executor_def=dg.in_process_executor, tags={STAGE_TAG: "exchange"},
    description="Đối soát hai bên, rồi gửi lại phần lệch. Both sides are compared, then what differs is sent.",
)  # fmt: skip


@dg.schedule(
    job=landing,
    cron_schedule="0 1 * * *",
    execution_timezone="Asia/Ho_Chi_Minh",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """01:00 Asia/Ho_Chi_Minh."""
    night = context.scheduled_execution_time.astimezone(settings.TIMEZONE).date().isoformat()
    return dg.RunRequest(run_key=f"night:{night}", tags={NIGHT_TAG: night})


@dg.schedule(
    job=reconcile,
    cron_schedule="0 3 * * 0",
    execution_timezone="Asia/Ho_Chi_Minh",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Sunday 03:00 Asia/Ho_Chi_Minh."""
    day = context.scheduled_execution_time.astimezone(settings.TIMEZONE).date().isoformat()
    return dg.RunRequest(run_key=f"reconcile:{day}")
