//! A volume of the block engine as the kernel's side wants it.

use std::{io, sync::Arc};

use keyward_attach::blocks::Blocks;
use keyward_volume::{Error, Volume};

/// A volume that is served.
#[derive(Debug)]
pub struct Served(pub Arc<Volume>);

impl Blocks for Served {
    fn len(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, bytes).map_err(to_io)
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write(offset, bytes).map_err(to_io)
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush().map_err(to_io)
    }

    fn discard(&self, offset: u64, length: u64) -> io::Result<()> {
        // Partly covered blocks are to be zeros, too.
        self.0.write_zeros(offset, length).map_err(to_io)
    }
}

fn to_io(error: Error) -> io::Error {
    match error {
        Error::NoSpace => io::Error::new(io::ErrorKind::StorageFull, error),
        other => io::Error::other(other),
    }
}
