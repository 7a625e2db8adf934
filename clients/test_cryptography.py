"""Encrypt, Decrypt, ReEncrypt, data keys and random bytes."""

import base64
import uuid

import pytest
from botocore.exceptions import ClientError

from errors import at_least, at_most, from_value, invalid, NOT_NULL, one_of, refused, to_value
from keyward import ACCOUNT, alias_arn, key_arn

CONTEXT = {"tenant": "blue", "Größe": "7 µm"}
# What a ciphertext blob costs over its plaintext.
OVERHEAD = 152
ENCRYPTION_ALGORITHMS = one_of("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE", "SYMMETRIC_DEFAULT")
DATA_KEY_SPECS = one_of(
    *"RSA_2048 RSA_3072 RSA_4096 ECC_NIST_P256 ECC_NIST_P384 ECC_NIST_P521 ECC_SECG_P256K1".split(),
    *"ECC_NIST_EDWARDS25519 SYMMETRIC_DEFAULT HMAC_224 HMAC_256 HMAC_384 HMAC_512 SM2".split(),
    *"ML_DSA_44 ML_DSA_65 ML_DSA_87".split(),
)
WRONG_KEY = "The key ID in the request does not identify a CMK that can perform this operation."
EITHER = "Please specify either number of bytes or key spec."


def forms(kms, key, alias):
    """The four ways to name a key."""
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    return [key, key_arn(key), alias, alias_arn(alias)]


def material(kms, key):
    return kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]


@pytest.fixture
def other_key(kms):
    return kms.create_key()["KeyMetadata"]["KeyId"]


def test_encrypt_and_decrypt_take_every_form_of_a_key(kms, key, arn, alias):
    for named in forms(kms, key, alias):
        made = kms.encrypt(KeyId=named, Plaintext=b"hello")
        del made["ResponseMetadata"]
        blob = made.pop("CiphertextBlob")
        assert made == {"KeyId": arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}
        found = kms.decrypt(CiphertextBlob=blob, KeyId=named)
        del found["ResponseMetadata"]
        assert found == {
            "Plaintext": b"hello",
            "KeyId": arn,
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "KeyMaterialId": material(kms, key),
        }


def test_decrypt_needs_no_key_id(kms, key, arn):
    blob = kms.encrypt(KeyId=key, Plaintext=b"hello")["CiphertextBlob"]
    found = kms.decrypt(CiphertextBlob=blob)
    assert (found["Plaintext"], found["KeyId"]) == (b"hello", arn)


@pytest.mark.parametrize("size", [1, 16, 32, 100, 128, 1024, 4096])
def test_a_blob_is_152_bytes_longer_than_its_plaintext(kms, key, size):
    blob = kms.encrypt(KeyId=key, Plaintext=b"p" * size)["CiphertextBlob"]
    assert len(blob) == size + OVERHEAD
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"p" * size


def test_the_same_plaintext_gives_another_blob_each_time(kms, key):
    blobs = {kms.encrypt(KeyId=key, Plaintext=b"same")["CiphertextBlob"] for _ in range(8)}
    assert len(blobs) == 8


def test_the_encryption_context_must_be_the_same_in_any_order(kms, key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=CONTEXT)["CiphertextBlob"]
    turned = dict(reversed(CONTEXT.items()))
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=turned)["Plaintext"] == b"x"
    wrong = [
        {},
        {"tenant": "blue"},
        {**CONTEXT, "tenant": "Blue"},
        {**CONTEXT, "more": "1"},
        {"Tenant": "blue", "Größe": "7 µm"},
    ]
    for context in wrong:
        with refused("InvalidCiphertextException", ""):
            kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)


def test_no_context_and_an_empty_context_are_the_same(kms, key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={})["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext={})["Plaintext"] == b"x"


def test_an_encryption_context_holds_8_kib(kms, key):
    context = {"a": "v" * 8000}
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext=context)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"x"
    with refused("ValidationException"):
        kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "v" * 8193})


def test_no_flipped_byte_of_a_blob_decrypts(kms, key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"hello")["CiphertextBlob"]
    codes = []
    for index in range(len(blob)):
        damaged = bytearray(blob)
        damaged[index] ^= 1
        with pytest.raises(ClientError) as caught:
            kms.decrypt(CiphertextBlob=bytes(damaged))
        codes.append(caught.value.response["Error"]["Code"])
    # A flip in the key's name makes a blob of a key that is not there.
    assert set(codes) <= {"InvalidCiphertextException", "AccessDeniedException"}
    # What is sealed: nonce, ciphertext and tag at least.
    assert set(codes[-33:]) == {"InvalidCiphertextException"}


@pytest.mark.parametrize("blob", [b"x", b"\x01\x02\x02\x00x" + b"a" * 100, b"a" * 6144])
def test_what_is_no_blob_is_an_invalid_ciphertext(kms, key, blob):
    with refused("InvalidCiphertextException", ""):
        kms.decrypt(CiphertextBlob=blob)
    with refused("InvalidCiphertextException", ""):
        kms.decrypt(CiphertextBlob=blob, KeyId=key)


def test_a_truncated_or_longer_blob_is_an_invalid_ciphertext(kms, key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"hello")["CiphertextBlob"]
    for damaged in (blob[:-1], blob + b"\0"):
        with refused("InvalidCiphertextException", ""):
            kms.decrypt(CiphertextBlob=damaged)


def test_decrypt_with_another_key_is_an_incorrect_key(kms, key, other_key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with refused("IncorrectKeyException", WRONG_KEY):
        kms.decrypt(CiphertextBlob=blob, KeyId=other_key)
    kms.disable_key(KeyId=other_key)
    with refused("IncorrectKeyException", WRONG_KEY):
        kms.decrypt(CiphertextBlob=blob, KeyId=other_key)


def test_decrypt_with_a_key_that_is_not_there_is_not_found(kms, key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    missing = str(uuid.uuid4())
    with refused("NotFoundException", f"Key '{key_arn(missing)}' does not exist"):
        kms.decrypt(CiphertextBlob=blob, KeyId=missing)
    with refused("NotFoundException", f"Alias {alias_arn('alias/none')} is not found."):
        kms.decrypt(CiphertextBlob=blob, KeyId="alias/none")


def test_a_blob_of_another_region_names_no_key_here(server, kms, key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    with refused(
        "AccessDeniedException",
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: kms:Decrypt on the "
        "resource associated with this ciphertext because the resource does not exist in this "
        "Region, no resource-based policies allow access, or a resource-based policy explicitly "
        "denies access",
    ):
        server.client("kms", region="us-west-2").decrypt(CiphertextBlob=blob)


def test_encrypt_checks_its_members(kms, key):
    with invalid(("null", "keyId", NOT_NULL)):
        kms.encrypt(Plaintext=b"x")
    with invalid(("", "plaintext", NOT_NULL)):
        kms.encrypt(KeyId=key)
    with invalid(("", "plaintext", at_least(1))):
        kms.encrypt(KeyId=key, Plaintext=b"")
    with invalid(("", "plaintext", at_most(4096))):
        kms.encrypt(KeyId=key, Plaintext=b"p" * 4097)
    with invalid(("'AES'", "encryptionAlgorithm", ENCRYPTION_ALGORITHMS)):
        kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionAlgorithm="AES")


def test_decrypt_checks_its_members(kms):
    with invalid(("null", "ciphertextBlob", NOT_NULL)):
        kms.decrypt()
    with invalid(("", "ciphertextBlob", at_least(1))):
        kms.decrypt(CiphertextBlob=b"")
    with invalid(("", "ciphertextBlob", at_most(6144))):
        kms.decrypt(CiphertextBlob=b"c" * 6145)


def test_an_rsa_algorithm_does_not_fit_a_symmetric_key(kms, key):
    text = "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT."
    with refused("InvalidKeyUsageException", text):
        kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")


def test_grant_tokens_are_checked(kms, key):
    kms.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=[])
    with refused("InvalidGrantTokenException"):
        kms.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=["not a token"])
    with refused("ValidationException"):
        kms.encrypt(KeyId=key, Plaintext=b"x", GrantTokens=["t"] * 11)


@pytest.mark.parametrize(
    "size,parameters",
    [
        (32, {"KeySpec": "AES_256"}),
        (16, {"KeySpec": "AES_128"}),
        (1, {"NumberOfBytes": 1}),
        (64, {"NumberOfBytes": 64}),
        (1024, {"NumberOfBytes": 1024}),
    ],
)
def test_a_data_key_opens_from_its_blob(kms, key, arn, alias, size, parameters):
    for named in forms(kms, key, alias):
        made = kms.generate_data_key(KeyId=named, EncryptionContext=CONTEXT, **parameters)
        assert (made["KeyId"], len(made["Plaintext"])) == (arn, size)
        assert len(made["CiphertextBlob"]) == size + OVERHEAD
        assert made["KeyMaterialId"] == material(kms, key)
        found = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
        assert found["Plaintext"] == made["Plaintext"]
        with refused("InvalidCiphertextException", ""):
            kms.decrypt(CiphertextBlob=made["CiphertextBlob"])


def test_a_data_key_without_plaintext_opens_too(kms, key, arn):
    made = kms.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256", EncryptionContext=CONTEXT)
    assert "Plaintext" not in made
    assert (made["KeyId"], made["KeyMaterialId"]) == (arn, material(kms, key))
    found = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert len(found["Plaintext"]) == 32


def test_every_data_key_is_another(kms, key):
    made = {kms.generate_data_key(KeyId=key, KeySpec="AES_256")["Plaintext"] for _ in range(8)}
    assert len(made) == 8


@pytest.mark.parametrize("operation", ["generate_data_key", "generate_data_key_without_plaintext"])
def test_data_keys_check_their_members(kms, key, operation):
    call = getattr(kms, operation)
    for both in ({}, {"KeySpec": "AES_256", "NumberOfBytes": 32}):
        with refused("ValidationException", EITHER):
            call(KeyId=key, **both)
    with invalid(("'0'", "numberOfBytes", from_value(1))):
        call(KeyId=key, NumberOfBytes=0)
    with invalid(("'1025'", "numberOfBytes", to_value(1024))):
        call(KeyId=key, NumberOfBytes=1025)
    with invalid(("'AES_512'", "keySpec", DATA_KEY_SPECS)):
        call(KeyId=key, KeySpec="AES_512")
    with invalid(("null", "keyId", NOT_NULL)):
        call(KeySpec="AES_256")


def test_the_size_of_a_data_key_is_checked_before_the_state_of_its_key(kms, key):
    kms.disable_key(KeyId=key)
    with refused("ValidationException", EITHER):
        kms.generate_data_key(KeyId=key)


def test_re_encrypt_moves_a_blob_to_another_key_and_context(kms, key, arn, other_key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    moved = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext={"a": "1"},
        DestinationKeyId=other_key,
        DestinationEncryptionContext={"b": "2"},
    )
    del moved["ResponseMetadata"]
    new = moved.pop("CiphertextBlob")
    assert moved == {
        "KeyId": key_arn(other_key),
        "SourceKeyId": arn,
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "SourceKeyMaterialId": material(kms, key),
        "DestinationKeyMaterialId": material(kms, other_key),
    }
    found = kms.decrypt(CiphertextBlob=new, EncryptionContext={"b": "2"})
    assert (found["Plaintext"], found["KeyId"]) == (b"x", key_arn(other_key))


def test_re_encrypt_takes_every_form_of_both_keys(kms, key, arn, alias):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    for named in forms(kms, key, alias):
        moved = kms.re_encrypt(
            CiphertextBlob=blob,
            SourceKeyId=named,
            DestinationKeyId=named,
            SourceEncryptionAlgorithm="SYMMETRIC_DEFAULT",
            DestinationEncryptionAlgorithm="SYMMETRIC_DEFAULT",
        )
        assert (moved["SourceKeyId"], moved["KeyId"]) == (arn, arn)


def test_re_encrypt_refuses_what_decrypt_refuses(kms, key, other_key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]
    with refused("InvalidCiphertextException", ""):
        kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=other_key)
    with refused("IncorrectKeyException", WRONG_KEY):
        kms.re_encrypt(
            CiphertextBlob=blob,
            SourceKeyId=other_key,
            SourceEncryptionContext={"a": "1"},
            DestinationKeyId=other_key,
        )
    with invalid(("null", "destinationKeyId", NOT_NULL)):
        kms.re_encrypt(CiphertextBlob=blob)
    with invalid(("null", "ciphertextBlob", NOT_NULL)):
        kms.re_encrypt(DestinationKeyId=other_key)


def test_re_encrypt_wants_both_keys_enabled(kms, key, other_key):
    blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    for off in (key, other_key):
        kms.disable_key(KeyId=off)
        with refused("DisabledException", f"{key_arn(off)} is disabled."):
            kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=other_key)
        kms.enable_key(KeyId=off)
    kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=other_key)


@pytest.mark.parametrize("size", [1, 32, 1024])
def test_generate_random_gives_as_many_bytes(kms, size):
    first, second = (kms.generate_random(NumberOfBytes=size)["Plaintext"] for _ in range(2))
    assert (len(first), len(second)) == (size, size)
    assert size == 1 or first != second


def test_generate_random_checks_its_members(kms):
    with refused("ValidationException", "NumberOfBytes is required."):
        kms.generate_random()
    with invalid(("'0'", "numberOfBytes", from_value(1))):
        kms.generate_random(NumberOfBytes=0)
    with invalid(("'1025'", "numberOfBytes", to_value(1024))):
        kms.generate_random(NumberOfBytes=1025)


DRY = [
    ("encrypt", {"Plaintext": b"x"}),
    ("generate_data_key", {"KeySpec": "AES_256"}),
    ("generate_data_key_without_plaintext", {"KeySpec": "AES_256"}),
    ("decrypt", {}),
    ("re_encrypt", {}),
]


@pytest.mark.parametrize("operation,parameters", DRY, ids=[row[0] for row in DRY])
def test_a_dry_run_ends_in_an_error_either_way(kms, key, arn, operation, parameters):
    parameters = {"KeyId": key, "DryRun": True, **parameters}
    if operation in ("decrypt", "re_encrypt"):
        parameters["CiphertextBlob"] = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    if operation == "re_encrypt":
        parameters["DestinationKeyId"] = parameters.pop("KeyId")
    call = getattr(kms, operation)
    dry = "The request would have succeeded, but the DryRun option is set."
    with refused("DryRunOperationException", dry):
        call(**parameters)
    kms.disable_key(KeyId=key)
    with refused("DisabledException", f"{arn} is disabled."):
        call(**parameters)


def test_a_dry_run_of_decrypt_can_do_without_a_ciphertext(kms, key, other_key):
    ignoring = {"DryRun": True, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    dry = "The request would have succeeded, but the DryRun option is set."
    with refused("DryRunOperationException", dry):
        kms.decrypt(KeyId=key, **ignoring)
    with refused("DryRunOperationException", dry):
        kms.re_encrypt(SourceKeyId=key, DestinationKeyId=other_key, **ignoring)
    with refused("ValidationException"):
        kms.decrypt(**ignoring)
    with refused("ValidationException"):
        kms.decrypt(KeyId=key, DryRunModifiers=["IGNORE_CIPHERTEXT"])


def test_a_recipient_is_refused_clearly(kms, key):
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"doc"}
    with refused("UnsupportedOperationException"):
        kms.generate_data_key(KeyId=key, KeySpec="AES_256", Recipient=recipient)
    with refused("UnsupportedOperationException"):
        kms.generate_random(NumberOfBytes=1, Recipient=recipient)


def test_blobs_are_standard_base64_on_the_wire(kms, key):
    seen = []
    kms.meta.events.register("before-parse.kms.Encrypt", lambda response_dict, **_: seen.append(response_dict["body"]))
    blob = kms.encrypt(KeyId=key, Plaintext=b"\xff\xfe\xfd")["CiphertextBlob"]
    assert base64.b64encode(blob) in seen[0]
