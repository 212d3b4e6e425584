"""Nightcast's pages inside Airflow's UI. The only Python file here: Airflow imports every one below plugins/.

Every Airflow process imports it, but only the api-server serves pages: so FastAPI, Airflow's access rules and our store
are loaded with the first request, and a scheduler or a task pays nothing for them.
"""

import asyncio
import functools
import os
from typing import Any

from airflow.plugins_manager import AirflowPlugin


@functools.cache
def pages() -> Any:
    """The pages, for those who may see what happens across all DAGs: they name every pipeline."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from fastapi import Depends

    from nightcast.settings import from_environment
    from nightcast.web.app import make_app

    guard = Depends(requires_access_view(AccessView.CLUSTER_ACTIVITY))
    return make_app([guard], lambda: from_environment(os.environ).database_url)


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """ASGI: hand the request to the pages."""
    app = await asyncio.to_thread(pages)
    await app(scope, receive, send)


class NightcastPlugin(AirflowPlugin):
    """Adds the pages below /nightcast, and an entry for them under Browse."""

    name = "nightcast"
    fastapi_apps = [{"app": serve, "url_prefix": "/nightcast", "name": "nightcast"}]  # noqa: RUF012 - Airflow's own form
    external_views = [  # noqa: RUF012
        {
            "name": "Nightcast",
            "href": "/nightcast/",
            "destination": "nav",
            "url_route": "nightcast",
            "category": "browse",
        }
    ]
