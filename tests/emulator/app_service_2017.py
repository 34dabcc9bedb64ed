"""App Service, api-version 2017-09-01, and Azure Machine Learning, which speaks the same.

`expires_on` may be a date, as App Service on Linux and on Windows wrote it: DATES.
"""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import formatdate
from typing import Callable, Dict

from app_service import AppService


def _linux(when: datetime) -> str:
    return when.strftime("%m/%d/%Y %H:%M:%S +00:00")


def _windows(when: datetime) -> str:
    hour = when.hour % 12 or 12
    return (f"{when.month}/{when.day}/{when.year} {hour}:{when:%M:%S} "
            f"{'AM' if when.hour < 12 else 'PM'} +00:00")


DATES: Dict[str, Callable[[datetime], str]] = {
    "unix": lambda when: str(int(when.timestamp())),
    "linux": _linux,
    "windows": _windows,
    "iso": lambda when: when.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "plain": lambda when: when.strftime("%Y-%m-%d %H:%M:%S"),
    "rfc1123": lambda when: formatdate(when.timestamp(), usegmt=True),
}


class AppService2017(AppService):
    name = "app-service-2017"
    path = "/MSI/token/"
    api_version = "2017-09-01"
    header_name = "secret"
    selectors = {"clientid": "client_id"}
    dates = "linux"

    def environment(self, base_url: str) -> Dict[str, str]:
        return {"MSI_ENDPOINT": self.endpoint(base_url), "MSI_SECRET": self.world.settings.header}

    def expires_on(self, seconds: int) -> int | str:
        form = self.world.settings.dates or self.dates
        if form == "unix":
            return seconds
        return DATES[form](datetime.fromtimestamp(seconds, timezone.utc))


class AzureMl(AppService2017):
    name = "azure-ml"
    path = "/MSI/auth"
    dates = "unix"

    def environment(self, base_url: str) -> Dict[str, str]:
        found = super().environment(base_url)
        identities = self.world.identities
        known = ([identities.system] if identities.system else []) + identities.users
        if known:
            found["DEFAULT_IDENTITY_CLIENT_ID"] = known[0].client_id
        return found
