"""How a handler may decline a message. Any other exception is a failure of the message."""

from contracts.problems import Problem


class Ignore(Exception):
    """The message changes nothing: late, repeated or overtaken. It is logged and dropped."""


class Unconcerned(Ignore):
    """The message is none of this service's business, and never led to anything here.

    It is not even marked as handled. Only for messages that a service merely listens to: what
    looks idle when it is read again may owe Kafka something since the first time.
    """


class Refused(Exception):
    """The command cannot be done; whoever waits for the answer gets the problem.

    Nothing that the handler staged is kept.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.type)
        self.problem = problem
