"""The environment of this service."""

from services.chassis.settings import ChassisSettings


class Settings(ChassisSettings):
    """What every service has; providers are connectors, which are configuration."""
