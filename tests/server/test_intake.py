"""Bodies within bounds of memory: held for as long as their requests live, and not longer."""

import asyncio

import pytest

from forefront.server.intake import Intake, Share
from forefront.wire.errors import ApiError
from tests.support.server import RunningServer

BODY = b'{"model": "tiny", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}'


def test_a_share_is_held_resized_and_given_back() -> None:
    intake = Intake(memory=100)
    with Share(intake) as one, Share(intake) as other:
        one.hold(80)
        with pytest.raises(ApiError) as caught:
            other.hold(30)
        assert (caught.value.status, caught.value.headers["x-should-retry"]) == (503, "true")
        assert intake.left == 20
        one.hold(10)
        other.hold(90)
    one.hold(50)
    assert intake.left == 100


async def test_bodies_that_are_being_read_leave_room_again(server: RunningServer) -> None:
    """Forty that do not say how long they are: 32 of 8 MiB fit into 256 MiB."""
    host, port = server.url.removeprefix("http://").split(":")
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {server.key}\r\n"
    head += "content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    go, refused = asyncio.Event(), asyncio.Event()

    async def one() -> bytes:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode())
        reading = asyncio.ensure_future(reader.readline())
        await asyncio.wait([reading, asyncio.ensure_future(go.wait())], return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            refused.set()
        else:
            writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
        status = (await reading).split()[1]
        writer.close()
        return status

    jobs = [asyncio.create_task(one()) for _ in range(40)]
    await refused.wait()
    await asyncio.sleep(0.5)
    go.set()
    answers = await asyncio.gather(*jobs)
    assert sorted(answers) == [b"200"] * 32 + [b"503"] * 8
    with server.client() as client:
        response = client.post("/v1/chat/completions", content=BODY, headers={"content-type": "application/json"})
        assert response.status_code == 200


@pytest.mark.parametrize("header", ["", "idempotency-key: slow\r\n"])
async def test_a_key_that_is_revoked_while_a_body_comes_opens_nothing(server: RunningServer, header: str) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with server.client() as admin:
        made = admin.post("/admin/keys", json={"name": "short"}).json()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {made['key']}\r\n{header}"
        head += f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n\r\n"
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head.encode() + BODY[:10])
        await asyncio.sleep(0.5)
        assert admin.delete(f"/admin/keys/{made['id']}").status_code == 200
    await asyncio.sleep(1)
    writer.write(BODY[10:])
    said = await reader.readuntil(b"\r\n\r\n")
    assert said.split()[1] == b"401"
    assert b"\r\nwww-authenticate: Bearer\r\n" in said
    writer.close()
