//! Encrypt, Decrypt, ReEncrypt, data keys and random bytes.

use aws_sdk_kms::{
    primitives::Blob,
    types::{DataKeySpec, EncryptionAlgorithmSpec},
};

use crate::{
    errors::{invalid, refused},
    world::{World, key, key_arn, metadata},
};

/// What a ciphertext blob costs over its plaintext.
const OVERHEAD: usize = 152;
const DRY: &str = "The request would have succeeded, but the DryRun option is set.";

#[tokio::test]
async fn what_is_encrypted_decrypts_under_the_same_context_only() {
    let world = World::new("encrypt");
    let kms = world.kms();
    let key = key(&kms).await;
    let encrypt = kms.encrypt().key_id(&key).plaintext(Blob::new("hello"));
    let encrypt = encrypt.encryption_context("tenant", "blue");
    let made = encrypt.send().await.unwrap();
    assert_eq!(made.key_id(), Some(&*key_arn(&key)));
    let symmetric = Some(&EncryptionAlgorithmSpec::SymmetricDefault);
    assert_eq!(made.encryption_algorithm(), symmetric);
    let blob = made.ciphertext_blob.unwrap();
    assert_eq!(blob.as_ref().len(), 5 + OVERHEAD);

    let decrypt = kms.decrypt().ciphertext_blob(blob);
    let found = decrypt.clone().encryption_context("tenant", "blue");
    let found = found.send().await.unwrap();
    assert_eq!(found.plaintext().unwrap().as_ref(), b"hello");
    assert_eq!(found.key_id(), Some(&*key_arn(&key)));
    let material = metadata(&kms, &key).await.current_key_material_id;
    assert_eq!(found.key_material_id, material);
    refused(
        decrypt.clone().send().await,
        "InvalidCiphertextException",
        "",
    );
    let other = decrypt.encryption_context("tenant", "Blue");
    refused(other.send().await, "InvalidCiphertextException", "");
}

#[tokio::test]
async fn encrypt_takes_1_to_4096_bytes() {
    let world = World::new("encrypt_limits");
    let kms = world.kms();
    let key = key(&kms).await;
    let encrypt = kms.encrypt().key_id(&key);
    let most = encrypt.clone().plaintext(Blob::new([7; 4096]));
    most.send().await.unwrap();
    let limit = "Member must have length less than or equal to 4096";
    refused(
        encrypt.plaintext(Blob::new([7; 4097])).send().await,
        "ValidationException",
        &invalid("", "plaintext", limit),
    );
}

#[tokio::test]
async fn an_altered_blob_is_an_invalid_ciphertext() {
    let world = World::new("altered");
    let kms = world.kms();
    let key = key(&kms).await;
    let made = kms.encrypt().key_id(&key).plaintext(Blob::new("x")).send();
    let mut blob = made.await.unwrap().ciphertext_blob.unwrap().into_inner();
    *blob.last_mut().unwrap() ^= 1;
    let decrypt = kms.decrypt().ciphertext_blob(Blob::new(blob));
    refused(decrypt.send().await, "InvalidCiphertextException", "");
}

#[tokio::test]
async fn decrypt_with_another_key_is_an_incorrect_key() {
    let world = World::new("incorrect_key");
    let kms = world.kms();
    let (one, other) = (key(&kms).await, key(&kms).await);
    let made = kms.encrypt().key_id(&one).plaintext(Blob::new("x")).send();
    let blob = made.await.unwrap().ciphertext_blob.unwrap();
    refused(
        kms.decrypt()
            .ciphertext_blob(blob)
            .key_id(&other)
            .send()
            .await,
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    );
}

#[tokio::test]
async fn a_data_key_opens_from_its_blob() {
    let world = World::new("data_key");
    let kms = world.kms();
    let key = key(&kms).await;
    for (length, spec) in [(32, DataKeySpec::Aes256), (16, DataKeySpec::Aes128)] {
        let made = kms.generate_data_key().key_id(&key).key_spec(spec);
        let made = made.send().await.unwrap();
        let plaintext = made.plaintext.unwrap();
        assert_eq!(plaintext.as_ref().len(), length);
        let opened = kms.decrypt().ciphertext_blob(made.ciphertext_blob.unwrap());
        assert_eq!(opened.send().await.unwrap().plaintext, Some(plaintext));
    }
    refused(
        kms.generate_data_key().key_id(&key).send().await,
        "ValidationException",
        "Please specify either number of bytes or key spec.",
    );
}

#[tokio::test]
async fn a_data_key_without_plaintext_opens_too() {
    let world = World::new("without_plaintext");
    let kms = world.kms();
    let key = key(&kms).await;
    let generate = kms.generate_data_key_without_plaintext().key_id(&key);
    let made = generate.clone().number_of_bytes(64).send().await.unwrap();
    assert_eq!(made.key_id(), Some(&*key_arn(&key)));
    let opened = kms.decrypt().ciphertext_blob(made.ciphertext_blob.unwrap());
    let plaintext = opened.send().await.unwrap().plaintext.unwrap();
    assert_eq!(plaintext.as_ref().len(), 64);
    let limit = "Member must have value less than or equal to 1024";
    refused(
        generate.number_of_bytes(1025).send().await,
        "ValidationException",
        &invalid("'1025'", "numberOfBytes", limit),
    );
}

#[tokio::test]
async fn re_encrypt_moves_a_blob_to_another_key_and_context() {
    let world = World::new("re_encrypt");
    let kms = world.kms();
    let (from, to) = (key(&kms).await, key(&kms).await);
    let made = kms.encrypt().key_id(&from).plaintext(Blob::new("x"));
    let made = made.encryption_context("a", "1").send().await.unwrap();
    let move_it = kms.re_encrypt().destination_key_id(&to);
    let move_it = move_it
        .ciphertext_blob(made.ciphertext_blob.unwrap())
        .destination_encryption_context("b", "2");
    refused(
        move_it.clone().send().await,
        "InvalidCiphertextException",
        "",
    );
    let move_it = move_it.source_encryption_context("a", "1");
    let moved = move_it.clone().send().await.unwrap();
    assert_eq!(moved.source_key_id(), Some(&*key_arn(&from)));
    assert_eq!(moved.key_id(), Some(&*key_arn(&to)));
    let material = metadata(&kms, &to).await.current_key_material_id;
    assert_eq!(moved.destination_key_material_id, material);
    let opened = kms
        .decrypt()
        .ciphertext_blob(moved.ciphertext_blob.unwrap());
    let opened = opened.encryption_context("b", "2").send().await.unwrap();
    assert_eq!(opened.plaintext().unwrap().as_ref(), b"x");
    kms.disable_key().key_id(&to).send().await.unwrap();
    refused(
        move_it.send().await,
        "DisabledException",
        &format!("{} is disabled.", key_arn(&to)),
    );
}

#[tokio::test]
async fn a_dry_run_ends_in_an_error_either_way() {
    let world = World::new("dry_run");
    let kms = world.kms();
    let key = key(&kms).await;
    let generate = kms.generate_data_key().key_id(&key);
    let generate = generate.key_spec(DataKeySpec::Aes256).dry_run(true);
    refused(generate.send().await, "DryRunOperationException", DRY);
}

#[tokio::test]
async fn generate_random_gives_as_many_bytes_as_asked_for() {
    let world = World::new("random");
    let kms = world.kms();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let made = kms.generate_random().number_of_bytes(1024).send().await;
        seen.push(made.unwrap().plaintext.unwrap().into_inner());
    }
    assert_eq!((seen[0].len(), seen[1].len()), (1024, 1024));
    assert_ne!(seen[0], seen[1]);
    refused(
        kms.generate_random().send().await,
        "ValidationException",
        "NumberOfBytes is required.",
    );
}
