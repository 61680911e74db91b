"""The place a server listens at: taken before anything slow is done, and what is wrong with it said in our words."""

import errno
import ipaddress
import os
import socket
from typing import Any, Self

from crossmodal.errors import BusyError, CrossmodalError, QueryError

BACKLOG = 512


def is_loopback(host: str) -> bool:
    """Whether only this computer can reach a server bound to this address. Any name but localhost counts as open."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def name_of(host: str) -> str:
    """What a client calls a server at this address by, in the header `Host`."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host.lower()
    return f"[{address}]" if address.version == 6 else str(address)


class Place:
    """Bound to every address of a host: nobody else gets the port while the model is loaded. Closes in a `with`.

    Whoever comes before `listen` is refused, and knows that the server is not there yet.

    Args:
        port: 0 takes a free one.

    Raises:
        BusyError: `busy`, another program has the port. QueryError: `bad_request`, this computer has no such address, or the port is not
            for this user.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self.sockets: list[socket.socket] = []
        try:
            self._bind()
        except OSError as error:
            self.close()
            raise self._fault(error) from error

    @property
    def address(self) -> str:
        """Where clients find the server, with the port that was taken."""
        return f"http://{name_of(self._host)}:{self.sockets[0].getsockname()[1]}"

    def listen(self) -> None:
        """From now on, connections are taken. Raises BusyError when somebody who had bound the port as well was faster."""
        try:
            for each in self.sockets:
                each.listen(BACKLOG)
        except OSError as error:
            raise self._fault(error) from error

    def close(self) -> None:
        """Give the place up. Twice is fine."""
        for each in self.sockets:
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bind(self) -> None:
        missing: OSError | None = None
        found = socket.getaddrinfo(self._host.strip("[]"), self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                self.sockets.append(_bound(family, kind, protocol, address))
            except OSError as error:  # a name may have an address of a kind that is switched off here
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
            if self.sockets and self._port == 0:
                break  # one free port, not one for each address
        if missing is not None and not self.sockets:
            raise missing

    def _fault(self, error: OSError) -> CrossmodalError:
        if error.errno == errno.EADDRINUSE:
            return BusyError("busy", f"Port {self._port} is taken by another program.", remedy="Choose another with --port.")
        if error.errno in (errno.EACCES, errno.EPERM):
            what = f"Port {self._port} is not for this user."
            return QueryError("bad_request", what, remedy="Choose one from 1024 on with --port.")
        what = f"The API cannot listen on {self._host!r:.80}, which is no address of this computer."
        return QueryError("bad_request", what, remedy="Leave --host away to listen on 127.0.0.1.")


def _bound(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # a restart need not wait for old connections; elsewhere it would let two programs have one port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except BaseException:
        made.close()
        raise
    return made
