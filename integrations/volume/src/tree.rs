//! The tree of keyed hashes over the tags. A leaf page holds the nonces and tags of 100 blocks, an inner
//! page the hashes of 128 pages below it. What was never written is absent: a link of zeros.
//!
//! Each page has two slots. The link to it says which of them is current, and is itself in a page that has
//! two slots, up to the root link in the superblock. So a page is verified when it is read, by the links
//! above it, and a new state of the tree never overwrites the current one.

pub(crate) mod update;

use std::sync::Arc;

use keyward_crypto::mac;
use quick_cache::sync::Cache;

use crate::{
    Error,
    bytes::Reader,
    disk::Disk,
    layout::{BLOCK_BYTES, FANOUT, LEAF_BLOCKS, Layout, ROOT_LEVEL},
    seal::{Keys, PAGE_MAC_BYTES, Sealed},
};

const LEAF_MAGIC: &[u8; 8] = b"KWVLLEAF";
/// Bytes of a leaf page before its entries: magic, number, generation, zeros.
const LEAF_HEAD: usize = 96;

/// A page below another, or the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    /// Which of its slots is current.
    pub(crate) slot: u8,
    /// How many blocks below it were written.
    pub(crate) count: u64,
    /// The keyed hash of the page.
    pub(crate) mac: [u8; PAGE_MAC_BYTES],
}

/// Nothing, if no block below was ever written.
pub(crate) type Link = Option<Child>;

impl Child {
    /// A link from its parts; `None` if they are impossible.
    pub(crate) fn parse(state: u8, count: u64, mac: [u8; PAGE_MAC_BYTES]) -> Option<Link> {
        match state {
            0 => (count == 0 && mac == [0; PAGE_MAC_BYTES]).then_some(None),
            1 | 2 if count > 0 => Some(Some(Self {
                slot: state - 1,
                count,
                mac,
            })),
            _ => None,
        }
    }
}

/// What a page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// The checkpoint that wrote it, and the blocks' nonces and tags.
    Leaf(u64, Vec<Option<Sealed>>),
    /// The pages below.
    Inner(Vec<Link>),
}

impl Node {
    /// A page of this level that nothing is below.
    pub(crate) fn empty(level: u8) -> Self {
        if level == 0 {
            Self::Leaf(0, vec![None; LEAF_BLOCKS as usize])
        } else {
            Self::Inner(vec![None; FANOUT as usize])
        }
    }

    /// How many blocks below it were written.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Leaf(_, entries) => entries.iter().flatten().count() as u64,
            Self::Inner(links) => links.iter().flatten().map(|child| child.count).sum(),
        }
    }

    /// The link to a page below, by its place in this one.
    pub(crate) fn link(&self, place: u64) -> Link {
        match self {
            Self::Inner(links) => usize::try_from(place).ok().and_then(|at| *links.get(at)?),
            Self::Leaf(..) => None,
        }
    }

    /// The nonce and tag of a block, by its place in this leaf.
    pub(crate) fn entry(&self, place: u64) -> Option<Sealed> {
        match self {
            Self::Leaf(_, entries) => {
                usize::try_from(place).ok().and_then(|at| *entries.get(at)?)
            }
            Self::Inner(_) => None,
        }
    }

    /// The bytes of the page, which is at this place in its level.
    pub(crate) fn render(&self, index: u64) -> Box<[u8; BLOCK_BYTES]> {
        let mut out = Vec::with_capacity(BLOCK_BYTES);
        match self {
            Self::Leaf(generation, entries) => {
                out.extend_from_slice(LEAF_MAGIC);
                out.extend_from_slice(&index.to_be_bytes());
                out.extend_from_slice(&generation.to_be_bytes());
                out.resize(LEAF_HEAD, 0);
                for entry in entries {
                    match entry {
                        Some(sealed) => sealed.render(&mut out),
                        None => out.extend_from_slice(&[0; Sealed::BYTES]),
                    }
                }
            }
            Self::Inner(links) => {
                for link in links {
                    match link {
                        Some(child) => {
                            out.push(child.slot + 1);
                            // No node but the root, whose link is elsewhere, has 2^32 blocks below it.
                            out.extend_from_slice(&(child.count as u32).to_be_bytes());
                            out.extend_from_slice(&child.mac);
                        }
                        None => out.extend_from_slice(&[0; 32]),
                    }
                }
            }
        }
        let mut page = Box::new([0; BLOCK_BYTES]);
        for (to, from) in page.iter_mut().zip(out) {
            *to = from;
        }
        page
    }

    /// Reads a page; `None` if it cannot be one of this level and place.
    pub(crate) fn parse(level: u8, index: u64, page: &[u8; BLOCK_BYTES]) -> Option<Self> {
        let mut reader = Reader(page);
        if level > 0 {
            let mut links = Vec::with_capacity(FANOUT as usize);
            for _ in 0..FANOUT {
                let (state, count, mac) = (reader.u8()?, reader.u32()?, reader.array()?);
                links.push(Child::parse(state, u64::from(count), mac)?);
            }
            return Some(Self::Inner(links));
        }
        if reader.array() != Some(*LEAF_MAGIC) || reader.u64() != Some(index) {
            return None;
        }
        let generation = reader.u64()?;
        if !Reader(reader.slice(LEAF_HEAD - 24)?).is_zero() {
            return None;
        }
        let mut entries = Vec::with_capacity(LEAF_BLOCKS as usize);
        for _ in 0..LEAF_BLOCKS {
            let sealed = Sealed {
                nonce: reader.array()?,
                tag: reader.array()?,
            };
            let absent = sealed.nonce == [0; 24] && sealed.tag == [0; 16];
            entries.push((!absent).then_some(sealed));
        }
        Some(Self::Leaf(generation, entries))
    }
}

/// Reads pages, and keeps a bounded number of verified ones.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) layout: Layout,
    cache: Cache<(u8, u64), Arc<Verified>>,
}

/// A page that had this hash.
#[derive(Debug)]
pub(crate) struct Verified {
    child: Child,
    pub(crate) node: Node,
}

impl Tree {
    /// A reader that keeps at most so many pages.
    pub(crate) fn new(disk: Arc<dyn Disk>, layout: Layout, cached_pages: usize) -> Self {
        Self {
            disk,
            layout,
            cache: Cache::new(cached_pages),
        }
    }

    /// A page, verified.
    pub(crate) fn load(
        &self,
        keys: &Keys,
        level: u8,
        index: u64,
        child: &Child,
    ) -> Result<Arc<Verified>, Error> {
        // The hash, not the place, says whether what is kept is what the link means.
        if let Some(kept) = self.cache.get(&(level, index))
            && kept.child == *child
        {
            return Ok(kept);
        }
        let verified = Arc::new(Verified {
            child: *child,
            node: self.read(keys, level, index, child)?,
        });
        self.cache.insert((level, index), Arc::clone(&verified));
        Ok(verified)
    }

    /// A page, verified, past the cache.
    pub(crate) fn read(
        &self,
        keys: &Keys,
        level: u8,
        index: u64,
        child: &Child,
    ) -> Result<Node, Error> {
        let mut page = Box::new([0; BLOCK_BYTES]);
        let offset = self.layout.page(level, index, child.slot);
        self.disk.read_at(offset, &mut *page)?;
        let damaged = Error::PageDamaged { level, index };
        if !mac::equal(&keys.page_mac(level, index, &page), &child.mac) {
            return Err(damaged);
        }
        match Node::parse(level, index, &page) {
            Some(node) if node.count() == child.count => Ok(node),
            _ => Err(damaged),
        }
    }

    /// The leaf page with this number; `None` if nothing on it was ever written.
    pub(crate) fn leaf(
        &self,
        keys: &Keys,
        root: Link,
        leaf: u64,
    ) -> Result<Option<Arc<Verified>>, Error> {
        let Some(mut child) = root else {
            return Ok(None);
        };
        for level in (0..=ROOT_LEVEL).rev() {
            let page = self.load(keys, level, ancestor(leaf, level), &child)?;
            if level == 0 {
                return Ok(Some(page));
            }
            match page.node.link(place(leaf, level - 1)) {
                Some(below) => child = below,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Keeps pages that were just written.
    pub(crate) fn keep(&self, level: u8, index: u64, child: Child, node: Node) {
        let verified = Arc::new(Verified { child, node });
        self.cache.insert((level, index), verified);
    }

    /// How many pages are kept.
    pub(crate) fn cached(&self) -> usize {
        self.cache.len()
    }
}

/// The page of a level above a leaf.
pub(crate) fn ancestor(leaf: u64, level: u8) -> u64 {
    leaf / FANOUT.pow(u32::from(level))
}

/// The place in its parent of the page of a level above a leaf.
pub(crate) fn place(leaf: u64, level: u8) -> u64 {
    ancestor(leaf, level) % FANOUT
}
