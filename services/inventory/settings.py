"""The environment of this service."""

from services.chassis.settings import ChassisSettings


class Settings(ChassisSettings):
    """What every service needs; nothing of its own."""
