//! The superblock: what can be read of a volume without its key, and where its state begins. There are two
//! copies; each is authenticated under a key that is derived from the data key.

use std::collections::BTreeMap;

use keyward_crypto::mac;

use crate::{
    Error, ImageId,
    bytes::Reader,
    disk::Disk,
    layout::{BLOCK_BYTES, JOURNAL_BYTES, Layout, MAX_BLOCKS, SUPERBLOCK_BYTES},
    seal::{FORMAT, Keys},
    tree::{Child, Link},
};

const MAGIC: &[u8; 8] = b"KWVOLUME";
/// Bytes of the magic, the version, the flags and the length.
const HEAD_BYTES: usize = 16;
/// The most bytes of a wrapped data key.
pub const MAX_WRAPPED: usize = 6 * 1024;
/// The most bytes of the name of the key that wraps it.
pub const MAX_ARN: usize = 2048;
/// The most bytes of all names and values of the encryption context, and as many of the labels.
pub const MAX_PAIRS: usize = 8 * 1024;

/// Who can unwrap the data key, and what else the volume's owner notes down. All of it can be read without
/// the key. The engine only keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyInfo {
    /// The wrapped data key, 1 to [`MAX_WRAPPED`] bytes.
    pub wrapped: Vec<u8>,
    /// The name of the wrapping key, at most [`MAX_ARN`] bytes.
    pub key_arn: String,
    /// The encryption context that unwrapping needs, at most [`MAX_PAIRS`] bytes.
    pub context: BTreeMap<String, String>,
    /// Anything else, at most [`MAX_PAIRS`] bytes.
    pub labels: BTreeMap<String, String>,
}

/// What a superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The volume's id.
    pub volume_id: ImageId,
    /// The id that its blocks are sealed under: its own, or that of the volume it is a snapshot of.
    pub seal_id: ImageId,
    /// Goes up by at least one with every superblock that is written.
    pub generation: u64,
    /// Whether the volume was closed, and the journal is empty.
    pub clean: bool,
    /// The volume's size in blocks.
    pub blocks: u64,
    /// Bytes of a journal region.
    pub journal_bytes: u64,
    /// About the data key.
    pub key: KeyInfo,
    pub(crate) root: Link,
    pub(crate) journal: JournalStart,
}

/// Where replay begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JournalStart {
    /// Random, new whenever the volume is opened: no record of another history fits.
    pub(crate) session: [u8; 16],
    /// The region of the first record.
    pub(crate) region: u8,
    /// The first record's sequence number.
    pub(crate) sequence: u64,
    /// The MAC of the record before it.
    pub(crate) previous: [u8; 32],
    /// Records up to this one are known to have been flushed.
    pub(crate) flushed: u64,
}

impl KeyInfo {
    /// Checks the limits.
    ///
    /// # Errors
    /// When one is exceeded.
    pub fn check(&self) -> Result<(), Error> {
        let bytes = |pairs: &BTreeMap<String, String>| {
            let each = pairs
                .iter()
                .map(|(name, value)| name.len() + value.len() + 4);
            each.sum::<usize>()
        };
        if self.wrapped.is_empty() || self.wrapped.len() > MAX_WRAPPED {
            return Err(Error::Argument("a wrapped data key has 1 to 6144 bytes"));
        }
        if self.key_arn.len() > MAX_ARN {
            return Err(Error::Argument("a key's ARN has at most 2048 bytes"));
        }
        if bytes(&self.context) > MAX_PAIRS {
            return Err(Error::Argument(
                "an encryption context has at most 8192 bytes",
            ));
        }
        if bytes(&self.labels) > MAX_PAIRS {
            return Err(Error::Argument("labels have at most 8192 bytes"));
        }
        Ok(())
    }
}

impl Superblock {
    /// Reads a copy, without verifying that it is authentic.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let (used, _, rest) = split(bytes)?;
        if !Reader(rest).is_zero() {
            return Err("there are bytes behind its end");
        }
        let short = "it ends too early";
        let mut reader = Reader(used);
        reader.slice(10).ok_or(short)?; // checked by `split`
        let flags = reader.u8().ok_or(short)?;
        if flags > 1 || reader.u8() != Some(0) {
            return Err("a flag is not known");
        }
        reader.u32().ok_or(short)?; // the length
        let volume_id = ImageId::from_bytes(reader.array().ok_or(short)?);
        let seal_id = ImageId::from_bytes(reader.array().ok_or(short)?);
        let generation = reader.u64().ok_or(short)?;
        let blocks = reader.u64().ok_or(short)?;
        if reader.u32() != Some(BLOCK_BYTES as u32) {
            return Err("blocks do not have 4096 bytes");
        }
        let journal_bytes = reader.u64().ok_or(short)?;
        if blocks == 0 || blocks > MAX_BLOCKS || !possible_journal(journal_bytes) {
            return Err("its size is not possible");
        }
        let root = parse_root(&mut reader).ok_or("its root is not possible")?;
        let journal = JournalStart {
            session: reader.array().ok_or(short)?,
            region: reader
                .u8()
                .filter(|region| *region < 2)
                .ok_or("a region is not known")?,
            sequence: reader
                .u64()
                .filter(|sequence| *sequence > 0)
                .ok_or("a sequence number is not possible")?,
            previous: reader.array().ok_or(short)?,
            flushed: reader.u64().ok_or(short)?,
        };
        let key = parse_key(&mut reader)?;
        if !reader.0.is_empty() {
            return Err("there are bytes behind its labels");
        }
        Ok(Self {
            volume_id,
            seal_id,
            generation,
            clean: flags == 1,
            blocks,
            journal_bytes,
            key,
            root,
            journal,
        })
    }

    /// The superblock that follows this one, with the same content.
    pub(crate) fn following(&self) -> Result<Self, Error> {
        let generation = self.generation.checked_add(1);
        Ok(Self {
            generation: generation.ok_or(Error::Argument("no generation is left"))?,
            clean: false,
            ..self.clone()
        })
    }

    /// Whether the bytes of a copy, which could be parsed, are authentic.
    pub(crate) fn is_authentic(bytes: &[u8], keys: &Keys) -> bool {
        split(bytes).is_ok_and(|(used, mac, _)| mac::equal(&keys.superblock_mac(used), mac))
    }

    /// The bytes of a copy.
    pub(crate) fn render(&self, keys: &Keys) -> Vec<u8> {
        let mut body = Vec::with_capacity(SUPERBLOCK_BYTES);
        body.extend_from_slice(self.volume_id.as_bytes());
        body.extend_from_slice(self.seal_id.as_bytes());
        body.extend_from_slice(&self.generation.to_be_bytes());
        body.extend_from_slice(&self.blocks.to_be_bytes());
        body.extend_from_slice(&(BLOCK_BYTES as u32).to_be_bytes());
        body.extend_from_slice(&self.journal_bytes.to_be_bytes());
        let root = self.root.as_ref();
        body.push(root.map_or(0, |child| child.slot + 1));
        body.extend_from_slice(&root.map_or(0, |child| child.count).to_be_bytes());
        body.extend_from_slice(&root.map_or([0; 27], |child| child.mac));
        body.extend_from_slice(&self.journal.session);
        body.push(self.journal.region);
        body.extend_from_slice(&self.journal.sequence.to_be_bytes());
        body.extend_from_slice(&self.journal.previous);
        body.extend_from_slice(&self.journal.flushed.to_be_bytes());
        put(&mut body, &self.key.wrapped);
        put(&mut body, self.key.key_arn.as_bytes());
        for pairs in [&self.key.context, &self.key.labels] {
            // Their number is bounded by their bytes, of which `check` allows fewer than 65,536.
            body.extend_from_slice(&(pairs.len() as u16).to_be_bytes());
            for (name, value) in pairs {
                put(&mut body, name.as_bytes());
                put(&mut body, value.as_bytes());
            }
        }
        let length = (HEAD_BYTES + body.len()) as u32;
        let mut out = Vec::with_capacity(SUPERBLOCK_BYTES);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[0, FORMAT, u8::from(self.clean), 0]);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&body);
        let mac = keys.superblock_mac(&out);
        out.extend_from_slice(&mac);
        out.resize(SUPERBLOCK_BYTES, 0);
        out
    }

    /// The layout of the image.
    pub fn layout(&self) -> Layout {
        Layout::new(self.journal_bytes)
    }
}

/// What can be read of an image's superblock without its key: the newest copy that is well formed. It is
/// not verified.
///
/// # Errors
/// When neither copy is well formed, or the disk fails.
pub fn inspect(disk: &dyn Disk) -> Result<Superblock, Error> {
    let copies = [read_copy(disk, 0)?, read_copy(disk, 1)?];
    let parsed = copies.iter().map(|bytes| Superblock::parse(bytes));
    newest(parsed)
}

/// The bytes of one copy.
pub(crate) fn read_copy(disk: &dyn Disk, copy: u8) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; SUPERBLOCK_BYTES];
    disk.read_at(Layout::superblock(copy), &mut bytes)?;
    Ok(bytes)
}

/// The newest of the copies, or why there is none.
fn newest(
    parsed: impl Iterator<Item = Result<Superblock, &'static str>>,
) -> Result<Superblock, Error> {
    let mut why = "there is none";
    let mut best: Option<Superblock> = None;
    for copy in parsed {
        match copy {
            Ok(copy)
                if best
                    .as_ref()
                    .is_none_or(|best| copy.generation > best.generation) =>
            {
                best = Some(copy);
            }
            Ok(_) => {}
            Err(reason) => why = reason,
        }
    }
    best.ok_or(Error::NoSuperblock(why))
}

/// The authenticated bytes, their MAC, and what is behind it.
type Parts<'a> = (&'a [u8], &'a [u8; 32], &'a [u8]);

/// Takes a copy apart by the length that it states.
fn split(bytes: &[u8]) -> Result<Parts<'_>, &'static str> {
    let mut reader = Reader(bytes);
    if reader.array() != Some(*MAGIC) {
        return Err("it is not the superblock of a volume");
    }
    if reader.u16() != Some(u16::from(FORMAT)) {
        return Err("its format has a version that this release does not know");
    }
    let length = reader.slice(2).and_then(|_| reader.u32());
    let length = length.and_then(|length| usize::try_from(length).ok());
    let short = "it ends too early";
    let (used, rest) = bytes.split_at_checked(length.ok_or(short)?).ok_or(short)?;
    let (mac, rest) = rest.split_first_chunk().ok_or(short)?;
    Ok((used, mac, rest))
}

/// Whether journal regions can have so many bytes.
pub(crate) fn possible_journal(bytes: u64) -> bool {
    JOURNAL_BYTES.contains(&bytes) && bytes.is_multiple_of(BLOCK_BYTES as u64)
}

fn parse_root(reader: &mut Reader<'_>) -> Option<Link> {
    let (state, count, mac) = (reader.u8()?, reader.u64()?, reader.array()?);
    Child::parse(state, count, mac)
}

fn parse_key(reader: &mut Reader<'_>) -> Result<KeyInfo, &'static str> {
    let key = KeyInfo {
        wrapped: take(reader)?.to_vec(),
        key_arn: text(reader)?,
        context: pairs(reader)?,
        labels: pairs(reader)?,
    };
    key.check().map_err(|_| "a limit is exceeded")?;
    Ok(key)
}

fn pairs(reader: &mut Reader<'_>) -> Result<BTreeMap<String, String>, &'static str> {
    let count = reader.u16().ok_or("it ends too early")?;
    let mut pairs: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..count {
        let (name, value) = (text(reader)?, text(reader)?);
        if pairs
            .last_key_value()
            .is_some_and(|(last, _)| *last >= name)
        {
            return Err("its pairs are not sorted");
        }
        pairs.insert(name, value);
    }
    Ok(pairs)
}

fn text(reader: &mut Reader<'_>) -> Result<String, &'static str> {
    let bytes = take(reader)?.to_vec();
    String::from_utf8(bytes).map_err(|_| "a text is not UTF-8")
}

fn take<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], &'static str> {
    let length = reader.u16().map(usize::from);
    length
        .and_then(|length| reader.slice(length))
        .ok_or("it ends too early")
}

/// Appends bytes with their length; `KeyInfo::check` allows none of more than 65,535.
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}
