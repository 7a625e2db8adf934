"""docs/article.md, followed by a shell from top to bottom."""

import re

from documents import named, shell
from keyward import Server
from volumes import require


def test_the_commands_of_the_article_do_what_the_page_says(tmp_path):
    require()
    server = Server(tmp_path / "data", "--agent")
    places = {"/var/lib/keyward": server.data_dir, "/mnt/my-demo-efs": tmp_path / "mnt"}
    ready = "until keyward agent list --data-dir /var/lib/keyward | grep -q yes; do sleep 0.2; done\n"
    script = ready + named("article.md", "role-and-key") + named("article.md", "file-system")
    try:
        done = shell(script, places, tmp_path, patience=180)
        assert done.returncode == 0, done.stdout + done.stderr
        service = '"elasticfilesystem.us-east-1.amazonaws.com"'
        operations = r'\[\s+"Encrypt",\s+"Decrypt",\s+"RetireGrant"\s+\]'
        assert re.search(rf"\[\s+\[\s+{service},\s+{operations}\s+\]\s+\]", done.stdout), done.stdout
        assert "(AccessDeniedException) when calling the CreateGrant operation" in done.stderr, done.stderr
        lines = [line.strip() for line in done.stdout.splitlines()]
        told = ["The role cannot create a grant itself.", "The file cannot be read.", "the quarterly figures"]
        assert [line for line in lines if line in told] == told, done.stdout
        assert lines[-2:] == ["0", "PendingDeletion"], done.stdout
        assert str(tmp_path) + "/mnt" not in open("/proc/self/mounts").read()
    finally:
        server.kill()
