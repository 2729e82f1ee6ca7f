"""The environment of this service."""

from services.chassis.settings import ChassisSettings, Network, Networks


class Settings(ChassisSettings):
    """Where endpoints may be, besides public addresses.

    `webhooks_allowed_networks` are CIDRs, separated by commas, for webhook endpoints alone; those
    of `allowed_networks` count here too (decided 9).
    """

    webhooks_allowed_networks: Networks = ()

    def networks(self) -> tuple[Network, ...]:
        """Return every network that an endpoint may be in."""
        return (*self.allowed_networks, *self.webhooks_allowed_networks)
