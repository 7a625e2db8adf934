use crate::world::*;
use keyward_crypto::secret::arena::Arena;
use keyward_keys::{hierarchy::*, record::*, ring::*, root_key::RootKey};
use keyward_policy::permit::Permit;
use keyward_types::{alias::AliasName, tag::Tag, unique_id::*};
use std::sync::Arc;
#[test]
fn generate() {
    let out = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/v1"));
    let w = |n: &str, t: String| std::fs::write(out.join(n), t + "\n").unwrap();
    let (arena, _) = Arena::new(1 << 14).unwrap();
    let root = RootKey::create(&out.join("root.key"), &arena).unwrap();
    w(
        "store-keys.json",
        serde_json::to_string(&StoreKeysRecord::generate(&root).unwrap()).unwrap(),
    );
    let a = AccountKeyRecord::generate(&root, account()).unwrap();
    w("account-key.json", serde_json::to_string(&a).unwrap());
    let d = DomainKeyRecord::generate(&root, region(), account()).unwrap();
    w("domain-key.json", serde_json::to_string(&d).unwrap());
    let domain = Arc::new(
        d.open(&root, Arc::new(a.open(&root, &arena).unwrap()), &arena)
            .unwrap(),
    );
    let ring = Ring::new(arena);
    let p = Permit::assertion_for_tests(CALLER, account(), "arn:aws:kms:us-east-1:111122223333:*");
    let principals = [(
        CALLER.to_owned(),
        UniqueId::from_random(UniqueIdKind::User, [7; 17]),
    )]
    .into();
    let policy = PolicyRecord { text: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/alice"},"Action":"kms:*","Resource":"*"}]}"#.into(), principals };
    let new = NewKey {
        description: "a key of version 1".into(),
        policy,
        tags: vec![Tag {
            key: "team".into(),
            value: "a".into(),
        }],
    };
    let c = context(&[("Department", "Finance")]);
    let seal = |k: &keyward_keys::key::Key| {
        hex::encode(
            ring.encrypt(&permit(k.arn()), k, SYMMETRIC, b"what version 1 wrote", &c)
                .unwrap()
                .0,
        )
    };
    let k = ring.open(
        ring.create(&p, &domain, new, START).unwrap(),
        domain.clone(),
    );
    w("blob-of-first-material.hex", seal(&k));
    let k = ring.open(
        ring.add_alias(
            &permit(k.arn()),
            &k,
            &AliasName::parse("alias/app").unwrap(),
        )
        .unwrap(),
        domain.clone(),
    );
    let k = ring.open(
        ring.enable_rotation(&permit(k.arn()), &k, 365, START)
            .unwrap(),
        domain.clone(),
    );
    let k = ring.open(
        ring.rotate_on_demand(&permit(k.arn()), &k, START.plus_days(1))
            .unwrap(),
        domain.clone(),
    );
    w("blob-of-second-material.hex", seal(&k));
    w(
        "key.json",
        String::from_utf8(k.record().to_bytes().unwrap()).unwrap(),
    );
}
