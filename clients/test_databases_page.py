"""docs/databases.md, followed by a shell from top to bottom."""

from databases import PATIENCE, end_databases, free_port, remove_databases, require
from documents import named, shell
from keyward import Server, eventually
from storage import take_away


def test_the_first_steps_do_what_the_page_says(tmp_path):
    require()
    server = Server(tmp_path / "data", "--agent")
    state = server.data_dir / "agent"
    # The page has PostgreSQL's own port, which somebody else may have on this machine.
    port = free_port()
    steps = named("databases.md", "try") + named("databases.md", "clean-up")
    assert "--db-name app" in steps
    steps = steps.replace("--db-name app", f"--db-name app --port {port}")
    # The agent of the same start must have called the server before there can be a database.
    registered = "until keyward agent certificates --data-dir /var/lib/keyward; do sleep 0.2; done\n"
    try:
        done = shell(
            registered + steps, {"/var/lib/keyward": server.data_dir}, tmp_path, patience=PATIENCE, PGPORT=str(port)
        )
        assert done.returncode == 0, done.stdout + done.stderr
        written, lost, back = done.stdout.partition("The table cannot be read.")
        assert lost and "INSERT 0 1" in written and "Jane" not in written, done.stdout
        assert "Jane" in back, done.stdout
        rds = server.client("rds")
        eventually(lambda: rds.describe_db_instances()["DBInstances"] == [], seconds=30)
        assert server.drain() == 0
    finally:
        if server.process.poll() is None:
            server.kill()
        end_databases(state)
        take_away(tmp_path)
        remove_databases(state)
