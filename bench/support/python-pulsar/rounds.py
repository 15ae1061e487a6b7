"""The official Python client, driven by lines of JSON on standard input as ../go-pulsar/main.go is. Ends with its input."""

import json
import sys
import threading
import time

import pulsar


class Stopwatch:
    def __init__(self):
        self.started, self.started_cpu = time.perf_counter(), time.process_time()

    def figures(self):
        return {"seconds": time.perf_counter() - self.started, "cpuSeconds": time.process_time() - self.started_cpu}


def one_by_one(producer, payload, count):
    taken = []
    stopwatch = Stopwatch()
    for _ in range(count):
        sent = time.perf_counter()
        producer.send(payload)
        taken.append((time.perf_counter() - sent) * 1_000)
    figures = stopwatch.figures()
    taken.sort()
    return {**figures, "p50Ms": taken[count // 2], "p99Ms": taken[count * 99 // 100]}


def produce(client, round):
    count = round["count"]
    payload = bytes((index * 31) & 0xFF for index in range(round["size"]))
    options = {"batching_enabled": False}
    if not round.get("oneByOne"):
        options = {
            "batching_enabled": True,
            "batching_max_messages": 1_000,
            "batching_max_allowed_size_in_bytes": 128 * 1_024,
            "batching_max_publish_delay_ms": 1,
        }
    if round.get("keyed"):
        options["batching_type"] = pulsar.BatchingType.KeyBased
    producer = client.create_producer(round["topic"], max_pending_messages=5_000, block_if_queue_full=True, **options)
    try:
        if round.get("oneByOne"):
            return one_by_one(producer, payload, count)
        left = count
        failures = []
        done = threading.Event()

        # Called by one thread of the client alone.
        def sent(result, _):
            nonlocal left
            if result != pulsar.Result.Ok:
                failures.append(str(result))
            left -= 1
            if left == 0:
                done.set()

        stopwatch = Stopwatch()
        for index in range(count):
            if round.get("keyed"):
                producer.send_async(payload, sent, partition_key=f"key-{index}")
            else:
                producer.send_async(payload, sent)
        producer.flush()
        done.wait()
        if failures:
            raise RuntimeError(failures[0])
        return stopwatch.figures()
    finally:
        producer.close()


def consume(client, round):
    count = round["count"]
    stopwatch = Stopwatch()
    consumer = client.subscribe(
        round["topic"],
        round["subscription"],
        consumer_type=pulsar.ConsumerType.Shared if round.get("shared") else pulsar.ConsumerType.Exclusive,
        initial_position=pulsar.InitialPosition.Earliest,
        receiver_queue_size=1_000,
    )
    try:
        size = 0
        for _ in range(count):
            message = consumer.receive(60_000)
            size += len(message.data())
            consumer.acknowledge(message)
        figures = stopwatch.figures()
    finally:
        consumer.close()
    if size != count * round["size"]:
        raise RuntimeError(f"{size} bytes in {count} messages of {round['size']}")
    return figures


client = None
for line in sys.stdin:
    try:
        round = json.loads(line)
        client = client or pulsar.Client(round["serviceUrl"], logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
        figures = {"produce": produce, "consume": consume}[round["do"]](client, round)
    except Exception as error:
        figures = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(figures), flush=True)
if client:
    client.close()
