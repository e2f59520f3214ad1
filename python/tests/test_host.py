"""The host process, started as `sandboxer` starts it: every rule of the wire."""

from __future__ import annotations

import os
import signal
import unittest

from typing import Any

from support import HostProcess, HostTest, extension, request

LIMIT = 4 * 1024 * 1024
ECHO = extension("return {'said': inputs.get('say'), 'config': self.config, 'id': inputs['sandbox_id']}")


class Answers(HostTest):
    def test_the_guides_class_beside_its_manifest_answers(self) -> None:
        host = self.host(
            """
            from sandboxer.extensions.base import SandboxExtension

            class MyExtension(SandboxExtension):
                def provision(self, profile, inputs, host):
                    return {"at": profile.ttl.max, "same": profile["ttl"]["max"]}
                def wait_ready(self, handle): return {"ssh": "me@box", "remote_dir": "/srv"}
                def teardown(self, handle): return {"status": "removed"}
            """
        )
        profile = {"id": "profile.mine", "ttl": {"default": "1h", "max": "24h"}}
        handle = host.ask("provision", profile=profile)["result"]["handle"]
        self.assertEqual(handle, {"at": "24h", "same": "24h", "sandbox_id": "sbx01test", "host": "localhost"})
        ready = host.ask("wait_ready", "2", handle=handle)["result"]
        self.assertEqual(ready, {"reachability": {"ssh": "me@box", "remote_dir": "/srv"}})
        report = host.ask("teardown", "3", handle=handle)["result"]["report"]
        self.assertEqual(report["removed"], ["status: removed"])
        self.assertIs(report["complete"], True)
        self.assertEqual(host.end(), 0)

    def test_describe_is_pure_and_names_what_is_overridden(self) -> None:
        rest = "def estimate_cost(self, profile, duration): ...\ndef recover(self, sandbox_id, host): ..."
        host = self.host(extension("...", rest=rest))
        first, second = host.ask("describe", "1"), host.ask("describe", "2")
        self.assertEqual(first["result"], second["result"])
        self.assertEqual(first["result"]["verbs"], ["recover", "estimate_cost"])
        self.assertEqual((first["result"]["id"], first["result"]["protocols"]), ("ext.test", [1]))

    def test_texts_of_any_kind_and_a_mebibyte_come_back_as_they_were(self) -> None:
        host = self.host(ECHO)
        for call, text in (("1", "Äpfel 🍎 \u2028 \x00 \\ \" '"), ("2", "x" * (1 << 20)), ("3", "é" * (1 << 19))):
            answer = host.ask("provision", call, inputs={"say": text})
            self.assertEqual(answer["result"]["handle"]["said"], text)

    def test_members_that_the_protocol_does_not_name_are_passed_over(self) -> None:
        host = self.host(ECHO)
        host.send({"jsonrpc": "2.0", "method": "from_the_future", "params": {}})
        host.send({"jsonrpc": "2.0", "method": "cancel", "params": {"call": "nobody's"}})
        self.assertIn("result", host.ask("provision", new_member={"x": 1}))
        self.assertEqual(len(host.lines), 1)


class Refusals(HostTest):
    def test_what_is_no_json_is_a_parse_error(self) -> None:
        host = self.host(ECHO)
        lines = (b"{\n", b"\n", b"\xff\xfe\n", b'{"a":NaN}\n', b"[" * 200_000 + b"\n")
        for count, line in enumerate(lines, 1):
            host.send(line)
            self.assertEqual(host.answer(None, count)["error"]["code"], -32700, line[:20])
        self.assertIn("result", host.ask("provision"))

    def test_what_is_no_request_is_an_invalid_request(self) -> None:
        host = self.host(ECHO)
        wrong: tuple[Any, ...] = (
                 [], 1, "x", {}, {"jsonrpc": "1.0", "id": "1", "method": "describe"}, {"jsonrpc": "2.0", "id": "1"},
                 {"jsonrpc": "2.0", "id": True, "method": "describe"}, {"jsonrpc": "2.0", "id": None, "method": "x"},
                 {"jsonrpc": "2.0", "id": ["1"], "method": "describe"})  # fmt: skip
        for count, message in enumerate(wrong, 1):
            host.send(message)
            self.assertEqual(host.answer(None, count)["error"]["code"], -32600, message)
        self.assertIn("result", host.ask("provision"))

    def test_a_line_that_is_too_long_is_refused_and_forgotten(self) -> None:
        host = self.host(ECHO)
        line = b'{"jsonrpc":"2.0","id":"9","method":"' + b"x" * LIMIT
        host.send(line + b'"}\n')
        self.assertEqual(host.answer(None)["error"]["code"], -32600)
        longest = request("provision", "1", inputs={"say": ""})
        size = len(str(longest).encode()) + 200
        host.send({**longest, "params": {**longest["params"], "padding": "x" * (LIMIT - size)}})
        self.assertIn("result", host.answer("1"))

    def test_methods_and_params(self) -> None:
        host = self.host(ECHO)
        for call, verb in (("1", "dance"), ("2", "recover"), ("3", "__init__")):
            self.assertEqual(host.ask(verb, call)["error"]["code"], -32601)
        wrong: list[dict[str, Any]] = [
            {"profile": None}, {"inputs": []}, {"host": 7}, {"sandbox_id": None}, {"config": "x"}, {"_meta": {}},
            {"_meta": {**request("describe", "8")["params"]["_meta"], "attempt": "1"}}, {"draft": "x"},
        ]  # fmt: skip
        for number, params in enumerate(wrong):
            call = f"w{number}"
            if "_meta" in params and params["_meta"]:
                params["_meta"]["call"] = call
            self.assertEqual(host.ask("provision", call, **params)["error"]["code"], -32602, params)
        shapeless: list[tuple[str, Any]] = [("x1", None), ("x2", []), ("x3", {})]
        for call, shape in shapeless:
            host.send({"jsonrpc": "2.0", "id": call, "method": "provision", "params": shape})
            self.assertEqual(host.answer(call)["error"]["code"], -32602)
        other = request("describe", "a")
        host.send({**other, "id": "b"})
        self.assertEqual(host.answer("b")["error"]["code"], -32602)

    def test_another_protocol_is_unsupported_and_ours_is_named(self) -> None:
        host = self.host(ECHO)
        meta = {**request("describe", "1")["params"]["_meta"], "protocol": 99}
        for call, verb in (("1", "describe"), ("2", "provision"), ("3", "of_version_99")):
            error = host.ask(verb, call, _meta={**meta, "call": call})["error"]
            self.assertEqual((error["code"], error["data"]["kind"]), (-32000, "unsupported"))
            self.assertEqual((error["data"]["details"], error["data"]["residue"]), ({"protocols": [1]}, "none"))

    def test_an_id_that_is_in_flight_is_refused_without_answering_that_call(self) -> None:
        host = self.host(extension("self.progress('a', 'b'); self.call.wait(3600)"))
        host.send(request("provision", "1"))
        host.wait_for(lambda message: message.get("method") == "progress")
        host.send(request("provision", "1"))
        self.assertEqual(host.answer(None)["error"]["code"], -32600)
        self.assertFalse([message for message in host.messages if message.get("id") == "1"])

    def test_answers_that_no_line_can_hold_are_errors_that_say_why(self) -> None:
        body = "return {'too long': {'k': 'x' * (5 << 20)}, 'object': {'k': object()}, 'key': {'a': {1: 2}}, "
        body += "'number': {'k': [float('nan')]}, 'text': {'k': '\\ud800'}}[inputs['what']]"
        host = self.host(extension(body))
        said = {"too long": "bytes", "object": "handle.k", "key": "the key 1", "number": "handle.k[0]", "text": "UTF-8"}
        for call, (what, word) in enumerate(said.items()):
            error = host.ask("provision", str(call), inputs={"what": what})["error"]
            self.assertEqual(error["data"]["kind"], "internal")
            self.assertIn(word, error["message"])
            self.assertNotIn("residue", error["data"])


class Noise(HostTest):
    def test_prints_and_child_processes_do_not_reach_the_wire(self) -> None:
        body = """
            print("printed"); sys.stdout.write("no line"); os.write(1, b'{"jsonrpc":"2.0","id":"1","result":{}}\\n')
            subprocess.run(["sh", "-c", "echo from a child; echo and its complaint >&2"], check=True)
            read = sys.stdin.read() + subprocess.run(["cat"], stdout=subprocess.PIPE).stdout.decode()
            open_ones = subprocess.run(["ls", "/proc/self/fd"], stdout=subprocess.PIPE).stdout.decode().split()
            return {"read": read, "open": open_ones}
        """
        host = self.host(extension(body, head='print("while importing")'))
        handle = host.ask("provision")["result"]["handle"]
        self.assertEqual(handle["read"], "")
        # 0, 1, 2 and the folder that `ls` lists.
        self.assertEqual(handle["open"], ["0", "1", "2", "3"])
        self.assertEqual(host.end(), 0)
        self.assertEqual(len(host.messages), 1)
        for text in ("while importing", "printed", "no line", "from a child", "and its complaint"):
            self.assertIn(text, host.stderr())

    def test_a_forked_child_that_stays_does_not_hold_the_wire(self) -> None:
        body = """
            child = os.fork()
            if child == 0:
                signal.pause()
            return {"child": child}
        """
        host = self.host(extension(body, head="import signal"))
        child = host.ask("provision")["result"]["handle"]["child"]
        self.addCleanup(os.kill, child, signal.SIGKILL)
        self.assertEqual(host.end(), 0)
        self.assertFalse(host.reader.is_alive(), "standard output is still open")

    def test_words_after_the_answer_stay_off_the_wire(self) -> None:
        head = "import contextvars\nleave = threading.Event(); threads = []"
        body = """
            if inputs.get("last"):
                leave.set(); threads[0].join(); return {}
            def late(): leave.wait(); self.log("too late"); self.progress("too", "late")
            thread = threading.Thread(target=contextvars.copy_context().run, args=(late,))
            thread.start(); threads.append(thread); return {}
        """
        host = self.host(extension(body, head=head))
        host.ask("provision", "1")
        host.ask("provision", "2", inputs={"last": True})
        self.assertEqual(host.end(), 0)
        self.assertEqual([message.get("id") for message in host.messages], ["1", "2"])
        self.assertIn("too late", host.stderr())


class Notifications(HostTest):
    def test_they_come_before_the_answer_and_in_order(self) -> None:
        body = """
            self.progress("pull", "pulls", 1, 2)
            self.log("a %s", "word"); self.log.warning("care \\ud800")
            self.checkpoint({"id": "backend-7"})
            return {"draft": self.call.draft}
        """
        host = self.host(extension(body))
        answer = host.ask("provision", draft={"id": "backend-6"})
        self.assertEqual(answer["result"]["handle"]["draft"], {"id": "backend-6"})
        words = [(message["method"], message["params"]) for message in host.messages[:-1]]
        self.assertEqual(words, [
            ("progress", {"call": "1", "phase": "pull", "message": "pulls", "current": 1, "total": 2}),
            ("log", {"call": "1", "level": "info", "message": "a word"}),
            ("log", {"call": "1", "level": "warning", "message": "care ?"}),
            ("checkpoint", {"call": "1", "draft": {"id": "backend-7"}}),
        ])  # fmt: skip
        self.assertEqual(host.messages[-1], answer)

    def test_a_thread_of_the_authors_own_takes_the_call_along_or_is_told(self) -> None:
        body = """
            call, faults = self.call, []
            def lost():
                try: self.checkpoint({"lost": True})
                except Exception as fault: faults.append(str(fault))
            def found():
                with call.entered(): self.checkpoint({"found": self.call.sandbox_id})
            for work in (lost, found):
                thread = threading.Thread(target=work); thread.start(); thread.join()
            return {"faults": faults}
        """
        host = self.host(extension(body))
        self.assertIn("call.entered()", host.ask("provision")["result"]["handle"]["faults"][0])
        drafts = [message["params"]["draft"] for message in host.messages if message.get("method") == "checkpoint"]
        self.assertEqual(drafts, [{"found": "sbx01test"}])

    def test_drafts_that_cannot_be_kept_are_not_sent(self) -> None:
        host = self.host(extension("self.checkpoint({'x': {'long': 'x' * 70000, 'odd': object()}[inputs['what']]})"))
        for what in ("long", "odd"):
            error = host.ask("provision", what, inputs={"what": what})["error"]
            self.assertEqual(error["data"]["kind"], "contract_violation")
        self.assertEqual([message.get("method") for message in host.messages], [None, None])


class Ends(HostTest):
    WAIT = extension("self.progress('a', 'b'); self.call.wait(3600)")

    def started(self, source: str, **params: Any) -> HostProcess:
        host = self.host(source)
        host.send(request("provision", "1", **params))
        host.wait_for(lambda message: message.get("method") == "progress")
        return host

    def test_cancel_reaches_its_call_only(self) -> None:
        host = self.started(self.WAIT)
        host.send(request("provision", "2"))
        host.wait_for(lambda message: message.get("params", {}).get("call") == "2")
        host.send({"jsonrpc": "2.0", "method": "cancel", "params": {"call": "2"}})
        data = host.answer("2")["error"]["data"]
        self.assertEqual((data["kind"], data["retry"], data.get("residue")), ("cancelled", "never", None))
        self.assertFalse([message for message in host.messages if message.get("id") == "1"])

    def test_a_call_whose_time_is_over_says_deadline(self) -> None:
        host = self.host(self.WAIT)
        meta = {**request("describe", "1")["params"]["_meta"], "deadline_ms": 50}
        self.assertEqual(host.ask("provision", _meta=meta)["error"]["data"]["kind"], "deadline")

    def test_whatever_a_withdrawn_call_raises_it_was_cancelled(self) -> None:
        body = "self.progress('a', 'b')\nwhile not self.call.cancelled: stop.wait(0.01)\nraise OSError('cut off')"
        host = self.started(extension(body, head="stop = threading.Event()"))
        host.send({"jsonrpc": "2.0", "method": "cancel", "params": {"call": "1"}})
        error = host.answer("1")["error"]
        self.assertEqual(error["data"]["kind"], "cancelled")
        self.assertIn("cut off", error["data"]["causes"][0])

    def test_the_end_of_input_cancels_what_is_in_flight(self) -> None:
        host = self.started(self.WAIT)
        host.ask("describe", "2")
        self.assertEqual(host.end(), 0)
        self.assertEqual(host.answer("1")["error"]["data"]["kind"], "cancelled")

    def test_a_call_that_never_answers_keeps_nobody(self) -> None:
        host = self.started(extension("self.progress('a', 'b'); threading.Event().wait()"))
        host.ask("describe", "2")
        self.assertEqual(host.end(), 0)
        self.assertEqual(len(host.messages), 2)

    def test_an_only_request_is_answered_after_the_end_of_input(self) -> None:
        # `oneshot`: what it reads comes only when the input has already ended.
        body = "self.progress('a', 'b'); open(inputs['pipe']).read(); self.call.raise_if_cancelled(); return {}"
        pipe = str(self.folder() / "pipe")
        os.mkfifo(pipe)
        host = self.started(extension(body), inputs={"pipe": pipe})
        assert host.process.stdin is not None
        host.process.stdin.close()
        with open(pipe, "w"):
            pass
        self.assertIn("result", host.answer("1"))
        self.assertEqual(host.process.wait(60), 0)

    def test_an_only_request_hears_of_its_cancellation_by_a_signal(self) -> None:
        host = self.started(self.WAIT)
        assert host.process.stdin is not None
        host.process.stdin.close()
        host.process.terminate()
        self.assertEqual(host.answer("1")["error"]["data"]["kind"], "cancelled")
        self.assertEqual(host.process.wait(60), 0)

    def test_when_nobody_reads_it_ends_quietly(self) -> None:
        host = self.host(extension("return {'x': 'x' * 1000000}"))
        host.ask("describe")
        assert host.process.stdout is not None
        # The reader has the descriptor too, so the pipe is closed under it by replacing it.
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, host.process.stdout.fileno())
        os.close(nothing)
        host.send(request("provision", "2"))
        self.assertEqual(host.process.wait(60), 0)
        self.assertEqual(host.stderr(), "")


class Together(HostTest):
    def test_calls_at_once_do_not_mix(self) -> None:
        count = 24
        head = f"barrier = threading.Barrier({count}, timeout=60)"
        body = """
            mine = self.call.sandbox_id
            barrier.wait()
            for number in range(50):
                assert (self.call.sandbox_id, self.config["id"], self.secrets["id"]) == (mine, mine, mine)
                self.log(f"{mine} {number}")
            barrier.wait()
            return {"id": mine}
        """
        host = self.host(extension(body, head=head))
        for number in range(count):
            own = f"sbx{number}"
            host.send(request("provision", own, sandbox_id=own, config={"id": own}, secrets={"id": own}))
        for number in range(count):
            own = f"sbx{number}"
            handle = host.answer(own)["result"]["handle"]
            self.assertEqual((handle["id"], handle["sandbox_id"]), (own, own))
        logged: dict[str, list[str]] = {}
        for message in host.messages:
            if message.get("method") == "log":
                logged.setdefault(message["params"]["call"], []).append(message["params"]["message"])
        self.assertEqual(len(logged), count)
        for own, lines in logged.items():
            self.assertEqual(lines, [f"{own} {number}" for number in range(50)])

    def test_threads_are_used_again(self) -> None:
        host = self.host(extension("return {'thread': threading.get_native_id()}"))
        threads = {host.ask("provision", str(number))["result"]["handle"]["thread"] for number in range(20)}
        # An answer may be read before its thread is idle again.
        self.assertLessEqual(len(threads), 3)

    def test_one_call_may_end_as_it_likes_without_touching_another(self) -> None:
        body = "exec(inputs['do']); return {}"
        host = self.host(extension(body))
        endings = ["sys.exit(7)", "raise KeyboardInterrupt", "raise GeneratorExit", "def f(): f()\nf()"]
        for number, ending in enumerate(endings):
            error = host.ask("provision", str(number), inputs={"do": ending})["error"]
            self.assertEqual((error["data"]["kind"], error["data"].get("residue")), ("internal", None))
        self.assertIn("result", host.ask("provision", "last", inputs={"do": "pass"}))


if __name__ == "__main__":
    unittest.main()
