"""A server and a client of gRPC's own library: calls of every kind through an edge.

Messages are bytes as they are, so that no code is generated. The first line written says where the server listens. The line read says
where the edge does. For each thing that the client does, a line of JSON says what came of it; the last line is "done".
"""

import json
import queue
import sys
import threading
import time
from concurrent import futures

import grpc

LARGE = 3 * 1024 * 1024
cancelled = threading.Event()


def unary(request, context):
    if request == b"refuse":
        context.set_trailing_metadata((("x-why", "you"),))
        context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you: ü")
    if request == b"wait":
        time.sleep(5)
    told = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-first", "a"),))
    context.set_trailing_metadata((("x-told", told.get("x-tell", "")), ("x-bin", b"\x00\xff")))
    return request


def many(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def sum_up(requests, context):
    return b"%d" % sum(map(len, requests))


def chat(requests, context):
    context.add_callback(cancelled.set)
    context.send_initial_metadata(())
    for request in requests:
        yield request


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Many": grpc.unary_stream_rpc_method_handler(many),
    "SumUp": grpc.stream_unary_rpc_method_handler(sum_up),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}


def say(**what):
    print(json.dumps(what), flush=True)


server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Shop", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"127.0.0.1:{port}", flush=True)
edge = sys.stdin.readline().strip()
channel = grpc.insecure_channel(edge)

call = channel.unary_unary("/test.Shop/Unary")
answer, done = call.with_call(b"hello", metadata=(("x-tell", "b"),))
first, last = dict(done.initial_metadata()), dict(done.trailing_metadata())
say(what="unary", answer=answer.decode(), first=first.get("x-first"), told=last.get("x-told"), binary=last["x-bin"].hex())
say(what="large", bytes=len(call(b"x" * LARGE)))
say(what="empty", bytes=len(call(b"")))

try:
    call(b"refuse")
except grpc.RpcError as error:
    say(what="refused", code=error.code().name, details=error.details(), why=dict(error.trailing_metadata()).get("x-why"))

began = time.monotonic()
try:
    call(b"wait", timeout=1)
except grpc.RpcError as error:
    say(what="deadline", code=error.code().name, in_time=time.monotonic() - began < 3)

try:
    channel.unary_unary("/test.Shop/Nothing")(b"")
except grpc.RpcError as error:
    say(what="trailers alone", code=error.code().name)

say(what="server streams", messages=len(list(channel.unary_stream("/test.Shop/Many")(b"10000"))))
say(what="client streams", bytes=int(channel.stream_unary("/test.Shop/SumUp")(iter([b"x" * 1000] * 1000))))

asks = queue.Queue()
conversation = channel.stream_stream("/test.Shop/Chat")(iter(asks.get, None))
turns = 0
for turn in range(100):
    asks.put(b"%d" % turn)
    turns += next(conversation) == b"%d" % turn
say(what="both stream", turns=turns)
conversation.cancel()
say(what="cancelled", heard=cancelled.wait(10))

kept = [channel.unary_unary("/test.Shop/Unary").future(b"%d" % number) for number in range(1000)]
say(what="at once", calls=1000, kept=sum(one.result() == b"%d" % number for number, one in enumerate(kept)))
print('"done"', flush=True)
server.stop(None)
