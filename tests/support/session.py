"""A session with a running console without a browser: Streamlit's own protocol, as the front end speaks it."""

from types import TracebackType

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.web.serving import Server


class Session:
    """One session; ``visit`` opens one page after another in it."""

    def __init__(self, server: Server) -> None:
        self._connection = connect(
            f"ws://{server.address}/_stcore/stream",
            origin=server.url,  # type: ignore[arg-type]
            subprotocols=["streamlit"],  # type: ignore[list-item]
            compression=None,
            open_timeout=60,
            max_size=None,
            proxy=None,
        )

    def __enter__(self) -> "Session":
        self._socket = self._connection.__enter__()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._connection.__exit__(None, None, None)

    def visit(self, page: str, query: str) -> list[ForwardMsg]:
        """Every message until the page's script and all of its panels have ended."""
        asked = BackMsg()
        asked.rerun_script.page_name = page
        asked.rerun_script.query_string = query
        asked.rerun_script.widget_states.SetInParent()
        self._socket.send(asked.SerializeToString())
        told: list[ForwardMsg] = []
        while not told or told[-1].WhichOneof("type") != "script_finished":
            told.append(ForwardMsg.FromString(self._socket.recv(timeout=120)))
        return told
