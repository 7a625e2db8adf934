//! The two kinds of line that are Keyward's own: a segment's header and a batch's closing line.
//!
//! Both have a MAC that covers the previous MAC, so that anything that is cut, added or changed
//! between them is detected. The layout is in `docs/formats.md`.

use keyward_types::store_id::StoreId;
use keyward_wire::json::Writer;
use serde::{Deserialize, Serialize};

use crate::chain::{Chain, ChainId, Copied, Mark};

/// The version of both kinds of line and of what their MACs cover.
pub(crate) const FORMAT: u32 = 2;
/// The longest header or closing line, in bytes.
pub(crate) const MAX_LINE: usize = 768;

/// The labels at the beginning of what a MAC covers, which keep different uses of the key apart.
const SEGMENT_LABEL: &[u8] = b"keyward audit segment v2";
const BATCH_LABEL: &[u8] = b"keyward audit batch v2";

/// The first line of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its number.
    pub number: u64,
    /// The chain's MAC at the end of the segment before; zeros before the first.
    pub previous: [u8; 32],
    /// What the trail knows about the store at the beginning of the segment.
    pub mark: Mark,
    /// Whether a part of what came before is missing, and was accepted as lost.
    pub after_loss: bool,
}

/// The line that closes a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing {
    pub count: u64,
    pub mark: Mark,
    pub mac: [u8; 32],
}

/// One of Keyward's own lines, as it was read, and not yet verified.
pub(crate) enum Own {
    Header(ChainId, Header, [u8; 32]),
    Closing(Closing),
    /// Of another version of the format.
    Other(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct HeaderText {
    /// Always [`FORMAT`]. Its name makes sure that no event looks like a header.
    keyward_segment: u32,
    store: String,
    node: u32,
    chain: u32,
    number: u64,
    previous: String,
    revision: u64,
    changes: u64,
    sum: String,
    store_revision: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    after_loss: bool,
    mac: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ClosingText {
    keyward_batch: u32,
    count: u64,
    revision: u64,
    changes: u64,
    sum: String,
    store_revision: u64,
    mac: String,
}

/// Only the version, which every version has.
#[derive(Deserialize)]
struct Version {
    #[serde(alias = "keywardSegment", alias = "keywardBatch")]
    version: u32,
}

impl Header {
    /// Its MAC.
    pub(crate) fn mac(&self, chain: &Chain) -> [u8; 32] {
        let id = chain.id();
        chain.mac(&[
            SEGMENT_LABEL,
            id.store.as_bytes(),
            &id.node.to_be_bytes(),
            &id.chain.to_be_bytes(),
            &self.number.to_be_bytes(),
            &self.previous,
            &self.mark.to_bytes(),
            &[u8::from(self.after_loss)],
        ])
    }

    /// The line, with its line feed.
    pub(crate) fn render(&self, chain: &ChainId, mac: [u8; 32]) -> serde_json::Result<Vec<u8>> {
        let Mark { copied, store } = self.mark;
        line(&HeaderText {
            keyward_segment: FORMAT,
            store: hex::encode(chain.store.as_bytes()),
            node: chain.node,
            chain: chain.chain,
            number: self.number,
            previous: hex::encode(self.previous),
            revision: copied.revision,
            changes: copied.events,
            sum: hex_sum(copied.sum),
            store_revision: store,
            after_loss: self.after_loss,
            mac: hex::encode(mac),
        })
    }
}

impl Closing {
    /// Appends the line, with its line feed. There is one in each batch, so for speed it is not
    /// rendered with [`ClosingText`], which is for reading.
    pub(crate) fn render(&self, out: &mut Vec<u8>) {
        let Mark { copied, store } = self.mark;
        Writer::append(out, |line| {
            line.natural("keywardBatch", FORMAT.into());
            line.natural("count", self.count);
            line.natural("revision", copied.revision);
            line.natural("changes", copied.events);
            line.hexadecimal("sum", &copied.sum.to_be_bytes());
            line.natural("storeRevision", store);
            line.hexadecimal("mac", &self.mac);
        });
        out.push(b'\n');
    }
}

/// The MAC of a batch: of its lines, what its closing line says, and the MAC before.
pub(crate) fn batch_mac(
    chain: &Chain,
    previous: &[u8; 32],
    count: u64,
    mark: Mark,
    lines: &[u8],
) -> [u8; 32] {
    let (count, mark) = (count.to_be_bytes(), mark.to_bytes());
    chain.mac(&[BATCH_LABEL, previous, &count, &mark, lines])
}

/// Reads a line, if it is one of Keyward's own.
pub(crate) fn parse(line: &[u8]) -> Option<Own> {
    let begins = |name: &[u8]| line.starts_with(name);
    let own = begins(b"{\"keywardSegment\":") || begins(b"{\"keywardBatch\":");
    if !own || line.len() > MAX_LINE || !line.ends_with(b"\n") {
        return None;
    }
    if let Ok(text) = serde_json::from_slice::<ClosingText>(line)
        && text.keyward_batch == FORMAT
    {
        return text.read().map(Own::Closing);
    }
    if let Ok(text) = serde_json::from_slice::<HeaderText>(line)
        && text.keyward_segment == FORMAT
    {
        return text.read();
    }
    let version: Version = serde_json::from_slice(line).ok()?;
    (version.version != FORMAT).then_some(Own::Other(version.version))
}

impl HeaderText {
    fn read(&self) -> Option<Own> {
        let chain = ChainId {
            store: StoreId::from_bytes(from_hex(&self.store)?),
            node: self.node,
            chain: self.chain,
        };
        let header = Header {
            number: self.number,
            previous: from_hex(&self.previous)?,
            mark: Mark {
                copied: Copied {
                    revision: self.revision,
                    events: self.changes,
                    sum: u128::from_be_bytes(from_hex(&self.sum)?),
                },
                store: self.store_revision,
            },
            after_loss: self.after_loss,
        };
        Some(Own::Header(chain, header, from_hex(&self.mac)?))
    }
}

impl ClosingText {
    fn read(&self) -> Option<Closing> {
        Some(Closing {
            count: self.count,
            mark: Mark {
                copied: Copied {
                    revision: self.revision,
                    events: self.changes,
                    sum: u128::from_be_bytes(from_hex(&self.sum)?),
                },
                store: self.store_revision,
            },
            mac: from_hex(&self.mac)?,
        })
    }
}

fn line(text: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(text)?;
    line.push(b'\n');
    Ok(line)
}

/// A sum as it is written.
pub(crate) fn hex_sum(sum: u128) -> String {
    format!("{sum:032x}")
}

/// Decodes hexadecimal digits, if there is exactly the right number.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    hex::decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyward_crypto::secret::arena::Arena;

    use super::*;

    /// The chain of an id, with a key that is always the same.
    fn of(id: ChainId) -> Chain {
        let (arena, _) = Arena::new(4096).unwrap();
        Chain::new(id, Arc::new(arena.store_bytes(&[7; 32]).unwrap()))
    }

    fn header() -> Header {
        Header {
            number: 3,
            previous: [2; 32],
            mark: Mark {
                copied: Copied {
                    revision: 7,
                    events: 4,
                    sum: 5,
                },
                store: 9,
            },
            after_loss: false,
        }
    }

    #[test]
    fn the_layout_of_a_header_is_fixed() {
        let chain = ChainId::only(StoreId::from_bytes([1; 16]));
        let mac = header().mac(&of(chain));
        let line = header().render(&chain, mac).unwrap();
        let expected = concat!(
            r#"{"keywardSegment":2,"store":"01010101010101010101010101010101","node":1,"#,
            r#""chain":1,"number":3,"previous":"02020202020202020202020202020202"#,
            r#"02020202020202020202020202020202","revision":7,"changes":4,"#,
            r#""sum":"00000000000000000000000000000005","storeRevision":9,"#,
            r#""mac":"MAC"}"#,
            "\n"
        );
        let expected = expected.replace("MAC", &hex::encode(mac));
        assert_eq!(String::from_utf8(line.clone()).unwrap(), expected);
        match parse(&line) {
            Some(Own::Header(read, found, stated)) => {
                assert_eq!((read, found, stated), (chain, header(), mac));
            }
            _ => panic!("it reads back"),
        }
    }

    #[test]
    fn the_layout_of_a_closing_line_is_fixed() {
        let closing = Closing {
            count: 13,
            mark: Mark {
                copied: Copied {
                    revision: u64::MAX,
                    events: 4,
                    sum: 5,
                },
                store: 9,
            },
            mac: [0xa7; 32],
        };
        let mut line = b"before\n".to_vec();
        closing.render(&mut line);
        let expected = concat!(
            "before\n",
            r#"{"keywardBatch":2,"count":13,"revision":18446744073709551615,"changes":4,"#,
            r#""sum":"00000000000000000000000000000005","storeRevision":9,"#,
            r#""mac":"a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7"}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(line.clone()).unwrap(), expected);
        match parse(line.split_at(7).1) {
            Some(Own::Closing(read)) => {
                assert_eq!(
                    (read.count, read.mark, read.mac),
                    (closing.count, closing.mark, closing.mac)
                );
            }
            _ => panic!("it reads back"),
        }
    }

    #[test]
    fn every_member_of_a_header_is_under_its_mac() {
        let chain = ChainId::only(StoreId::from_bytes([1; 16]));
        let mark = |edit: fn(&mut Mark)| {
            let mut header = header();
            edit(&mut header.mark);
            header.mac(&of(chain))
        };
        let macs = [
            header().mac(&of(chain)),
            header().mac(&of(ChainId::only(StoreId::from_bytes([9; 16])))),
            header().mac(&of(ChainId { node: 2, ..chain })),
            header().mac(&of(ChainId { chain: 2, ..chain })),
            Header {
                number: 4,
                ..header()
            }
            .mac(&of(chain)),
            Header {
                previous: [3; 32],
                ..header()
            }
            .mac(&of(chain)),
            Header {
                after_loss: true,
                ..header()
            }
            .mac(&of(chain)),
            mark(|mark| mark.copied.revision += 1),
            mark(|mark| mark.copied.events += 1),
            mark(|mark| mark.copied.sum += 1),
            mark(|mark| mark.store += 1),
        ];
        let different: std::collections::HashSet<_> = macs.iter().collect();
        assert_eq!(different.len(), macs.len());
    }

    #[test]
    fn lines_of_another_version_are_told_from_events() {
        let old = br#"{"keywardBatch":1,"count":1,"revision":2,"mac":"00"}"#;
        let line = [old, &b"\n"[..]].concat();
        assert!(matches!(parse(&line), Some(Own::Other(1))));
        assert!(parse(b"{\"eventVersion\":\"1.11\"}\n").is_none());
        assert!(parse(old).is_none());
    }
}
