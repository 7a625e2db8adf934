"""IAM users with access keys and inline policies, STS's GetCallerIdentity, and what denials say."""

import json
import re
import uuid

import pytest

from conftest import policy
from errors import refused
from keyward import ACCOUNT, alias_arn, key_arn, user_arn

ALLOW_ALL = policy({"Effect": "Allow", "Action": "*", "Resource": "*"})


@pytest.fixture
def name():
    return f"n-{uuid.uuid4().hex[:12]}"


def denied(caller, action, resource, reason):
    return refused(
        "AccessDeniedException",
        f"User: {caller} is not authorized to perform: {action} on resource: {resource} {reason}",
    )


def no_identity_policy(action):
    return f"because no identity-based policy allows the {action} action"


def test_get_caller_identity_names_the_root_user(server):
    found = server.client("sts").get_caller_identity()
    del found["ResponseMetadata"]
    assert found == {"UserId": ACCOUNT, "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:root"}


def test_get_caller_identity_names_a_user_whatever_is_denied(server, user):
    user.allow("*", effect="Deny")
    found = server.client("sts", credentials=user.credentials).get_caller_identity()
    del found["ResponseMetadata"]
    assert found == {"UserId": user.id, "Account": ACCOUNT, "Arn": user.arn}


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "ap-southeast-2"])
def test_sts_and_iam_are_served_from_any_region(server, region):
    assert server.client("sts", region=region).get_caller_identity()["Account"] == ACCOUNT
    with refused("NoSuchEntity", "The user with name nobody cannot be found.", 404):
        server.client("iam", region=region).delete_user(UserName="nobody")


def test_create_user_answers_the_user(iam, name):
    found = iam.create_user(UserName=name, Path="/team/red/")["User"]
    assert re.fullmatch(r"AIDA[A-Z2-7]{17}", found["UserId"])
    assert found["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/team/red/{name}"
    assert (found["UserName"], found["Path"]) == (name, "/team/red/")
    assert found["CreateDate"].tzinfo is not None
    with refused("EntityAlreadyExists", f"User with name {name} already exists.", 409):
        iam.create_user(UserName=name)
    with refused("EntityAlreadyExists", None, 409):
        iam.create_user(UserName=name.upper())


def test_user_names_have_their_rules(iam):
    for bad in ("", "a b", "x" * 65, "a/b"):
        with refused("ValidationError"):
            iam.create_user(UserName=bad)
    with refused("ValidationError"):
        iam.create_user()
    with refused("ValidationError"):
        iam.create_user(UserName="ok", Path="no-slashes")


def test_delete_user_wants_what_hangs_on_it_gone(iam, name):
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALLOW_ALL)
    with refused("DeleteConflict", None, 409):
        iam.delete_user(UserName=name)
    iam.delete_user_policy(UserName=name, PolicyName="p")
    with refused("DeleteConflict", "Cannot delete entity, must delete access keys first.", 409):
        iam.delete_user(UserName=name)
    iam.delete_access_key(UserName=name, AccessKeyId=made["AccessKeyId"])
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALLOW_ALL)
    with refused("DeleteConflict", "Cannot delete entity, must delete policies first.", 409):
        iam.delete_user(UserName=name)
    iam.delete_user_policy(UserName=name, PolicyName="p")
    iam.delete_user(UserName=name)
    with refused("NoSuchEntity", f"The user with name {name} cannot be found.", 404):
        iam.delete_user(UserName=name)


def test_a_user_has_two_access_keys_at_most(iam, name):
    iam.create_user(UserName=name)
    made = [iam.create_access_key(UserName=name)["AccessKey"] for _ in range(2)]
    for key in made:
        assert re.fullmatch(r"AKIA[A-Z2-7]{16}", key["AccessKeyId"])
        assert re.fullmatch(r"[A-Za-z0-9+/]{40}", key["SecretAccessKey"])
        assert (key["UserName"], key["Status"]) == (name, "Active")
    with refused("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", 409):
        iam.create_access_key(UserName=name)
    gone = made[0]["AccessKeyId"]
    iam.delete_access_key(UserName=name, AccessKeyId=gone)
    with refused("NoSuchEntity", f"The Access Key with id {gone} cannot be found.", 404):
        iam.delete_access_key(UserName=name, AccessKeyId=gone)
    iam.create_access_key(UserName=name)


def test_what_belongs_to_no_user_cannot_be_found(iam, name):
    missing = f"The user with name {name} cannot be found."
    with refused("NoSuchEntity", missing, 404):
        iam.create_access_key(UserName=name)
    with refused("NoSuchEntity", missing, 404):
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=ALLOW_ALL)
    iam.create_user(UserName=name)
    with refused("NoSuchEntity", "The user policy with name p cannot be found.", 404):
        iam.delete_user_policy(UserName=name, PolicyName="p")


@pytest.mark.parametrize(
    "text,message",
    [
        ("nonsense", "Syntax errors in policy."),
        ("{}", "Syntax errors in policy."),
        (policy({"Effect": "Allow", "Resource": "*"}), "Policy statement must contain actions."),
        (policy({"Effect": "Allow", "Action": "kms:*"}), "Policy statement must contain resources."),
    ],
)
def test_a_malformed_identity_policy_is_refused(iam, user, text, message):
    with refused("MalformedPolicyDocument", message):
        iam.put_user_policy(UserName=user.name, PolicyName="p", PolicyDocument=text)


def test_a_new_user_may_do_nothing(user, key, arn):
    with denied(user.arn, "kms:CreateKey", "*", no_identity_policy("kms:CreateKey")):
        user.kms.create_key()
    with denied(user.arn, "kms:DescribeKey", arn, no_identity_policy("kms:DescribeKey")):
        user.kms.describe_key(KeyId=key)


def test_an_inline_policy_allows_where_the_key_delegates(user, key, arn):
    user.allow("kms:Encrypt", "kms:GenerateDataKey*", resource=arn)
    user.kms.encrypt(KeyId=key, Plaintext=b"x")
    user.kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256")
    with denied(user.arn, "kms:DescribeKey", arn, no_identity_policy("kms:DescribeKey")):
        user.kms.describe_key(KeyId=key)
    user.iam.delete_user_policy(UserName=user.name, PolicyName="p")
    with denied(user.arn, "kms:Encrypt", arn, no_identity_policy("kms:Encrypt")):
        user.kms.encrypt(KeyId=key, Plaintext=b"x")


def test_an_explicit_deny_in_an_identity_policy_says_so(user, key, arn):
    user.allow("kms:*")
    user.allow("kms:Decrypt", effect="Deny", name="deny")
    blob = user.kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with denied(user.arn, "kms:Decrypt", arn, "with an explicit deny in an identity-based policy"):
        user.kms.decrypt(CiphertextBlob=blob, KeyId=key)


def test_decrypt_without_key_id_names_the_ciphertext_not_the_key(user, kms, key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with refused("AccessDeniedException") as caught:
        user.kms.decrypt(CiphertextBlob=blob)
    text = caught.value.response["Error"]["Message"]
    assert text.startswith(f"User: {user.arn} is not authorized to perform: kms:Decrypt on ")


def test_re_encrypt_asks_for_both_sides(user, kms, key):
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    call = {"CiphertextBlob": blob, "SourceKeyId": key, "DestinationKeyId": other}
    user.allow("kms:ReEncryptFrom", resource=key_arn(key))
    with denied(user.arn, "kms:ReEncryptTo", key_arn(other), no_identity_policy("kms:ReEncryptTo")):
        user.kms.re_encrypt(**call)
    user.allow("kms:ReEncryptTo", resource=key_arn(other))
    with denied(user.arn, "kms:ReEncryptFrom", key_arn(key), no_identity_policy("kms:ReEncryptFrom")):
        user.kms.re_encrypt(**call)
    user.allow("kms:ReEncrypt*")
    user.kms.re_encrypt(**call)


def test_an_alias_is_made_with_rights_on_both_alias_and_key(user, key, alias):
    user.allow("kms:CreateAlias", resource=key_arn(key))
    with denied(user.arn, "kms:CreateAlias", alias_arn(alias), no_identity_policy("kms:CreateAlias")):
        user.kms.create_alias(AliasName=alias, TargetKeyId=key)
    user.allow("kms:CreateAlias", resource=alias_arn(alias))
    with denied(user.arn, "kms:CreateAlias", key_arn(key), no_identity_policy("kms:CreateAlias")):
        user.kms.create_alias(AliasName=alias, TargetKeyId=key)
    user.allow("kms:CreateAlias", resource=[key_arn(key), alias_arn(alias)])
    user.kms.create_alias(AliasName=alias, TargetKeyId=key)


def test_creating_with_tags_wants_the_right_to_tag(user):
    tags = [{"TagKey": "a", "TagValue": "b"}]
    user.allow("kms:CreateKey")
    user.kms.create_key()
    with refused("AccessDeniedException"):
        user.kms.create_key(Tags=tags)
    user.allow("kms:CreateKey", "kms:TagResource")
    user.kms.create_key(Tags=tags)


def test_a_user_may_not_manage_users_unless_allowed(server, user, name):
    theirs = server.client("iam", credentials=user.credentials)
    text = (
        f"User: {user.arn} is not authorized to perform: iam:CreateUser on resource: "
        f"{user_arn(name)} because no identity-based policy allows the iam:CreateUser action"
    )
    with refused("AccessDenied", text, 403):
        theirs.create_user(UserName=name)
    user.allow("iam:CreateUser", resource=user_arn(name))
    theirs.create_user(UserName=name)


def test_policy_variables_stand_for_the_caller(user, other_user, kms, key):
    mine = {"StringEquals": {"kms:EncryptionContext:owner": "${aws:username}"}}
    for each in (user, other_user):
        each.allow("kms:Encrypt", Condition=mine)
    user.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"owner": user.name})
    with refused("AccessDeniedException"):
        other_user.kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"owner": user.name})


def test_a_user_made_anew_has_none_of_the_old_ones_rights(server, iam, user):
    user.allow("kms:*")
    iam.delete_user_policy(UserName=user.name, PolicyName="p")
    iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials[0])
    iam.delete_user(UserName=user.name)
    assert iam.create_user(UserName=user.name)["User"]["UserId"] != user.id
    made = iam.create_access_key(UserName=user.name)["AccessKey"]
    again = server.client("kms", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))
    with denied(user.arn, "kms:CreateKey", "*", no_identity_policy("kms:CreateKey")):
        again.create_key()


@pytest.mark.parametrize(
    "service,version,told",
    [
        ("iam", "2010-05-08", "2010-05-08"),
        ("sts", "2011-06-15", "2011-06-15"),
        ("iam", "1999-01-01", "1999-01-01"),
        ("iam", None, "NO_VERSION_SPECIFIED"),
        ("sts", None, "NO_VERSION_SPECIFIED"),
    ],
)
def test_an_unknown_query_action_is_refused_with_its_version_by_its_api(server, service, version, told):
    from wire import Wire

    asked = {"Action": "Nothing"} | ({"Version": version} if version else {})
    answer = Wire(server).query(service, asked)
    assert answer.status == 400
    namespace = {"iam": "2010-05-08", "sts": "2011-06-15"}[service]
    text = answer.body.decode()
    assert text.startswith(
        f'<ErrorResponse xmlns="https://{service}.amazonaws.com/doc/{namespace}/"><Error><Type>Sender</Type>'
        f"<Code>InvalidAction</Code><Message>Could not find operation Nothing for version {told}</Message></Error>"
    )


def test_query_answers_carry_their_namespace(server):
    from wire import Wire

    answer = Wire(server).query("sts", {"Action": "GetCallerIdentity", "Version": "2011-06-15"})
    assert answer.headers["Content-Type"].startswith("text/xml")
    assert b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">' in answer.body
    assert b"<ResponseMetadata><RequestId>" in answer.body
    assert json.dumps(ACCOUNT).strip('"').encode() in answer.body


def test_an_action_that_is_not_served_is_on_the_trail(own_server):
    with refused("InvalidAction", "Could not find operation CreateSAMLProvider for version 2010-05-08"):
        own_server.client("iam").create_saml_provider(Name="x", SAMLMetadataDocument="x" * 1000)
    trail = (own_server.data_dir / "audit" / "trail-00000001.jsonl").read_text()
    events = [json.loads(line) for line in trail.splitlines() if "eventName" in line]
    found = [event for event in events if event.get("errorCode") == "InvalidAction"]
    assert [event["eventName"] for event in found] == ["UnknownOperation"]
    assert found[0]["userIdentity"]["type"] == "Root"
    assert found[0]["eventSource"] == "iam.amazonaws.com"
