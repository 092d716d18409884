"""What a service says of its own health: B1, H1, M3, N1 and the telemetry store's."""

from observatory.contract.normalise import Message, SelfReport, Text, Time, Words


class ServiceHealth(Message):
    """B1, and every health answer shaped like it. Only the status code counts; all of this is optional (Q27)."""

    status: SelfReport = None
    version: Text = ""
    features: Words = ()
    timestamp: Time = None
