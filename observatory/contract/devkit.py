"""What the Happy DevKit API sends. Its shapes are the Bridge's; H5 is Prometheus text."""

from observatory.contract.bridge import ServiceHealth

__all__ = ["ServiceHealth"]
