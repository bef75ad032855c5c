"""The page at ``/docs``: every route, to read and to try, without the internet."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse

from fraktal_kernel.errors import NotFound
from fraktal_kernel.server.links import COOKIE

FILES = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}


def add_docs(app: FastAPI) -> None:
    """Add the page, the files that it needs, and how one signs in to the description."""
    with as_file(files("fastapi_offline") / "static") as folder:
        static = Path(folder)

    @app.get("/docs", include_in_schema=False)
    def page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title}: web API",
            swagger_js_url="/docs/swagger-ui-bundle.js",
            swagger_css_url="/docs/swagger-ui.css",
            swagger_favicon_url="/docs/favicon.png",
            swagger_ui_parameters={"validatorUrl": None, "tryItOutEnabled": True},
        )

    @app.get("/docs/{name}", include_in_schema=False)
    def file(name: str) -> FileResponse:
        if name not in FILES:
            raise NotFound(f"/docs has no file {name[:80]!r}.")
        return FileResponse(static / name, media_type=FILES[name])

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
            )
            schema.setdefault("components", {})["securitySchemes"] = {
                "token": {"type": "http", "scheme": "bearer"},
                "browser": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": f"With the port, where the address has one: {COOKIE}_8081.",
                },
            }
            schema["security"] = [{"token": []}, {"browser": []}]
            for path, method in (("/api/health", "get"), ("/api/sessions", "post")):
                schema["paths"][path][method]["security"] = []
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]
