//! The index finds what reading every grant would find.

use keyward_api_kms::grants::{
    index::GrantPaths,
    party::Party,
    record::{GrantRecord, GrantShapeRecord},
    terms::{Act, Constraint, ContextConstraint, GrantQuestion, Terms},
    write::{leading_to, put_grant},
};
use keyward_engine::directory::{
    purpose,
    records::{self, V1},
};
use keyward_store::batch::Precondition;
use keyward_types::{
    account::AccountId,
    encryption_context::EncryptionContext,
    grant::{GrantId, GrantOperation as Op, GrantOperations},
    partition::Partition,
    principal::Principal,
    time::Timestamp,
    unique_id::{UniqueId, UniqueIdKind},
};
use proptest::{
    collection::vec, option, prelude::*, sample::select, strategy::ValueTree,
    test_runner::TestRunner,
};

use super::world::{KeyWorld, world};

fn account() -> AccountId {
    AccountId::parse("111122223333").unwrap()
}

fn id(kind: UniqueIdKind, number: u8) -> UniqueId {
    UniqueId::from_random(kind, [number; 17])
}

fn parties() -> Vec<Party> {
    let (account, role) = (account(), id(UniqueIdKind::Role, 1));
    vec![
        Party::Account { account },
        Party::User {
            account,
            id: id(UniqueIdKind::User, 1),
        },
        Party::Role {
            account,
            id: role.clone(),
        },
        Party::Session {
            account,
            role,
            session: "s".into(),
        },
        Party::FederatedUser {
            account,
            name: "bob".into(),
        },
        Party::Service {
            name: "s3.amazonaws.com".into(),
            as_principal: false,
        },
    ]
}

fn callers() -> Vec<Principal> {
    let (aws, account) = (Partition::Aws, account());
    let (user, role) = (id(UniqueIdKind::User, 1), id(UniqueIdKind::Role, 1));
    let anew = id(UniqueIdKind::Role, 2);
    let other = AccountId::parse("444455556666").unwrap();
    vec![
        Principal::root(aws, account),
        Principal::root(aws, other),
        Principal::user(aws, account, "/", "alice", user.clone()),
        Principal::role_session(aws, account, ("/", "Admin", role.clone()), "s"),
        Principal::role_session(aws, account, ("/", "Admin", role), "t"),
        Principal::role_session(aws, account, ("/", "Admin", anew), "s"),
        Principal::federated_user(aws, account, "bob", Some(user)),
        Principal::federated_user(aws, other, "bob", None),
        Principal::service(aws, "s3.us-east-1.amazonaws.com"),
        Principal::service(aws, "sqs.amazonaws.com"),
    ]
}

fn any_context() -> impl Strategy<Value = EncryptionContext> {
    let pair = (select(vec!["a", "b"]), select(vec!["1", "2"]));
    vec(pair, 0..3).prop_map(|mut pairs| {
        pairs.sort_unstable();
        pairs.dedup_by_key(|(name, _)| *name);
        let pairs = pairs.into_iter().map(|(n, v)| (n.into(), v.into()));
        EncryptionContext::new(pairs.collect()).unwrap()
    })
}

fn any_source() -> impl Strategy<Value = Option<String>> {
    option::weighted(
        0.3,
        select(vec!["arn:aws:s3:::x".into(), "arn:aws:s3:::y".into()]),
    )
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let operations = vec(
        select(vec![
            Op::Decrypt,
            Op::Encrypt,
            Op::DescribeKey,
            Op::CreateGrant,
        ]),
        1..4,
    );
    let context = prop_oneof![
        Just(ContextConstraint::None),
        any_context().prop_map(ContextConstraint::Equals),
        any_context().prop_map(ContextConstraint::Subset),
    ];
    (operations, context, any_source()).prop_map(|(operations, context, source_arn)| Terms {
        operations: GrantOperations::new(operations),
        constraint: Constraint {
            context,
            source_arn,
        },
    })
}

impl KeyWorld {
    fn grant(&self, number: u8, grantee: &Party, terms: &Terms) -> GrantRecord {
        GrantRecord {
            version: V1,
            id: GrantId::from_random([number; 32]),
            region: self.key.region(),
            account: self.key.account(),
            key: self.key.id().clone(),
            name: None,
            created: Timestamp::from_millis(0),
            issuing_account: account(),
            grantee: grantee.clone(),
            retiring: None,
            terms: terms.clone(),
        }
    }

    async fn write(&self, grant: &GrantRecord) {
        let places = GrantPaths::new(self.workers.reader(), &self.key);
        let mut batch = self.workers.batch();
        for (path, shape) in places.shapes_of(grant).unwrap() {
            let version = V1;
            let bytes = records::encode(&GrantShapeRecord { version, shape }).unwrap();
            batch
                .put(path, purpose::GRANT_SHAPE, &bytes, Precondition::Any)
                .unwrap();
        }
        put_grant(&mut batch, &places, grant).unwrap();
        self.workers.commit(batch).await.unwrap();
    }

    async fn end(&self, grant: &GrantRecord) {
        let places = GrantPaths::new(self.workers.reader(), &self.key);
        let mut batch = self.workers.batch();
        let mut paths = leading_to(&places, grant).unwrap();
        paths.push(places.grant(&grant.id));
        for path in paths {
            batch.delete(path, Precondition::Any).unwrap();
        }
        self.workers.commit(batch).await.unwrap();
    }

    /// Holds the index against all grants that there are, for every caller.
    async fn check(&self, grants: &[GrantRecord], asked: &GrantQuestion<'_>) {
        let kms = &self.kms;
        for caller in callers() {
            let found = kms
                .grants()
                .grant_for(&self.key, &caller, asked)
                .await
                .unwrap();
            let by_hand = grants
                .iter()
                .filter(|grant| grant.terms.allow(asked))
                .filter_map(|grant| grant.grantee.reaches(&caller))
                .max();
            let strongest = found.as_ref().map(|found| found.class);
            assert_eq!(strongest, by_hand, "{caller:?} {asked:?}");
            if let Some(found) = found {
                let grant = grants.iter().find(|grant| grant.id == found.id).unwrap();
                assert!(grant.terms.allow(asked));
                assert_eq!(grant.grantee.reaches(&caller), Some(found.class));
            }
        }
    }
}

/// Random grants come and go, and what is looked up meanwhile fills the caches.
#[tokio::test]
async fn what_the_index_finds_is_what_reading_all_grants_would_find() {
    let mut runner = TestRunner::deterministic();
    let question = (any_terms(), any_context(), any_source());
    let rounds = vec((any_terms(), select(parties()), vec(question, 2..4)), 24);
    for _ in 0..12 {
        let world = world(|record, _| record.has_grants = true).await;
        let rounds = rounds.new_tree(&mut runner).unwrap().current();
        let mut grants = Vec::new();
        for (number, (terms, grantee, questions)) in (0..).zip(&rounds) {
            let grant = world.grant(number, grantee, terms);
            world.write(&grant).await;
            grants.push(grant);
            if number % 3 == 2 {
                let at = usize::from(number) * 7 % grants.len();
                let ended = grants.swap_remove(at);
                world.end(&ended).await;
            }
            for (child, context, source) in questions {
                let source_arn = source.as_deref();
                let acts = [
                    Act::Use(Op::Decrypt, context),
                    Act::Use(Op::DescribeKey, context),
                    Act::Child(child),
                ];
                for act in acts {
                    world
                        .check(&grants, &GrantQuestion { act, source_arn })
                        .await;
                }
            }
        }
        for grant in std::mem::take(&mut grants) {
            world.end(&grant).await;
        }
        let none = EncryptionContext::default();
        let act = Act::Use(Op::Decrypt, &none);
        let source_arn = None;
        world.check(&[], &GrantQuestion { act, source_arn }).await;
    }
}
