//! What types that hold secrets must not have. Each line fails to compile once the type has the
//! trait: then two implementations of `Probe` fit and `_` cannot be inferred.

use std::fmt::Display;

use keyward_crypto::secret::{SecretBytes, arena::ArenaSecret};

macro_rules! lacks {
    ($type:ty: $($bound:path),+ $(,)?) => {$(
        const _: fn() = || {
            trait Probe<Marker> {
                fn probe() {}
            }
            struct HasIt;
            impl<T: ?Sized> Probe<()> for T {}
            impl<T: ?Sized + $bound> Probe<HasIt> for T {}
            let _ = <$type as Probe<_>>::probe;
        };
    )+};
}

lacks!(SecretBytes: Clone, Copy, PartialEq, PartialOrd, std::hash::Hash, Display, Default);
lacks!(SecretBytes: AsRef<[u8]>, std::ops::Deref, std::borrow::Borrow<[u8]>, Into<Vec<u8>>);
lacks!(SecretBytes: serde::Serialize, serde::de::DeserializeOwned, IntoIterator);
lacks!(ArenaSecret: Clone, Copy, PartialEq, PartialOrd, std::hash::Hash, Display, Default);
lacks!(ArenaSecret: AsRef<[u8]>, std::ops::Deref, std::borrow::Borrow<[u8]>, Into<Vec<u8>>);
lacks!(ArenaSecret: serde::Serialize, serde::de::DeserializeOwned, IntoIterator);

#[test]
fn debug_prints_the_types_name_and_nothing_else() {
    let secret = SecretBytes::from_vec(b"hunter2".to_vec());
    assert_eq!(format!("{secret:?} {secret:#?}"), "SecretBytes SecretBytes");
    let (arena, _) = keyward_crypto::secret::arena::Arena::new(4096).unwrap();
    let stored = arena.store(&secret).unwrap();
    assert_eq!(format!("{stored:?} {stored:#?}"), "ArenaSecret ArenaSecret");
    assert_eq!(format!("{arena:?}"), "Arena");
}
