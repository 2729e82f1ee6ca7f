"""Environment of the workflow service."""

from services.chassis.settings import ChassisSettings


class Settings(ChassisSettings):
    """What every service needs, and nothing more."""
