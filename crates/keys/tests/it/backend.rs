//! What every backend does, through the ring: one that is ready at once and one that must be
//! waited for.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use keyward_crypto::secret::SecretBytes;
use keyward_keys::{
    backend::{Answer, Backend, BackendError, NewMaterial, software::Software},
    ciphertext_blob::CiphertextBlob,
    key::Key,
    record::MaterialRecord,
    ring::{KeyKind, NewKey, Ring, RingError, Unsupported},
};
use keyward_policy::{permit::assertion_for_tests, record::PolicyRecord};
use keyward_types::{
    action,
    encryption_context::EncryptionContext,
    key_spec::{KeySpec, Origin},
    material_id::MaterialId,
};

use crate::world::{CALLER, START, SYMMETRIC, World, account, context, permit, region};

/// The software backend, as if it were far away: each answer is pending once.
#[derive(Debug, Default)]
struct Distant {
    asked: AtomicUsize,
    cut_off: AtomicBool,
}

impl Distant {
    fn later<'a, T: Send + 'a>(
        &'a self,
        work: impl FnOnce() -> Answer<'a, T> + Send + 'a,
    ) -> Answer<'a, T> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Answer::later(async move {
            let mut answered = false;
            let once = poll_fn(|_| {
                if answered {
                    return Poll::Ready(());
                }
                answered = true;
                Poll::Pending
            });
            once.await;
            if self.cut_off.load(Ordering::Relaxed) {
                return Err(BackendError::Unreachable);
            }
            match work() {
                Answer::Ready(answer) => answer.await,
                Answer::Later(_) => panic!("software is ready at once"),
            }
        })
    }
}

impl Backend for Distant {
    fn serves(&self, spec: KeySpec) -> bool {
        Software.serves(spec)
    }

    fn generate<'a>(&'a self, new: NewMaterial<'a>) -> Answer<'a, MaterialRecord> {
        self.later(move || Software.generate(new))
    }

    fn encrypt<'a>(
        &'a self,
        key: &'a Key,
        plaintext: &'a [u8],
        context: &'a EncryptionContext,
    ) -> Answer<'a, (Vec<u8>, MaterialId)> {
        self.later(move || Software.encrypt(key, plaintext, context))
    }

    fn decrypt<'a>(
        &'a self,
        key: &'a Key,
        blob: &'a CiphertextBlob<'a>,
        context: &'a EncryptionContext,
    ) -> Answer<'a, SecretBytes> {
        self.later(move || Software.decrypt(key, blob, context))
    }
}

/// The result, and how often it had to be waited for.
fn wait<T>(work: impl Future<Output = T>) -> (T, usize) {
    let mut context = Context::from_waker(Waker::noop());
    let mut work = pin!(work);
    for waits in 0..10 {
        if let Poll::Ready(result) = work.as_mut().poll(&mut context) {
            return (result, waits);
        }
    }
    panic!("it never ends");
}

fn create(world: &World, ring: &Ring, origin: Origin) -> (Result<Key, RingError>, usize) {
    let place = format!("arn:aws:kms:{}:{}:*", region(), account());
    let permit = assertion_for_tests::<action::CreateKey>(CALLER, account(), &place);
    let new = NewKey {
        kind: KeyKind {
            origin,
            ..KeyKind::SYMMETRIC
        },
        description: String::new(),
        policy: PolicyRecord::unbound("{}".to_owned()),
        tags: Vec::new(),
    };
    let (record, waits) = wait(ring.create(&permit, &world.domain, new, START));
    let key = record.map(|record| ring.open(record, Arc::clone(&world.domain)));
    (key, waits)
}

/// What holds of a key whatever its backend; `waits` is how long each answer of it takes.
fn conforms(world: &World, ring: &Ring, origin: Origin, waits: usize) {
    let (key, waited) = create(world, ring, origin);
    let key = key.unwrap();
    assert_eq!(waited, waits);
    assert_eq!(key.record().origin, origin);
    let context = context(&[("a", "b")]);
    let arn = key.arn();

    let (sealed, waited) = wait(ring.encrypt(&permit(arn), &key, SYMMETRIC, b"text", &context));
    let (sealed, material) = sealed.unwrap();
    assert_eq!(waited, waits);
    let blob = key.parse_blob(&sealed).unwrap();
    let (opened, waited) = wait(ring.decrypt(&permit(arn), &key, SYMMETRIC, &blob, &context));
    assert_eq!(waited, waits);
    let (plaintext, opened_by) = opened.unwrap();
    assert_eq!((plaintext.expose(), opened_by), (&b"text"[..], material));

    let (generated, waited) = wait(ring.generate_data_key(&permit(arn), &key, 32, &context));
    assert_eq!(waited, waits);
    assert_eq!(generated.unwrap().plaintext.expose().len(), 32);

    let (record, waited) = wait(ring.rotate_on_demand(&permit(arn), &key, START));
    assert_eq!(waited, waits);
    let rotated = ring.open(record.unwrap(), Arc::clone(&world.domain));
    let old = rotated.parse_blob(&sealed).unwrap();
    let (opened, _) = wait(ring.decrypt(&permit(arn), &rotated, SYMMETRIC, &old, &context));
    assert_eq!(opened.unwrap().0.expose(), b"text");
}

#[test]
fn a_key_is_the_same_to_its_caller_whichever_backend_holds_it() {
    let world = World::new();
    let ring = world
        .ring
        .clone()
        .with_custom_key_store(Arc::new(Distant::default()));
    conforms(&world, &ring, Origin::AwsKms, 0);
    conforms(&world, &ring, Origin::AwsCloudHsm, 1);
}

#[test]
fn re_encrypt_asks_each_keys_own_backend() {
    let world = World::new();
    let distant = Arc::new(Distant::default());
    let ring = world.ring.clone().with_custom_key_store(distant.clone());
    let near = create(&world, &ring, Origin::AwsKms).0.unwrap();
    let far = create(&world, &ring, Origin::AwsCloudHsm).0.unwrap();
    let none = context(&[]);
    let sealed = world.encrypt(&near, b"text", &none);
    let blob = near.parse_blob(&sealed).unwrap();
    let before = distant.asked.load(Ordering::Relaxed);
    let (done, waits) = wait(ring.re_encrypt(
        (&permit(near.arn()), &permit(far.arn())),
        (&near, SYMMETRIC, &blob, &none),
        (&far, SYMMETRIC, &none),
    ));
    let sealed = done.unwrap().ciphertext_blob;
    assert_eq!(
        (waits, distant.asked.load(Ordering::Relaxed)),
        (1, before + 1)
    );
    let blob = far.parse_blob(&sealed).unwrap();
    let (opened, _) = wait(ring.decrypt(&permit(far.arn()), &far, SYMMETRIC, &blob, &none));
    assert_eq!(opened.unwrap().0.expose(), b"text");
}

#[test]
fn a_backend_out_of_reach_is_told_as_that_and_state_is_checked_before_it_is_asked() {
    let world = World::new();
    let distant = Arc::new(Distant::default());
    let ring = world.ring.clone().with_custom_key_store(distant.clone());
    let key = create(&world, &ring, Origin::AwsCloudHsm).0.unwrap();
    let (arn, none) = (key.arn(), context(&[]));
    distant.cut_off.store(true, Ordering::Relaxed);
    let (result, _) = wait(ring.encrypt(&permit(arn), &key, SYMMETRIC, b"p", &none));
    assert!(matches!(result, Err(RingError::Unreachable)), "{result:?}");

    let disabled = ring.disable(&permit(arn), &key).unwrap();
    let disabled = ring.open(disabled, Arc::clone(&world.domain));
    let before = distant.asked.load(Ordering::Relaxed);
    let (result, waits) = wait(ring.encrypt(&permit(arn), &disabled, SYMMETRIC, b"p", &none));
    assert!(matches!(result, Err(RingError::State { .. })), "{result:?}");
    assert_eq!((waits, distant.asked.load(Ordering::Relaxed)), (0, before));
}

#[test]
fn what_no_backend_serves_is_refused_by_name() {
    let world = World::new();
    let unsupported = |spec, origin| {
        let kind = KeyKind {
            spec,
            origin,
            ..KeyKind::SYMMETRIC
        };
        match world.ring.check_kind(kind) {
            Err(RingError::Unsupported(what)) => Some(what),
            Ok(()) => None,
            Err(other) => panic!("{other:?}"),
        }
    };
    for spec in KeySpec::ALL {
        let expected = (*spec != KeySpec::SymmetricDefault).then_some(Unsupported::Spec(*spec));
        assert_eq!(unsupported(*spec, Origin::AwsKms), expected);
    }
    let symmetric = KeySpec::SymmetricDefault;
    for (origin, expected) in [
        (Origin::External, Unsupported::Origin(Origin::External)),
        (Origin::AwsCloudHsm, Unsupported::CustomKeyStore),
        (Origin::ExternalKeyStore, Unsupported::CustomKeyStore),
    ] {
        assert_eq!(unsupported(symmetric, origin), Some(expected));
        let (refused, _) = create(&world, &world.ring, origin);
        let refused = refused.map(|_| ()).unwrap_err();
        assert!(matches!(&refused, RingError::Unsupported(what) if *what == expected));
    }
    assert_eq!(
        Unsupported::Spec(KeySpec::MlKem512).to_string(),
        "KeySpec ML_KEM_512"
    );
}

/// Nothing of a caller's plaintext is printed with an answer.
#[test]
fn an_answer_prints_only_whether_it_is_there() {
    let ready = Answer::ready(Ok(b"plaintext".to_vec()));
    let later = Answer::later(async { Ok(b"plaintext".to_vec()) });
    let printed = |answer: &dyn fmt::Debug| format!("{answer:?}");
    assert_eq!(printed(&ready), "Answer::Ready");
    assert_eq!(printed(&later), "Answer::Later");
}
