"""The rows of STS, and of IAM's identity providers, in the table of calls (`calls.py`)."""

from conftest import policy
from oidc import trust

ANYBODY = {"Effect": "Allow", "Principal": "*", "Action": "sts:*"}
ALLOW = policy({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"})
TAGS = [{"Key": "team", "Value": "red"}]


def role(w, suffix, statement=ANYBODY):
    """The ARN of a new role."""
    name = w.name(f"sts-{suffix}")
    made = w.root.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(statement))
    return made["Role"]["Arn"]


def provider(w, suffix):
    made = w.root.iam.create_open_id_connect_provider(
        Url=f"https://{w.name(suffix)}.example/realm", ClientIDList=["client"], Tags=TAGS
    )
    return {"OpenIDConnectProviderArn": made["OpenIDConnectProviderArn"]}


def user_or_caller(w):
    """The root user may assume no role, so a user takes its place where it is the caller."""
    if w.credentials:
        return w.sts
    made = w.root.iam.create_access_key(UserName=w.user("sts"))["AccessKey"]
    return w.server.client("sts", credentials=(made["AccessKeyId"], made["SecretAccessKey"]))


def web_identity(w, suffix, **changed):
    """What a token of the server's configured issuer asks for."""
    issuer = w.server.issuer
    try:
        w.root.iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=[issuer.audience])
    except w.root.iam.exceptions.EntityAlreadyExistsException:
        pass
    return {
        "RoleArn": role(w, suffix, trust(issuer)),
        "RoleSessionName": "session",
        "WebIdentityToken": issuer.token(),
        **changed,
    }


CALLS = {
    "AssumeRole": lambda w: user_or_caller(w).assume_role(
        RoleArn=role(w, "1"), RoleSessionName="session", DurationSeconds=900, ExternalId="external",
        SourceIdentity="ada", Policy=ALLOW, Tags=TAGS, TransitiveTagKeys=["team"],
    ),
    "AssumeRole-root": lambda w: w.root.sts.assume_role(RoleArn=role(w, "2"), RoleSessionName="session"),
    "AssumeRoleWithWebIdentity": lambda w: w.sts.assume_role_with_web_identity(**web_identity(w, "3")),
    "DecodeAuthorizationMessage-invalid": lambda w: w.sts.decode_authorization_message(EncodedMessage="encoded"),
    "GetAccessKeyInfo": lambda w: w.sts.get_access_key_info(AccessKeyId="ASIAY34FZKBOKMUTVV7A"),
    "GetCallerIdentity": lambda w: w.sts.get_caller_identity(),
    "GetFederationToken": lambda w: w.sts.get_federation_token(Name="federated", Policy=ALLOW, Tags=TAGS),
    "GetSessionToken": lambda w: w.sts.get_session_token(DurationSeconds=900),
}

PROVIDERS = {
    "AddClientIDToOpenIDConnectProvider": lambda w: w.iam.add_client_id_to_open_id_connect_provider(
        **provider(w, "idp-1"), ClientID="other"
    ),
    "CreateOpenIDConnectProvider": lambda w: w.iam.create_open_id_connect_provider(
        Url=f"https://{w.name('idp-2')}.example/realm", ClientIDList=["client"], Tags=TAGS
    ),
    "DeleteOpenIDConnectProvider": lambda w: w.iam.delete_open_id_connect_provider(**provider(w, "idp-3")),
    "GetOpenIDConnectProvider": lambda w: w.iam.get_open_id_connect_provider(**provider(w, "idp-4")),
    "ListOpenIDConnectProviderTags": lambda w: w.iam.list_open_id_connect_provider_tags(
        **provider(w, "idp-5")
    ),
    "ListOpenIDConnectProviders": lambda w: w.iam.list_open_id_connect_providers(),
    "RemoveClientIDFromOpenIDConnectProvider": lambda w: w.iam.remove_client_id_from_open_id_connect_provider(
        **provider(w, "idp-6"), ClientID="client"
    ),
    "TagOpenIDConnectProvider": lambda w: w.iam.tag_open_id_connect_provider(
        **provider(w, "idp-7"), Tags=[{"Key": "unit", "Value": "1"}]
    ),
    "UntagOpenIDConnectProvider": lambda w: w.iam.untag_open_id_connect_provider(
        **provider(w, "idp-8"), TagKeys=["team"]
    ),
    "UpdateOpenIDConnectProviderThumbprint": lambda w: w.iam.update_open_id_connect_provider_thumbprint(
        **provider(w, "idp-9"), ThumbprintList=["0" * 40]
    ),
}
