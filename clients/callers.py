"""The kinds of caller that the golden matrix is about, each a world of its own on one server."""

import configparser
import subprocess

from botocore.exceptions import ClientError

from calls import CONTEXT, SERVICES, World
from conftest import ROOT_ARN, configured_server, policy
from efs import Forwarder, initialised_with_service, presented
from keyward import ACCOUNT, REGION, binary, clean_environment, user_arn
from oidc import trust

OTHER = "111122223333"

ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
DELEGATION = {
    "Sid": "Delegation",
    "Effect": "Allow",
    "Principal": {"AWS": ROOT_ARN},
    "Action": "kms:*",
    "Resource": "*",
}
CALLERS = {}


def caller(title):
    """Registers a maker of one kind of caller under the title that the matrix shows."""

    def register(make):
        CALLERS[make.__name__.replace("_", "-")] = (title, make)
        return make

    return register


def named(principal, sid="Named"):
    return {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal}, "Action": "kms:*", "Resource": "*"}


class Account:
    """Makes identities in one account."""

    def __init__(self, server, credentials=None, account=ACCOUNT):
        self.server, self.credentials, self.account = server, credentials, account
        self.iam = server.client("iam", credentials=credentials)

    @property
    def root_arn(self):
        return f"arn:aws:iam::{self.account}:root"

    def user(self, name, *statements, boundary=None):
        """A user with these statements as its inline policy; answers its access key."""
        more = {"PermissionsBoundary": boundary} if boundary else {}
        self.iam.create_user(UserName=name, **more)
        if statements:
            self.iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=policy(*statements))
        made = self.iam.create_access_key(UserName=name)["AccessKey"]
        return made["AccessKeyId"], made["SecretAccessKey"]

    def role(self, name, *statements, trust=None):
        """A role that its account may assume; answers its ARN."""
        trust = trust or {"Effect": "Allow", "Principal": {"AWS": self.root_arn}, "Action": "sts:AssumeRole"}
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]
        if statements:
            self.iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=policy(*statements))
        return made["Arn"]

    def session(self, role, name="session", **more):
        """A session of the role, assumed by a user who may."""
        assumer = f"assumes-{role.rsplit('/', 1)[1]}-{name}"
        may = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": role}
        sts = self.server.client("sts", credentials=self.user(assumer, may))
        return credentials_of(sts.assume_role(RoleArn=role, RoleSessionName=name, **more))


def credentials_of(answer):
    given = answer["Credentials"]
    return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


def world(server, word, credentials, *statements, **more):
    return World(server, word, credentials, policy(DELEGATION, *statements, Id="matrix"), **more)


@caller("the account's root user; the key policy delegates to the account")
def root(server):
    return world(server, "root", None)


@caller("a user whom an inline policy allows everything; the key policy delegates to the account")
def user(server):
    return world(server, "user", Account(server).user("m-user", ALL))


@caller("a user whom nothing allows anything; the key policy delegates to the account")
def user_with_nothing(server):
    return world(server, "nothing", Account(server).user("m-nothing"))


@caller("a user without policies of its own, whom the key policy names")
def user_in_key_policy(server):
    credentials = Account(server).user("m-named")
    return world(server, "named", credentials, named(user_arn("m-named")))


@caller("a user whom a policy allows everything, whom the key policy denies kms:Decrypt")
def user_denied(server):
    credentials = Account(server).user("m-denied", ALL)
    deny = {
        "Sid": "NoDecrypt",
        "Effect": "Deny",
        "Principal": {"AWS": user_arn("m-denied")},
        "Action": ["kms:Decrypt", "kms:ReEncryptFrom"],
        "Resource": "*",
    }
    return world(server, "denied", credentials, deny)


@caller("a user of everything with a permissions boundary that allows only to describe, list and get")
def user_bounded(server):
    account = Account(server)
    reads = ["kms:Describe*", "kms:Get*", "kms:List*", "iam:Get*", "iam:List*"]
    document = policy({"Effect": "Allow", "Action": reads, "Resource": "*"})
    boundary = account.iam.create_policy(PolicyName="m-boundary", PolicyDocument=document)["Policy"]["Arn"]
    return world(server, "bounded", account.user("m-bounded", ALL, boundary=boundary))


@caller("a session of GetSessionToken of a user whom a policy allows everything")
def user_session(server):
    account = Account(server)
    sts = server.client("sts", credentials=account.user("m-session-token", ALL))
    return world(server, "token", credentials_of(sts.get_session_token()))


@caller("a session of a role whom a policy allows everything; the key policy delegates to the account")
def role_session(server):
    account = Account(server)
    return world(server, "role", account.session(account.role("m-role", ALL)))


@caller("a session of a role without policies of its own, which the key policy names")
def role_in_key_policy(server):
    account = Account(server)
    role = account.role("m-role-named")
    return world(server, "role-named", account.session(role), named(role))


@caller("a session of a role without policies, named in the key policy by the session's own ARN")
def session_in_key_policy(server):
    account = Account(server)
    role = account.role("m-role-session")
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/m-role-session/one"
    return world(server, "session-named", account.session(role, "one"), named(arn))


@caller("a session of a role of everything, limited by a session policy to kms:Encrypt and kms:DescribeKey")
def session_limited(server):
    account = Account(server)
    limit = policy({"Effect": "Allow", "Action": ["kms:Encrypt", "kms:DescribeKey"], "Resource": "*"})
    role = account.role("m-role-limited", ALL)
    return world(server, "limited", account.session(role, Policy=limit))


@caller("a web identity's session of a role of everything")
def web_identity(server):
    account, issuer = Account(server), server.issuer
    try:
        account.iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[issuer.audience])
    except account.iam.exceptions.EntityAlreadyExistsException:
        pass
    role = account.role("m-role-web", ALL, trust=trust(issuer))
    answer = server.client("sts").assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="web", WebIdentityToken=issuer.token()
    )
    return world(server, "web", credentials_of(answer))


@caller("a federated user of a user of everything, with a session policy that allows everything")
def federated_user(server):
    account = Account(server)
    sts = server.client("sts", credentials=account.user("m-federates", ALL))
    answer = sts.get_federation_token(Name="m-federated", Policy=policy(ALL))
    return world(server, "federated", credentials_of(answer))


@caller("a federated user without session policies, whom the key policy names")
def federated_user_in_key_policy(server):
    account = Account(server)
    sts = server.client("sts", credentials=account.user("m-federates-too", ALL))
    answer = sts.get_federation_token(Name="m-federated-named")
    arn = f"arn:aws:sts::{ACCOUNT}:federated-user/m-federated-named"
    return world(server, "federated-named", credentials_of(answer), named(arn))


@caller("a user without policies, to whom a grant gives Encrypt, Decrypt, GenerateDataKey, DescribeKey")
def grantee(server):
    credentials = Account(server).user("m-grantee")
    made = world(server, "grantee", credentials)
    plain = made.key

    def key():
        found = plain()
        made.root.kms.create_grant(
            KeyId=found,
            GranteePrincipal=user_arn("m-grantee"),
            Operations=["Encrypt", "Decrypt", "GenerateDataKey", "DescribeKey"],
        )
        return found

    made.key = key
    return made


@caller("a user deleted and made anew under its name, which the key policy had named before")
def recreated_user(server):
    account = Account(server)
    credentials = account.user("m-recreated")
    kms = server.client("kms")
    text = policy(DELEGATION, named(user_arn("m-recreated")), Id="matrix")
    keys = []
    made = World(server, "recreated", None, text)
    # Keys are made while the policy can still name the user; then it is deleted.
    while len(keys) < 120:
        keys.append(kms.create_key(Policy=text)["KeyMetadata"]["KeyId"])
    account.iam.delete_access_key(UserName="m-recreated", AccessKeyId=credentials[0])
    account.iam.delete_user(UserName="m-recreated")
    credentials = account.user("m-recreated")
    made = World(server, "recreated", credentials, text)
    made.key = keys.pop
    return made


@caller("a user of everything in another account, whom the key policy names; keys named by ARN")
def other_account(server):
    account = Account(server, server.other, OTHER)
    credentials = account.user("m-foreign", ALL)
    statement = named(f"arn:aws:iam::{OTHER}:user/m-foreign")
    return world(server, "foreign", credentials, statement, by_arn=True)


@caller("a user of everything in another account, whom no key policy names; keys named by ARN")
def other_account_unnamed(server):
    account = Account(server, server.other, OTHER)
    return world(server, "stranger", account.user("m-stranger", ALL), by_arn=True)


def organization(server):
    """The organization of both accounts, made once; answers its client and the member's id."""
    client = server.client("organizations")
    try:
        client.create_organization(FeatureSet="ALL")
    except client.exceptions.AlreadyInOrganizationException:
        pass
    root = client.list_roots()["Roots"][0]["Id"]
    for kind in ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]:
        try:
            client.enable_policy_type(RootId=root, PolicyType=kind)
        except client.exceptions.PolicyTypeAlreadyEnabledException:
            pass
    return client


def member(server, word, title, kind, statement, level="account"):
    """A user of everything in a new member account that one control policy stands over: attached
    to the account, to the unit that it stands in, or to the root, and there for it alone."""
    client = organization(server)
    made = client.create_account(Email=f"{word}@example.com", AccountName=word)["CreateAccountStatus"]
    request = made["Id"]
    status = client.describe_create_account_status(CreateAccountRequestId=request)["CreateAccountStatus"]
    account = status["AccountId"]
    target, root = account, client.list_roots()["Roots"][0]["Id"]
    if level == "unit":
        unit = client.create_organizational_unit(ParentId=root, Name=f"unit-{word}")
        target = unit["OrganizationalUnit"]["Id"]
        client.move_account(AccountId=account, SourceParentId=root, DestinationParentId=target)
    if level == "root":
        target = root
        key = "aws:PrincipalAccount" if kind == "SERVICE_CONTROL_POLICY" else "aws:ResourceAccount"
        statement = {**statement, "Condition": {"StringEquals": {key: account}}}
    policy_id = client.create_policy(
        Content=policy(statement), Description=title, Name=f"m-{word}", Type=kind
    )["Policy"]["PolicySummary"]["Id"]
    client.attach_policy(PolicyId=policy_id, TargetId=target)
    # The management account's user assumes the role that the new account was born with.
    role = f"arn:aws:iam::{account}:role/OrganizationAccountAccessRole"
    admin = Account(server).session(role, f"admin-{word}")
    delegation = {**DELEGATION, "Principal": {"AWS": f"arn:aws:iam::{account}:root"}}
    found = World(server, word, None, policy(delegation, Id="matrix"))
    for service in SERVICES:
        setattr(found.root, service, server.client(service, credentials=admin))
    credentials = Account(server, admin, account).user(f"m-{word}", ALL)
    found.credentials = credentials
    for service in SERVICES:
        setattr(found, service, server.client(service, credentials=credentials))
    return found


NO_DECRYPT = {"Sid": "NoDecrypt", "Effect": "Deny", "Action": ["kms:Decrypt", "iam:Delete*"], "Resource": "*"}
NO_DATA_KEY = {
    "Sid": "NoDataKey",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "kms:GenerateDataKey",
    "Resource": "*",
}


@caller("a user of everything in a member account; a service control policy denies kms:Decrypt and iam:Delete*")
def scp_limited(server):
    return member(server, "scp", "no decryption", "SERVICE_CONTROL_POLICY", NO_DECRYPT)


@caller("as scp-limited, but the service control policy is attached to the account's organizational unit")
def scp_at_unit(server):
    return member(server, "scp-unit", "no decryption", "SERVICE_CONTROL_POLICY", NO_DECRYPT, "unit")


@caller("as scp-limited, but the service control policy is attached to the organization's root")
def scp_at_root(server):
    return member(server, "scp-root", "no decryption", "SERVICE_CONTROL_POLICY", NO_DECRYPT, "root")


@caller("a user of everything in a member account; a resource control policy denies kms:GenerateDataKey")
def rcp_limited(server):
    return member(server, "rcp", "no data keys", "RESOURCE_CONTROL_POLICY", NO_DATA_KEY)


@caller("as rcp-limited, but the resource control policy is attached to the account's organizational unit")
def rcp_at_unit(server):
    return member(server, "rcp-unit", "no data keys", "RESOURCE_CONTROL_POLICY", NO_DATA_KEY, "unit")


@caller("as rcp-limited, but the resource control policy is attached to the organization's root")
def rcp_at_root(server):
    return member(server, "rcp-root", "no data keys", "RESOURCE_CONTROL_POLICY", NO_DATA_KEY, "root")


@caller("a service by itself, which the key policy names")
def service_principal(server):
    statement = {
        "Sid": "Service",
        "Effect": "Allow",
        "Principal": {"Service": "elasticfilesystem.amazonaws.com"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return world(server, "service", server.services["elasticfilesystem"], statement, by_arn=True)


class Late:
    """A client that is only looked up when the call is made, after the call's key."""

    def __init__(self, current):
        self.current = current

    def __getattr__(self, name):
        return lambda **parameters: getattr(self.current(), name)(**parameters)


class ForwardedWorld(World):
    """Each key has a session of its own: a forward access session is good for one key."""

    def __init__(self, server, word, user, key_policy):
        super().__init__(server, word, None, key_policy)
        self.credentials = user
        self.efs = Forwarder(server, "elasticfilesystem", server.services["elasticfilesystem"], REGION)
        self.signer = user
        self.key()

    def key(self):
        found = super().key()
        status, answer = self.efs.forward(*presented(REGION, self.signer), found)
        assert status == 200, answer
        given = credentials_of(answer)
        self.session = self.server.client("kms", credentials=given)
        self.kms = Late(lambda: self.session)
        if self.iam is self.root.iam:
            self.iam = self.server.client("iam", credentials=given)
            self.sts = self.server.client("sts", credentials=given)
        return found


@caller("a user of everything through a service, in a forward access session for the key at hand")
def through_a_service(server):
    credentials = Account(server).user("m-through", ALL)
    return ForwardedWorld(server, "through", credentials, policy(DELEGATION, Id="matrix"))


class Unprepared:
    """A client for what a call needs beforehand, which an AWS managed key refuses; the call is made
    nevertheless."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        def call(**parameters):
            try:
                return getattr(self.client, name)(**parameters)
            except ClientError:
                return {"GrantId": "0" * 64, "GrantToken": "none"}

        return call


class ManagedKeyWorld(World):
    """Every key is the one AWS managed key of a service."""

    ALIAS = "alias/aws/elasticfilesystem"

    def __init__(self, server, word, user):
        super().__init__(server, word, user)
        self.root.kms = Unprepared(self.root.kms)
        efs = Forwarder(server, "elasticfilesystem", server.services["elasticfilesystem"], REGION)
        status, answer = efs.forward(*presented(REGION, user), self.ALIAS)
        assert status == 200, answer
        self.arn, self.through = answer["KeyId"], efs.client_of(answer)

    def key(self):
        return self.arn

    def encrypted(self, key):
        made = self.through.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)
        return made["CiphertextBlob"]

    def named(self, key, alias):
        return self.ALIAS


@caller("a user of everything, directly; the key is an AWS managed one, which only its service may use")
def managed_key(server):
    return ManagedKeyWorld(server, "managed", Account(server).user("m-managed", ALL))


def server_of_many(tmp):
    """A server with two accounts, a service with credentials, and a configured issuer."""
    data = tmp / "data"
    services = initialised_with_service(data, "elasticfilesystem")
    create = [binary(), "account", "create", "--data-dir", data, "--account-id", OTHER, "--name", "Second"]
    subprocess.run(create, check=True, capture_output=True, env=clean_environment())
    parser = configparser.ConfigParser()
    parser.read(data / f"credentials-{OTHER}")
    other = parser[parser.sections()[0]]
    server = configured_server(tmp, data)
    server.services = services
    server.other = other["aws_access_key_id"], other["aws_secret_access_key"]
    return server


def reason(decision):
    """One decision in words: who decided."""
    words = decision["decision"]
    if words == "Allow":
        by = decision["by"]
        if "rootUser" in by:
            return "the root user needs no policy"
        if "grant" in by:
            return "a grant"
        return statement(by)
    if "by" in decision:
        return f"denied by {statement(decision['by'])}"
    return decision["reason"]


def statement(by):
    name = f" {by['policy']}" if "policy" in by else ""
    sid = f" ({by['sid']})" if "sid" in by else ""
    return f"the {by['layer']}{name}, statement {by['statement'] + 1}{sid}"

