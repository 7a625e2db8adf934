//! `CopyDBSnapshot`: another snapshot with the same content. Under the key of the original the ciphertext is copied, and
//! its data key wrapped anew; under another key every block is sealed again with a new data key.
//!
//! The caller needs what it needs for a new encrypted instance: `kms:DescribeKey` and `kms:CreateGrant` on the key of the
//! copy. Copies stay in the Region, and are encrypted exactly if the original is.
//!
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CopyDBSnapshot.html>

use keyward_engine::{
    audit::parameters::{Parameter, boolean, secret, structures, text},
    directory::records::storage::VolumeRecord,
    gate::{Denied, Gate},
    operation::{Done, Operation},
    policy::permit::Permit,
};
use keyward_store::batch::Precondition;
use keyward_types::{arn::ArnParts, tag::Tag};
use keyward_wire::query::Params;

use crate::{
    Cx, Rds,
    data_key::{self, For},
    fault::RdsFault,
    groups::default_option_group,
    installed::Version,
    members::{self, Unserved},
    shown_snapshot::DescribedSnapshot,
    snapshot::{self, OneSnapshot, Snapshot},
    snapshotting::{NewSnapshot, Of},
    tags::AddTagsToResource,
};

/// What this version does not serve, and what of it means nothing.
const UNSERVED: Unserved = &[
    ("CopyOptionGroup", &["false"]),
    ("PreSignedUrl", &[]),
    ("SnapshotAvailabilityZone", &[]),
    ("SnapshotTarget", &["region"]),
    // Clients make a PreSignedUrl of it.
    ("SourceRegion", &[]),
    ("TagSpecifications", &[]),
    ("TargetCustomAvailabilityZone", &[]),
];

/// The input, and what is made for it.
#[derive(Debug)]
pub struct CopyDBSnapshot {
    source: String,
    name: String,
    key: Option<String>,
    option_group: Option<String>,
    tags: Vec<Tag>,
    copies_tags: bool,
    new: NewSnapshot,
}

/// The original, and its copy.
#[derive(Debug)]
pub struct FromTo {
    source: OneSnapshot,
    copy: OneSnapshot,
}

keyward_types::action!("rds": CopyDBSnapshot = "rds:CopyDBSnapshot");

impl Operation for CopyDBSnapshot {
    const NAME: &'static str = "CopyDBSnapshot";
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("SourceDBSnapshotIdentifier"),
        text("TargetDBSnapshotIdentifier"),
        text("KmsKeyId"),
        structures("Tags", members::SHOWN_TAG),
        boolean("CopyTags"),
        secret("PreSignedUrl"),
        text("OptionGroupName"),
        text("TargetCustomAvailabilityZone"),
        text("SnapshotTarget"),
        boolean("CopyOptionGroup"),
        text("SnapshotAvailabilityZone"),
        structures(
            "TagSpecifications",
            &[text("ResourceType"), structures("Tags", members::SHOWN_TAG)],
        ),
        text("SourceRegion"),
    ];
    type Api = Rds;
    type Output = DescribedSnapshot;
    type Fault = RdsFault;
    type Resolved = FromTo;
    type Permits = (
        Permit<Self>,
        Permit<Self>,
        Option<Permit<AddTagsToResource>>,
    );

    fn parse(params: &Params<'_>) -> Result<Self, RdsFault> {
        let mut m = params.members_with_values();
        let source = m.string("SourceDBSnapshotIdentifier").length(0, 2048);
        let source = source.optional();
        let name = m.string("TargetDBSnapshotIdentifier").length(0, 1024);
        let name = name.optional();
        let key = m.string("KmsKeyId").length(0, 2048).optional();
        let option_group = m.string("OptionGroupName").length(0, 255).optional();
        let tags = members::tags(&mut m).unwrap_or_default();
        let copies_tags = m.boolean("CopyTags").optional().unwrap_or(false);
        m.finish()?;
        let source = members::required(source, "SourceDBSnapshotIdentifier")?;
        let name = members::required(name, "TargetDBSnapshotIdentifier")?;
        members::check_unserved(params.object(), UNSERVED)?;
        let owned = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self {
            source,
            name: members::snapshot_name(&name, "TargetDBSnapshotIdentifier")?,
            key: owned(key),
            option_group: owned(option_group),
            tags: members::checked(tags)?,
            copies_tags,
            new: NewSnapshot::new()?,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<FromTo, RdsFault> {
        if let Some(parts) = ArnParts::parse(&self.source)
            && parts.region != cx.region.as_str()
        {
            return Err(RdsFault::unserved(
                "Copying a DB snapshot of another Region",
            ));
        }
        let source = cx.named_snapshot(&self.source).await?;
        let tags = source
            .get()
            .map(|found| self.tags_of(found))
            .unwrap_or_default();
        Ok(FromTo {
            source: source.with_request_tags(&self.tags),
            copy: OneSnapshot::to_be_made(cx, &self.name, &tags),
        })
    }

    fn authorize(&self, from_to: &FromTo, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        let tags = &self.tags;
        let of_source = gate.permit(&from_to.source, |supply| supply.request_tags(tags))?;
        let of_copy = gate.permit(&from_to.copy, |supply| supply.request_tags(tags))?;
        let found = from_to.source.get();
        let all = found.map(|found| self.tags_of(found)).unwrap_or_default();
        Ok((of_source, of_copy, gate.tagging(&from_to.copy, &all)?))
    }

    async fn call(
        &self,
        _permits: &Self::Permits,
        from_to: &FromTo,
        cx: &Cx<'_>,
    ) -> Result<Done<DescribedSnapshot>, RdsFault> {
        let found = from_to.source.get()?.available()?;
        self.check(found)?;
        // KMS is not asked for what cannot be made.
        self.new.place(&self.name, &found.volume, cx).await?;
        let arn = snapshot::arn(cx.region, cx.account(), &self.name);
        let of = For {
            arn: &arn,
            id: found.record.instance.id.as_str(),
            volume: self.new.id().as_str(),
            is_snapshot: true,
        };
        let key = match found.original() {
            None => None,
            Some(original) => {
                let named = self.key.as_deref().unwrap_or(&original.key.key);
                let made = data_key::create(cx, named, of, Some(original));
                Some(self.new.key(original, made, cx).await?)
            }
        };
        self.new.turn(cx).await;
        let (agent, revision) = self.new.place(&self.name, &found.volume, cx).await?;
        let mut batch = cx.batch();
        let of = Of {
            name: &self.name,
            tags: self.tags_of(found),
            volume: &found.volume,
            instance: found.record.instance.clone(),
            copied: Some(&found.record),
        };
        let made = self
            .new
            .put(&mut batch, (of, key), (&agent, revision), cx)?;
        // It must not be deleted meanwhile.
        let volume = VolumeRecord {
            copies: found.volume.copies.one_more(),
            ..found.volume.clone()
        };
        let at = Precondition::At(found.volume_revision);
        cx.put_volume(&mut batch, &volume, at)?;
        Ok(Done::changed(DescribedSnapshot::new(made, cx), batch))
    }

    async fn abandoned(&self, cx: &Cx<'_>) {
        self.new.abandoned(&self.name, cx).await;
    }
}

impl CopyDBSnapshot {
    /// The tags of the copy. Those that are given count instead of the original's.
    fn tags_of(&self, found: &Snapshot) -> Vec<Tag> {
        match self.copies_tags && self.tags.is_empty() {
            true => found.record.tags.clone(),
            false => self.tags.clone(),
        }
    }

    fn check(&self, found: &Snapshot) -> Result<(), RdsFault> {
        if self.key.is_some() && found.record.key.is_none() {
            return Err(RdsFault::unserved(
                "Encrypting the copy of a DB snapshot that is not encrypted",
            ));
        }
        let version = Version::parse(&found.record.instance.engine_version);
        let family = version.map(|version| version.family()).unwrap_or_default();
        match &self.option_group {
            Some(name) if *name != default_option_group(&family) => {
                let message = format!("Specified OptionGroupName: {name} not found.");
                Err(RdsFault::InvalidParameterValue(message))
            }
            _ => Ok(()),
        }
    }
}
