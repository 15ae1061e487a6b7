"""The official Python client behind HTTP, so that tests can write and read with it: POST /produce or /consume with JSON."""

import base64
import datetime
import json
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pulsar
from pulsar.schema import AvroSchema, BytesSchema, Integer, JsonSchema, Record, String, StringSchema


class Order(Record):
    id = String()
    total = Integer()


COMPRESSIONS = {
    "NONE": pulsar.CompressionType.NONE,
    "LZ4": pulsar.CompressionType.LZ4,
    "ZLIB": pulsar.CompressionType.ZLib,
    "ZSTD": pulsar.CompressionType.ZSTD,
    "SNAPPY": pulsar.CompressionType.SNAPPY,
}
TYPES = {
    "Exclusive": pulsar.ConsumerType.Exclusive,
    "Shared": pulsar.ConsumerType.Shared,
    "Failover": pulsar.ConsumerType.Failover,
    "Key_Shared": pulsar.ConsumerType.KeyShared,
}
SCHEMAS = {"bytes": BytesSchema, "string": StringSchema, "json": lambda: JsonSchema(Order), "avro": lambda: AvroSchema(Order)}

clients = {}
lock = threading.Lock()


def client(service_url):
    with lock:
        if service_url not in clients:
            quiet = pulsar.ConsoleLogger(pulsar.LoggerLevel.Error)
            clients[service_url] = pulsar.Client(service_url, logger=quiet)
        return clients[service_url]


def value_of(schema, value):
    if schema == "bytes":
        return base64.b64decode(value)
    return Order(**value) if schema in ("json", "avro") else value


def json_of(schema, value):
    if schema == "bytes":
        return base64.b64encode(value).decode()
    return {"id": value.id, "total": value.total} if schema in ("json", "avro") else value


def produce(request):
    schema = request.get("schema", "bytes")
    options = {}
    if "name" in request:
        options["producer_name"] = request["name"]
    if request.get("batching"):
        options["batching_enabled"] = True
        options["batching_max_messages"] = request.get("batchSize", 1000)
        options["batching_max_publish_delay_ms"] = 1000
        if request.get("keyed"):
            options["batching_type"] = pulsar.BatchingType.KeyBased
    producer = client(request["serviceUrl"]).create_producer(
        request["topic"],
        schema=SCHEMAS[schema](),
        compression_type=COMPRESSIONS[request.get("compression", "NONE")],
        chunking_enabled=request.get("chunking", False),
        block_if_queue_full=True,
        **options,
    )
    ids = []
    failures = []

    def sent(result, message_id):
        (ids if result == pulsar.Result.Ok else failures).append(str(message_id if result == pulsar.Result.Ok else result))

    try:
        for message in request["messages"]:
            fields = {
                "properties": message.get("properties"),
                "partition_key": message.get("key"),
                "ordering_key": message.get("orderingKey"),
                "sequence_id": message.get("sequenceId"),
                "event_timestamp": message.get("eventTimeMs"),
            }
            if "deliverAfterMs" in message:
                fields["deliver_after"] = datetime.timedelta(milliseconds=message["deliverAfterMs"])
            producer.send_async(value_of(schema, message["value"]), sent, **fields)
        producer.flush()
    finally:
        producer.close()
    if failures:
        raise RuntimeError(", ".join(failures))
    return {"ids": ids}


def consume(request):
    schema = request.get("schema", "bytes")
    options = {}
    if "maxRedeliveries" in request:
        options["dead_letter_policy"] = pulsar.ConsumerDeadLetterPolicy(request["maxRedeliveries"])
        options["negative_ack_redelivery_delay_ms"] = 100
    consumer = client(request["serviceUrl"]).subscribe(
        request["topic"],
        request.get("subscription", "python"),
        consumer_type=TYPES[request.get("type", "Exclusive")],
        schema=SCHEMAS[schema](),
        initial_position=pulsar.InitialPosition.Earliest,
        **options,
    )
    messages = []
    outcome = request.get("outcome", "ack")
    try:
        while len(messages) < request["count"]:
            try:
                message = consumer.receive(request["timeoutMs"])
            except pulsar.Timeout:
                break
            messages.append(describe(schema, message))
            if outcome == "ack":
                consumer.acknowledge(message)
            elif outcome == "nack":
                consumer.negative_acknowledge(message)
    finally:
        consumer.close()
    return {"messages": messages}


def describe(schema, message):
    data = message.data()
    null = message.has_null_value()
    return {
        "id": str(message.message_id()),
        "topic": message.topic_name(),
        "data": base64.b64encode(data).decode(),
        "isNull": null,
        "value": None if null else json_of(schema, message.value()),
        "key": message.partition_key(),
        "orderingKey": message.ordering_key(),
        "properties": message.properties(),
        "eventTimeMs": message.event_timestamp(),
        "producerName": message.producer_name(),
        "redeliveryCount": message.redelivery_count(),
    }


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        try:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"/produce": produce, "/consume": consume}[self.path](request)).encode()
            self.send_response(200)
        except Exception:
            body = traceback.format_exc().encode()
            self.send_response(500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"listening on {server.server_address[1]}", flush=True)
# Whoever started this ends it by closing its input.
sys.stdin.read()
server.shutdown()
for one in clients.values():
    one.close()
