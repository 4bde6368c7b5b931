"""An agent in Python: one more instance for a service whose instances want more CPU than they may use.

It has nothing but a Unix socket that carries MCP, a message a line. What it asks for is judged and
recorded like everybody's: it looks, opens an incident, proposes, waits for a person, acts, watches.
"""

import json
import os
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream
from mcp import ClientSession
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

LOOK_EVERY = 2.0  # seconds
THROTTLED = 0.5  # of the last minute's scheduling periods
LONGEST_MESSAGE = 16 * 1024 * 1024  # bytes


@dataclass
class Answer:
    """What a tool answered, and the number under which the call is on record."""

    value: dict
    call: str


class Refused(Exception):
    """The gate said no, or not yet; its words say why."""


class Gate:
    """The tools, as this agent may call them."""

    def __init__(self, session: ClientSession):
        self.session = session

    async def call(self, tool: str, **arguments) -> Answer:
        result = await self.session.call_tool(tool, arguments)
        if result.is_error:
            raise Refused(" ".join(block.text for block in result.content if block.type == "text"))
        return Answer(result.structured_content, (result.meta or {})["ostler.dev/call"])


async def elbow_room(gate: Gate) -> None:
    """Looks at the fleet for as long as there is a daemon; one service at a time."""
    while True:
        services = await gate.call("list_services")
        for service in services.value["services"]:
            cramped = await find_cramped(gate, service["service"])
            if cramped:
                await widen(gate, service, cramped)
        await anyio.sleep(LOOK_EVERY)


async def find_cramped(gate: Gate, service: str):
    """The first instance that is throttled, with the call that shows it."""
    instances = await gate.call("list_instances", service=service)
    for instance in instances.value["instances"]:
        name = instance["instance"]
        signals = await gate.call("query_signals", instance=name, kinds=["cpu_throttled"], since="1m")
        for series in signals.value["series"]:
            if series["kind"] == "cpu_throttled" and series["shape"]["mean"] >= THROTTLED:
                return name, series["shape"]["mean"], signals.call
    return None


async def widen(gate: Gate, service: dict, cramped) -> None:
    """From the incident to its end. Every exit leaves the incident in words."""
    name, (instance, share, shown_by) = service["service"], cramped
    title = f"{name}: `{instance}` is held back from the CPU {share:.0%} of the time"
    try:
        incident = (await gate.call("open_incident", service=name, title=title)).value["incident"]
    except Refused as refused:  # somebody is at it already
        print(f"left alone: {refused}", flush=True)
        return
    more = service["wanted"] + 1
    proposal = {
        "title": f"Run {more} instances of `{name}`",
        "cause": {
            "kind": "saturated",
            "culprit": name,
            "confidence": 0.8,
            "explanation": title,
            "evidence": [{"claim": title, "call": shown_by}],
        },
        "calls": [
            {
                "tool": "scale_service",
                "arguments": {"service": name, "replicas": more},
                "reason": "work is spread over one more instance",
            }
        ],
        "expected": "each instance is held back less",
        "verify": {"service": name, "state": "healthy", "hold": "5s", "within": "1m"},
    }
    try:
        asked = await gate.call("submit_proposal", incident=incident, proposal=proposal)
        await carry_out(gate, incident, asked.value["proposal"], proposal)
    except Refused as refused:
        await gate.call("note_incident", incident=incident, note=str(refused)[:500], state="needs_person")


async def carry_out(gate: Gate, incident: str, proposal: str, body: dict) -> None:
    """Waits for the person, makes exactly the calls that were proposed, and sees that it worked."""
    while (state := await state_of(gate, proposal)) == "waiting":
        await anyio.sleep(LOOK_EVERY)
    if state != "approved":
        await gate.call("note_incident", incident=incident, note=f"the proposal is {state}", state="closed")
        return
    await gate.call("advance_proposal", proposal=proposal, state="acting", done=0)
    for done, call in enumerate(body["calls"], start=1):
        await gate.call(call["tool"], **call["arguments"])
        await gate.call("advance_proposal", proposal=proposal, state="acting", done=done)
    await gate.call("advance_proposal", proposal=proposal, state="verifying", done=len(body["calls"]))
    if await became_healthy(gate, body["verify"]["service"]):
        await gate.call("advance_proposal", proposal=proposal, state="verified", done=len(body["calls"]))
        await gate.call("note_incident", incident=incident, note="it has more room now", state="resolved")
    else:
        await gate.call("advance_proposal", proposal=proposal, state="failed", done=len(body["calls"]))
        await gate.call("note_incident", incident=incident, note="no better", state="needs_person")


async def state_of(gate: Gate, proposal: str) -> str:
    answer = await gate.call("get_proposal", proposal=proposal)
    return answer.value["proposal"]["state"]


async def became_healthy(gate: Gate, service: str) -> bool:
    for _ in range(30):
        answer = await gate.call("get_service", service=service)
        if answer.value["summary"]["state"] == "healthy":
            return True
        await anyio.sleep(LOOK_EVERY)
    return False


@asynccontextmanager
async def line_to_the_gate(path: str):
    """A transport of the SDK's over the agent's socket."""
    incoming_end, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, outgoing_end = anyio.create_memory_object_stream[SessionMessage](0)

    async def receive(stream) -> None:
        lines = BufferedByteReceiveStream(stream)
        async with incoming_end:
            while True:
                try:
                    line = await lines.receive_until(b"\n", LONGEST_MESSAGE)
                except (anyio.EndOfStream, anyio.IncompleteRead):
                    return
                await incoming_end.send(SessionMessage(jsonrpc_message_adapter.validate_json(line)))

    async def send(stream) -> None:
        async with outgoing_end:
            async for message in outgoing_end:
                await stream.send(as_line(message.message))

    async with await anyio.connect_unix(path) as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(receive, stream)
        tasks.start_soon(send, stream)
        yield incoming, outgoing
        tasks.cancel_scope.cancel()


def as_line(message: JSONRPCMessage) -> bytes:
    return message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"


async def main() -> None:
    async with line_to_the_gate(os.environ["OSTLER_MCP"]) as (read, write):
        async with ClientSession(read, write) as session:
            welcome = await session.initialize()
            print(json.dumps({"connected to": welcome.server_info.name}), flush=True)
            await elbow_room(Gate(session))


if __name__ == "__main__":
    anyio.run(main)
