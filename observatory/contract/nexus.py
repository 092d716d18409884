"""What the Nexus Console sends over plain HTTP: N1, shaped like the Bridge's health."""

from observatory.contract.bridge import ServiceHealth

__all__ = ["ServiceHealth"]
