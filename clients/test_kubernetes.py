"""The Kubernetes plugin, asked by Google's gRPC library as an API server asks it, in front of a real server."""

import base64
import http.server
import json
import os
import re
import signal
import socket
import stat
import threading
import time

import pytest
from botocore.exceptions import ClientError

import grpc
from conftest import policy
from iam_kit import ALLOW_ALL, iam_arn, new_name
from k8s import AWAY, INVALID, UNUSABLE, Plugin, Refused, V2, connect, in_threads
from keyward import ACCOUNT, REGION, Server, alias_arn, eventually
from oidc import trust
from proxy import HoldingProxy, SlowProxy

ANNOTATION = "encryption-context.kms.keyward.dev"
DECRYPT_AND_ENCRYPT = ["kms:Encrypt", "kms:Decrypt"]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def of(credentials, server):
    """The environment of whoever has these credentials."""
    return {
        "AWS_ACCESS_KEY_ID": credentials[0],
        "AWS_SECRET_ACCESS_KEY": credentials[1],
        "AWS_ENDPOINT_URL": server.url,
    }


@pytest.fixture
def plugins(tmp_path, server, user):
    """Makes plugins whose credentials may encrypt and decrypt, and nothing else."""
    user.allow(*DECRYPT_AND_ENCRYPT)
    made = []

    def make(*flags, environment=None, **more):
        folder = tmp_path / f"plugin-{len(made)}"
        folder.mkdir()
        environment = of(user.credentials, server) if environment is None else environment
        made.append(Plugin(folder, *flags, environment=environment, **more))
        return made[-1]

    yield make
    for plugin in made:
        if plugin.channel and plugin.process.poll() is None:
            plugin.end()


@pytest.fixture
def plugin(plugins, arn):
    return plugins(f"--key={arn}", port=free_port())


def current_name(kms, key):
    found = kms.describe_key(KeyId=key)["KeyMetadata"]
    return f"{found['Arn']}#{found['CurrentKeyMaterialId']}"


def test_what_is_encrypted_is_read_again(plugin, kms, key, arn):
    status = plugin.status()
    assert (status.version, status.healthz) == ("v2", "ok")
    assert status.key_id == current_name(kms, key)
    seed = os.urandom(32)
    stored = plugin.encrypt(seed)
    assert stored.key_id == status.key_id
    assert dict(stored.annotations) == {}
    assert len(stored.ciphertext) <= 1024 and seed not in stored.ciphertext
    assert plugin.reads(stored) == seed
    # The layout of aws-encryption-provider: a 1, and what KMS has answered.
    assert stored.ciphertext[:1] == b"1"
    assert kms.decrypt(CiphertextBlob=stored.ciphertext[1:])["Plaintext"] == seed
    assert plugin.encrypt(seed).ciphertext != stored.ciphertext


def test_rotation_makes_what_was_stored_stale_and_readable(plugin, kms, key):
    seed = os.urandom(32)
    old = plugin.encrypt(seed)
    kms.rotate_key_on_demand(KeyId=key)
    eventually(lambda: plugin.status().key_id != old.key_id)
    new = plugin.encrypt()
    assert new.key_id == plugin.status().key_id == current_name(kms, key) != old.key_id
    assert plugin.reads(old) == seed
    assert plugin.said("the key has new material: what was encrypted before is stale")


def test_encrypt_names_new_material_before_status_is_asked_again(plugin, kms, key):
    before = plugin.status().key_id
    kms.rotate_key_on_demand(KeyId=key)
    # The API server refuses to write with it until Status says the same, which it does from now on.
    stored = plugin.encrypt()
    assert stored.key_id == plugin.status().key_id != before


def test_while_the_key_is_disabled_every_call_fails_and_comes_back(plugin, kms, key, arn):
    seed = os.urandom(32)
    stored = plugin.encrypt(seed)
    assert plugin.http("/healthz") == (200, "OK")
    kms.disable_key(KeyId=key)
    for call in (lambda: plugin.reads(stored), plugin.encrypt, plugin.status):
        with Refused(UNUSABLE) as refused:
            call()
        assert refused.said == f"DisabledException: {arn} is disabled: enable the key (aws kms enable-key)"
    # A health check that tells the cluster, and one that does not have the plugin started again in vain.
    assert plugin.http("/healthz") == (500, refused.said)
    assert plugin.http("/livez") == (200, "OK")
    kms.enable_key(KeyId=key)
    eventually(lambda: not isinstance(attempt(plugin.status), grpc.RpcError), seconds=5)
    assert plugin.reads(stored) == seed
    eventually(lambda: plugin.http("/healthz")[0] == 200)


def attempt(call):
    try:
        return call()
    except grpc.RpcError as error:
        return error


def test_status_hears_of_a_disabled_key_without_any_other_call(plugin, kms, key):
    plugin.status()
    kms.disable_key(KeyId=key)
    # An answer counts for five seconds; an API server asks every minute.
    eventually(lambda: isinstance(attempt(plugin.status), grpc.RpcError), seconds=8)


def test_a_key_that_is_to_be_deleted_is_not_used(plugin, kms, key, arn):
    stored = plugin.encrypt()
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    with Refused(UNUSABLE) as refused:
        plugin.reads(stored)
    assert refused.said.startswith(f"KMSInvalidStateException: {arn} is pending deletion: look at the key")
    assert "cancel its deletion" in refused.said
    with Refused(UNUSABLE):
        plugin.status()


def test_an_encryption_context_is_bound_and_must_be_known(plugins, kms, arn):
    one = plugins(f"--key={arn}", "--encryption-context=cluster=one,env=prod")
    seed = os.urandom(32)
    stored = one.encrypt(seed)
    annotation = b'{"cluster":"one","env":"prod"}'
    assert dict(stored.annotations) == {ANNOTATION: annotation}
    context = {"cluster": "one", "env": "prod"}
    assert kms.decrypt(CiphertextBlob=stored.ciphertext[1:], EncryptionContext=context)["Plaintext"] == seed
    assert one.reads(stored) == seed
    # Of another cluster under the same key: not even what the object itself says is believed.
    two = plugins(f"--key={arn}", "--encryption-context=cluster=two")
    with Refused(UNUSABLE) as refused:
        two.reads(stored)
    assert "--decrypt-encryption-context cluster=one,env=prod" in refused.said
    with Refused(INVALID) as refused:
        two.decrypt(stored.ciphertext, stored.key_id)
    assert refused.said.startswith("InvalidCiphertextException")
    with Refused(INVALID):
        two.decrypt(stored.ciphertext, stored.key_id, {ANNOTATION: b'{"cluster":"two"}'})
    with Refused(INVALID) as refused:
        one.decrypt(stored.ciphertext, stored.key_id, {ANNOTATION: b"[]"})
    assert refused.said == f"the object's annotation {ANNOTATION} is not an encryption context"
    # A cluster that moves from one context to another reads both.
    both = plugins(
        f"--key={arn}", "--encryption-context=cluster=two", "--decrypt-encryption-context=cluster=one,env=prod"
    )
    assert both.reads(stored) == seed
    assert both.decrypt(stored.ciphertext, stored.key_id) == seed
    # A wrong object does not make the key unusable.
    assert two.status().healthz == "ok"


def test_objects_of_aws_encryption_provider_are_read(plugins, kms, arn, alias):
    """Its layout: a 1 before the blob, the key as its flag names it, no annotation, a static context or none."""
    context = {"cluster": "old"}
    kms.create_alias(AliasName=alias, TargetKeyId=arn)
    with_context, without = os.urandom(32), os.urandom(32)
    bound = b"1" + kms.encrypt(KeyId=arn, Plaintext=with_context, EncryptionContext=context)["CiphertextBlob"]
    unbound = b"1" + kms.encrypt(KeyId=arn, Plaintext=without)["CiphertextBlob"]
    plain = plugins(f"--key={arn}")
    assert plain.decrypt(unbound, arn) == without
    static = plugins(f"--key={arn}", "--encryption-context=cluster=old")
    assert static.decrypt(bound, arn) == with_context
    with Refused(INVALID):
        static.decrypt(unbound, arn)
    # It had a context only since some day.
    since = plugins(f"--key={arn}", "--encryption-context=cluster=old", "--decrypt-encryption-context=")
    assert since.decrypt(bound, arn) == with_context
    assert since.decrypt(unbound, arn) == without
    # Its flag was an alias, and ours is as well, or is the key.
    named = plugins(f"--key={alias_arn(alias)}")
    assert named.decrypt(unbound, alias_arn(alias)) == without
    assert named.decrypt(unbound, arn) == without
    moved = plugins(f"--key={arn}", f"--decrypt-key={alias_arn(alias)}")
    assert moved.decrypt(unbound, alias_arn(alias)) == without
    # It wrote no material, so everything is stale, and is written anew in time.
    assert plain.status().key_id != arn


def test_aws_encryption_provider_could_read_what_is_written(plugins, kms, arn):
    """The way back: it drops the 1, has its static context, and looks neither at key ids nor at annotations."""
    plugin = plugins(f"--key={arn}", "--encryption-context=cluster=c")
    seed = os.urandom(32)
    stored = plugin.encrypt(seed)
    blob = stored.ciphertext[1:]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={"cluster": "c"})["Plaintext"] == seed


def test_an_alias_is_looked_up_once(plugins, kms, arn, alias):
    kms.create_alias(AliasName=alias, TargetKeyId=arn)
    plugin = plugins(f"--key={alias}", f"--region={REGION}")
    stored = plugin.encrypt()
    assert stored.key_id.startswith(f"{arn}#")
    other = kms.create_key()["KeyMetadata"]["Arn"]
    kms.update_alias(AliasName=alias, TargetKeyId=other)
    assert plugin.encrypt().key_id == stored.key_id
    plugin.end()
    plugin.start()
    assert plugin.encrypt().key_id.startswith(f"{other}#")
    with Refused(UNUSABLE) as refused:
        plugin.reads(stored)
    assert refused.said.endswith(f"if you trust it, also start the plugin with --decrypt-key {arn}")


def test_only_named_keys_decrypt(plugins, kms, arn):
    other = kms.create_key()["KeyMetadata"]["Arn"]
    seed = os.urandom(32)
    stored = plugins(f"--key={other}").encrypt(seed)
    plugin = plugins(f"--key={arn}")
    with Refused(UNUSABLE) as refused:
        plugin.reads(stored)
    assert refused.said.startswith(f"the object was encrypted under `{other}`, which is not the key of this plugin")
    # What names our key, but was encrypted under another one.
    with Refused(INVALID) as refused:
        plugin.decrypt(stored.ciphertext, arn)
    assert refused.said.startswith("IncorrectKeyException")
    moving = plugins(f"--key={arn}", f"--decrypt-key={other}")
    assert moving.reads(stored) == seed
    assert moving.encrypt().key_id.startswith(arn)


def test_what_was_edited_in_etcd_is_refused(plugin, kms, key, arn):
    stored = plugin.encrypt()
    kms.rotate_key_on_demand(KeyId=key)
    new = plugin.encrypt()
    with Refused(INVALID) as refused:
        plugin.decrypt(stored.ciphertext, new.key_id)
    assert refused.said.startswith("the object's key id does not name the material")
    for ciphertext, said in [
        (b"", "the ciphertext is empty"),
        (b"2" + stored.ciphertext[1:], "the ciphertext does not begin with `1`"),
        (b"1", "ValidationException"),
        (stored.ciphertext[:-1], "InvalidCiphertextException"),
        (b"1" + os.urandom(100), "InvalidCiphertextException"),
    ]:
        with pytest.raises(grpc.RpcError) as caught:
            plugin.decrypt(ciphertext, stored.key_id)
        assert said in caught.value.details()
    with Refused(INVALID) as refused:
        plugin.decrypt(stored.ciphertext, "")
    assert refused.said == "the key id is empty"
    assert plugin.status().healthz == "ok"


def test_lengths_and_counts_have_limits(plugin):
    for plaintext, said in [
        (b"a" * 4097, "the plaintext is too long: it has at most 4096 bytes"),
        # An API server would not store it.
        (b"a" * 1000, "the ciphertext is too long: it has at most 1024 bytes"),
    ]:
        with Refused(INVALID) as refused:
            plugin.encrypt(plaintext)
        assert refused.said == said
    with Refused(INVALID) as refused:
        plugin.call("Encrypt", plaintext=b"", uid="u")
    assert refused.said == "the plaintext is empty"
    for members, said in [
        ({"ciphertext": b"1" * 6146}, "the ciphertext is too long: it has at most 6145 bytes"),
        ({"key_id": "k" * 1025}, "the key id is too long: it has at most 1024 bytes"),
        ({"uid": "u" * 1025}, "the uid is too long: it has at most 1024 bytes"),
        ({"annotations": {"a": b"b" * 32768}}, "the annotations is too long: it has at most 32768 bytes"),
    ]:
        with Refused(INVALID) as refused:
            plugin.call("Decrypt", **{"ciphertext": b"1", "uid": "u", "key_id": "k", **members})
        assert refused.said == said
    with pytest.raises(grpc.RpcError) as caught:
        plugin.encrypt(b"a" * 100_000)
    assert "message length too large" in caught.value.details()
    # A reader of anything that is no message.
    ask = plugin.channel.unary_unary("/v2.KeyManagementService/Encrypt")
    with pytest.raises(grpc.RpcError):
        ask(b"\xff\xff\xff", timeout=3)
    assert plugin.status().healthz == "ok"


def test_the_first_version_of_the_api_is_refused_with_what_to_do(plugin):
    with Refused(grpc.StatusCode.UNIMPLEMENTED) as refused:
        plugin.call("Status", service="v1beta1.KeyManagementService")
    assert "set `apiVersion: v2` for the provider in the EncryptionConfiguration" in refused.said


def test_many_connections_and_calls_at_once(plugin):
    first = plugin.encrypt()
    assert set(in_threads(lambda: plugin.reads(first), 20)) == {plugin.reads(first)}
    channels = []
    for _ in range(40):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(plugin.socket))
        channels.append(connection)
    eventually(lambda: plugin.said("a connection was closed: there are 16 already"))
    for connection in channels:
        connection.close()
    # Whoever was connected has a place, and so has whoever comes when others are gone.
    assert plugin.reads(first)
    another = connect(plugin.socket)
    ask = another.unary_unary(
        "/v2.KeyManagementService/Status",
        request_serializer=V2["StatusRequest"].SerializeToString,
        response_deserializer=V2["StatusResponse"].FromString,
    )
    assert ask(V2["StatusRequest"](), timeout=5).healthz == "ok"
    another.close()


def test_the_socket_is_for_one_user_and_one_plugin(plugins, plugin, arn):
    assert stat.S_IMODE(plugin.socket.stat().st_mode) == 0o600
    second = plugins(f"--key={arn}", f"--listen={plugin.socket}", starts=False)
    # The flag is there twice: the first is that of the fixture.
    second.command = [part for part in second.command if part != f"--listen={second.socket}"]
    assert f"another process listens on {plugin.socket}: end it first" in second.refused()
    stored = plugin.encrypt()
    # A plugin that is killed leaves its socket, which the next one replaces.
    plugin.end(signal.SIGKILL)
    assert plugin.socket.exists()
    plugin.start()
    assert plugin.reads(stored)
    assert plugin.end() == 0
    assert not plugin.socket.exists()
    assert list(plugin.socket.parent.iterdir()) == []


def test_a_plugin_ends_when_its_calls_are_answered(plugin):
    stored = plugin.encrypt()
    plugin.reads(stored)
    start = time.monotonic()
    assert plugin.end(signal.SIGINT) == 0
    assert time.monotonic() - start < 5


def test_while_kms_is_away_calls_fail_in_time_and_then_go_on(tmp_path):
    server = Server(tmp_path / "data")
    kms = server.client("kms")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    port = server.port
    plugin = Plugin(
        tmp_path, f"--key={arn}", port=free_port(), environment=of(server.root_credentials(), server)
    )
    try:
        stored = plugin.encrypt()
        server.kill()
        start = time.monotonic()
        with Refused(AWAY) as refused:
            plugin.reads(stored)
        assert "is the server running?" in refused.said
        with Refused(AWAY) as refused:
            plugin.status()
        assert "is the server running?" in refused.said
        # Each waited for the server, but no longer than the API server waits.
        assert time.monotonic() - start < 2 * 3
        # A restart of the plugin would not bring KMS back.
        assert plugin.http("/healthz")[0] == 500
        assert plugin.http("/livez") == (200, "OK")
        server.listen = f"127.0.0.1:{port}"
        server.start()
        eventually(lambda: not isinstance(attempt(plugin.status), grpc.RpcError))
        assert plugin.reads(stored)
    finally:
        plugin.end()
        server.kill()


def test_an_answer_that_never_comes_is_asked_for_again_in_time(plugins, server, user, arn):
    with HoldingProxy(server.port, b"TrentService.Decrypt") as proxy:
        environment = {**of(user.credentials, server), "AWS_ENDPOINT_URL": proxy.url}
        plugin = plugins(f"--key={arn}", environment=environment)
        stored = plugin.encrypt()
        proxy.hold_next()
        start = time.monotonic()
        assert plugin.reads(stored)
        proxy.wait_until_held()
        # The first attempt has two thirds of the time that the API server waits.
        assert time.monotonic() - start < 3
        proxy.let_go()


def test_metrics_have_the_names_of_aws_encryption_provider(plugin, kms, key, arn):
    plugin.status()
    stored = plugin.encrypt()
    plugin.reads(stored)
    with pytest.raises(grpc.RpcError):
        plugin.decrypt(b"1" + os.urandom(100), arn)
    kms.disable_key(KeyId=key)
    with pytest.raises(grpc.RpcError):
        plugin.reads(stored)
    status, text = plugin.http("/metrics")
    assert status == 200
    found = {}
    for operation, outcome, count in re.findall(
        r'^aws_encryption_provider_kms_operations_total\{key_arn="' + re.escape(arn)
        + r'",operation="(\w+)",status="([\w-]+)",version="v2"\} (\d+)$',
        text, re.MULTILINE,
    ):
        found[operation, outcome] = int(count)
    assert found["encrypt", "success"] >= 2
    assert found["decrypt", "success"] >= 3
    assert found["decrypt", "failure"] == 1
    assert found["decrypt", "failure-corruption"] == 1
    assert 'aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="' in text
    assert plugin.http("/other") == (404, "only /healthz, /livez and /metrics are served here\n")


def test_several_keys_have_a_socket_each(plugins, kms, arn, tmp_path):
    other = kms.create_key()["KeyMetadata"]["Arn"]
    place = tmp_path / "second.sock"
    one = plugins(f"--key={arn},{other}", f"--listen={place}", "--encryption-context=a=1", "--encryption-context=a=2")
    two = plugins(f"--key={other}", starts=False)
    two.channel = connect(place)
    two.process = one.process
    assert one.encrypt().key_id.startswith(arn)
    stored = two.encrypt()
    assert stored.key_id.startswith(other)
    assert dict(stored.annotations) == {ANNOTATION: b'{"a":"2"}'}
    with Refused(UNUSABLE):
        one.reads(stored)
    two.channel.close()
    two.channel = None


def test_an_api_server_that_began_with_another_plugin_is_answered_as_before(plugins, arn):
    assert plugins(f"--key={arn}", "--status-version=v2beta1").status().version == "v2beta1"


def test_whoever_may_not_use_the_key_is_told_what_to_allow(plugins, server, arn, other_user):
    plugin = plugins(f"--key={arn}", environment=of(other_user.credentials, server), port=free_port())
    with Refused(UNUSABLE) as refused:
        plugin.status()
    assert refused.said.startswith(f"AccessDeniedException: User: {other_user.arn} is not authorized")
    assert refused.said.endswith("allow the plugin's credentials kms:Encrypt and kms:Decrypt on the key")
    other_user.allow("kms:Encrypt", resource=arn)
    eventually(lambda: "kms:Decrypt" in attempt(plugin.status).details())
    other_user.allow(*DECRYPT_AND_ENCRYPT, resource=arn)
    eventually(lambda: not isinstance(attempt(plugin.status), grpc.RpcError))


def test_credentials_are_read_anew_for_each_call(plugins, server, arn, user, iam, tmp_path):
    file = tmp_path / "credentials"

    def write(credentials):
        file.write_text(
            f"[default]\naws_access_key_id = {credentials[0]}\naws_secret_access_key = {credentials[1]}\n"
        )

    write(("AKIAAAAAAAAAAAAAAAAA", "wrong"))
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(file)}
    plugin = plugins(f"--key={arn}", f"--kms-endpoint={server.url}", environment=environment)
    with Refused(UNUSABLE) as refused:
        plugin.status()
    assert refused.said.startswith("UnrecognizedClientException")
    assert refused.said.endswith("check the credentials of the plugin")
    write(user.credentials)
    eventually(lambda: not isinstance(attempt(plugin.status), grpc.RpcError))


def trusted(iam, issuer):
    try:
        iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[issuer.audience])
    except ClientError as error:
        assert error.response["Error"]["Code"] == "EntityAlreadyExists"
    name = new_name("role")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust(issuer)))
    return name


def test_a_pod_asks_with_its_own_token(plugins, server, iam, kms, arn, tmp_path):
    """As in a Kubernetes pod: a role, and a file with a token that the cluster replaces in time."""
    role = trusted(iam, server.issuer)
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=policy({
        "Effect": "Allow", "Action": DECRYPT_AND_ENCRYPT, "Resource": arn,
    }))
    token = tmp_path / "token"
    token.write_text("not.a.token")
    environment = {
        "AWS_ROLE_ARN": iam_arn("role", role), "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ROLE_SESSION_NAME": "node-1",
    }
    plugin = plugins(f"--key={arn}", f"--kms-endpoint={server.url}", environment=environment)
    with Refused(AWAY) as refused:
        plugin.status()
    host = server.url.removeprefix("http://")
    assert f"there is no session of {iam_arn('role', role)} from STS: {host} gives none for the token in {token}" in refused.said
    assert "InvalidIdentityToken" in refused.said
    token.write_text(server.issuer.token() + "\n")
    eventually(lambda: not isinstance(attempt(plugin.status), grpc.RpcError))
    stored = plugin.encrypt()
    assert plugin.reads(stored)
    # The session lasts: the token is not needed for every call.
    token.write_text("")
    assert plugin.reads(stored)
    # Its sessions are refused, and a new one is made as soon as there is a token.
    plugin.end()
    plugin.start()
    with Refused(AWAY) as refused:
        plugin.status()
    assert f"{token} holds no token" in refused.said
    token.unlink()
    eventually(lambda: f"the token in {token} cannot be read" in attempt(plugin.status).details())


def test_sessions_do_not_wait_for_each_others_calls(plugins, server, iam, arn, tmp_path):
    role = trusted(iam, server.issuer)
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=ALLOW_ALL)
    (tmp_path / "token").write_text(server.issuer.token())
    environment = {"AWS_ROLE_ARN": iam_arn("role", role), "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    with HoldingProxy(server.port, b"TrentService.Decrypt") as proxy:
        plugin = plugins(f"--key={arn}", f"--kms-endpoint={proxy.url}", environment=environment)
        stored = plugin.encrypt()
        proxy.hold_next()
        slow = threading.Thread(target=lambda: plugin.reads(stored))
        slow.start()
        proxy.wait_until_held()
        start = time.monotonic()
        assert plugin.reads(stored)
        assert time.monotonic() - start < 1.5
        proxy.let_go()
        slow.join()


def test_a_profile_names_role_and_token(plugins, server, iam, arn, tmp_path):
    role = trusted(iam, server.issuer)
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=ALLOW_ALL)
    (tmp_path / "token").write_text(server.issuer.token())
    (tmp_path / "config").write_text(
        f"[profile pod]\nrole_arn = {iam_arn('role', role)}\nweb_identity_token_file = {tmp_path / 'token'}\n"
        f"endpoint_url = {server.url}\n"
    )
    environment = {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    plugin = plugins(f"--key={arn}", "--profile=pod", environment=environment)
    assert plugin.reads(plugin.encrypt())


@pytest.fixture
def metadata_service():
    """The metadata service of an EC2 instance, version 2, whose role has the credentials in `given`."""
    given, roles = {}, "/latest/meta-data/iam/security-credentials/"

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, text):
            self.send_response_only(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def do_PUT(self):
            asked = self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            self.answer(200, "the-token") if asked else self.answer(404, "")

        def do_GET(self):
            if self.headers["X-aws-ec2-metadata-token"] != "the-token":
                self.answer(401, "")
            elif self.path == roles:
                self.answer(200, "node-role") if given else self.answer(404, "")
            elif self.path == f"{roles}node-role":
                self.answer(200, json.dumps({"Code": "Success", "Type": "AWS-HMAC", **given}))

        def log_message(self, *_):
            pass

    service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    service.given, service.url = given, f"http://127.0.0.1:{service.server_address[1]}"
    yield service
    service.shutdown()
    service.server_close()


def test_an_instance_asks_with_its_role(plugins, server, iam, user, arn, metadata_service):
    environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata_service.url}
    plugin = plugins(f"--key={arn}", f"--kms-endpoint={server.url}", "--instance-role", environment=environment)
    with Refused(AWAY) as refused:
        plugin.status()
    assert refused.said == (
        "there is no session of the EC2 instance from the instance metadata service: the instance has no role"
    )
    name = new_name("role")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy({
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": user.arn},
    }))
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=ALLOW_ALL)
    user.allow("sts:AssumeRole", *DECRYPT_AND_ENCRYPT)
    given = server.client("sts", user.credentials).assume_role(RoleArn=iam_arn("role", name), RoleSessionName="i-1")["Credentials"]
    metadata_service.given.update(
        AccessKeyId=given["AccessKeyId"], SecretAccessKey=given["SecretAccessKey"], Token=given["SessionToken"],
        Expiration=given["Expiration"].strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    eventually(lambda: not isinstance(attempt(plugin.status), grpc.RpcError))
    assert plugin.reads(plugin.encrypt())
    # Without the flag, nobody is asked who may be at that address.
    said = plugins(f"--key={arn}", f"--kms-endpoint={server.url}", environment=environment, starts=False).refused()
    assert said.endswith("or give --instance-role on an EC2 instance\n")


def test_what_is_wrong_is_said_at_the_start(plugins, server, arn, tmp_path):
    def said(*flags, environment=None):
        return plugins(*flags, starts=False, environment=environment).refused()

    assert "no credentials are set" in said(f"--key={arn}", environment={})
    assert "no Region is set: give --region, or set AWS_REGION" in said("--key=alias/x")
    assert (
        f"--region is eu-west-1, but the key is in the Region {REGION}: leave --region out"
        in said(f"--key={arn}", "--region=eu-west-1")
    )
    assert "is not a URL" in said(f"--key={arn}", "--kms-endpoint=localhost")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        plugin = plugins(f"--key={arn}", port=port, starts=False)
        assert f"cannot listen on 127.0.0.1:{port}: use another --health-port" in plugin.refused()
    open_to_all = plugins(f"--key={arn}", starts=False)
    open_to_all.socket.parent.chmod(0o777)
    assert "others may write to" in open_to_all.refused()


def test_no_plaintext_and_no_credential_is_in_the_log(plugins, server, kms, key, arn, user):
    plugin = plugins(f"--key={arn}", "--log=trace")
    seed = b"The seed of every secret, 32 b.!"
    stored = plugin.encrypt(seed)
    assert plugin.reads(stored) == seed
    kms.disable_key(KeyId=key)
    with pytest.raises(grpc.RpcError):
        plugin.encrypt(seed)
    plugin.end()
    log = plugin.log_path.read_bytes()
    assert b"DisabledException" in log
    for secret in (seed, seed.hex().encode(), b"VGhlIHNlZWQ", user.credentials[1].encode()):
        assert secret not in log


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can read the memory of another process")
def test_no_plaintext_stays_in_memory(plugins, arn):
    # A connection keeps what passed through it, and is replaced every minute, or every second here.
    plugin = plugins(f"--key={arn}", "--connection-seconds=1")
    seeds = [b"seed %d of a cluster, of 32 bytes" % number for number in range(10, 30)]
    stored = [plugin.encrypt(seed) for seed in seeds]
    assert [plugin.reads(one) for one in stored] == seeds

    def memory_is_clean():
        memory = memory_of(plugin.process.pid)
        # It is the memory in which plaintexts were: what is no secret is found.
        assert stored[-1].key_id.encode() in memory
        return not any(seed in memory or base64.b64encode(seed) in memory for seed in seeds)

    eventually(memory_is_clean)
    # The API server has noticed nothing.
    assert plugin.reads(stored[0]) == seeds[0]


def test_calls_go_on_while_connections_are_replaced(plugins, server, user, arn):
    """Every call is under way for so long that one always is when a connection is replaced."""
    with SlowProxy(server.port, seconds=0.3) as proxy:
        plugin = plugins(
            f"--key={arn}", "--connection-seconds=1", environment={**of(user.credentials, server), "AWS_ENDPOINT_URL": proxy.url}
        )
        stored = plugin.encrypt()
        opened = []
        plugin.channel.subscribe(lambda state: opened.append(state) if state is grpc.ChannelConnectivity.READY else None)

        def read_until_replaced():
            while len(opened) < 5:
                plugin.reads(stored)
            return "read"

        assert in_threads(read_until_replaced, 4) == ["read"] * 4


def test_whoever_only_connects_does_not_keep_health_checks_from_being_answered(plugin):
    idle = [socket.create_connection(("127.0.0.1", plugin.port)) for _ in range(100)]
    assert plugin.http("/livez") == (200, "OK")
    assert plugin.http("/metrics")[0] == 200
    for connection in idle:
        connection.close()


def test_a_restart_is_asked_for_only_when_it_helps(plugins, arn, other_user, server):
    """The plugin's pod is started again when /livez fails."""
    plugin = plugins(f"--key={arn}", environment=of(other_user.credentials, server), port=free_port())
    assert plugin.http("/healthz")[1].startswith("AccessDeniedException")
    assert plugin.http("/livez") == (200, "OK")
    # Nobody could connect any more.
    plugin.socket.unlink()
    gone = (500, f"the socket {plugin.socket} is gone or was replaced: restart the plugin")
    assert plugin.http("/livez") == plugin.http("/healthz") == gone
    plugin.end()
    plugin.start()
    assert plugin.http("/livez") == (200, "OK")


def test_a_hundred_calls_at_once_wait_for_their_turn(plugins, server, user, arn):
    """All calls together have 64 connections to KMS, and Status is asked beside them."""
    with SlowProxy(server.port, seconds=0.3) as proxy:
        environment = {**of(user.credentials, server), "AWS_ENDPOINT_URL": proxy.url}
        plugin = plugins(f"--key={arn}", environment=environment)
        stored = plugin.encrypt()
        channels = [connect(plugin.socket) for _ in range(8)]
        ask = [
            channel.unary_unary(
                "/v2.KeyManagementService/Decrypt",
                request_serializer=V2["DecryptRequest"].SerializeToString,
                response_deserializer=V2["DecryptResponse"].FromString,
            )
            for channel in channels
        ]
        request = V2["DecryptRequest"](ciphertext=stored.ciphertext, key_id=stored.key_id, uid="u")
        calls = [one.future(request, timeout=10) for one in ask for _ in range(16)]
        assert plugin.status().healthz == "ok"
        assert {call.result().plaintext for call in calls} == {plugin.reads(stored)}
        assert 16 < proxy.most_at_once <= 64 + 1
        for channel in channels:
            channel.close()


def memory_of(pid):
    """Everything that a process can write to."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            place, access, *_ = line.split()
            if access.startswith("rw") and "[v" not in line:
                start, end = (int(part, 16) for part in place.split("-"))
                memory.seek(start)
                found.append(memory.read(end - start))
    return b"".join(found)


def test_credentials_can_be_bound_to_the_cluster(plugins, server, arn, other_user):
    """As docs/kubernetes.md has it."""
    condition = {"StringEquals": {"kms:EncryptionContext:cluster": "production"}}
    other_user.allow(*DECRYPT_AND_ENCRYPT, resource=arn, Condition=condition)
    environment = of(other_user.credentials, server)
    bound = plugins(f"--key={arn}", "--encryption-context=cluster=production", environment=environment)
    assert bound.reads(bound.encrypt())
    other = plugins(f"--key={arn}", "--encryption-context=cluster=test", environment=environment)
    with Refused(UNUSABLE):
        other.encrypt()


def test_kms_records_who_asked_and_for_which_cluster(plugins, server, arn, user):
    plugin = plugins(f"--key={arn}", "--encryption-context=cluster=recorded")
    plugin.encrypt()
    trail = b"".join(path.read_bytes() for path in sorted((server.data_dir / "audit").glob("trail-*.jsonl")))
    [line, *_] = [line for line in trail.splitlines() if b'"cluster":"recorded"' in line]
    assert user.arn.encode() in line and arn.encode() in line
    assert f'"accountId":"{ACCOUNT}"'.encode() in line
