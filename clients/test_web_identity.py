"""AssumeRoleWithWebIdentity by boto3 and the AWS CLI: tokens of issuers that the tests run, over
https and from files, and everything that is wrong with tokens and issuers."""

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time

import pytest

from conftest import policy
from errors import refused
from iam_kit import ALLOW_ALL, all_pages, iam_arn, new_name
from keyward import ACCOUNT, REGION, Server, clean_environment
from oidc import Authority, Issuer, SigningKey, Web, encoded, trust

NO_KEY = (
    "InvalidIdentityToken",
    "Couldn't retrieve verification key from your identity provider,  please reference "
    "AssumeRoleWithWebIdentity documentation for requirements",
)
NOT_A_TOKEN = (
    "InvalidIdentityToken",
    "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
)
UNREACHABLE = (
    "IDPCommunicationError",
    "The identity provider could not be reached to verify the token.",
)
DENIED = ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity", 403)
STATIC = "https://static.keyward.test/realm"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("oidc")


@pytest.fixture(scope="module")
def authority(folder):
    return Authority(folder)


@pytest.fixture(scope="module")
def web(authority):
    web = Web(*authority.certify("IP:127.0.0.1,IP:127.0.0.2,DNS:localhost"))
    yield web
    web.close()


@pytest.fixture(scope="module")
def rsa(folder):
    return SigningKey(folder, "rsa-1")


@pytest.fixture(scope="module")
def static(rsa):
    """An issuer that nothing can be fetched from."""
    return Issuer(STATIC, rsa)


@pytest.fixture(scope="module")
def server(folder, authority, static, web):
    (folder / "jwks.json").write_text(json.dumps(static.jwks()))
    config = folder / "keyward.toml"
    config.write_text(
        f'[oidc]\nca_file = "{authority.file}"\ntimeout_seconds = 1\n'
        f'[oidc.private_addresses]\n'
        f'"127.0.0.1:{web.port}" = ["127.0.0.1"]\n"localhost:{web.port}" = ["127.0.0.1"]\n'
        f'"127.0.0.1:1" = ["127.0.0.1"]\n"127.0.0.3:{web.port}" = ["127.0.0.4"]\n'
        f'[oidc.jwks_files]\n"{STATIC}" = "{folder / "jwks.json"}"\n'
    )
    server = Server(folder / "data", "--config", config)
    yield server
    server.kill()


@pytest.fixture(scope="module")
def iam(server):
    return server.client("iam")


@pytest.fixture(scope="module")
def sts(server):
    return server.client("sts")


@pytest.fixture
def issuer(web, rsa):
    """An issuer of this test alone, whose documents are on the web."""
    issuer = Issuer(f"https://127.0.0.1:{web.port}/{new_name('realm')}", rsa)
    web.publish(issuer)
    return issuer


def trusted(iam, issuer, statement=None, **more):
    """A role that trusts an issuer, whose provider is made if there is none; answers its ARN."""
    try:
        iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[issuer.audience])
    except iam.exceptions.EntityAlreadyExistsException:
        pass
    name = new_name("role")
    document = policy(statement or trust(issuer))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, **more)
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=ALLOW_ALL)
    return iam_arn("role", name)


def assume(sts, arn, token, **more):
    return sts.assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName="s1", WebIdentityToken=token, **more
    )


def events(server, name):
    for segment in sorted((server.data_dir / "audit").glob("trail-*.jsonl")):
        for line in segment.read_text().splitlines():
            event = json.loads(line)
            if event.get("eventName") == name:
                yield event


def test_a_token_of_an_issuer_on_the_web_gives_a_session(server, iam, sts, web, issuer):
    condition = {"StringEquals": {
        f"{issuer.host_and_path}:aud": "client",
        f"{issuer.host_and_path}:sub": "repo:main",
    }}
    arn = trusted(iam, issuer, trust(issuer, Condition=condition))
    answer = assume(sts, arn, issuer.token())
    assert answer["SubjectFromWebIdentityToken"] == "repo:main"
    assert (answer["Audience"], answer["Provider"]) == ("client", issuer.provider_arn)
    assert answer["AssumedRoleUser"]["Arn"].endswith("/s1")
    made = answer["Credentials"]
    session = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    assert server.client("kms", credentials=session).create_key()["KeyMetadata"]["Enabled"]
    # The keys are kept: a second token needs no second fetch.
    asked = len(web.asked)
    assume(sts, arn, issuer.token())
    assert len(web.asked) == asked
    with refused(*DENIED):
        assume(sts, arn, issuer.token(sub="repo:other"))


def test_the_aws_cli_exchanges_a_token(server, iam, issuer):
    arn = trusted(iam, issuer)
    done = subprocess.run(
        [sys.executable, "-m", "awscli", "--endpoint-url", server.url, "--region", REGION, "sts",
         "assume-role-with-web-identity", "--role-arn", arn, "--role-session-name", "s1",
         "--web-identity-token", issuer.token()],
        env=clean_environment(), capture_output=True, text=True,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)["Credentials"]
    who = subprocess.run(
        [sys.executable, "-m", "awscli", "--endpoint-url", server.url, "--region", REGION, "sts",
         "get-caller-identity"],
        env={
            **clean_environment(), "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"], "AWS_SESSION_TOKEN": made["SessionToken"],
        },
        capture_output=True, text=True,
    )
    assert json.loads(who.stdout)["Arn"].endswith("/s1"), who.stderr


def test_the_aws_cli_takes_a_token_from_a_file_by_itself(server, iam, issuer, tmp_path):
    """As in a Kubernetes pod: the CLI finds the role and the token's file in its environment."""
    (tmp_path / "token").write_text(issuer.token())
    who = subprocess.run(
        [sys.executable, "-m", "awscli", "sts", "get-caller-identity"],
        env={
            **clean_environment(), "AWS_ENDPOINT_URL": server.url, "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION, "AWS_ROLE_ARN": trusted(iam, issuer),
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_SESSION_NAME": "pod",
        },
        capture_output=True, text=True,
    )
    assert json.loads(who.stdout)["Arn"].endswith("/pod"), who.stderr


def test_keys_from_a_file_need_no_web(iam, sts, static):
    arn = trusted(iam, static)
    assume(sts, arn, static.token())


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256"])
def test_algorithms_by_public_keys_are_accepted(iam, sts, web, folder, algorithm):
    key = SigningKey(folder, new_name(algorithm), algorithm)
    issuer = Issuer(f"https://127.0.0.1:{web.port}/{key.kid}", key)
    web.publish(issuer)
    assume(sts, trusted(iam, issuer), issuer.token())


def test_no_other_algorithm_is(iam, sts, static):
    arn = trusted(iam, static)
    unsigned = f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{encoded(static.claims())}."
    with refused(*NOT_A_TOKEN):
        assume(sts, arn, unsigned)
    # The public key as the secret of a symmetric signature: the classic confusion.
    message = f"{encoded({'alg': 'HS256', 'kid': static.key.kid})}.{encoded(static.claims())}"
    for secret in (static.key.public_pem(), json.dumps(static.key.jwk()).encode()):
        mac = hmac.new(secret, message.encode(), hashlib.sha256).digest()
        with refused(*NOT_A_TOKEN):
            assume(sts, arn, f"{message}.{encoded(mac)}")
    for name in ("PS256", "EdDSA", "NONE"):
        with refused(*NOT_A_TOKEN):
            assume(sts, arn, static.token(header={"alg": name}))
    for text in ("nothing", "a.b.c", static.token() + ".x", static.token()[:-1] + "="):
        with refused(*NOT_A_TOKEN):
            assume(sts, arn, text)


def test_the_signature_must_be_by_the_issuers_key(iam, sts, static, folder):
    arn = trusted(iam, static)
    other = SigningKey(folder, new_name("other"))
    with refused("InvalidIdentityToken", "The signature of the token is not valid."):
        assume(sts, arn, static.token(key=other, header={"kid": static.key.kid}))
    with refused(*NO_KEY):
        assume(sts, arn, static.token(key=other))
    header, claims, signature = static.token().split(".")
    forged = encoded(static.claims(sub="repo:forged"))
    with refused("InvalidIdentityToken", "The signature of the token is not valid."):
        assume(sts, arn, f"{header}.{forged}.{signature}")


def test_audience_issuer_and_times_are_checked(iam, sts, static):
    arn = trusted(iam, static)
    with refused("InvalidIdentityToken", "Incorrect token audience"):
        assume(sts, arn, static.token(aud="somebody"))
    with refused("InvalidIdentityToken", "Incorrect token audience"):
        assume(sts, arn, static.token(azp="somebody"))
    answer = assume(sts, arn, static.token(aud=["somebody", "client"]))
    assert answer["Audience"] == "client"
    for other in (f"{STATIC}/", "https://other.keyward.test"):
        message = f"No OpenIDConnect provider found in your account for {other}"
        with refused("InvalidIdentityToken", message):
            assume(sts, arn, static.token(iss=other))
    now = int(time.time())
    with refused("ExpiredTokenException") as caught:
        assume(sts, arn, static.token(exp=now - 3600))
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("Token expired: current date/time ")
    assert message.endswith(f" must be before the expiration date/time{now - 3600}")
    with refused("IDPRejectedClaim", None, 403) as caught:
        assume(sts, arn, static.token(nbf=now + 3600))
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("The token is not valid yet: the current date/time ")
    for claim in ("sub", "aud", "exp", "iat"):
        with refused("InvalidIdentityToken", f"Missing a required claim: {claim}"):
            assume(sts, arn, static.token(**{claim: None}))


def test_a_role_of_another_account_or_none_is_not_found_out(iam, sts, static):
    trusted(iam, static)
    with refused(*DENIED):
        assume(sts, iam_arn("role", "nothing-of-that-name"), static.token())
    message = f"No OpenIDConnect provider found in your account for {STATIC}"
    with refused("InvalidIdentityToken", message):
        assume(sts, "arn:aws:iam::999988887777:role/any", static.token())


def test_an_issuer_that_changes_its_keys_is_asked_again(iam, sts, web, issuer, folder):
    """Within the first minute it is not: that is a unit test's, with a clock."""
    arn = trusted(iam, issuer)
    old, new = issuer.key, SigningKey(folder, new_name("new"))
    web.publish(issuer, keys={"keys": [new.jwk()]})
    assume(sts, arn, issuer.token(key=new))
    asked = len(web.asked)
    with refused(*NO_KEY):
        assume(sts, arn, issuer.token(key=old))
    assert len(web.asked) == asked


def path_of(issuer, page=".well-known/openid-configuration"):
    return f"/{issuer.host_and_path.partition('/')[2]}/{page}"


@pytest.mark.parametrize("page", [".well-known/openid-configuration", "jwks"])
def test_redirects_and_failures_are_not_followed(iam, sts, web, issuer, page):
    good = web.pages[path_of(issuer, page)]
    web.pages["/elsewhere"] = good
    web.pages[path_of(issuer, page)] = f"https://127.0.0.1:{web.port}/elsewhere"
    arn = trusted(iam, issuer)
    with refused(*NO_KEY):
        assume(sts, arn, issuer.token())
    assert "/elsewhere" not in web.asked


@pytest.mark.parametrize("status,error", [(404, NO_KEY), (503, UNREACHABLE)])
def test_an_issuers_failure_passes_or_does_not(iam, sts, web, issuer, status, error):
    web.pages[path_of(issuer)] = status
    arn = trusted(iam, issuer)
    with refused(*error):
        assume(sts, arn, issuer.token())


def test_a_document_that_is_too_long_is_not_read(iam, sts, web, issuer):
    web.pages[path_of(issuer, "jwks")] += b" " * (256 << 10)
    arn = trusted(iam, issuer)
    with refused(*NO_KEY):
        assume(sts, arn, issuer.token())

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b" " * 65536)

    other = Issuer(f"{issuer.url}-endless", issuer.key)
    web.pages[path_of(other)] = endless
    with refused(*NO_KEY):
        assume(sts, trusted(iam, other), other.token())


def test_an_issuer_that_dawdles_is_given_up(iam, sts, web, issuer):
    def slow(handler):
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b" ")
            time.sleep(0.1)

    web.pages[path_of(issuer)] = slow
    arn = trusted(iam, issuer)
    with refused(*UNREACHABLE):
        assume(sts, arn, issuer.token())


def test_private_addresses_are_reached_only_by_the_allow_list(iam, sts, web, rsa):
    """127.0.0.1 is on the list, 127.0.0.2 is not; the same server answers on both."""
    for host in (f"127.0.0.2:{web.port}", f"127.0.0.3:{web.port}", "127.0.0.1", f"127.0.0.1:{web.port + 1}"):
        issuer = Issuer(f"https://{host}/private", rsa)
        web.publish(issuer)
        with refused(*UNREACHABLE):
            assume(sts, trusted(iam, issuer), issuer.token())
    assert not any(path.startswith("/private/") for path in web.asked)
    # A name is judged by its address.
    named = Issuer(f"https://localhost:{web.port}/named", rsa)
    web.publish(named)
    assume(sts, trusted(iam, named), named.token())
    # So is where the keys are said to be.
    lured = Issuer(f"https://127.0.0.1:{web.port}/lured", rsa)
    web.publish(lured, jwks_uri=f"https://127.0.0.2:{web.port}/private/jwks")
    with refused(*UNREACHABLE):
        assume(sts, trusted(iam, lured), lured.token())
    assert not any(path.startswith("/private/") for path in web.asked)


def test_callers_do_not_learn_what_the_server_can_reach(iam, sts, web, rsa):
    """An open port, a closed one and a name that means nothing are all the same to them."""
    for host in (f"127.0.0.2:{web.port}", "127.0.0.2:9", "127.0.0.2", "127.0.0.1:1", "nameless.invalid",
                 "10.255.255.1"):
        issuer = Issuer(f"https://{host}/probe", rsa)
        with refused(*UNREACHABLE):
            assume(sts, trusted(iam, issuer), issuer.token())


@pytest.mark.parametrize("uri", ["http://127.0.0.1/jwks", "file:///etc/hostname", "//127.0.0.1/jwks", ""])
def test_keys_are_fetched_over_https_alone(iam, sts, web, issuer, uri):
    web.publish(issuer, jwks_uri=uri)
    with refused(*NO_KEY):
        assume(sts, trusted(iam, issuer), issuer.token())


def test_a_discovery_document_of_another_issuer_is_refused(iam, sts, web, issuer):
    web.publish(issuer, issuer="https://other.keyward.test")
    with refused(*NO_KEY):
        assume(sts, trusted(iam, issuer), issuer.token())


@pytest.fixture
def own_web(folder, authority, static):
    """A server with a certificate of its own, and a Keyward that may ask it."""
    started = []

    def start(web):
        place = folder / new_name("own")
        config = place.with_suffix(".toml")
        config.write_text(
            f'[oidc]\nca_file = "{authority.file}"\ntimeout_seconds = 1\n'
            f'[oidc.private_addresses]\n"127.0.0.1:{web.port}" = ["127.0.0.1"]\n'
        )
        server = Server(place, "--config", config)
        started.extend([web.close, server.kill])
        return server

    yield start
    for end in started:
        end()


def test_a_certificate_that_nobody_vouches_for_is_refused(own_web, rsa, tmp_path):
    stranger = Web(*Authority(tmp_path).certify("IP:127.0.0.1"))
    server = own_web(stranger)
    issuer = Issuer(f"https://127.0.0.1:{stranger.port}/stranger", rsa)
    stranger.publish(issuer)
    with refused(*UNREACHABLE):
        assume(server.client("sts"), trusted(server.client("iam"), issuer), issuer.token())
    assert not stranger.asked


def test_a_certificate_for_another_name_is_refused(own_web, rsa, authority):
    wrong = Web(*authority.certify("DNS:other.keyward.test"))
    server = own_web(wrong)
    issuer = Issuer(f"https://127.0.0.1:{wrong.port}/wrong", rsa)
    wrong.publish(issuer)
    with refused(*UNREACHABLE):
        assume(server.client("sts"), trusted(server.client("iam"), issuer), issuer.token())
    assert not wrong.asked


def test_an_issuer_that_is_down_is_unreachable(iam, sts, web, rsa):
    issuer = Issuer("https://127.0.0.1:1/down", rsa)
    with refused(*UNREACHABLE):
        assume(sts, trusted(iam, issuer), issuer.token())
    nameless = Issuer("https://nameless.invalid/down", rsa)
    with refused(*UNREACHABLE):
        assume(sts, trusted(iam, nameless), nameless.token())


def test_the_trail_says_who_came_and_never_the_token(server, iam, sts, static):
    arn = trusted(iam, static)
    token = static.token()
    answer = assume(sts, arn, token)
    made = answer["Credentials"]
    session = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    server.client("sts", credentials=session).get_caller_identity()
    (event,) = [
        event for event in events(server, "AssumeRoleWithWebIdentity")
        if event["requestParameters"]["roleArn"] == arn
    ]
    assert event["userIdentity"] == {
        "type": "WebIdentityUser",
        "principalId": f"{static.provider_arn}:client:repo:main",
        "userName": "repo:main",
        "identityProvider": static.provider_arn,
    }
    assert event["requestParameters"] == {"roleArn": arn, "roleSessionName": "s1"}
    assert event["responseElements"]["credentials"]["accessKeyId"] == made["AccessKeyId"]
    assert event["recipientAccountId"] == ACCOUNT
    (used,) = [
        event for event in events(server, "GetCallerIdentity")
        if event["userIdentity"].get("accessKeyId") == made["AccessKeyId"]
    ]
    identity = used["userIdentity"]
    assert identity["type"] == "AssumedRole"
    context = identity["sessionContext"]
    assert context["sessionIssuer"]["arn"] == arn
    assert context["webIdFederationData"]["federatedProvider"] == static.provider_arn
    text = "".join(path.read_text() for path in (server.data_dir / "audit").iterdir())
    for secret in (token, made["SecretAccessKey"], made["SessionToken"]):
        assert secret not in text
    assert token not in server.data_dir.with_suffix(".log").read_text()


def test_session_tags_and_source_identity_come_from_the_token(server, iam, sts, static):
    tags = {"principal_tags": {"team": ["red"]}, "transitive_tag_keys": ["team"]}
    claims = {
        "https://aws.amazon.com/tags": tags,
        "https://aws.amazon.com/source_identity": "ada",
    }
    seen = {"StringEquals": {"aws:RequestTag/team": "red", "sts:SourceIdentity": "ada"}}
    arn = trusted(iam, static, trust(static, Condition=seen))
    answer = assume(sts, arn, static.token(**claims))
    assert answer["SourceIdentity"] == "ada"
    assert answer["PackedPolicySize"] > 0
    with refused(*DENIED):
        assume(sts, arn, static.token())
    without = {**trust(static), "Action": "sts:AssumeRoleWithWebIdentity"}
    arn = trusted(iam, static, without)
    with refused("AccessDenied", "Not authorized to perform sts:TagSession", 403):
        assume(sts, arn, static.token(**claims))
    bad = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red", "blue"]}}}
    with refused("IDPRejectedClaim", "The claim https://aws.amazon.com/tags is not valid.", 403):
        assume(sts, arn, static.token(**bad))


def test_providers_are_made_changed_and_deleted(iam, sts, static):
    url = f"https://{new_name('idp')}.example/realm"
    arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{url.removeprefix('https://')}"
    thumbprint = "0123456789abcdef0123456789ABCDEF01234567"
    made = iam.create_open_id_connect_provider(
        Url=url, ClientIDList=["a", "b", "a"], ThumbprintList=[thumbprint],
        Tags=[{"Key": "team", "Value": "red"}],
    )
    assert made["OpenIDConnectProviderArn"] == arn
    assert made["Tags"] == [{"Key": "team", "Value": "red"}]
    with refused("EntityAlreadyExists", f"Provider with url {url} already exists.", 409):
        iam.create_open_id_connect_provider(Url=url)
    assert {"Arn": arn} in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]

    def shown():
        return iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)

    found = shown()
    assert (found["Url"], found["ClientIDList"]) == (url.removeprefix("https://"), ["a", "b"])
    assert found["ThumbprintList"] == [thumbprint]
    for _ in range(2):
        iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="c")
        iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="a")
    other = "f" * 40
    iam.update_open_id_connect_provider_thumbprint(OpenIDConnectProviderArn=arn, ThumbprintList=[other])
    found = shown()
    assert (found["ClientIDList"], found["ThumbprintList"]) == (["b", "c"], [other])

    tags = [{"Key": key, "Value": "1"} for key in ("team", "x", "y", "z")]
    iam.tag_open_id_connect_provider(OpenIDConnectProviderArn=arn, Tags=tags)
    listed, pages = all_pages(iam.list_open_id_connect_provider_tags, "Tags", OpenIDConnectProviderArn=arn)
    assert (listed, pages) == (tags, 2)
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["team", "x", "gone"])
    assert [tag["Key"] for tag in shown()["Tags"]] == ["y", "z"]
    iam.untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=["y", "z"])
    # The list is shown even if it is empty.
    assert shown()["Tags"] == []

    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)
    missing = ("NoSuchEntity", f"OpenIDConnect Provider not found for arn {arn}", 404)
    for call in (
        lambda: shown(),
        lambda: iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="c"),
    ):
        with refused(*missing):
            call()
    with refused("NoSuchEntity", f"OpenId connect Provider {arn} cannot be found.", 404):
        iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def test_a_provider_has_no_more_than_so_many_of_each(iam):
    url = f"https://{new_name('idp')}.example"
    with refused("InvalidInput", "Thumbprint list must contain fewer than 5 entries."):
        iam.create_open_id_connect_provider(Url=url, ThumbprintList=[letter * 40 for letter in "abcdef"])
    with refused("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100", 409):
        iam.create_open_id_connect_provider(Url=url, ClientIDList=[str(number) for number in range(101)])
    text = (
        "3 validation errors detected: Value at 'clientIDList' failed to satisfy constraint: Member must satisfy "
        "constraint: [Member must have length less than or equal to 255, Member must have length greater than or "
        "equal to 1]; Value at 'thumbprintList' failed to satisfy constraint: Member must satisfy constraint: [Member "
        "must have length less than or equal to 40, Member must have length greater than or equal to 40]; Value at "
        "'url' failed to satisfy constraint: Member must have length less than or equal to 255"
    )
    with refused("ValidationError", text):
        iam.create_open_id_connect_provider(Url="b" * 256, ThumbprintList=["b" * 41], ClientIDList=["b" * 256])


def test_a_provider_that_is_deleted_lets_nobody_in_any_more(iam, sts, issuer):
    arn = trusted(iam, issuer)
    assume(sts, arn, issuer.token())
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=issuer.provider_arn)
    message = f"No OpenIDConnect provider found in your account for {issuer.url}"
    with refused("InvalidIdentityToken", message):
        assume(sts, arn, issuer.token())


@pytest.mark.parametrize("url", ["http://a.example", "https://", "https://u@a.example", "https://a.example?x", "a"])
def test_a_providers_url_is_a_plain_one(iam, url):
    with refused("ValidationError", "Invalid Open ID Connect Provider URL"):
        iam.create_open_id_connect_provider(Url=url)


def test_a_provider_is_named_by_its_arn(iam):
    for arn in (iam_arn("role", "something"), "arn:aws:iam::x:y-and-more-of-it"):
        with refused("InvalidInput", f"Invalid ARN: {arn}"):
            iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)


@pytest.mark.parametrize("text,remedy", [
    ('[oidc]\nca_file = "nothing.pem"', "it holds no certificate in PEM form"),
    ('[oidc.jwks_files]\n"https://a.example" = "nothing.json"', "nothing.json cannot be read"),
    ('[oidc.jwks_files]\n"https://a.example" = "empty.json"', "empty.json has no key that can verify a token"),
])
def test_a_configuration_that_cannot_be_is_refused_at_start(tmp_path, text, remedy):
    (tmp_path / "keyward.toml").write_text(text)
    (tmp_path / "empty.json").write_text('{"keys":[]}')
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        with pytest.raises(AssertionError) as caught:
            Server(tmp_path / "data", "--config", tmp_path / "keyward.toml")
    finally:
        os.chdir(before)
    assert remedy in str(caught.value)
