"""Mount targets of file systems: subnets, addresses, security groups, and what the agent says of them."""

import concurrent.futures
import re

import pytest
from botocore.exceptions import ClientError

from calls_efs import DEFAULT_GROUP, DEFAULT_SUBNET, DEFAULT_VPC, make, report, serve, wait, wanted
from conftest import User
from efs_fixtures import efs, storage
from errors import invalid, matching, refused
from keyward import ACCOUNT, Server
from test_agents import Agent, keyward

# Subnets in two zones of the default VPC and one in another VPC, and security groups.
CONFIGURATION = """
[network.subnets.subnet-0000000b]
availability_zone = "us-east-1b"
cidr = "10.1.0.0/30"
port = 12049

[network.subnets.subnet-0000000c]
availability_zone = "us-east-1c"
cidr = "10.2.0.0/24"
vpc = "vpc-0000000c"

[network.security_groups.sg-0000000a]
ingress = ["10.0.0.0/8", "192.0.2.7"]

[network.security_groups.sg-0000000b]
ingress = ["10.0.0.0/8"]

[network.security_groups.sg-0000000c]
ingress = []
vpc = "vpc-0000000c"
default = true
"""
SECOND, ELSEWHERE = "subnet-0000000b", "subnet-0000000c"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("targets")
    config = folder / "keyward.toml"
    config.write_text(CONFIGURATION)
    server = Server(folder / "data", "--config", config)
    yield server
    server.kill()


@pytest.fixture
def file_system(server, storage, efs):
    """An available file system, which is taken away with its mount targets."""
    made = make(server)
    wait(storage, made)
    yield made
    for target in efs.describe_mount_targets(FileSystemId=made)["MountTargets"]:
        efs.delete_mount_target(MountTargetId=target["MountTargetId"])
    serve(storage, made)
    efs.delete_file_system(FileSystemId=made)
    report(storage, made, "GONE")


def create(efs, file_system, subnet=DEFAULT_SUBNET, **more):
    return efs.create_mount_target(FileSystemId=file_system, SubnetId=subnet, **more)


def test_a_mount_target_lives_from_its_creation_until_the_agent_does_not_serve_it(storage, efs, file_system):
    made = create(efs, file_system)
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 200
    target, interface = made.pop("MountTargetId"), made.pop("NetworkInterfaceId")
    assert re.fullmatch("fsmt-[0-9a-f]{17}", target) and re.fullmatch("eni-[0-9a-f]{17}", interface)
    address = made.pop("IpAddress")
    assert re.fullmatch(r"127\.0\.0\.\d+", address)
    assert made == {
        "OwnerId": ACCOUNT,
        "FileSystemId": file_system,
        "SubnetId": DEFAULT_SUBNET,
        "LifeCycleState": "creating",
        "AvailabilityZoneId": "use1-az1",
        "AvailabilityZoneName": "us-east-1a",
        "VpcId": DEFAULT_VPC,
    }
    described = lambda: efs.describe_mount_targets(MountTargetId=target)["MountTargets"][0]  # noqa: E731
    count = lambda: efs.describe_file_systems(FileSystemId=file_system)["FileSystems"][0]["NumberOfMountTargets"]  # noqa: E731
    assert (described()["LifeCycleState"], count()) == ("creating", 1)
    told = {"MountTargetId": target, "IpAddress": address, "Port": 2049, "Cidrs": ["0.0.0.0/0"]}
    assert serve(storage, file_system) == [told]
    assert described()["LifeCycleState"] == "available"
    serve(storage, file_system, state="FAILED")
    assert described()["LifeCycleState"] == "error"
    serve(storage, file_system)
    # Whatever else the agent reports says nothing of it.
    wait(storage, file_system)
    assert described()["LifeCycleState"] == "available"
    text = f"The file system '{file_system}' cannot be deleted because it has mount targets. You must delete the mount targets, and then try again."
    with refused("FileSystemInUse", text, 409):
        efs.delete_file_system(FileSystemId=file_system)
    assert efs.delete_mount_target(MountTargetId=target)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert described()["LifeCycleState"] == "deleting"
    assert wanted(storage, file_system)["Targets"] == []
    with refused("IncorrectMountTargetState", f"The mount target '{target}' is being deleted.", 409):
        efs.describe_mount_target_security_groups(MountTargetId=target)
    with refused("MountTargetConflict", "mount target already exists in this AZ", 409):
        create(efs, file_system)
    serve(storage, file_system)
    with refused("MountTargetNotFound", f"Mount target '{target}' does not exist.", 404):
        described()
    assert count() == 0
    # Its address is free again.
    assert create(efs, file_system, IpAddress=address)["IpAddress"] == address


def test_a_file_system_has_one_mount_target_in_a_zone_and_all_in_one_vpc(efs, file_system):
    first = create(efs, file_system)["MountTargetId"]
    with refused("MountTargetConflict", "mount target already exists in this AZ", 409):
        create(efs, file_system)
    text = "requested subnet for new mount target is not in the same VPC as existing mount targets"
    with refused("MountTargetConflict", text, 409):
        create(efs, file_system, ELSEWHERE)
    second = create(efs, file_system, SECOND)["MountTargetId"]
    pages = efs.get_paginator("describe_mount_targets").paginate(
        FileSystemId=file_system, PaginationConfig={"PageSize": 1}
    )
    found = [one["MountTargetId"] for page in pages for one in page["MountTargets"]]
    assert found == sorted([first, second])
    point = efs.create_access_point(ClientToken=first, FileSystemId=file_system)["AccessPointId"]
    listed = efs.describe_mount_targets(AccessPointId=point)["MountTargets"]
    assert [one["MountTargetId"] for one in listed] == found


def test_addresses_are_those_of_the_subnet_and_each_has_one_use(server, storage, efs, file_system):
    others = [make(server) for _ in range(2)]
    for other in others:
        wait(storage, other)
    assert create(efs, file_system, SECOND)["IpAddress"] == "10.1.0.1"
    (told,) = wanted(storage, file_system)["Targets"]
    assert told["Port"] == 12049
    with refused("IpAddressInUse", "The address 10.1.0.1 is in use in the subnet.", 409):
        create(efs, others[0], SECOND, IpAddress="10.1.0.1")
    for outside in ["10.1.0.0", "10.1.0.3", "10.9.9.9"]:
        text = f"{outside} is not an address of the subnet '{SECOND}', 10.1.0.0/30, that a mount target can have."
        with refused("BadRequest", text):
            create(efs, others[0], SECOND, IpAddress=outside)
    with refused("BadRequest", "300.1.1.1 is not an IPv4 address."):
        create(efs, others[0], SECOND, IpAddress="300.1.1.1")
    taken = create(efs, others[0], SECOND, IpAddress="10.1.0.2")["MountTargetId"]
    with refused("NoFreeAddressesInSubnet", f"There are no free addresses in the subnet '{SECOND}'.", 409):
        create(efs, others[1], SECOND)
    efs.delete_mount_target(MountTargetId=taken)
    serve(storage, others[0])
    assert create(efs, others[1], SECOND)["IpAddress"] == "10.1.0.2"


def test_mount_targets_that_are_created_at_once_have_different_addresses(server, storage, efs):
    made = [make(server) for _ in range(20)]
    for one in made:
        wait(storage, one)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda one: create(server.client("efs"), one), made))
    assert len({one["IpAddress"] for one in found}) == 20
    # Those of one file system are one in the zone.
    fresh = make(server)
    wait(storage, fresh)

    def attempt(_):
        try:
            return create(server.client("efs"), fresh)["MountTargetId"]
        except ClientError as error:
            return error.response["Error"]["Code"]

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        outcomes = sorted(pool.map(attempt, range(5)))
    assert outcomes[:4] == ["MountTargetConflict"] * 4 and outcomes[4].startswith("fsmt-")


def test_what_is_not_there_and_what_is_not_ready(server, storage, efs, file_system):
    with refused("SubnetNotFound", "The subnet ID 'subnet-01234567' does not exist"):
        create(efs, file_system, "subnet-01234567")
    with refused("FileSystemNotFound", "File system 'fs-01234567' does not exist.", 404):
        create(efs, "fs-01234567")
    fresh = make(server)
    with refused("IncorrectFileSystemLifeCycleState", status=409):
        create(efs, fresh)
    one_zone = make(server, AvailabilityZoneName="us-east-1b")
    wait(storage, one_zone)
    (shown,) = efs.describe_file_systems(FileSystemId=one_zone)["FileSystems"]
    assert (shown["AvailabilityZoneName"], shown["AvailabilityZoneId"]) == ("us-east-1b", "use1-az2")
    text = "The mount target must be in the Availability Zone of the One Zone file system."
    with refused("AvailabilityZonesMismatch", text):
        create(efs, one_zone)
    absent = "Mount target 'fsmt-01234567' does not exist."
    for call in [
        lambda: efs.describe_mount_targets(MountTargetId="fsmt-01234567"),
        lambda: efs.delete_mount_target(MountTargetId="fsmt-01234567"),
        lambda: efs.describe_mount_target_security_groups(MountTargetId="fsmt-01234567"),
        lambda: efs.modify_mount_target_security_groups(MountTargetId="fsmt-01234567", SecurityGroups=[DEFAULT_GROUP]),
    ]:
        with refused("MountTargetNotFound", absent, 404):
            call()
    with refused("BadRequest", "Exactly one of FileSystemId, MountTargetId and AccessPointId must be specified."):
        efs.describe_mount_targets()
    with refused("AccessPointNotFound", "Access point 'fsap-01234567' does not exist.", 404):
        efs.describe_mount_targets(AccessPointId="fsap-01234567")
    text = "Mount targets have IPv4 addresses here: IpAddressType must be IPV4_ONLY."
    for members in [{"IpAddressType": "DUAL_STACK"}, {"Ipv6Address": "2001:db8::1"}]:
        with refused("BadRequest", text):
            create(efs, file_system, **members)
    with invalid(("'subnet-xyzwabcd'", "subnetId", matching("^subnet-[0-9a-f]{8,40}$"))):
        create(efs, file_system, "subnet-xyzwabcd")


def test_security_groups_say_whose_clients_reach_it(storage, efs, file_system):
    made = create(efs, file_system, SecurityGroups=["sg-0000000a", "sg-0000000b"])["MountTargetId"]
    groups = lambda: efs.describe_mount_target_security_groups(MountTargetId=made)["SecurityGroups"]  # noqa: E731
    networks = lambda: wanted(storage, file_system)["Targets"][0]["Cidrs"]  # noqa: E731
    assert (groups(), networks()) == (["sg-0000000a", "sg-0000000b"], ["10.0.0.0/8", "192.0.2.7/32"])
    modified = efs.modify_mount_target_security_groups(MountTargetId=made, SecurityGroups=["sg-0000000b"])
    assert modified["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert (groups(), networks()) == (["sg-0000000b"], ["10.0.0.0/8"])
    with refused("SecurityGroupNotFound", f"The security group 'sg-0000000c' does not exist in '{DEFAULT_VPC}'."):
        efs.modify_mount_target_security_groups(MountTargetId=made, SecurityGroups=["sg-0000000c"])
    many = [f"sg-0000000{digit}" for digit in "123456"]
    with refused("SecurityGroupLimitExceeded", "A mount target has at most 5 security groups."):
        efs.modify_mount_target_security_groups(MountTargetId=made, SecurityGroups=many)
    with refused("BadRequest", "SecurityGroups must name at least one security group."):
        efs.modify_mount_target_security_groups(MountTargetId=made, SecurityGroups=[])
    assert groups() == ["sg-0000000b"]
    efs.delete_mount_target(MountTargetId=made)
    serve(storage, file_system)
    with refused("SecurityGroupLimitExceeded", "A mount target has at most 5 security groups."):
        create(efs, file_system, SecurityGroups=many)
    other = create(efs, file_system, ELSEWHERE)["MountTargetId"]
    assert efs.describe_mount_target_security_groups(MountTargetId=other)["SecurityGroups"] == ["sg-0000000c"]
    assert networks() == []


def test_a_mount_target_is_decided_about_as_its_file_system(server, storage, efs, file_system):
    user = User(server, server.client("iam"))
    mine = server.client("efs", credentials=user.credentials)
    text = f"User: {user.arn} is not authorized to perform: elasticfilesystem:{{}} on the specified resource"
    with refused("AccessDeniedException", text.format("CreateMountTarget"), 403):
        create(mine, file_system)
    arn = f"arn:aws:elasticfilesystem:us-east-1:{ACCOUNT}:file-system/{file_system}"
    user.allow("elasticfilesystem:*MountTarget*", resource=arn)
    made = create(mine, file_system)["MountTargetId"]
    assert mine.describe_mount_targets(MountTargetId=made)["MountTargets"]
    # Whether another one is there is not told.
    with refused("AccessDeniedException", text.format("DeleteMountTarget"), 403):
        mine.delete_mount_target(MountTargetId="fsmt-01234567")
    mine.delete_mount_target(MountTargetId=made)


def test_a_mount_target_whose_agent_is_gone_can_be_deleted(tmp_path):
    server = Server(tmp_path / "data")
    try:
        storage = Agent(server)
        efs = server.client("efs")
        file_system = make(server)
        wait(storage, file_system)
        target = create(efs, file_system)["MountTargetId"]
        keyward(server, "remove", storage.id)
        efs.delete_mount_target(MountTargetId=target)
        assert efs.describe_mount_targets(FileSystemId=file_system)["MountTargets"] == []
        efs.delete_file_system(FileSystemId=file_system)
        assert efs.describe_file_systems()["FileSystems"] == []
    finally:
        server.kill()


def test_a_subnet_that_is_not_configured_any_more_is_not_served(tmp_path):
    config = tmp_path / "keyward.toml"
    config.write_text(CONFIGURATION)
    server = Server(tmp_path / "data", "--config", config)
    try:
        storage = Agent(server)
        efs = server.client("efs")
        file_system = make(server)
        wait(storage, file_system)
        groups = ["sg-0000000a"]
        target = create(efs, file_system, SECOND, SecurityGroups=groups)["MountTargetId"]
        create(efs, file_system, SecurityGroups=groups)
        config.write_text("")
        server.restart()
        storage.wire.server = server
        efs = server.client("efs")
        # The other one stays, and lets nobody in: its security group is gone.
        (told,) = wanted(storage, file_system)["Targets"]
        assert told["Cidrs"] == []
        serve(storage, file_system)
        (shown,) = efs.describe_mount_targets(MountTargetId=target)["MountTargets"]
        assert (shown["LifeCycleState"], shown["SubnetId"]) == ("creating", SECOND)
        efs.delete_mount_target(MountTargetId=target)
    finally:
        server.kill()
