"""docs/cde.md, followed by a shell, with an agent that the test plays."""

import pytest

from cdp import Player
from documents import named, shell
from keyward import Server


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path / "data")
    player = Player(server)
    yield server
    player.end()
    server.kill()


def test_the_commands_do_what_the_page_says(server, tmp_path):
    places = {"/var/lib/keyward": server.data_dir, "localhost:5670": f"localhost:{server.port}"}
    steps = "".join(named("cde.md", name) for name in ("administrator", "user", "look"))
    start = 'eval "$(keyward env --data-dir /var/lib/keyward)"\n'
    done = shell(start + steps, places, tmp_path, HOME=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    for text in ("FileSystem: arn:", "Database: arn:", "start: keyward k8s-plugin --key arn:", "environment/production"):
        assert text in done.stdout, done.stdout
