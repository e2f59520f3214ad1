"""Takes requests, has them answered by an author's methods in threads, and sends what they say."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from sandboxer._host import codec
from sandboxer._host.codec import NotJson, TooLong, clean, plain
from sandboxer._host.failures import complain, error_object
from sandboxer._host.request import Request, WrongParams
from sandboxer._host.shape import check_verb
from sandboxer._host.unloadable import Unloadable
from sandboxer._host.verbs import PROTOCOLS, VERBS, has
from sandboxer.call import Sink, entered
from sandboxer.errors import ContractViolation, Internal, SandboxError, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Mapping

    from sandboxer.call import Call
    from sandboxer.extensions.base import SandboxExtension

    JSON = dict[str, Any]
    Send = Callable[[bytes], None]


class Refused(Exception):
    """One of JSON-RPC's own errors."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.error = {"code": code, "message": message}


class Workers:
    """Threads that are used again. There are as many as there ever were tasks at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle = 0
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()

    def run(self, task: Callable[[], None]) -> None:
        """Has `task`, which must not raise, run soon."""
        with self._lock:
            needs_thread = self._idle == 0
            self._idle -= not needs_thread
        if needs_thread:
            threading.Thread(target=self._work, daemon=True).start()
        self._tasks.put(task)

    def _work(self) -> None:
        while True:
            self._tasks.get()()
            with self._lock:
                self._idle += 1


class CallSink(Sink):
    """Sends the words of a call for as long as it is in flight; what comes later goes to standard error."""

    def __init__(self, call_id: str, send: Send) -> None:
        self._call_id = call_id
        self._send = send
        self._lock = threading.Lock()
        self._is_closed = False

    def progress(self, phase: str, message: str, current: int | None, total: int | None) -> None:
        params: JSON = {"phase": clean(str(phase)), "message": clean(str(message))}
        for name, count in (("current", current), ("total", total)):
            if count is not None:
                params[name] = max(0, int(count))
        self._notify("progress", params)

    def log(self, level: str, message: str) -> None:
        self._notify("log", {"level": level, "message": clean(message)})

    def checkpoint(self, draft: Mapping[str, Any]) -> None:
        try:
            members = plain(dict(draft), "draft")
            size = len(codec.encode(members)) - 1
        except ValueError as fault:
            raise ContractViolation(f"a draft that cannot be kept: {fault}") from fault
        if size > codec.LARGEST_OBJECT:
            raise ContractViolation(f"the draft takes {size} bytes of JSON; at most {codec.LARGEST_OBJECT} are kept")
        self._notify("checkpoint", {"draft": members})

    def close(self, answer: bytes) -> None:
        """Sends the answer, and nothing after it."""
        with self._lock:
            self._is_closed = True
            self._send(answer)

    def _notify(self, method: str, params: JSON) -> None:
        params = {"call": self._call_id, **params}
        line = codec.encode({"jsonrpc": "2.0", "method": method, "params": params})
        with self._lock:
            if not self._is_closed:
                self._send(line)
                return
        complain(f"{method} of a call that was answered before: {params.get('message', params)}")


class Dispatcher:
    """Answers lines with lines. `load` makes the extension, or raises what every request is then answered with."""

    def __init__(self, load: Callable[[], SandboxExtension], send: Send) -> None:
        self._send = send
        self._extension: SandboxExtension | None = None
        self._fault: SandboxError | None = None
        self._workers = Workers()
        self._changed = threading.Condition()
        self._in_flight: dict[str, Call] = {}
        self.started = 0
        """How many calls there were."""
        try:
            self._extension = load()
        except SandboxError as fault:
            self._fault = fault
            complain(str(fault.details.get("traceback", fault)))

    def receive(self, line: bytes | None) -> None:
        """Takes one line, None for one that was too long. Never raises for what is in it."""
        identity: str | int | None = None
        try:
            message = self._message(line)
            identity = _identity(message)
            if identity is None:
                self._notification(message)
            else:
                self._start(identity, message)
        except Refused as refused:
            self._answer(identity, {"error": refused.error})

    def finish(self, grace: float | None, *, cancel: bool) -> bool:
        """Waits for the calls in flight, `grace` seconds at most; whether all were answered."""
        with self._changed:
            calls = list(self._in_flight.values())
        for call in calls if cancel else ():
            call._cancellation.set()
        with self._changed:
            return self._changed.wait_for(lambda: not self._in_flight, grace)

    def _message(self, line: bytes | None) -> JSON:
        if line is None:
            raise Refused(codec.INVALID_REQUEST, f"a line holds at most {codec.LARGEST_LINE} bytes")
        try:
            message = codec.decode(line)
        except (ValueError, RecursionError) as fault:
            raise Refused(codec.PARSE_ERROR, clean(f"this is no JSON: {fault}", 500)) from fault
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            raise Refused(codec.INVALID_REQUEST, "this is no JSON-RPC 2.0")
        if not isinstance(message.get("method"), str):
            raise Refused(codec.INVALID_REQUEST, "a request has a `method`")
        return message

    def _notification(self, message: JSON) -> None:
        """Only `cancel` means anything; others are of a later version, and passed over."""
        params = message.get("params")
        if message["method"] == "cancel" and isinstance(params, dict):
            with self._changed:
                call = self._in_flight.get(str(params.get("call")))
            if call is not None:
                call._cancellation.set()

    def _start(self, identity: str | int, message: JSON) -> None:
        """Begins to answer a request. What is wrong with the request itself is answered at once."""
        verb, params = message["method"], message.get("params")
        meta = params.get("_meta") if isinstance(params, dict) else None
        protocol = meta.get("protocol") if isinstance(meta, dict) else None
        if protocol is not None and protocol not in PROTOCOLS:
            details = {"protocols": PROTOCOLS}
            fault = Unsupported("this extension does not speak that protocol", residue="none", details=details)
            self._answer(identity, {"error": error_object(fault, verb)})
            return
        self._check_verb(verb)
        try:
            if not isinstance(params, dict):
                raise WrongParams("`params` is not an object")
            request = Request(verb, params)
            sink = CallSink(request.call_id, self._send)
            call = request.call(sink)
            if protocol is None or call.id != str(identity):
                raise WrongParams("`_meta.protocol` is missing" if protocol is None else "`_meta.call` is not the `id`")
        except WrongParams as fault:
            raise Refused(codec.INVALID_PARAMS, f"{fault}") from fault
        with self._changed:
            if call.id in self._in_flight:
                # An error with this id would be the answer to the other call.
                self._answer(None, {"error": {"code": codec.INVALID_REQUEST, "message": "this call is in flight"}})
                return
            self._in_flight[call.id] = call
            self.started += 1
        self._workers.run(lambda: self._work(identity, request, call, sink))

    def _check_verb(self, verb: str) -> None:
        known = verb in VERBS if self._extension is None else has(self._extension, verb)
        if not known:
            raise Refused(codec.METHOD_NOT_FOUND, clean(f"this extension has no `{verb}`", 500))

    def _work(self, identity: str | int, request: Request, call: Call, sink: CallSink) -> None:
        with entered(call):
            answer = self._outcome(request, call)
        with self._changed:
            # Before the answer is sent: whoever has read it may send another call of the same id.
            del self._in_flight[call.id]
            sink.close(_line(identity, answer, request.verb))
            self._changed.notify_all()

    def _outcome(self, request: Request, call: Call) -> JSON:
        try:
            if self._extension is None:
                raise self._fault_of(call.extension)
            check_verb(call.extension, self._extension, request.verb)
            return {"result": VERBS[request.verb](self._extension, request)}
        except WrongParams as fault:
            return {"error": {"code": codec.INVALID_PARAMS, "message": str(fault)}}
        except BaseException as fault:  # also `sys.exit` in an author's method, which ends no call unanswered
            return {"error": error_object(fault, request.verb, call)}

    def _fault_of(self, extension_id: str) -> SandboxError:
        """Why there is no extension, by its id."""
        fault = self._fault or Internal("there is no extension")
        return fault.of(extension_id) if isinstance(fault, Unloadable) else fault

    def _answer(self, identity: str | int | None, answer: JSON) -> None:
        self._send(_line(identity, answer, "the request"))


def _identity(message: JSON) -> str | int | None:
    """The id of a request; None for a notification, which has none."""
    identity = message.get("id")
    if isinstance(identity, bool) or not isinstance(identity, (str, int, type(None))):
        raise Refused(codec.INVALID_REQUEST, "an `id` is a text")
    if identity is None and "id" in message:
        raise Refused(codec.INVALID_REQUEST, "an `id` is a text")
    return identity


def _line(identity: str | int | None, answer: JSON, verb: str) -> bytes:
    """The answer as a line; what cannot be one becomes an error that says why."""
    try:
        return codec.encode({"jsonrpc": "2.0", "id": identity, **plain(answer, verb)})
    except (NotJson, TooLong, RecursionError) as fault:
        error = error_object(Internal(f"`{verb}` was done, but its answer cannot be sent: {fault}"), verb)
        return codec.encode({"jsonrpc": "2.0", "id": identity, "error": error})
