"""Report a fleet of workers and their tasks to Evenkeel.

One file, the standard library alone, Python 3.8 or newer. Copy it next to your code:

    from evenkeel import Evenkeel

    evenkeel = Evenkeel("http://127.0.0.1:8080/", source="balancer-1")
    evenkeel.push(
        workers=[{"worker_id": "gpu-01", "worker_type": "gpu", "hostname": "gpu-01.lab"}],
        loads=[{"worker_id": "gpu-01", "cpu_utilization": 85.2, "queued_tasks": 2}],
        assignments=[{"task_id": "t-1", "worker_id": "gpu-01", "status": "running"}],
    )

What is pushed is sent by a thread in the background. Nothing here blocks the caller for the network or raises an
error into it: what can't be sent waits in a bounded buffer, whose oldest reports give way, and ``stats()`` counts
them. What goes wrong is told to the logger "evenkeel".
"""

from __future__ import annotations

import atexit
import dataclasses
import datetime
import enum
import json
import logging
import math
import os
import random
import re
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections import deque
from typing import Any, Deque, Dict, Iterable, List, Mapping, Optional, Tuple, Union

__all__ = ["Evenkeel"]

log = logging.getLogger("evenkeel")

Object = Mapping[str, Any]
#: A list of dictionaries that name their own id, or dictionaries by that id.
Objects = Union[Iterable[Object], Mapping[str, Object]]

MAX_REPORTS_A_BODY = 500
MAX_BODY_BYTES = 4 * 2**20
ANSWER_TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 2**20
#: Back soon after a server that was started again: whoever says nothing for a few intervals counts as silent.
LONGEST_PAUSE_S = 5.0
LONGEST_RETRY_AFTER_S = 600.0
#: How long the end of the program may wait for what is not sent yet, seconds.
AT_EXIT_S = 2.0
MAX_DEPTH = 20

WORKER_NAMES = {"worker_id": "id", "worker_type": "type"}
CAPABILITY_NAMES = {"supported_backends": "backends"}
CAPABILITIES = frozenset(
    "cpu_cores cpu_model memory_bytes disk_bytes gpu_model gpu_count gpu_memory_bytes backends slots version".split()
)
WORKER_FIELDS = frozenset("id type hostname status tags capabilities metrics gpus interval_s".split())
LOAD_NAMES = {
    "active_tests": "active_tasks",
    "queued_tests": "queued_tasks",
    "cpu_percent": "cpu_utilization",
    "memory_percent": "memory_utilization",
}
TASK_NAMES = {
    "task_id": "id",
    "test_id": "id",
    "task_type": "type",
    "test_type": "type",
    "created_at": "queued_at",
    "completed_at": "ended_at",
    "error_message": "error",
}
TASK_FIELDS = frozenset(
    "id type model_family model_id priority modality status worker_id attempt queued_at assigned_at started_at"
    " ended_at progress requirements error metrics".split()
)
TASK_INSTANTS = frozenset(["queued_at", "assigned_at", "started_at", "ended_at"])
STATUSES = {"pending": "queued", "success": "completed", "succeeded": "completed", "error": "failed"}
METRIC_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$")


class Evenkeel:
    """Sends what it is told to one server. Any thread may use it, and a forked process its own copy of it."""

    def __init__(
        self,
        url: str,
        source: str,
        token: Optional[str] = None,
        interval_s: Optional[float] = None,
        max_reports: int = 10_000,
        max_bytes: int = 32 * 2**20,
    ) -> None:
        """
        :param url: where Evenkeel's start page is
        :param source: the name of whoever reports, such as "balancer-1"
        :param token: the server's ingest token; without it EVENKEEL_INGEST_TOKEN
        :param interval_s: how often you will push, where that is said
        :param max_reports: reports that wait at most
        :param max_bytes: bytes of them at most
        :raises ValueError: for an address that is none
        """
        if not re.match(r"https?://[^/]", url):
            raise ValueError("url must begin with http:// or https://; got %r" % (url,))
        self._url = url.rstrip("/") + "/api/ingest"
        self._source = source
        self._token = token if token is not None else os.environ.get("EVENKEEL_INGEST_TOKEN") or None
        self._interval_s = interval_s
        self._max_reports = max_reports
        self._max_bytes = max_bytes
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._closed = False
        self._reset()
        _instances.add(self)
        atexit.register(_close_at_exit, weakref.ref(self))

    def _reset(self) -> None:
        """With nothing waiting and no thread, as at the start and in a forked process."""
        self._wake = threading.Condition()
        self._waiting: Deque[Tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._number = 0
        self._thread: Optional[threading.Thread] = None
        self._hurry = False
        self._failures = 0
        self._batch = MAX_REPORTS_A_BODY
        self._trouble: Optional[str] = None
        self._counts = {"pushed": 0, "accepted": 0, "rejected": 0, "dropped": 0, "invalid": 0}
        self._last_error: Optional[str] = None

    def push(
        self,
        workers: Optional[Objects] = None,
        loads: Optional[Objects] = None,
        assignments: Optional[Objects] = None,
        system: Optional[Mapping[str, float]] = None,
        complete: bool = False,
    ) -> None:
        """Reports a load balancer's own objects as they are now; each is a dictionary or a dataclass.

        :param workers: what workers are: ``worker_id``, ``worker_type``, ``hostname``, ``status``, ``tags`` and
            ``capabilities``, or the capabilities' own names (``cpu_cores``, ``memory_bytes``, ``gpu_model``, …)
        :param loads: what they do, by ``worker_id``: every number is a metric (``cpu_utilization``,
            ``queued_tasks``, …); utilisations are percent
        :param assignments: tasks and where they run: ``task_id``, ``worker_id``, ``status`` (queued, assigned,
            running, completed, failed, cancelled), ``task_type``, ``model_id``, ``priority``, ``assigned_at``, …;
            times are datetimes, Unix seconds or ISO 8601
        :param system: metrics of the whole, such as ``queue_depth``
        :param complete: these are all workers and all unfinished tasks that there are
        """
        try:
            told: Dict[str, Dict[str, Any]] = {}
            for worker in _each(workers, "worker_id"):
                entry = _worker(worker)
                told.setdefault(entry["id"], {}).update(entry)
            for one in _each(loads, "worker_id"):
                worker_id, metrics = _load(one)
                entry = told.setdefault(worker_id, {"id": worker_id})
                entry["metrics"] = {**entry.get("metrics", {}), **metrics}
            report: Dict[str, Any] = {}
            if complete:
                report["complete"] = True
            if told or workers is not None or loads is not None:
                report["workers"] = list(told.values())
            if assignments is not None:
                report["tasks"] = [_task(one) for one in _each(assignments, "task_id")]
            if system is not None:
                report["system"] = {"metrics": _numbers(system)}
        except Exception as error:  # Whoever reports must not fail for it.
            self._invalid(error)
        else:
            self.report(report)

    def report(self, report: Object) -> None:
        """Reports one object as the ingest protocol has it; ``at``, ``source`` and ``interval_s`` are filled in."""
        try:
            whole: Dict[str, Any] = {"at": int(time.time() * 1000), "source": self._source}
            if self._interval_s is not None:
                whole["interval_s"] = self._interval_s
            whole.update(_plain(report))
            line = json.dumps(whole, allow_nan=False, separators=(",", ":")).encode()
            self._add(line)
        except Exception as error:
            self._invalid(error)

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits until all that was pushed is taken, or for so many seconds; says whether all of it was."""
        with self._wake:
            last = self._number
            self._hurry = True
            self._wake.notify_all()
            return self._wake.wait_for(lambda: not self._waiting or self._waiting[0][0] > last, timeout)

    def close(self, timeout: float = 5.0) -> bool:
        """Flushes, and ends the thread; what is pushed afterwards is dropped."""
        flushed = self.flush(0 if self._closed else timeout)
        with self._wake:
            self._closed = True
            self._wake.notify_all()
        return flushed

    def stats(self) -> Dict[str, Any]:
        """Reports pushed, accepted, rejected by the server, dropped here and invalid; waiting; the last error."""
        with self._wake:
            return {**self._counts, "waiting": len(self._waiting), "last_error": self._last_error}

    def __enter__(self) -> "Evenkeel":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _invalid(self, error: Exception) -> None:
        message = "%s: %s" % (type(error).__name__, error)
        with self._wake:
            self._counts["invalid"] += 1
            self._last_error = message
        log.warning("a report could not be made: %s", message)

    def _add(self, line: bytes) -> None:
        with self._wake:
            self._counts["pushed"] += 1
            if self._closed or len(line) > self._max_bytes:
                self._counts["dropped"] += 1
                return
            self._number += 1
            self._waiting.append((self._number, line))
            self._waiting_bytes += len(line)
            while len(self._waiting) > self._max_reports or self._waiting_bytes > self._max_bytes:
                self._waiting_bytes -= len(self._waiting.popleft()[1])
                self._counts["dropped"] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="evenkeel", daemon=True)
                self._thread.start()
            self._wake.notify_all()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                batch = self._oldest()
            pause_s, may_hurry = self._send(batch)
            if pause_s is None:
                continue
            with self._wake:
                self._wake.wait_for(lambda: self._closed or (may_hurry and self._hurry), pause_s)
                self._hurry = False
                if self._closed:
                    return

    def _oldest(self) -> List[Tuple[int, bytes]]:
        batch: List[Tuple[int, bytes]] = []
        size = 0
        for number, line in self._waiting:
            size += len(line) + 1
            if batch and (len(batch) == self._batch or size > MAX_BODY_BYTES):
                break
            batch.append((number, line))
        return batch

    def _send(self, batch: List[Tuple[int, bytes]]) -> Tuple[Optional[float], bool]:
        """Sends once. Returns the seconds to wait before the next try, None for none, and whether a flush cuts them short."""
        status, answer, retry_after_s = self._post(b"\n".join(line for _, line in batch) + b"\n")
        said = _said(answer)
        if status is not None and 200 <= status < 300:
            rejected = _count(answer, "rejected")
            self._done(batch, len(batch) - rejected, rejected, said)
            return None, False
        if status == 413 and len(batch) > 1:
            self._batch = len(batch) // 2
            return None, False
        if status in (400, 413, 415, 422):
            self._done(batch, 0, len(batch), said or "the server answered %s" % status)
            return None, False
        self._failures += 1
        self._complain(said if status is None else "the server answered %s: %s" % (status, said))
        if status in (429, 503) and retry_after_s is not None:
            return retry_after_s, False
        longest_s = min(LONGEST_PAUSE_S, 2.0 ** min(10, self._failures - 1))
        return longest_s * random.uniform(0.5, 1.0), True

    def _post(self, body: bytes) -> Tuple[Optional[int], Any, Optional[float]]:
        headers = {"Content-Type": "application/x-ndjson", "Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = "Bearer " + self._token
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            try:
                response = self._opener.open(request, timeout=ANSWER_TIMEOUT_S)
            except urllib.error.HTTPError as error:
                response = error
            with response:
                text = response.read(MAX_ANSWER_BYTES)
                retry_after = response.headers.get("Retry-After") or ""
                return response.getcode(), _parsed(text), _retry_after_s(retry_after)
        except Exception as error:
            return None, "%s does not answer: %s" % (self._url, error), None

    def _done(self, batch: List[Tuple[int, bytes]], accepted: int, rejected: int, said: Optional[str]) -> None:
        with self._wake:
            last = batch[-1][0]
            while self._waiting and self._waiting[0][0] <= last:
                self._waiting_bytes -= len(self._waiting.popleft()[1])
            self._counts["accepted"] += accepted
            self._counts["rejected"] += rejected
            self._failures = 0
            self._batch = min(MAX_REPORTS_A_BODY, 2 * self._batch)
            self._wake.notify_all()
        if rejected > 0:
            self._complain("%d of %d reports were rejected: %s" % (rejected, len(batch), said))
        elif self._trouble is not None:
            self._trouble = None
            log.info("reports are taken again")

    def _complain(self, trouble: Optional[str]) -> None:
        """Told once as long as it stays the same."""
        with self._wake:
            self._last_error = trouble
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning("%s", trouble)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is meant for this address alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


_instances: "weakref.WeakSet[Evenkeel]" = weakref.WeakSet()


def _after_fork() -> None:
    # The thread is the parent's alone, the lock may be held by it, and what waits is the parent's to send.
    for instance in list(_instances):
        instance._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _close_at_exit(reference: "weakref.ref[Evenkeel]") -> None:
    instance = reference()
    if instance is not None:
        instance.close(AT_EXIT_S)


def _each(objects: Optional[Objects], id_name: str) -> Iterable[Object]:
    if objects is None:
        return []
    if isinstance(objects, Mapping):
        return [{id_name: key, **_fields(value)} for key, value in list(objects.items())]
    return [_fields(one) for one in objects]


def _fields(one: Any) -> Dict[str, Any]:
    if dataclasses.is_dataclass(one) and not isinstance(one, type):
        return dataclasses.asdict(one)
    if isinstance(one, Mapping):
        return dict(one)
    raise TypeError("must be a dictionary; got %s" % type(one).__name__)


def _worker(given: Object) -> Dict[str, Any]:
    worker: Dict[str, Any] = {}
    capabilities = dict(given.get("capabilities") or {})
    for name, value in given.items():
        name = CAPABILITY_NAMES.get(name, WORKER_NAMES.get(name, name))
        if name in CAPABILITIES:
            capabilities[name] = value
        elif name in WORKER_FIELDS and name != "capabilities":
            worker[name] = value
    known = {CAPABILITY_NAMES.get(name, name): value for name, value in capabilities.items()}
    if known:
        worker["capabilities"] = known
    worker["id"] = _id(worker.get("id"), "worker_id")
    return worker


def _load(given: Object) -> Tuple[str, Dict[str, Optional[float]]]:
    worker_id = _id(given.get("worker_id", given.get("id")), "worker_id")
    metrics = _numbers(given.get("metrics") or {})
    metrics.update(_numbers(given))
    return worker_id, metrics


def _numbers(given: Object) -> Dict[str, Optional[float]]:
    """What of it is a metric: a number, or None for what is not known any more."""
    metrics: Dict[str, Optional[float]] = {}
    for name, value in given.items():
        name = LOAD_NAMES.get(name, name)
        value = _plain(value)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if (is_number or value is None) and name not in WORKER_FIELDS and METRIC_NAME.match(name):
            metrics[name] = value
    metrics.pop("worker_id", None)
    return metrics


def _task(given: Object) -> Dict[str, Any]:
    task: Dict[str, Any] = {}
    # What a task requires often names what it is.
    nested = given.get("test_requirements") or given.get("task_requirements") or {}
    for name, value in [*_fields(nested).items(), *given.items()]:
        name = TASK_NAMES.get(name, name)
        if name in TASK_FIELDS:
            task[name] = _instant(value) if name in TASK_INSTANTS else value
    task["id"] = _id(task.get("id"), "task_id")
    status = _plain(task.get("status"))
    if status is None and isinstance(given.get("success"), bool):
        status = "completed" if given["success"] else "failed"
    if status is not None:
        task["status"] = STATUSES.get(str(status).lower(), str(status).lower())
    return task


def _id(value: Any, name: str) -> str:
    if value is None or value == "":
        raise ValueError("%s must be given" % name)
    return str(value)


def _instant(value: Any) -> Any:
    """Unix milliseconds of a datetime, of Unix seconds or of ISO 8601; without an offset it is local time."""
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError:
            return value
    if isinstance(value, datetime.datetime):
        return int(value.timestamp() * 1000)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return int(value * 1000) if value < 1e11 else int(value)
    return value


def _plain(value: Any, depth: int = 0) -> Any:
    """The same as JSON knows it. What is no number in JSON is not known: None."""
    if depth > MAX_DEPTH:
        raise ValueError("must not be nested deeper than %d" % MAX_DEPTH)
    if isinstance(value, enum.Enum):
        return _plain(value.value, depth)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(one, depth + 1) for key, one in list(value.items())}
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return [_plain(one, depth + 1) for one in list(value)]
    if isinstance(value, datetime.datetime):
        return value.astimezone().isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value), depth + 1)
    if hasattr(value, "item"):  # A number of numpy or torch.
        return _plain(value.item(), depth + 1)
    return str(value)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode("utf-8", "replace")[:300]


def _said(answer: Any) -> Optional[str]:
    if not isinstance(answer, dict):
        return str(answer)[:300]
    errors = answer.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return ("%s %s" % (errors[0].get("path", ""), errors[0].get("message", ""))).strip()[:300]
    detail = answer.get("detail")
    return str(detail)[:300] if detail else None


def _count(answer: Any, name: str) -> int:
    value = answer.get(name) if isinstance(answer, dict) else None
    return value if isinstance(value, int) else 0


def _retry_after_s(header: str) -> Optional[float]:
    return min(LONGEST_RETRY_AFTER_S, float(header)) if re.match(r"^\d{1,9}$", header.strip()) else None
