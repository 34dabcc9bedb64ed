"""The identities that the emulated machine has, and which one a request means."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import List, Optional

SUBSCRIPTION = "12345678-1234-9876-abcd-0123456789ab"
RESOURCE_GROUP = "emulated"
VM_NAME = "vm-emulated"
TENANT_ID = "72f988bf-0000-4000-8000-2d7cd011db47"
_NAMESPACE = uuid.UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")


@dataclass(frozen=True)
class Identity:
    name: str
    client_id: str
    object_id: str
    resource_id: str  # of the machine itself for the system-assigned identity
    system_assigned: bool = False


class NotFound(Exception):
    """No identity for this request; `description` is the endpoint's own text."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


def system_identity() -> Identity:
    return Identity(
        "system", _derived("client", "system"), _derived("object", "system"),
        f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{RESOURCE_GROUP}"
        f"/providers/Microsoft.Compute/virtualMachines/{VM_NAME}", True)


def user_identity(text: str) -> Identity:
    """`NAME[,client_id=ID][,object_id=ID][,resource_id=ID]`; what is left out follows from NAME."""
    name, *settings = text.split(",")
    values = dict(setting.partition("=")[::2] for setting in settings)
    unknown = set(values) - {"client_id", "object_id", "resource_id"}
    if not name or unknown or not all(values.values()):
        raise ValueError(f"identity {text!r}: expected NAME[,client_id=ID][,object_id=ID]"
                         "[,resource_id=ID]")
    return Identity(
        name, values.get("client_id", _derived("client", name)),
        values.get("object_id", _derived("object", name)),
        values.get("resource_id",
                   f"/subscriptions/{SUBSCRIPTION}/resourcegroups/{RESOURCE_GROUP}"
                   f"/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{name}"))


@dataclass
class Identities:
    """System-assigned or not, and any number of user-assigned ones."""

    system: Optional[Identity]
    users: List[Identity]

    def select(self, selector: Optional[str], value: str) -> Identity:
        """`selector`: client_id, object_id, resource_id or None (the endpoint chooses)."""
        if selector is None:
            return self._default()
        known = self.users + ([self.system] if self.system else [])
        for identity in known:
            if getattr(identity, selector).lower() == value.lower():
                if selector != "resource_id" or not identity.system_assigned:
                    return identity
        raise NotFound("Identity not found")

    def other_than(self, identity: Identity) -> Identity:
        """Some identity that the request did not mean, for `wrong-identity`."""
        for other in self.users + ([self.system] if self.system else []):
            if other.client_id != identity.client_id:
                return other
        return user_identity("somebody-else")

    def _default(self) -> Identity:
        if self.system:
            return self.system
        if len(self.users) == 1:
            return self.users[0]
        if self.users:
            raise NotFound("Multiple user assigned identities exist, please specify the "
                           "clientId / resourceId of the identity in the token request")
        raise NotFound("Identity not found")


def _derived(kind: str, name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"emulator/{kind}/{name}"))
