"""Who and where: addresses and contact persons."""

from contracts.fields import Flag, ListOf
from contracts.model import Model
from contracts.note import ExternalId, PropertyItem


class Address(Model):
    """Where somebody is (OmniumOrderAddress, OmniumAddress)."""

    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    organization: str | None = None
    organizational_number: str | None = None
    line1: str | None = None
    line2: str | None = None
    street_number: str | None = None
    apartment_number: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country_code: str | None = None
    country_name: str | None = None
    region_code: str | None = None
    region_name: str | None = None
    daytime_phone_number: str | None = None
    evening_phone_number: str | None = None
    email: str | None = None


class ContactPerson(Model):
    """Whom to talk to (OmniumContactPerson)."""

    id: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    address: Address | None = None
    role: str | None = None
    roles: ListOf[str] | None = None
    is_primary_contact: Flag | None = None
    notify: Flag | None = None
    private_customer_id: str | None = None
    properties: ListOf[PropertyItem] | None = None
    external_ids: ListOf[ExternalId] | None = None
