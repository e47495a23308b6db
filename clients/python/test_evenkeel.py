"""Run against a server: EVENKEEL_URL=http://127.0.0.1:8080/ python3 -m unittest test_evenkeel"""

import dataclasses
import datetime
import http.server
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

from evenkeel import Evenkeel

URL = os.environ.get("EVENKEEL_URL", "")
#: Far beyond what anything here takes: a hang ends, and slowness is no failure.
PATIENCE_S = 30.0

logging.getLogger("evenkeel").setLevel(logging.CRITICAL)


def get(path):
    with urllib.request.urlopen(URL + path, timeout=PATIENCE_S) as response:
        return json.load(response)


def until(look):
    """What `look` finds, once it finds something; what is not found is looked for again."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            found = look()
        except urllib.error.HTTPError:
            found = None
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to pass")
        time.sleep(0.05)


def worker(worker_id):
    return until(lambda: get("api/metrics/workers/" + worker_id))


@unittest.skipUnless(URL, "EVENKEEL_URL names no server")
class AgainstTheRealServer(unittest.TestCase):
    def test_a_load_balancers_own_objects_become_a_fleet(self):
        now = datetime.datetime.now()
        with Evenkeel(URL, source="balancer-py", interval_s=60) as evenkeel:
            evenkeel.push(
                workers={
                    "py-1": {
                        "worker_type": "gpu",
                        "hostname": "py-1.lab",
                        "tags": {"vision"},
                        "supported_backends": ["cuda"],
                        "cpu_cores": 16,
                        "capabilities": {"version": "1.4.2"},
                    }
                },
                loads={"py-1": {"cpu_utilization": 85.2, "gpu_utilization": float("nan"), "queued_tests": 2}},
                assignments=[
                    {
                        "test_id": "py-t-1",
                        "worker_id": "py-1",
                        "status": "running",
                        "assigned_at": now - datetime.timedelta(seconds=20),
                        "started_at": (now - datetime.timedelta(seconds=10)).isoformat(),
                        "test_requirements": {"model_id": "vit-large", "test_type": "vision", "priority": 3},
                    },
                    {"task_id": "py-t-2", "worker_id": "py-1", "success": False, "error_message": "out of memory"},
                ],
                system={"queue_depth": 12},
            )
            self.assertTrue(evenkeel.flush(PATIENCE_S))
            self.assertEqual((evenkeel.stats()["accepted"], evenkeel.stats()["rejected"]), (1, 0), evenkeel.stats())
        shown = worker("py-1")
        self.assertEqual(
            [shown[name] for name in ("type", "hostname", "tags", "cpu_utilization", "queued_tasks", "source")],
            ["gpu", "py-1.lab", ["vision"], 85.2, 2, "balancer-py"],
        )
        self.assertIsNone(shown["gpu_utilization"])
        self.assertEqual(shown["capabilities"], {"backends": ["cuda"], "cpu_cores": 16, "version": "1.4.2"})
        task = until(lambda: get("api/metrics/tasks/py-t-1"))
        self.assertEqual((task["state"], task["model_id"], task["priority"]), ("running", "vit-large", 3))
        failed = until(lambda: get("api/metrics/tasks/py-t-2"))
        self.assertEqual((failed["state"], failed["error"]), ("failed", "out of memory"))

    def test_what_the_server_rejects_is_counted_and_named(self):
        with Evenkeel(URL, source="rejected-py") as evenkeel:
            evenkeel.push(loads=[{"worker_id": "py-r", "cpu_utilization": 850}])
            self.assertTrue(evenkeel.flush(PATIENCE_S))
            stats = evenkeel.stats()
        self.assertEqual((stats["accepted"], stats["rejected"]), (0, 1))
        self.assertIn("cpu_utilization must be a number from 0 to 100; got 850", stats["last_error"])

    def test_many_threads_may_push_at_once(self):
        with Evenkeel(URL, source="threads-py") as evenkeel:

            def push(thread):
                for turn in range(50):
                    evenkeel.push(loads=[{"worker_id": "py-thread-%d" % thread, "cpu_utilization": turn}])

            threads = [threading.Thread(target=push, args=(thread,)) for thread in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertTrue(evenkeel.flush(PATIENCE_S))
            self.assertEqual(evenkeel.stats()["accepted"], 400, evenkeel.stats())
        self.assertEqual(worker("py-thread-7")["cpu_utilization"], 49)

    def test_what_was_pushed_before_the_end_of_a_program_is_sent(self):
        program = "from evenkeel import Evenkeel; Evenkeel(%r, 'exit-py').push(workers=[{'worker_id': 'py-exit'}])"
        subprocess.run([sys.executable, "-c", program % URL], check=True, timeout=PATIENCE_S)
        self.assertEqual(worker("py-exit")["source"], "exit-py")

    @unittest.skipUnless(hasattr(os, "fork"), "there is no fork here")
    def test_a_forked_process_sends_its_own(self):
        with Evenkeel(URL, source="fork-py") as evenkeel:
            evenkeel.push(workers=[{"worker_id": "py-parent"}])
            child = os.fork()
            if child == 0:
                evenkeel.push(workers=[{"worker_id": "py-child"}])
                os._exit(0 if evenkeel.flush(PATIENCE_S) and evenkeel.stats()["pushed"] == 1 else 1)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            self.assertTrue(evenkeel.flush(PATIENCE_S))
            self.assertEqual(evenkeel.stats()["accepted"], 1)
        worker("py-parent")
        worker("py-child")


class Server:
    """A server that answers as it is told, and keeps what it was sent."""

    def __init__(self, answer, port=0):
        bodies = self.bodies = []
        headers = self.headers = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                reports = [json.loads(line) for line in body.splitlines()]
                bodies.append(reports)
                headers.append(dict(self.headers))
                status, more, text = answer(reports)
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = "http://127.0.0.1:%d/" % self._server.server_port

    def reports(self):
        return [report for body in self.bodies for report in body]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def taken(reports):
    return 202, {}, json.dumps({"accepted": len(reports), "rejected": 0, "errors": []})


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class AgainstAServerInTrouble(unittest.TestCase):
    def test_one_that_is_away_blocks_nobody_and_gets_the_newest_when_it_is_back(self):
        port = free_port()
        evenkeel = Evenkeel("http://127.0.0.1:%d" % port, source="a", max_reports=10)
        for turn in range(25):
            evenkeel.push(system={"queue_depth": turn})
        until(lambda: evenkeel.stats()["last_error"])
        stats = evenkeel.stats()
        self.assertEqual((stats["pushed"], stats["dropped"], stats["waiting"]), (25, 15, 10))
        self.assertIn("does not answer", stats["last_error"])
        before_ms = time.time() * 1000
        with Server(taken, port) as server:
            self.assertTrue(evenkeel.flush(PATIENCE_S))
            depths = [report["system"]["metrics"]["queue_depth"] for report in server.reports()]
            self.assertEqual(depths, list(range(15, 25)))
            self.assertTrue(all(report["at"] <= before_ms for report in server.reports()))
        evenkeel.close()

    def test_its_bytes_are_bounded_too(self):
        evenkeel = Evenkeel("http://127.0.0.1:%d" % free_port(), source="a", max_bytes=1000)
        for _ in range(20):
            evenkeel.report({"note": "x" * 300})
        evenkeel.report({"note": "x" * 2000})
        stats = evenkeel.stats()
        self.assertEqual((stats["waiting"], stats["dropped"]), (2, 19))
        self.assertFalse(evenkeel.close(0))

    def test_one_that_is_busy_is_left_alone_for_as_long_as_it_asks(self):
        with Server(lambda _: (429, {"Retry-After": "600"}, '{"detail": "the buffer is full"}')) as server:
            evenkeel = Evenkeel(server.url, source="a")
            evenkeel.push(system={"queue_depth": 1})
            until(lambda: evenkeel.stats()["last_error"])
            self.assertFalse(evenkeel.flush(0.2))
            evenkeel.close(0)
            self.assertEqual(len(server.bodies), 1)
            self.assertEqual(evenkeel.stats()["last_error"], "the server answered 429: the buffer is full")

    def test_one_that_was_busy_gets_the_same_again(self):
        answers = [(429, {"Retry-After": "0"}, "{}"), (503, {"Retry-After": "0"}, "{}")]
        with Server(lambda reports: answers.pop() if answers else taken(reports)) as server:
            with Evenkeel(server.url, source="a") as evenkeel:
                evenkeel.push(system={"queue_depth": 1})
                self.assertTrue(evenkeel.flush(PATIENCE_S))
            self.assertEqual(server.bodies[0], server.bodies[2])
            self.assertEqual(evenkeel.stats()["accepted"], 1)

    def test_a_body_that_is_too_large_for_it_is_halved(self):
        def small(reports):
            return taken(reports) if len(reports) <= 3 else (413, {}, "{}")

        port = free_port()
        evenkeel = Evenkeel("http://127.0.0.1:%d" % port, source="a")
        for turn in range(20):
            evenkeel.push(system={"queue_depth": turn})
        with Server(small, port) as server:
            self.assertTrue(evenkeel.flush(PATIENCE_S))
            sent = [report for body in server.bodies if len(body) <= 3 for report in body]
        depths = [report["system"]["metrics"]["queue_depth"] for report in sent]
        self.assertEqual((depths, evenkeel.stats()["rejected"]), (list(range(20)), 0))
        evenkeel.close()

    def test_its_token_goes_to_it_alone_and_never_where_it_redirects(self):
        with Server(taken) as other:
            with Server(lambda _: (307, {"Location": other.url}, "")) as server:
                evenkeel = Evenkeel(server.url, source="a", token="sixteen-characters")
                evenkeel.push(system={"queue_depth": 1})
                until(lambda: evenkeel.stats()["last_error"])
                evenkeel.close(0)
                self.assertEqual(server.headers[0]["Authorization"], "Bearer sixteen-characters")
            self.assertEqual(other.bodies, [])

    def test_one_that_answers_garbage_harms_nobody(self):
        with Server(lambda _: (202, {}, "\x00<html>")) as server:
            with Evenkeel(server.url, source="a") as evenkeel:
                evenkeel.push(system={"queue_depth": 1})
                self.assertTrue(evenkeel.flush(PATIENCE_S))

    def test_one_that_never_answers_holds_no_end_up(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(1)
            evenkeel = Evenkeel("http://127.0.0.1:%d" % silent.getsockname()[1], source="a")
            evenkeel.push(system={"queue_depth": 1})
            self.assertFalse(evenkeel.close(0.1))
            evenkeel.push(system={"queue_depth": 2})
            self.assertEqual(evenkeel.stats()["dropped"], 1)


@dataclasses.dataclass
class Load:
    worker_id: str
    cpu_utilization: float


class WhatIsPushed(unittest.TestCase):
    def setUp(self):
        self.server = Server(taken)
        self.evenkeel = Evenkeel(self.server.url, source="a")

    def tearDown(self):
        self.evenkeel.close()
        self.server.__exit__()

    def sent(self):
        self.assertTrue(self.evenkeel.flush(PATIENCE_S))
        return self.server.reports()[-1]

    def test_that_makes_no_report_is_counted_and_raises_nothing(self):
        nested = []
        nested.append(nested)
        for call in (
            lambda: self.evenkeel.push(workers=[{"hostname": "nameless"}]),
            lambda: self.evenkeel.push(workers={"worker_id": "w"}),
            lambda: self.evenkeel.push(loads=5),
            lambda: self.evenkeel.push(assignments=[None]),
            lambda: self.evenkeel.report({"nested": nested}),
            lambda: self.evenkeel.report(None),
        ):
            call()
        stats = self.evenkeel.stats()
        self.assertEqual((stats["invalid"], stats["pushed"]), (6, 0))
        self.assertTrue(stats["last_error"])

    def test_may_be_dataclasses_and_is_taken_as_it_is_now(self):
        load = Load("w", 12.5)
        plain = {"worker_id": "v", "cpu_utilization": 1}
        self.evenkeel.push(loads=[load, plain])
        load.cpu_utilization = plain["cpu_utilization"] = 99
        self.assertEqual(
            self.sent()["workers"],
            [{"id": "w", "metrics": {"cpu_utilization": 12.5}}, {"id": "v", "metrics": {"cpu_utilization": 1}}],
        )

    def test_has_numbers_alone_for_metrics(self):
        self.evenkeel.push(
            loads=[{"worker_id": "w", "a": 1, "b": None, "c": float("inf"), "d": True, "e": "x", "Not a name": 3}]
        )
        self.assertEqual(self.sent()["workers"], [{"id": "w", "metrics": {"a": 1, "b": None, "c": None}}])

    def test_has_times_in_milliseconds_whatever_they_were(self):
        utc = datetime.timezone.utc
        at = datetime.datetime(2026, 11, 23, 18, 24, 16, 500_000, utc)
        local = at.astimezone().replace(tzinfo=None)
        values = [at, local, at.isoformat(), local.isoformat(), at.timestamp(), at.timestamp() * 1000]
        self.evenkeel.push(assignments=[{"id": n, "started_at": value} for n, value in enumerate(values)])
        tasks = self.sent()["tasks"]
        self.assertEqual([task["started_at"] for task in tasks], [int(at.timestamp() * 1000)] * len(values))
        self.assertEqual(tasks[0]["id"], "0")

    def test_of_a_whole_picture_says_so(self):
        self.evenkeel.push(workers=[], assignments=[], complete=True)
        report = self.sent()
        self.assertEqual((report["complete"], report["workers"], report["tasks"]), (True, [], []))
        self.assertEqual(report["source"], "a")

    def test_goes_nowhere_that_is_no_address(self):
        with self.assertRaisesRegex(ValueError, "url must begin with http:// or https://; got 'fleet'"):
            Evenkeel("fleet", source="a")


if __name__ == "__main__":
    unittest.main()
