import asyncio

import pytest
import pytest_asyncio

pytestmark = pytest.mark.asyncio
loops = []


@pytest_asyncio.fixture
async def server():
    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()
    listening.close()
    await listening.wait_closed()


@pytest.mark.parametrize("number", range(5))
async def test_round_trip(server, number):
    reader, writer = await asyncio.open_connection(*server)
    writer.write(b"%d\n" % number)
    assert await reader.read() == b"%d\n" % number
    writer.close()


async def test_child():
    process = await asyncio.create_subprocess_exec("echo", "child", stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0] == b"child\n"


async def test_fails():
    await asyncio.sleep(0)
    assert asyncio.get_running_loop() is None


async def test_own_loop():
    loops.append(asyncio.get_running_loop())
    assert len(set(map(id, loops))) == len(loops)
