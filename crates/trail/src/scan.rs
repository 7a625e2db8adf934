//! Reading one segment, as far as it is authentic.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
};

use keyward_crypto::mac;

use crate::{
    chain::{Chain, End, Mark},
    error::{TrailError, io_at},
    format::{self, Header, Own},
};

/// The most bytes between two closing lines; a batch cannot be longer.
const MAX_BATCH: u64 = 64 << 20;

/// The content of a segment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scan {
    /// Its header, if that is authentic.
    pub header: Option<Header>,
    /// The end of the last batch that is authentic, or of the header.
    pub end: End,
    /// What the last of Keyward's own lines says about the store.
    pub mark: Mark,
    pub batches: u64,
    pub events: u64,
    /// How many bytes come after the end.
    pub rest: u64,
    /// The number of the first of Keyward's own lines that does not match its MAC.
    pub misfit: Option<u64>,
    /// How many lines were read.
    pub lines: u64,
    /// Whether it contains the wanted position, with the same MAC.
    pub passes: bool,
}

/// Reads a segment up to the first part that is not authentic. The caller compares the header's
/// link with the segment before.
pub(crate) fn scan(
    path: &Path,
    number: u64,
    chain: &Chain,
    wanted: &End,
) -> Result<Scan, TrailError> {
    let file = File::open(path).map_err(io_at("opened", path))?;
    let bytes = file.metadata().map_err(io_at("read", path))?.len();
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut scan = Scan::default();
    scan.end.at.segment = number;
    let mut pending = Vec::new();
    loop {
        let start = pending.len();
        let room = MAX_BATCH.saturating_sub(start as u64);
        let read = (reader.by_ref().take(room))
            .read_until(b'\n', &mut pending)
            .map_err(io_at("read", path))?;
        if read == 0 {
            break;
        }
        scan.lines += 1;
        let line = pending.get(start..).unwrap_or_default();
        let own = format::parse(line);
        if let Some(Own::Other(found)) = own {
            let path = path.to_owned();
            return Err(TrailError::Format { path, found });
        }
        if scan.lines == 1 {
            let Some(Own::Header(of, header, found)) = own else {
                break;
            };
            if of != *chain.id() {
                return Err(TrailError::Foreign {
                    path: path.to_owned(),
                });
            }
            // The MAC covers the content of the line, not its form. Any other form of the same
            // content is rejected.
            let same = header
                .render(chain.id(), found)
                .is_ok_and(|text| text == line);
            if header.number != number || !same || !mac::equal(&header.mac(chain), &found) {
                scan.misfit = Some(1);
                break;
            }
            scan.advance(read, found, wanted);
            (scan.header, scan.mark) = (Some(header), header.mark);
            pending.clear();
            continue;
        }
        let Some(Own::Closing(closing)) = own else {
            continue;
        };
        let lines = pending.get(..start).unwrap_or_default();
        let expected = format::batch_mac(chain, &scan.end.mac, closing.count, closing.mark, lines);
        let mut rendered = Vec::new();
        closing.render(&mut rendered);
        if rendered != line || !mac::equal(&expected, &closing.mac) {
            scan.misfit = Some(scan.lines);
            break;
        }
        scan.advance(pending.len(), closing.mac, wanted);
        scan.mark = closing.mark;
        scan.batches += 1;
        scan.events += closing.count;
        pending.clear();
    }
    scan.rest = bytes.saturating_sub(scan.end.at.length);
    Ok(scan)
}

impl Scan {
    fn advance(&mut self, bytes: usize, mac: [u8; 32], wanted: &End) {
        self.end.at.length += bytes as u64;
        self.end.mac = mac;
        self.passes |= self.end == *wanted;
    }
}
