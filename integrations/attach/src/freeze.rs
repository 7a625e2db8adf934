//! A file system that nobody writes to for a while, so that its image can be copied as it is at one moment.
//!
//! The kernel writes everything to the image first, and has whoever writes afterwards wait. What is frozen stays so
//! when the process ends that has done it: whoever takes a volume over calls [`thaw`].

use std::{fs::File, io, path::Path};

use crate::ioctl;

/// A frozen file system. It is thawed when this is dropped.
#[derive(Debug)]
pub struct Frozen(File);

/// Freezes the file system that is mounted on a directory.
///
/// # Errors
/// When the kernel refuses, such as if it is frozen already.
pub fn freeze(dir: &Path) -> io::Result<Frozen> {
    let root = File::open(dir)?;
    ioctl::freeze(&root)?;
    Ok(Frozen(root))
}

/// Thaws the file system that is mounted on a directory. One that is not frozen is no error.
///
/// # Errors
/// When the kernel refuses.
pub fn thaw(dir: &Path) -> io::Result<()> {
    match ioctl::thaw(File::open(dir)?) {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        thawed => thawed,
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // It is frozen, so that only the kernel's own failure keeps it from being thawed; the next `thaw` tries again.
        let _ = ioctl::thaw(&self.0);
    }
}
