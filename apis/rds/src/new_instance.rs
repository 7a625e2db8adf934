//! How a new DB instance is made, from nothing or from a snapshot: what it is, where it goes, and what is stored.

mod place;

use keyward_crypto::{digest::sha256, random};
use keyward_engine::{
    directory::{
        addresses, paths, purpose,
        records::{
            self, V1,
            copies::Copies,
            database::{DatabaseRecord, PasswordVerifier},
            storage::{self, AddressRecord, VolumeKey, VolumeRecord, Wanted},
        },
    },
    fault::Internal,
    gate::{Denied, Gate},
    one_by_one::Turn,
    operation::Done,
    policy::permit::Permit,
};
use keyward_store::{batch::Precondition, revision::Revision};
use keyward_types::{action::Action, storage::VolumeId, tag::Tag};
use tokio::sync::OnceCell;

use self::place::Place;
use crate::{
    Cx,
    data_key::{self, DEFAULT_KEY, For},
    fault::RdsFault,
    groups::{default_option_group, default_parameter_group},
    held_key,
    installed::{ENGINE, Version},
    instance::{self, Instance, OneInstance},
    protected::{Named, Traits},
    records::DbInstanceRecord,
    shown::Described,
    snapshot::Snapshot,
    storage::GIB,
    subnet_group,
    tags::AddTagsToResource,
};

/// What is asked for.
#[derive(Debug)]
pub struct Asked {
    /// Its name, in small letters.
    pub name: String,
    /// Such as `db.t3.micro`.
    pub class: String,
    /// The version of its engine, or the first numbers of one.
    pub version: Option<String>,
    /// Its storage in GiB.
    pub storage: u32,
    /// `gp2`, `gp3` or `standard`.
    pub storage_type: String,
    /// The master user.
    pub master: String,
    /// That user's password.
    pub verifier: PasswordVerifier,
    /// The name of the database beside the engine's own.
    pub database: Option<String>,
    /// Its port.
    pub port: u16,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// The KMS key, as it is named.
    pub key: Option<String>,
    /// The Availability Zone that it must be in.
    pub zone: Option<String>,
    /// The group of its subnet.
    pub subnet_group: String,
    /// The security groups that let clients in.
    pub groups: Vec<String>,
    /// The parameter group that it must have.
    pub parameter_group: Option<String>,
    /// The option group that it must have.
    pub option_group: Option<String>,
    /// The certificate authority that it must have.
    pub certificate: Option<String>,
    /// When backups would be made.
    pub backup_window: String,
    /// When it would be maintained.
    pub maintenance_window: String,
    /// Whether it may not be deleted.
    pub is_protected: bool,
    /// Whether its snapshots have its tags.
    pub copies_tags: bool,
    /// What was said of small upgrades.
    pub upgrades: bool,
    /// What was said of access from elsewhere.
    pub is_public: bool,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// The snapshot that it is made from.
    pub from: Option<Snapshot>,
}

impl Asked {
    fn traits(&self) -> Traits {
        Traits {
            class: Some(self.class.clone()),
            database: self.database.clone(),
            encrypted: Some(self.encrypted),
            storage: Some(self.storage),
            request_tags: self.tags.clone(),
        }
    }
}

/// The resources that a new instance is about.
#[derive(Debug)]
pub struct New {
    one: OneInstance,
    /// The groups that it uses.
    used: [Named; 3],
}

/// What a new instance needs: a permit on itself and on each group that it uses, and one to tag it.
pub type Permits<A> = (Permit<A>, [Permit<A>; 3], Option<Permit<AddTagsToResource>>);

impl New {
    /// Of what is asked for, if that is known; it is not if the snapshot is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn of(name: &str, asked: Option<&Asked>, cx: &Cx<'_>) -> Result<Self, RdsFault> {
        let traits = asked.map(Asked::traits).unwrap_or_default();
        // Groups are named after a version. If there is none, nothing is made, whoever asks.
        let version = asked.and_then(|asked| asked.version.as_deref());
        let mut versions = cx.versions().await?;
        versions.retain(|one| version.is_none_or(|version| one.is_meant(version)));
        let family = versions.last().map(Version::family);
        let family = family.unwrap_or_else(|| ENGINE.to_owned());
        let subnets = asked.map_or(subnet_group::DEFAULT, |asked| &asked.subnet_group);
        let (subnet_group, _) = cx.named_group(subnets).await?;
        let named = |kind: &str, name: Option<&String>, default: String| {
            Named::new(cx, kind, name.unwrap_or(&default))
        };
        let options = asked.and_then(|asked| asked.option_group.as_ref());
        let parameters = asked.and_then(|asked| asked.parameter_group.as_ref());
        let used = [
            named("og", options, default_option_group(&family)),
            named("pg", parameters, default_parameter_group(&family)),
            subnet_group,
        ];
        Ok(Self {
            one: OneInstance::to_be_made(cx, name, traits.clone()),
            used: used.map(|named| named.used_for(&traits)),
        })
    }

    /// What it needs.
    ///
    /// # Errors
    /// When the policies deny.
    pub fn authorize<A: Action>(
        &self,
        gate: &Gate<'_>,
        tags: &[Tag],
    ) -> Result<Permits<A>, Denied> {
        let permit = gate.permit(&self.one, |supply| supply.request_tags(tags))?;
        let [options, parameters, subnets] = &self.used;
        let used = |named| gate.permit(named, |supply| supply.request_tags(tags));
        let used = [used(options)?, used(parameters)?, used(subnets)?];
        Ok((permit, used, gate.tagging(&self.one, tags)?))
    }
}

/// An instance that is to be made, and what was made for it.
#[derive(Debug)]
pub struct NewInstance {
    /// The ids that it and its volume get, whatever conflicts its commit meets.
    id: VolumeId,
    volume: String,
    made: OnceCell<VolumeKey>,
    /// Its turn to be counted and made.
    turn: OnceCell<Turn>,
}

impl Default for NewInstance {
    fn default() -> Self {
        let digits: [u8; 9] = random::array();
        let digits: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            id: VolumeId::of_database(random::array()),
            volume: format!("vol-{}", digits.get(..17).unwrap_or_default()),
            made: OnceCell::new(),
            turn: OnceCell::new(),
        }
    }
}

impl NewInstance {
    /// Makes it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn make(&self, asked: &Asked, cx: &Cx<'_>) -> Result<Done<Described>, RdsFault> {
        let key = match asked.encrypted {
            true => {
                // KMS is not asked for what cannot be made.
                asked.place(cx).await?;
                Some(self.key(asked, cx).await?)
            }
            false => None,
        };
        let turn = || cx.state().creations.turn(cx.region, cx.account());
        self.turn.get_or_init(turn).await;
        let place = asked.place(cx).await?;
        let instance = self.instance(asked, (&place, key), cx);
        let mut batch = cx.batch();
        let absent = Precondition::Absent;
        cx.put_instance(&mut batch, &instance.record, absent)?;
        cx.put_volume(&mut batch, &instance.volume, absent)?;
        if let Some(from) = &asked.from {
            // It must not be deleted meanwhile.
            let volume = VolumeRecord {
                copies: from.volume.copies.one_more(),
                ..from.volume.clone()
            };
            cx.put_volume(&mut batch, &volume, Precondition::At(from.volume_revision))?;
        }
        let address = AddressRecord {
            version: V1,
            address: place.address,
            user: self.id.to_string(),
        };
        let bytes = records::encode(&address).map_err(Internal::new)?;
        // Another resource may have got it meanwhile.
        let path = addresses::path(cx, place.address);
        batch.put(path, purpose::SUBNET_ADDRESS, &bytes, absent)?;
        // The agent must not have gone meanwhile.
        let path = paths::agent(cx.region, cx.account(), &place.agent.id);
        batch.check(path, Precondition::At(place.agent_revision))?;
        let output = Described::new(instance, Some(place.group), cx);
        Ok(Done::changed(output, batch))
    }

    async fn key(&self, asked: &Asked, cx: &Cx<'_>) -> Result<VolumeKey, RdsFault> {
        let arn = instance::arn(cx.region, cx.account(), &asked.name);
        let of = For {
            arn: &arn,
            id: self.id.as_str(),
            volume: &self.volume,
            is_snapshot: false,
        };
        let original = asked.from.as_ref().and_then(Snapshot::original);
        let make = async || {
            if let Some(original) = original {
                held_key::check(cx, original.key, original.arn).await?;
            }
            let named = asked.key.as_deref().unwrap_or(DEFAULT_KEY);
            data_key::create(cx, named, of, original).await
        };
        Ok(self.made.get_or_try_init(make).await?.clone())
    }

    /// An earlier attempt, or one whose commit failed, may have made grants that nobody needs now.
    pub async fn abandoned(&self, name: &str, cx: &Cx<'_>) {
        let Some(key) = self.made.get() else { return };
        let arn = instance::arn(cx.region, cx.account(), name);
        held_key::take_back(cx, key, (&self.id, &arn)).await;
    }

    fn instance(
        &self,
        asked: &Asked,
        (place, key): (&Place, Option<VolumeKey>),
        cx: &Cx<'_>,
    ) -> Instance {
        let record = DbInstanceRecord {
            version: V1,
            name: asked.name.clone(),
            id: self.id.clone(),
            created: cx.now,
            class: asked.class.clone(),
            storage: asked.storage,
            storage_type: asked.storage_type.clone(),
            database: asked.database.clone(),
            key: key.as_ref().map(|key| key.key.clone()),
            subnet_group: asked.subnet_group.clone(),
            subnet: place.subnet.id.clone(),
            vpc: place.subnet.vpc.clone(),
            zone: place.subnet.zone.clone(),
            groups: place.groups.clone(),
            backup_window: asked.backup_window.clone(),
            maintenance_window: asked.maintenance_window.clone(),
            is_protected: asked.is_protected,
            copies_tags: asked.copies_tags,
            upgrades: asked.upgrades,
            is_public: asked.is_public,
            tags: asked.tags.clone(),
        };
        let database = DatabaseRecord {
            engine: ENGINE.to_owned(),
            version: place.version.as_str().to_owned(),
            running: true,
            address: place.address,
            port: asked.port,
            // The engine's own database is there anyway, and so is what a snapshot has.
            name: asked
                .database
                .clone()
                .filter(|name| name != ENGINE && asked.from.is_none()),
            master: asked.master.clone(),
            verifier: asked.verifier.clone(),
            password_epoch: 1,
            restart_epoch: 0,
            names: vec![host_name(&asked.name, cx), place.address.to_string()],
            groups: place.groups.clone(),
            locked: None,
            ran: false,
            reported: None,
            events: Vec::new(),
        };
        let belongings = vec![
            instance::path(cx, &asked.name).as_str().to_owned(),
            addresses::path(cx, place.address).as_str().to_owned(),
        ];
        let volume = VolumeRecord {
            version: V1,
            id: self.id.clone(),
            service: "rds".to_owned(),
            agent: place.agent.id.clone(),
            created: cx.now,
            generation: 1,
            wanted: Wanted::Present,
            key,
            made: false,
            available_on: None,
            reported: None,
            source: instance::arn(cx.region, cx.account(), &asked.name),
            belongings,
            targets: Vec::new(),
            authorization: storage::first(),
            backs_up: false,
            backup: None,
            size: Some(u64::from(asked.storage) * GIB),
            database: Some(Box::new(database)),
            image_generation: None,
            copies: match &asked.from {
                Some(from) => Copies::restored(from.volume.id.clone(), false),
                None => Copies::default(),
            },
        };
        Instance {
            record,
            revision: Revision::default(),
            volume,
            volume_revision: Revision::default(),
        }
    }
}

/// A name for certificates, as AWS makes them: the instance's, something of its account's own, and the Region.
fn host_name(name: &str, cx: &Cx<'_>) -> String {
    let (account, region) = (cx.account(), cx.region);
    let hash = sha256(format!("{account}/{region}").as_bytes());
    let own: String = hash
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{name}.{own}.{region}.rds.localhost")
}
