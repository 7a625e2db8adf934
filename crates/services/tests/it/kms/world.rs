//! A server with one key.

use keyward_api_kms::{lookup::put_new_key, paths, policies::default_policy};
use keyward_engine::directory::{paths::all_outbox, purpose, records};
use keyward_keys::{
    hierarchy::DomainKeyRecord,
    record::KeyRecord,
    ring::{KeyKind, NewKey},
};
use keyward_policy::{
    permit::{Permit, assertion_for_tests},
    record::PolicyRecord,
};
use keyward_store::batch::Precondition;
use keyward_testkit::world::{OWN, World, account};
use keyward_types::{
    action,
    key_id::KeyArn,
    region::Region,
    time::{Clock as _, Timestamp},
};

/// A server with one key.
pub struct KeyWorld {
    world: World,
    /// The key.
    pub key: KeyArn,
}

impl std::ops::Deref for KeyWorld {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

/// A server whose one key has been changed as `edit` says.
pub async fn world(edit: impl FnOnce(&mut KeyRecord, Timestamp)) -> KeyWorld {
    let world = World::new().await;
    let (region, account) = (Region::parse("us-east-1").unwrap(), account(OWN));
    let domain = DomainKeyRecord::generate(world.kms.root(), region, account).unwrap();
    let opened = world.kms.open_domain_key(&domain).await.unwrap();
    let place = format!("arn:aws:kms:us-east-1:{account}:*");
    let permit: Permit<action::CreateKey> = assertion_for_tests("root", account, &place);
    let policy = PolicyRecord::unbound(default_policy(region.partition(), account));
    let new = NewKey {
        kind: KeyKind::SYMMETRIC,
        description: String::new(),
        policy,
        tags: Vec::new(),
    };
    let now = world.hands.now();
    let made = world.kms.ring().create(&permit, &opened, new, now).await;
    let mut record = made.unwrap();
    edit(&mut record, now);
    let mut batch = world.workers.batch();
    let path = paths::domain_key(region, account);
    let bytes = records::encode(&domain).unwrap();
    batch
        .put(path, purpose::DOMAIN_KEY, &bytes, Precondition::Absent)
        .unwrap();
    put_new_key(&mut batch, &record.arn(), &record).unwrap();
    world.workers.commit(batch).await.unwrap();
    let key = record.arn();
    KeyWorld { world, key }
}

impl KeyWorld {
    /// The key as it is stored.
    pub async fn record(&self) -> KeyRecord {
        let path = paths::key(&self.key);
        let read = self
            .workers
            .reader()
            .get(&path)
            .await
            .unwrap()
            .value
            .unwrap();
        KeyRecord::parse(read.bytes_of(purpose::KEY).unwrap()).unwrap()
    }

    /// The event of that name on its way to the trail, masked where it differs from run to run.
    pub async fn event(&self, name: &str) -> String {
        let prefix = all_outbox();
        let read = self
            .workers
            .reader()
            .range(&prefix, None, 100)
            .await
            .unwrap()
            .value;
        let events = read.iter().map(|record| {
            let event = serde_json::from_slice::<serde_json::Value>(record.bytes());
            event.unwrap()
        });
        let mut named = events.filter(|event| event["eventName"] == name);
        let (Some(event), None) = (named.next(), named.next()) else {
            panic!("not exactly one {name}");
        };
        let text = format!("{event:#}\n").replace(self.key.id().as_str(), "<key>");
        let mut masked = String::new();
        let mut seen = Vec::new();
        for piece in text.split_inclusive('"') {
            let word = piece.trim_end_matches('"');
            let hidden = word.rsplit('/').next().unwrap_or(word);
            let random =
                hidden.len() >= 32 && hidden.chars().all(|c| c == '-' || c.is_ascii_hexdigit());
            if random && !seen.contains(&hidden) {
                seen.push(hidden);
            }
            match seen.iter().position(|known| random && *known == hidden) {
                Some(number) => {
                    let mask = format!("<{} digits {}>", hidden.len(), number + 1);
                    masked.push_str(&piece.replace(hidden, &mask));
                }
                None => masked.push_str(piece),
            }
        }
        masked
    }
}
