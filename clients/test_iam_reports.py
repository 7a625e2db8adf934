"""What auditors ask an account for: the credential report, last accesses, and what it never has."""

import csv
import io

import pytest

from errors import refused
from iam_kit import AWS_POLICY, new_name, not_allowed
from keyward import ACCOUNT

COLUMNS = [
    "user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
    "password_next_rotation", "mfa_active", "access_key_1_active", "access_key_1_last_rotated",
    "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
    "access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date",
    "access_key_2_last_used_region", "access_key_2_last_used_service", "cert_1_active", "cert_1_last_rotated",
    "cert_2_active", "cert_2_last_rotated",
]  # fmt: skip


def report_of(iam):
    answer = iam.get_credential_report()
    assert answer["ReportFormat"] == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer["Content"].decode())))
    assert list(rows[0]) == COLUMNS
    return {row["user"]: row for row in rows}, answer["GeneratedTime"]


def test_a_credential_report_is_asked_for_and_fetched(own_server):
    iam = own_server.client("iam")
    with refused("ReportNotPresent", None, 410):
        iam.get_credential_report()
    started = iam.generate_credential_report()
    assert (started["State"], started["Description"]) == (
        "STARTED",
        "No report exists. Starting a new report generation task",
    )
    made = iam.generate_credential_report()
    assert made["State"] == "COMPLETE" and "Description" not in made
    name = "ann,bob"
    created = iam.create_user(UserName=name, Path="/team/")["User"]
    iam.create_user(UserName="Zoe")
    first = iam.create_access_key(UserName=name)["AccessKey"]
    second = iam.create_access_key(UserName=name)["AccessKey"]
    iam.update_access_key(UserName=name, AccessKeyId=second["AccessKeyId"], Status="Inactive")
    theirs = (first["AccessKeyId"], first["SecretAccessKey"])
    own_server.client("sts", credentials=theirs).get_caller_identity()
    rows, generated = report_of(iam)
    assert list(rows) == ["<root_account>", name, "Zoe"]

    def instant(at):
        return at.strftime("%Y-%m-%dT%H:%M:%S+00:00")

    root = rows["<root_account>"]
    assert root["arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert (root["password_enabled"], root["mfa_active"]) == ("not_supported", "false")
    assert (root["access_key_1_active"], root["access_key_1_last_used_service"]) == ("true", "iam")
    row = rows[name]
    assert row["arn"] == created["Arn"]
    assert row["user_creation_time"] == instant(created["CreateDate"])
    assert [row[column] for column in COLUMNS[3:8]] == ["false", "N/A", "N/A", "N/A", "false"]
    assert row["access_key_1_active"] == "true"
    assert row["access_key_1_last_rotated"] == instant(first["CreateDate"])
    assert row["access_key_1_last_used_date"].endswith("+00:00")
    assert (row["access_key_1_last_used_region"], row["access_key_1_last_used_service"]) == ("us-east-1", "sts")
    assert row["access_key_2_active"] == "false"
    assert row["access_key_2_last_rotated"] == instant(second["CreateDate"])
    assert [row[column] for column in COLUMNS[15:]] == ["N/A", "N/A", "N/A", "false", "N/A", "false", "N/A"]
    assert [rows["Zoe"][column] for column in COLUMNS[8:13]] == ["false", "N/A", "N/A", "N/A", "N/A"]
    # It is written when it is fetched.
    assert generated >= created["CreateDate"]
    # What was asked for is remembered.
    own_server.kill()
    own_server.start()
    assert list(report_of(own_server.client("iam"))[0]) == list(rows)


def test_last_accesses_say_that_they_are_not_recorded(iam, user):
    for more, kind in (({}, "SERVICE_LEVEL"), ({"Granularity": "ACTION_LEVEL"}, "ACTION_LEVEL")):
        job = iam.generate_service_last_accessed_details(Arn=user.arn, **more)["JobId"]
        assert len(job) == 36
        told = iam.get_service_last_accessed_details(JobId=job)
        assert (told["JobStatus"], told["JobType"], told["ServicesLastAccessed"]) == ("FAILED", kind, [])
        assert told["Error"] == {
            "Message": "Keyward records when access keys and roles were last used, not which services were used.",
            "Code": "NotRecorded",
        }
        assert told["JobCreationDate"] == told["JobCompletionDate"]
        told = iam.get_service_last_accessed_details_with_entities(JobId=job, ServiceNamespace="kms")
        assert (told["JobStatus"], told["EntityDetailsList"]) == ("FAILED", [])
    iam.generate_service_last_accessed_details(Arn=AWS_POLICY + "ReadOnlyAccess")
    for other in ("0" * 36, job[:-1] + ("0" if job[-1] != "0" else "1"), job.upper()):
        with refused("NoSuchEntity", f"Job with id {other} cannot be found.", 404):
            iam.get_service_last_accessed_details(JobId=other)
    with refused("NoSuchEntity", "The user with name nobody cannot be found.", 404):
        iam.generate_service_last_accessed_details(Arn=f"arn:aws:iam::{ACCOUNT}:user/nobody")


def test_what_an_account_never_has_is_none(iam):
    text = f"The Password Policy with domain name {ACCOUNT} cannot be found."
    with refused("NoSuchEntity", text, 404):
        iam.get_account_password_policy()
    assert iam.list_saml_providers()["SAMLProviderList"] == []
    found = iam.list_server_certificates(PathPrefix="/a/", MaxItems=3)
    assert (found["ServerCertificateMetadataList"], found["IsTruncated"]) == ([], False)
    with refused("NoSuchEntity", "The Server Certificate with name c cannot be found.", 404):
        iam.get_server_certificate(ServerCertificateName="c")
    arn = f"arn:aws:iam::{ACCOUNT}:saml-provider/idp"
    with refused("NoSuchEntity", f"Manifest not found for arn {arn}", 404):
        iam.get_saml_provider(SAMLProviderArn=arn)


def test_each_is_a_right_of_its_own(server, user):
    theirs = server.client("iam", credentials=user.credentials)
    home = f"arn:aws:iam::{ACCOUNT}:"
    job = "0" * 36
    for call, action, resource in [
        (theirs.get_account_password_policy, "GetAccountPasswordPolicy", "*"),
        (theirs.generate_credential_report, "GenerateCredentialReport", "*"),
        (theirs.get_credential_report, "GetCredentialReport", "*"),
        (theirs.list_saml_providers, "ListSAMLProviders", home + "saml-provider/*"),
        (theirs.list_server_certificates, "ListServerCertificates", home + "server-certificate/"),
        (lambda: theirs.get_service_last_accessed_details(JobId=job), "GetServiceLastAccessedDetails", "*"),
        (
            lambda: theirs.generate_service_last_accessed_details(Arn=user.arn),
            "GenerateServiceLastAccessedDetails",
            user.arn,
        ),
    ]:
        with refused("AccessDenied", not_allowed(user.arn, f"iam:{action}", resource), 403):
            call()


@pytest.mark.parametrize("name", ["nothing", "no.such"])
def test_a_malformed_name_is_refused_before_anything_is_looked_for(iam, name):
    with refused("ValidationError"):
        iam.get_server_certificate(ServerCertificateName=name + "/" + new_name())
