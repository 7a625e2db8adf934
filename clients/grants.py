"""Making and listing grants, for the tests of them."""

from errors import matching, refused

PRINCIPAL = matching(r"^[\w+=,.@:/-]+$")
SERVICE = matching(r"^([A-Za-z0-9\-]+)\.([A-Za-z0-9\-]+)(\.[A-Za-z0-9\-]+)+$")
NOBODY = "ARN does not refer to a valid principal: {}"
NO_GRANT = "Grant ID {} not found"
UNKNOWN = "0" * 64
DRY_RUN = "The request would have succeeded, but the DryRun option is set."


def grant(kms, key, grantee, *operations, **more):
    """Makes a grant and answers its id."""
    return make(kms, key, grantee, *operations, **more)["GrantId"]


def make(kms, key, grantee, *operations, **more):
    arn = grantee if isinstance(grantee, str) else grantee.arn
    return kms.create_grant(
        KeyId=key, GranteePrincipal=arn, Operations=list(operations) or ["Encrypt", "Decrypt"], **more
    )


def listed(kms, key, **more):
    """Every grant on the key, as the pages give them."""
    found, marker = [], {}
    while True:
        page = kms.list_grants(KeyId=key, **more, **marker)
        found += page["Grants"]
        if not page["Truncated"]:
            assert "NextMarker" not in page
            return found
        marker = {"Marker": page["NextMarker"]}


def ids(grants):
    return sorted(one["GrantId"] for one in grants)


def denied(caller, action, arn, why="no identity-based policy allows"):
    return refused(
        "AccessDeniedException",
        f"User: {caller.arn} is not authorized to perform: kms:{action} on resource: {arn} "
        f"because {why} the kms:{action} action",
    )


def retirable(kms, principal, **more):
    found, marker = [], {}
    while True:
        page = kms.list_retirable_grants(RetiringPrincipal=principal, **more, **marker)
        found += page["Grants"]
        if not page["Truncated"]:
            return found
        marker = {"Marker": page["NextMarker"]}
