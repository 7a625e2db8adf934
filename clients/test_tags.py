"""Tags: TagResource, UntagResource, ListResourceTags, tags at creation."""

import pytest

from errors import at_least, at_most, from_value, invalid, NOT_NULL, refused, to_value


def tag(key, value=""):
    return {"TagKey": key, "TagValue": value}


def tags_of(kms, key):
    return {tag["TagKey"]: tag["TagValue"] for tag in kms.list_resource_tags(KeyId=key)["Tags"]}


def test_a_new_key_has_no_tags(kms, key):
    answer = kms.list_resource_tags(KeyId=key)
    assert (answer["Tags"], answer["Truncated"]) == ([], False)


def test_tags_are_added_and_overwritten(kms, key, arn):
    kms.tag_resource(KeyId=key, Tags=[tag("a", "1"), tag("b", "2")])
    kms.tag_resource(KeyId=arn, Tags=[tag("b", "3"), tag("Größe", "")])
    assert tags_of(kms, key) == {"a": "1", "b": "3", "Größe": ""}
    kms.tag_resource(KeyId=key, Tags=[tag("A", "other")])
    assert tags_of(kms, key)["A"] == "other"


def test_untagging_ignores_what_is_not_there(kms, key):
    kms.tag_resource(KeyId=key, Tags=[tag("a", "1"), tag("b", "2")])
    kms.untag_resource(KeyId=key, TagKeys=["a", "never"])
    assert tags_of(kms, key) == {"b": "2"}


@pytest.mark.parametrize("name", ["aws:team", "AWS:team", "Aws:x"])
def test_tags_of_aws_are_reserved(kms, key, name):
    with refused("TagException", "Tags beginning with aws: are reserved"):
        kms.tag_resource(KeyId=key, Tags=[tag(name)])
    with refused("TagException", "Tags beginning with aws: are reserved"):
        kms.create_key(Tags=[tag(name)])


@pytest.mark.parametrize("text", ["a*b", "a,b", "a\nb", "a?", "a!", "{a}"])
def test_tags_have_their_characters(kms, key, text):
    with refused("TagException", "Invalid tag"):
        kms.tag_resource(KeyId=key, Tags=[tag(text)])
    with refused("TagException", "Invalid tag"):
        kms.tag_resource(KeyId=key, Tags=[tag("a", text)])
    with refused("TagException", "Invalid tag"):
        kms.create_key(Tags=[tag("a", text)])
    kms.tag_resource(KeyId=key, Tags=[tag("Aä1 _.:/=+-@", "Aä1 _.:/=+-@")])
    assert tags_of(kms, key) == {"Aä1 _.:/=+-@": "Aä1 _.:/=+-@"}


def test_a_request_names_each_tag_once(kms, key):
    with refused("TagException", "Duplicate tag keys"):
        kms.tag_resource(KeyId=key, Tags=[tag("a", "1"), tag("a", "2")])
    with refused("TagException", "Duplicate tag keys"):
        kms.create_key(Tags=[tag("a", "1"), tag("a", "2")])


def test_a_key_has_at_most_50_tags(kms, key):
    kms.tag_resource(KeyId=key, Tags=[tag(f"t{number}") for number in range(50)])
    with refused("TagException", "Too many tags"):
        kms.tag_resource(KeyId=key, Tags=[tag("t50")])
    kms.tag_resource(KeyId=key, Tags=[tag("t0", "overwritten")])
    assert tags_of(kms, key)["t0"] == "overwritten"
    with refused("TagException", "Too many tags"):
        kms.create_key(Tags=[tag(f"t{number}") for number in range(51)])


def test_tags_have_lengths(kms, key):
    with invalid(("''", "tags.1.member.tagKey", at_least(1))):
        kms.tag_resource(KeyId=key, Tags=[tag("")])
    with invalid((f"'{'k' * 129}'", "tags.2.member.tagKey", at_most(128))):
        kms.tag_resource(KeyId=key, Tags=[tag("a"), tag("k" * 129)])
    with invalid((f"'{'v' * 257}'", "tags.1.member.tagValue", at_most(256))):
        kms.tag_resource(KeyId=key, Tags=[tag("a", "v" * 257)])
    with invalid(("null", "tags.1.member.tagValue", NOT_NULL)):
        kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a"}])
    with invalid(("null", "tags", NOT_NULL)):
        kms.tag_resource(KeyId=key)
    with invalid(("null", "tagKeys", NOT_NULL)):
        kms.untag_resource(KeyId=key)
    kms.tag_resource(KeyId=key, Tags=[tag("k" * 128, "v" * 256)])


def test_list_resource_tags_pages(kms, key):
    made = {f"t{number}": str(number) for number in range(7)}
    kms.tag_resource(KeyId=key, Tags=[tag(name, value) for name, value in made.items()])
    pages = list(kms.get_paginator("list_resource_tags").paginate(KeyId=key, PaginationConfig={"PageSize": 3}))
    assert [len(page["Tags"]) for page in pages] == [3, 3, 1]
    assert {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]} == made
    with refused("InvalidMarkerException"):
        kms.list_resource_tags(KeyId=key, Marker="x")
    with invalid(("'0'", "limit", from_value(1))):
        kms.list_resource_tags(KeyId=key, Limit=0)
    with invalid(("'1001'", "limit", to_value(1000))):
        kms.list_resource_tags(KeyId=key, Limit=1001)
