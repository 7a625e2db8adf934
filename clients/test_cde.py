"""Cloudera Data Engineering, by Cloudera's own `cdp` CLI: environments with a KMS key, services whose file system, database
and Kubernetes secrets are under it, and what happens when it cannot be used."""

import json
import re
import uuid

import pytest

from cdp import Cdp, Player, Story, create, enable, key_of, keyward
from conftest import User
from keyward import ACCOUNT, Server, eventually

DENIED = "PERMISSION_DENIED"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("cde") / "data")
    yield server
    server.kill()


@pytest.fixture(scope="module")
def player(server):
    """The agent, which does what it is told."""
    player = Player(server)
    yield player
    player.end()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cdp")


@pytest.fixture(scope="module")
def cdp(server, folder):
    """The CLI of a user who may use all of both services and pass roles to CDP, and nothing else."""
    user = User(server, server.client("iam"))
    user.allow("environments:*", "de:*")
    to_cdp = {"StringEquals": {"iam:PassedToService": "cdp.cloudera.com"}}
    user.allow("iam:PassRole", name="pass", Condition=to_cdp)
    cdp = Cdp(server, folder, *key_of(server, user.name))
    cdp.user = user
    return cdp


@pytest.fixture(scope="module")
def story(server, cdp):
    return Story(server, cdp)


@pytest.fixture
def own_story(server, cdp):
    """One whose role and key a test may change."""
    return Story(server, cdp)


@pytest.fixture
def serving(player):
    """The agent, which answers again after the test."""
    yield player
    player.hangs.clear()


def status(cdp, service):
    return cdp("de", "describe-service", "--cluster-id", service)["service"]["status"]


def enabled(cdp, environment):
    """The id of a service that was enabled."""
    service = cdp(*enable(environment))["service"]["clusterId"]
    eventually(lambda: status(cdp, service) == "ClusterCreationCompleted")
    return service


def disable(cdp, service):
    return cdp("de", "disable-service", "--cluster-id", service)["status"]


def is_refused(cdp, words, http, code, text):
    """The CLI tells status, code and message of a refusal."""
    exit_status, out, said = cdp.run(*words)
    assert exit_status != 0, out
    assert re.search(rf"Status Code: {http}; Error Code: {code};", said), said
    assert text in said, said


def nothing_is_left(server, story, service):
    """No grant, volume or record of a service."""
    assert story.grants() == []
    efs, rds = server.client("efs"), server.client("rds")
    token = f"cde-{service}"
    assert efs.describe_file_systems(CreationToken=token)["FileSystems"] == []
    names = [one["DBInstanceIdentifier"] for one in rds.describe_db_instances()["DBInstances"]]
    assert token not in names


def test_an_environment_is_created_described_changed_and_deleted(cdp, story):
    credential = story.credential()
    (listed,) = cdp("environments", "list-credentials", "--credential-name", credential)["credentials"]
    assert listed["awsCredentialProperties"]["roleArn"] == story.role
    name = f"env-{uuid.uuid4().hex[:8]}"
    made = cdp(*create(name, credential), "--encryption-key-arn", story.key, "--description", "of the tests")["environment"]
    assert (made["status"], made["region"], made["credentialName"]) == ("AVAILABLE", "us-east-1", credential)
    described = cdp("environments", "describe-environment", "--environment-name", name)["environment"]
    assert described == made
    assert described["crn"].startswith(f"crn:cdp:environments:us-west-1:{ACCOUNT}:environment:")
    assert cdp("environments", "describe-environment", "--environment-name", made["crn"])["environment"] == made
    listed = cdp("environments", "list-environments")["environments"]
    assert name in [one["environmentName"] for one in listed]
    update = ["environments", "update-aws-disk-encryption-parameters", "--environment", name, "--encryption-key-arn"]
    other = story.kms.create_key(Policy=json.dumps(story.policy))["KeyMetadata"]["Arn"]
    assert cdp(*update, other)["awsDiskEncryptionParameters"]["encryptionKeyArn"] == other
    text = f"The credential {credential} is used by the environment {name}."
    words = ["environments", "delete-credential", "--credential-name", credential]
    is_refused(cdp, words, 400, "FAILED_PRECONDITION", text)
    is_refused(cdp, create(name, credential), 409, "ALREADY_EXISTS", f"The environment {name} exists already.")
    cdp("environments", "delete-environment", "--environment-name", name)
    cdp(*words)
    words = ["environments", "describe-environment", "--environment-name", name]
    is_refused(cdp, words, 404, "NOT_FOUND", f"There is no environment {name}.")


def test_a_role_that_does_not_trust_cdp_is_no_credential(cdp, story, server):
    iam = server.client("iam")
    name = f"other-{uuid.uuid4().hex[:8]}"
    trust = json.loads(keyward("cde", "policy-template", "trust", "--external-id", "another-one"))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    words = ["environments", "create-aws-credential", "--credential-name", "no-trust", "--role-arn"]
    text = f"CDP cannot assume the role arn:aws:iam::{ACCOUNT}:role/{name}: "
    is_refused(cdp, [*words, f"arn:aws:iam::{ACCOUNT}:role/{name}"], 400, "FAILED_PRECONDITION", text)
    text = f"roleArn must be the ARN of a role of account {ACCOUNT}."
    is_refused(cdp, [*words, "arn:aws:iam::111122223333:role/any"], 400, "INVALID_ARGUMENT", text)


def test_a_key_that_the_role_may_not_see_is_refused(cdp, story, server):
    other = server.client("kms").create_key()["KeyMetadata"]["Arn"]
    words = create(f"env-{uuid.uuid4().hex[:8]}", story.credential())
    text = "is not authorized to perform: kms:DescribeKey"
    is_refused(cdp, [*words, "--encryption-key-arn", other], 400, "FAILED_PRECONDITION", text)
    text = "encryptionKeyArn must be the ARN of a KMS key"
    is_refused(cdp, [*words, "--encryption-key-arn", "alias/x"], 400, "INVALID_ARGUMENT", text)


def test_a_service_has_everything_under_the_key_of_its_environment(cdp, story, server, player):
    environment = story.environment()
    made = cdp(*enable(environment))["service"]
    service = made["clusterId"]
    assert re.fullmatch("cluster-[a-z2-7]{8}", service)
    assert made["resources"]["max_instances"] == "4"
    eventually(lambda: status(cdp, service) == "ClusterCreationCompleted")
    efs, rds = server.client("efs"), server.client("rds")
    (file_system,) = efs.describe_file_systems(CreationToken=f"cde-{service}")["FileSystems"]
    assert (file_system["KmsKeyId"], file_system["NumberOfMountTargets"]) == (story.key, 1)
    assert {"Key": "cde-cluster-id", "Value": service} in file_system["Tags"]
    (database,) = rds.describe_db_instances(DBInstanceIdentifier=f"cde-{service}")["DBInstances"]
    assert (database["KmsKeyId"], database["DBInstanceStatus"]) == (story.key, "available")
    assert story.grants() == [
        "ec2.us-east-1.amazonaws.com", "elasticfilesystem.us-east-1.amazonaws.com", "rds.us-east-1.amazonaws.com",
    ]
    logs = cdp("de", "get-service-init-logs", "--service-id", service)["logs"]
    assert [line.split(" ", 1)[1].split(" cde-")[0] for line in logs][1] == "The database"
    assert logs[-1].endswith(f"Kubernetes secrets can be encrypted under {story.key}.")
    described = keyward("cde", "describe", service, server=server)
    assert f"  key: {story.key}\n" in described
    for part in ("FileSystem: arn:aws:elasticfilesystem:", "Database: arn:aws:rds:", "KubernetesSecrets: a provider to start"):
        assert part in described, described
    assert described.count("      grant: ") == 3
    assert f"keyward k8s-plugin --key {story.key} --region us-east-1 --encryption-context cde:cluster-id={service}" in described
    impact = keyward("key", "impact", story.key, server=server)
    for arn in (f"de::{ACCOUNT}:service/{service}", f"environments::{ACCOUNT}:environment/{environment}", file_system["FileSystemArn"]):
        assert arn in impact, impact
    listed = cdp("de", "list-services")["services"]
    assert (service, "ClusterCreationCompleted") in [(one["clusterId"], one["status"]) for one in listed]
    words = ["environments", "delete-environment", "--environment-name", environment]
    is_refused(cdp, words, 400, "FAILED_PRECONDITION", f"({service}) is enabled in the environment {environment}.")
    assert disable(cdp, service) == "ClusterDeletionCompleted"
    nothing_is_left(server, story, service)
    words = ["de", "describe-service", "--cluster-id", service]
    is_refused(cdp, words, 404, "NOT_FOUND", f"There is no service {service}.")
    cdp("environments", "delete-environment", "--environment-name", environment)


def test_without_a_key_of_the_environment_the_keys_that_aws_manages_are_used(cdp, story, server, player):
    service = enabled(cdp, story.environment(key=None))
    (file_system,) = server.client("efs").describe_file_systems(CreationToken=f"cde-{service}")["FileSystems"]
    described = server.client("kms").describe_key(KeyId="alias/aws/elasticfilesystem")["KeyMetadata"]
    assert file_system["KmsKeyId"] == described["Arn"]
    logs = cdp("de", "get-service-init-logs", "--service-id", service)["logs"]
    assert logs[-1].endswith("The environment has no key: there is no provider of Kubernetes secrets.")
    assert "KubernetesSecrets" not in keyward("cde", "describe", service, server=server)
    assert disable(cdp, service) == "ClusterDeletionCompleted"


def test_virtual_clusters_are_records(cdp, story, player):
    service = enabled(cdp, story.environment())
    words = ["--cluster-id", service]
    made = cdp("de", "create-vc", "--name", "spark-1", *words, "--cpu-requests", "4", "--memory-requests", "30Gi")["Vc"]
    assert (made["vcName"], made["status"], made["vcTier"]) == ("spark-1", "AppInstalled", "CORE")
    described = cdp("de", "describe-vc", *words, "--vc-id", made["vcId"])["vc"]
    assert described == made
    (listed,) = cdp("de", "list-vcs", *words)["vcs"]
    assert listed["vcId"] == made["vcId"]
    assert cdp("de", "delete-vc", *words, "--vc-id", made["vcId"])["status"] == "AppDeleted"
    assert cdp("de", "list-vcs", *words)["vcs"] == []
    assert disable(cdp, service) == "ClusterDeletionCompleted"


@pytest.mark.parametrize(
    "action, said",
    [
        ("elasticfilesystem:CreateFileSystem", "is not authorized to perform: elasticfilesystem:CreateFileSystem"),
        ("elasticfilesystem:CreateMountTarget", "is not authorized to perform: elasticfilesystem:CreateMountTarget"),
        ("rds:CreateDBInstance", "is not authorized to perform: rds:CreateDBInstance"),
        ("rds:DeleteDBInstance", "is not authorized to perform: rds:DeleteDBInstance"),
    ],
)
def test_a_permission_that_the_role_lacks_is_named_before_anything_is_built(cdp, own_story, server, player, action, said):
    environment = own_story.environment()
    policy = json.loads(keyward("cde", "policy-template", "role"))
    policy["Statement"].append({"Effect": "Deny", "Action": action, "Resource": "*"})
    own_story.allow(policy)
    is_refused(cdp, enable(environment), 400, "FAILED_PRECONDITION", said)
    assert own_story.grants() == []


@pytest.mark.parametrize("action", ["kms:CreateGrant", "kms:GenerateDataKeyWithoutPlaintext", "kms:Encrypt", "kms:Decrypt"])
def test_a_permission_that_the_key_lacks_is_named_before_anything_is_built(cdp, own_story, server, player, action):
    environment = own_story.environment()
    policy = json.loads(json.dumps(own_story.policy))
    deny = {"Effect": "Deny", "Principal": {"AWS": own_story.role}, "Action": action, "Resource": "*"}
    policy["Statement"].append(deny)
    own_story.kms.put_key_policy(KeyId=own_story.key, Policy=json.dumps(policy))
    text = f"is not authorized to perform: {action}"
    is_refused(cdp, enable(environment), 400, "FAILED_PRECONDITION", text)
    assert own_story.grants() == []
    names = [one["environmentName"] for one in cdp("de", "list-services")["services"]]
    assert environment not in names


def test_a_key_that_is_disabled_stops_what_is_enabled_and_a_service_is_disabled_without_it(cdp, own_story, server, player):
    environment = own_story.environment()
    service = enabled(cdp, environment)
    own_story.kms.disable_key(KeyId=own_story.key)
    text = f"The key {own_story.key} cannot be used: its state is Disabled."
    is_refused(cdp, enable(environment), 400, "FAILED_PRECONDITION", text)
    assert disable(cdp, service) == "ClusterDeletionCompleted"
    own_story.kms.enable_key(KeyId=own_story.key)
    nothing_is_left(server, own_story, service)


@pytest.mark.parametrize(
    "action, word",
    [
        ("elasticfilesystem:CreateFileSystem", "FSProvisioningFailed"),
        ("rds:CreateDBInstance", "DBProvisioningFailed"),
        ("elasticfilesystem:CreateMountTarget", "FSMountTargetsCreationFailed"),
    ],
)
def test_a_step_that_fails_has_its_word_and_what_was_made_is_removed(cdp, own_story, server, player, action, word):
    environment = own_story.environment()
    policy = json.loads(keyward("cde", "policy-template", "role"))
    denied = {"Effect": "Deny", "Action": action, "Resource": "*"}
    own_story.allow({**policy, "Statement": [*policy["Statement"], denied]})
    service = cdp(*enable(environment), "--skip-validation")["service"]["clusterId"]
    assert status(cdp, service) == word
    logs = cdp("de", "get-service-init-logs", "--service-id", service)["logs"]
    assert f" {word}: " in logs[-1] and action in logs[-1]
    described = keyward("cde", "describe", service, server=server)
    assert f": {word}\n  User: " in described, described
    own_story.allow(policy)
    assert disable(cdp, service) == "ClusterDeletionCompleted"
    nothing_is_left(server, own_story, service)


def test_a_key_that_cannot_encrypt_secrets_fails_the_cluster(cdp, own_story, server, player):
    environment = own_story.environment()
    policy = json.loads(json.dumps(own_story.policy))
    deny = {"Effect": "Deny", "Principal": {"AWS": own_story.role}, "Action": "kms:Encrypt", "Resource": "*"}
    policy["Statement"].append(deny)
    own_story.kms.put_key_policy(KeyId=own_story.key, Policy=json.dumps(policy))
    service = cdp(*enable(environment), "--skip-validation")["service"]["clusterId"]
    assert status(cdp, service) == "ClusterProvisioningFailed"
    assert disable(cdp, service) == "ClusterDeletionCompleted"
    nothing_is_left(server, own_story, service)


def test_an_agent_that_does_not_answer_fails_the_file_system_and_disable_waits_for_it(cdp, own_story, server, serving):
    environment = own_story.environment()
    serving.hangs.set()
    service = cdp(*enable(environment))["service"]["clusterId"]
    assert status(cdp, service) == "FSProvisioningFailed"
    logs = cdp("de", "get-service-init-logs", "--service-id", service)["logs"]
    assert "The agent that is to store the file system does not answer." in logs[-1]
    assert disable(cdp, service) == "ClusterDeletionInProgress"
    assert own_story.grants() == []
    assert status(cdp, service) == "ClusterDeletionInProgress"
    serving.hangs.clear()
    eventually(lambda: status(cdp, service) == "ClusterDeletionCompleted")
    assert disable(cdp, service) == "ClusterDeletionCompleted"
    nothing_is_left(server, own_story, service)


def test_a_user_without_rights_is_refused_as_cloudera_refuses(server, folder, story):
    user = User(server, server.client("iam"))
    cdp = Cdp(server, folder, *key_of(server, user.name))
    text = f"User: {user.arn} is not authorized to perform: de:listServices on resource: *"
    is_refused(cdp, ["de", "list-services"], 403, DENIED, text)
    name = "environment/other"
    user.allow("environments:describeEnvironment", resource=f"arn:aws:environments::{ACCOUNT}:{name}")
    words = ["environments", "describe-environment", "--environment-name"]
    is_refused(cdp, [*words, "other"], 404, "NOT_FOUND", "There is no environment other.")
    text = f"is not authorized to perform: environments:describeEnvironment on resource: arn:aws:environments::{ACCOUNT}:environment/prod"
    is_refused(cdp, [*words, "prod"], 403, DENIED, text)


# Each operation, the end of the resource that it is about, and a call of it.
CALLS = {
    "environments:createAWSCredential": (
        "credential/c1", ["create-aws-credential", "--credential-name", "c1", "--role-arn", f"arn:aws:iam::{ACCOUNT}:role/r"],
    ),
    "environments:createAWSEnvironment": (
        "environment/e1",
        [
            "create-aws-environment", "--environment-name", "e1", "--credential-name", "c1", "--region", "us-east-1",
            "--security-access", "cidr=10.0.0.0/8", "--authentication", "publicKeyId=login",
            "--log-storage", "storageLocationBase=s3a://l,instanceProfile=p",
        ],
    ),
    "environments:deleteCredential": ("credential/c1", ["delete-credential", "--credential-name", "c1"]),
    "environments:deleteEnvironment": ("environment/e1", ["delete-environment", "--environment-name", "e1"]),
    "environments:describeEnvironment": ("environment/e1", ["describe-environment", "--environment-name", "e1"]),
    "environments:getCredentialPrerequisites": (None, ["get-credential-prerequisites", "--cloud-platform", "AWS"]),
    "environments:listCredentials": (None, ["list-credentials"]),
    "environments:listEnvironments": (None, ["list-environments"]),
    "environments:updateAwsDiskEncryptionParameters": (
        "environment/e1", ["update-aws-disk-encryption-parameters", "--environment", "e1", "--encryption-key-arn", "k"],
    ),
    "de:createVc": (
        "service/s1",
        ["create-vc", "--name", "v1", "--cluster-id", "s1", "--cpu-requests", "1", "--memory-requests", "1Gi"],
    ),
    "de:deleteVc": ("vc/s1/v1", ["delete-vc", "--cluster-id", "s1", "--vc-id", "v1"]),
    "de:describeService": ("service/s1", ["describe-service", "--cluster-id", "s1"]),
    "de:describeVc": ("vc/s1/v1", ["describe-vc", "--cluster-id", "s1", "--vc-id", "v1"]),
    "de:disableService": ("service/s1", ["disable-service", "--cluster-id", "s1"]),
    "de:enableService": (
        "environment/e1",
        [
            "enable-service", "--name", "s1", "--env", "e1", "--instance-type", "m5.large", "--minimum-instances", "1",
            "--maximum-instances", "1",
        ],
    ),
    "de:getServiceInitLogs": ("service/s1", ["get-service-init-logs", "--service-id", "s1"]),
    "de:listServices": (None, ["list-services"]),
    "de:listVcs": ("service/s1", ["list-vcs", "--cluster-id", "s1"]),
}


@pytest.fixture(scope="module")
def stranger(server, folder):
    """The CLI of a user whom nothing allows anything."""
    user = User(server, server.client("iam"))
    cdp = Cdp(server, folder, *key_of(server, user.name))
    cdp.user = user
    return cdp


@pytest.mark.parametrize("action", CALLS)
def test_every_operation_needs_its_action_on_its_resource(stranger, action):
    service = action.split(":")[0]
    resource, words = CALLS[action]
    on = f"arn:aws:{service}::{ACCOUNT}:{resource}" if resource else "*"
    text = f"User: {stranger.user.arn} is not authorized to perform: {action} on resource: {on} because no identity-based policy"
    is_refused(stranger, [service, *words], 403, DENIED, text)


def test_what_only_enabling_notes_cannot_be_asked_for(cdp):
    assert cdp.run("de", "record-provisioning")[0] != 0


def test_an_environment_that_is_named_by_its_crn_is_protected_by_its_name(server, folder, cdp, story):
    name = story.environment()
    crn = cdp("environments", "describe-environment", "--environment-name", name)["environment"]["crn"]
    user = User(server, server.client("iam"))
    user.allow("environments:*", "de:*", name="all")
    resources = [f"arn:aws:{service}::{ACCOUNT}:environment/{name}" for service in ("environments", "de")]
    user.allow("*", resource=resources, effect="Deny", name="not-this")
    theirs = Cdp(server, folder, *key_of(server, user.name))
    for named in (name, crn):
        text = f"on resource: arn:aws:environments::{ACCOUNT}:environment/{name} with an explicit deny"
        words = ["environments", "describe-environment", "--environment-name", named]
        is_refused(theirs, words, 403, DENIED, text)
        text = f"on resource: arn:aws:de::{ACCOUNT}:environment/{name} with an explicit deny"
        is_refused(theirs, enable(named), 403, DENIED, text)


def test_an_operation_that_is_not_served_is_told_so(cdp):
    text = "listBackups is not supported by this version of Keyward."
    is_refused(cdp, ["de", "list-backups"], 400, "UNIMPLEMENTED", text)
    text = "Keyward serves the services environments and de of CDP, and no others."
    is_refused(cdp, ["iam", "list-users"], 404, "NOT_FOUND", text)
    words = ["de", "disable-service", "--cluster-id", "cluster-aaaaaaaa", "--force"]
    is_refused(cdp, words, 400, "INVALID_ARGUMENT", "force is not supported by this version of Keyward.")


def test_the_trail_shows_who_enabled_a_service_and_what_the_role_did(cdp, story, server, player):
    service = enabled(cdp, story.environment())
    assert disable(cdp, service) == "ClusterDeletionCompleted"

    def events(name):
        segments = sorted((server.data_dir / "audit").glob("trail-*.jsonl"))
        lines = [line for path in segments for line in path.read_text().splitlines() if f'"eventName":"{name}"' in line]
        return [json.loads(line) for line in lines]

    is_its = lambda one: service in json.dumps(one.get("responseElements"))  # noqa: E731
    (found,) = eventually(lambda: [one for one in events("enableService") if is_its(one)])
    assert found["eventSource"] == "de.cdp.cloudera.com"
    identity = found["userIdentity"]
    assert (identity["type"], identity["userName"]) == ("IAMUser", cdp.user.name)
    assert identity["accessKeyId"] == cdp.environment["CDP_ACCESS_KEY_ID"]
    (made,) = [one for one in events("CreateFileSystem") if f"cde-{service}" in json.dumps(one)]
    assert made["userIdentity"]["type"] == "AssumedRole"
    session = f"cdp-{cdp.user.name}"
    assert made["userIdentity"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/{story.role_name}/{session}"
    assumed = [one for one in events("AssumeRole") if story.role in json.dumps(one)]
    assert {one["userIdentity"]["invokedBy"] for one in assumed} == {"cdp.cloudera.com"}
    # Dry runs say what EFS and RDS would ask of KMS, and the role's session is who asks.
    tried = [one for one in events("CreateGrant") if one.get("errorCode") == "DryRunOperationException"]
    assert {"elasticfilesystem.amazonaws.com", "rds.amazonaws.com"} <= {one["userIdentity"]["invokedBy"] for one in tried}
