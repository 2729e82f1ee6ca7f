"""Every metric of a service, in one list, with its unit."""

from prometheus_client import Counter, Gauge, Histogram

handled = Counter("kontor_messages_handled", "Messages by outcome", ["type", "outcome"])
retried = Counter("kontor_messages_retried", "Messages that failed alone and wait", ["type"])
dead = Counter("kontor_messages_dead", "Messages that became dead letters", ["type"])
redone = Counter("kontor_batches_redone", "Batches handled again after a conflict")
parked = Gauge("kontor_messages_parked", "Messages that wait for a retry, or behind one")
lag = Gauge("kontor_lag", "Records on a partition not yet handled", ["topic", "partition"])
batch_size = Histogram(
    "kontor_batch_messages", "Messages a batch", buckets=(1, 2, 5, 10, 25, 50, 100, 250)
)
seconds = Histogram(
    "kontor_batch_step_seconds",
    "Seconds a batch spends in a step",
    ["step"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
calls = Counter("kontor_calls", "Calls to the outside by kind and verdict", ["kind", "verdict"])
calls_waiting = Gauge("kontor_calls_in_memory", "Calls that this process holds")
circuit_open = Gauge("kontor_circuits_open", "Targets that are not called for now")
timers_sent = Counter("kontor_timers_sent", "Delayed messages sent")
requests = Counter("kontor_http_requests", "Answers by route and status", ["route", "status"])
request_seconds = Histogram(
    "kontor_http_request_seconds",
    "Seconds from request to answer",
    ["route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
