//! Where grants are stored: the grant itself, and the entries by which it is found.
//!
//! Below the key's account and Region, but for those of a retiring principal, which stand below
//! its own account so that grants on keys of all accounts are found together:
//!
//! | path | what |
//! |---|---|
//! | `grant/{key}/{grant}` | the grant |
//! | `grant-entry/{key}/{grantee}/{shape}/{bucket}/{operation}/{grant}` | that it allows this |
//! | `grant-entry/{key}/{grantee}/{shape}/{bucket}/CreateGrant/{set}-{grant}` | that it allows making grants of these operations |
//! | `grant-shape/{key}/{grantee}/{shape}` | a shape that constraints of the grantee's grants have |
//! | `grant-name/{key}/{name}` | the grant of a name with all its parameters |
//! | `grantee/{key}/{grantee}/{grant}` | that the grantee has it |
//! | `retirable/{retiring}/{account}/{key}/{grant}` | that this principal may retire it |
//! | `grants-left/{key}` | a destroyed key had grants, to be swept away |

use std::borrow::Cow;

use keyward_engine::directory::paths::below_scoped;
use keyward_store::{
    path::{Path, PathError, Prefix, Segment, Split},
    reader::Reader,
};
use keyward_types::{
    account::AccountId,
    grant::{GrantId, GrantOperation, GrantOperations},
    key_id::KeyArn,
    partition::Partition,
    region::Region,
};

use crate::grants::{
    record::GrantRecord,
    terms::{Bucket, Shape, push},
};

/// The segment of a shape, or of a bucket, that looks at nothing.
const NONE: &str = "none";

const GRANT: Segment<'static> = Segment::word("grant");
const ENTRY: Segment<'static> = Segment::word("grant-entry");
const SHAPE: Segment<'static> = Segment::word("grant-shape");
const NAME: Segment<'static> = Segment::word("grant-name");
const GRANTEE: Segment<'static> = Segment::word("grantee");
const LEFT: Segment<'static> = Segment::word("grants-left");

/// The paths of one key's grants.
#[derive(Clone, Copy, Debug)]
pub struct GrantPaths<'a> {
    reader: &'a Reader,
    key: &'a KeyArn,
}

impl<'a> GrantPaths<'a> {
    /// Of the grants on that key.
    pub fn new(reader: &'a Reader, key: &'a KeyArn) -> Self {
        Self { reader, key }
    }

    /// A grant.
    pub fn grant(&self, id: &GrantId) -> Path {
        self.of(GRANT, [id.into()])
    }

    /// Every grant.
    pub fn grants(&self) -> Prefix {
        self.below(GRANT)
    }

    /// Every entry of every grant.
    pub fn all_entries(&self) -> Prefix {
        self.below(ENTRY)
    }

    /// The shapes of every grantee.
    pub fn all_shapes(&self) -> Prefix {
        self.below(SHAPE)
    }

    /// The names of every grant.
    pub fn names(&self) -> Prefix {
        self.below(NAME)
    }

    /// Every grant by grantee.
    pub fn grantees(&self) -> Prefix {
        self.below(GRANTEE)
    }

    /// The unit of a grantee's shapes.
    pub fn shapes(&self, grantee: &str) -> String {
        self.unit(SHAPE, &[grantee])
    }

    /// The unit of the entries by which one may allow an operation, for those whose constraints
    /// fall into that bucket of that shape.
    pub fn entries(
        &self,
        grantee: &str,
        shape: &str,
        bucket: &Bucket,
        operation: GrantOperation,
    ) -> String {
        let bucket = self.bucket_segment(bucket);
        self.unit(ENTRY, &[grantee, shape, &bucket, operation.as_str()])
    }

    /// Everything that a grantee has under one shape.
    pub fn entries_of_shape(&self, grantee: &str, shape: &str) -> Result<Prefix, PathError> {
        Prefix::parse(&format!("{}/{grantee}/{shape}/", self.text(ENTRY)))
    }

    /// The shapes of a grant's constraint, each with its path.
    pub fn shapes_of(&self, grant: &GrantRecord) -> Result<Vec<(Path, Shape)>, PathError> {
        let grantee = grant.grantee.segment(self.reader);
        let mut shapes: Vec<(Path, Shape)> = Vec::new();
        for operation in indexed(grant) {
            let shape = grant.terms.constraint.shape(operation);
            if shapes.iter().all(|(_, known)| *known != shape) {
                let segment = self.shape_segment(&shape);
                let path = self.of(SHAPE, []).child(&grantee)?.child(&segment)?;
                shapes.push((path, shape));
            }
        }
        Ok(shapes)
    }

    /// The entries of a grant.
    pub fn entries_of(&self, grant: &GrantRecord) -> Result<Vec<Path>, PathError> {
        let grantee = grant.grantee.segment(self.reader);
        let constraint = &grant.terms.constraint;
        let entry = |operation: GrantOperation| {
            let shape = self.shape_segment(&constraint.shape(operation));
            let unit = self.entries(&grantee, &shape, &constraint.bucket(operation), operation);
            let unit = Path::parse(&unit)?;
            if operation == GrantOperation::CreateGrant {
                unit.child(&entry_of_parent(grant))
            } else {
                unit.child(grant.id.as_str())
            }
        };
        indexed(grant).map(entry).collect()
    }

    /// The path that leads from the name of a grant to it, if it has a name. It depends on
    /// everything in the request: a request with the same name that differs in anything else
    /// creates another grant.
    pub fn name_of(&self, grant: &GrantRecord) -> Option<Path> {
        let name = grant.name.as_ref()?;
        let constraint = &grant.terms.constraint;
        let mut operations: Vec<GrantOperation> = grant.terms.operations.iter().collect();
        operations.sort_unstable();
        let mut text = String::new();
        let retiring = grant.retiring.as_ref().map(|p| p.segment(self.reader));
        for part in [
            name,
            grant.issuing_account.as_str(),
            &grant.grantee.segment(self.reader),
            &retiring.unwrap_or_default(),
            &constraint.shape(GrantOperation::Decrypt).text(),
            constraint.bucket(GrantOperation::Decrypt).text(),
        ] {
            push(&mut text, part);
        }
        for operation in operations {
            push(&mut text, operation.as_str());
        }
        let hash = self
            .reader
            .name_hash(self.key.as_str(), "grant name", &text);
        Some(self.of(NAME, [(&hash).into()]))
    }

    /// That the grantee has the grant.
    pub fn grantee_of(&self, grant: &GrantRecord) -> Result<Path, PathError> {
        let grantee = grant.grantee.segment(self.reader);
        let below = self.of(GRANTEE, []).child(&grantee)?;
        below.child(grant.id.as_str())
    }

    /// The grants of one grantee.
    pub fn grants_of(&self, grantee: &str) -> Result<Prefix, PathError> {
        Prefix::parse(&format!("{}/{grantee}/", self.text(GRANTEE)))
    }

    /// That its retiring principal may retire the grant, if it has one.
    pub fn retirable_of(&self, grant: &GrantRecord) -> Result<Option<Path>, PathError> {
        let Some(retiring) = &grant.retiring else {
            return Ok(None);
        };
        let segment = retiring.segment(self.reader);
        let base = retirable(
            self.key.partition(),
            self.key.region(),
            retiring.account(),
            &segment,
        );
        let (account, key) = (self.key.account(), self.key.id());
        Path::parse(&format!("{base}{account}/{key}/{}", grant.id)).map(Some)
    }

    /// That grants of the destroyed key are to be swept away.
    pub fn left(&self) -> Path {
        self.of(LEFT, [])
    }

    fn shape_segment(&self, shape: &Shape) -> String {
        if shape.is_none() {
            return NONE.to_owned();
        }
        self.hash("grant shape", &shape.text())
    }

    fn bucket_segment(&self, bucket: &Bucket) -> Cow<'static, str> {
        if bucket.text().is_empty() {
            return NONE.into();
        }
        self.hash("grant bucket", bucket.text()).into()
    }

    /// Hashes differ from key to key, so they do not reveal which keys have equal contexts.
    fn hash(&self, kind: &str, text: &str) -> String {
        self.reader.name_hash(self.key.as_str(), kind, text).into()
    }

    fn text(&self, word: Segment<'static>) -> String {
        self.unit(word, &[])
    }

    /// The path `word/key` with `rest` below it. Every request needs some, so it is built without
    /// formatting.
    fn unit(&self, word: Segment<'static>, rest: &[&str]) -> String {
        let key = self.key;
        let (account, region) = (key.account(), key.region());
        let first = [
            key.partition().as_str(),
            account.as_str(),
            region.as_str(),
            word.as_str(),
            key.id().as_str(),
        ];
        let mut text = String::with_capacity(256);
        for segment in first.iter().chain(rest) {
            if !text.is_empty() {
                text.push('/');
            }
            text.push_str(segment);
        }
        text
    }

    fn below(&self, word: Segment<'static>) -> Prefix {
        Prefix::below(&self.of(word, []))
    }

    fn of<const N: usize>(&self, word: Segment<'static>, rest: [Segment<'_>; N]) -> Path {
        let (account, region) = (self.key.account(), self.key.region());
        let first = [
            self.key.partition().into(),
            (&account).into(),
            region.into(),
            word,
            self.key.id().into(),
        ];
        Path::of(first.into_iter().chain(rest))
    }
}

/// The last segment of an entry for CreateGrant: the grant's operations, as eight hexadecimal
/// digits, come before its id, so that grants with the same ones stand together.
fn entry_of_parent(grant: &GrantRecord) -> String {
    format!("{:08x}-{}", grant.terms.operations.bits(), grant.id)
}

/// What an entry for CreateGrant says: the operations, and the grant.
pub fn parent_of_entry(path: &Path) -> Option<(GrantOperations, GrantId)> {
    let (set, id) = path.segments().last()?.split_once('-')?;
    let operations = GrantOperations::from_bits(u32::from_str_radix(set, 16).ok()?)?;
    Some((operations, GrantId::parse(id).ok()?))
}

/// Where to read on behind all entries for CreateGrant with these operations.
pub fn behind_parents(unit: &Path, operations: &GrantOperations) -> Result<Path, PathError> {
    // Behind every id, which is hexadecimal.
    unit.child(&format!("{:08x}-~", operations.bits()))
}

/// The operations that are looked up; who may retire a grant is read from the grant itself.
fn indexed(grant: &GrantRecord) -> impl Iterator<Item = GrantOperation> + '_ {
    let operations = grant.terms.operations.iter();
    operations.filter(|operation| *operation != GrantOperation::RetireGrant)
}

/// Everything in a Region that a principal of the account may retire, by what stands for it.
pub fn retirable_by(
    region: Region,
    account: AccountId,
    segment: &str,
) -> Result<Prefix, PathError> {
    Prefix::parse(&retirable(
        region.partition(),
        region,
        Some(account),
        segment,
    ))
}

/// Everything in a Region that a service may retire: `ACCOUNT/KEY/GRANT` of each is below.
///
/// # Errors
/// When the name is not that of a service.
pub fn retirable_by_service(region: Region, name: &str) -> Result<Prefix, PathError> {
    Prefix::parse(&retirable(region.partition(), region, None, name))
}

/// Every destroyed key of an account and Region whose grants are to be swept away.
pub fn all_left(region: Region, account: AccountId) -> Prefix {
    below_scoped(region, account, [LEFT])
}

fn retirable(
    partition: Partition,
    region: Region,
    account: Option<AccountId>,
    segment: &str,
) -> String {
    match account {
        Some(account) => format!("{partition}/{account}/{region}/retirable/{segment}/"),
        // Services live in no account.
        None => format!("service-retirable/{partition}/{region}/{segment}/"),
    }
}

/// The unit of a path of entries, as the cache names it.
pub fn entry_unit<'p>(path: &Split<'p>) -> Option<&'p str> {
    path.with(ENTRY.as_str(), 3).and(path.first(9))
}

/// The unit of a path of shapes.
pub fn shape_unit<'p>(path: &Split<'p>) -> Option<&'p str> {
    path.with(SHAPE.as_str(), 3).and(path.first(6))
}
