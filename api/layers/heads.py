"""HEAD: what GET would answer, without its body."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Lets the routes answer HEAD as GET. Whoever would read a file for nothing finds `wants_head` in the state."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        scope.setdefault("state", {})["wants_head"] = True
        scope["method"] = "GET"  # in the scope itself: the layers outside read the matched route from it
        try:
            await self._app(scope, receive, without_body)
        finally:
            scope["method"] = "HEAD"
