//! The trail's head: what the store records about the trail.
//!
//! The head states the store's own revision, how far the trail is known to be on disk, and the set
//! of all events that were ever in the outbox. With it, a start detects a store that is older than
//! the trail, a trail that was cut short or is missing, and events that were removed from the
//! outbox before the trail had them. The layout is in `docs/formats.md`.

use serde::{Deserialize, Serialize};

use crate::{
    chain::{Copied, End, Position},
    format::{from_hex, hex_sum},
};

/// The version of the record.
const V1: u8 = 1;

/// The head, as it is read from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The revision of the store that it was sealed for.
    pub revision: u64,
    /// All events of changes that there ever were. Its revision is the store's.
    pub made: Copied,
    /// What is known of the trail's one chain.
    pub chain: ChainHead,
}

/// What the store knows of a chain of the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// From this segment on, no segment may be missing between two others.
    pub first: u64,
    /// A position that is on disk.
    pub end: End,
}

impl Default for ChainHead {
    fn default() -> Self {
        Self {
            first: 1,
            end: End::default(),
        }
    }
}

/// Why a head cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// It is not JSON of that shape.
    #[error("the trail's head in the store cannot be read")]
    Shape(#[from] serde_json::Error),
    /// It is of a later version, or has more chains than this version supports.
    #[error("the trail's head in the store is of another version")]
    Version,
}

/// What the store knows of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownChain {
    /// From this segment on, no segment may be missing between two others.
    pub first: u64,
    /// A position that was on disk.
    pub end: End,
    /// The store's revision.
    pub store: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadText {
    version: u8,
    revision: u64,
    changes: u64,
    sum: String,
    chains: Vec<ChainText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChainText {
    node: u32,
    chain: u32,
    first: u64,
    segment: u64,
    length: u64,
    mac: String,
}

impl Head {
    /// The head of a store at that revision that has no trail yet.
    pub fn newborn(revision: u64) -> Self {
        Self {
            revision,
            made: Copied::default(),
            chain: ChainHead::default(),
        }
    }

    /// What it says about the chain.
    pub fn known(&self) -> KnownChain {
        KnownChain {
            first: self.chain.first,
            end: self.chain.end,
            store: self.revision,
        }
    }

    /// Reads a record's content.
    ///
    /// # Errors
    /// When it is not a head, or of a later version.
    pub fn parse(bytes: &[u8]) -> Result<Self, HeadError> {
        let text: HeadText = serde_json::from_slice(bytes)?;
        let [chain] = text.chains.as_slice() else {
            return Err(HeadError::Version);
        };
        if (text.version, chain.node, chain.chain) != (V1, 1, 1) {
            return Err(HeadError::Version);
        }
        let sum = u128::from_str_radix(&text.sum, 16).map_err(|_| HeadError::Version)?;
        let at = Position {
            segment: chain.segment,
            length: chain.length,
        };
        Ok(Self {
            revision: text.revision,
            made: Copied {
                revision: text.revision,
                events: text.changes,
                sum,
            },
            chain: ChainHead {
                first: chain.first,
                end: End {
                    at,
                    mac: from_hex(&chain.mac).ok_or(HeadError::Version)?,
                },
            },
        })
    }

    /// The record's content.
    pub fn render(&self) -> Vec<u8> {
        let text = HeadText {
            version: V1,
            revision: self.revision,
            changes: self.made.events,
            sum: hex_sum(self.made.sum),
            chains: vec![ChainText {
                node: 1,
                chain: 1,
                first: self.chain.first,
                segment: self.chain.end.at.segment,
                length: self.chain.end.at.length,
                mac: hex::encode(self.chain.end.mac),
            }],
        };
        // Numbers and strings can always be written as JSON.
        serde_json::to_vec(&text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back() {
        let head = Head {
            revision: 7,
            made: Copied {
                revision: 7,
                events: 3,
                sum: u128::MAX,
            },
            chain: ChainHead {
                first: 2,
                end: End {
                    at: Position {
                        segment: 4,
                        length: 99,
                    },
                    mac: [5; 32],
                },
            },
        };
        assert_eq!(Head::parse(&head.render()).unwrap(), head);
        let later = String::from_utf8(head.render()).unwrap();
        let later = later.replace("\"version\":1", "\"version\":2");
        assert!(matches!(
            Head::parse(later.as_bytes()),
            Err(HeadError::Version)
        ));
    }
}
