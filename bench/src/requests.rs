//! A file of ready-made requests: the run writes it, the load generator reads it.
//!
//! Each request stands behind its length in 32 bits, little-endian.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Context;
use bytes::Bytes;

/// Writes the requests, in order.
pub fn write<I: IntoIterator<Item = Vec<u8>>>(path: &Path, requests: I) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    for request in requests {
        out.write_all(&u32::try_from(request.len())?.to_le_bytes())?;
        out.write_all(&request)?;
    }
    out.flush()?;
    Ok(())
}

/// Reads them all.
pub fn read(path: &Path) -> anyhow::Result<Vec<Bytes>> {
    let mut rest = Bytes::from(std::fs::read(path)?);
    let mut requests = Vec::new();
    while let Some(length) = rest.first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let _ = rest.split_to(4);
        anyhow::ensure!(rest.len() >= length, "the file of requests is cut off");
        requests.push(rest.split_to(length));
    }
    anyhow::ensure!(!requests.is_empty(), "no requests to send");
    Ok(requests)
}
