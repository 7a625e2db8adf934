//! What a process writes, in a file of bounded size.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// The longest line that is kept whole.
const MAX_LINE: u64 = 4096;

/// A log: the newest lines are in the file, the older ones in a second file with `.1` after its name.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    file: File,
    length: u64,
    limit: u64,
}

impl LogFile {
    /// Opens a log whose two files have up to `limit` bytes each.
    pub(crate) fn open(path: &Path, limit: u64) -> io::Result<Self> {
        let file = append_to(path)?;
        let length = file.metadata()?.len();
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
            limit,
        })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.length.saturating_add(length) > self.limit {
            let mut older = self.path.clone().into_os_string();
            older.push(".1");
            fs::rename(&self.path, older)?;
            self.file = append_to(&self.path)?;
            self.length = 0;
        }
        self.file.write_all(line)?;
        self.length += length;
        Ok(())
    }

    /// Copies lines until the source ends. If they cannot be written, they are dropped: the process that writes
    /// them must not wait.
    pub(crate) fn copy(mut self, source: impl Read) {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = source.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            match read {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return,
            }
            if let Err(error) = self.write(&line) {
                tracing::debug!(path = %self.path.display(), %error, "a line of nfs-ganesha's log is lost");
            }
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_two_files_of_bounded_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let lines: String = (0..100)
            .map(|number| format!("line {number:03}\n"))
            .collect();
        LogFile::open(&path, 100).unwrap().copy(lines.as_bytes());
        let newest = fs::read_to_string(&path).unwrap();
        let older = fs::read_to_string(folder.path().join("log.1")).unwrap();
        assert!(newest.ends_with("line 099\n"));
        assert!(older.ends_with(&format!("line {:03}\n", 99 - newest.lines().count())));
        assert!(newest.len() <= 100 && older.len() <= 100);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn an_opened_log_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        LogFile::open(&path, 100).unwrap().copy(&b"one\n"[..]);
        LogFile::open(&path, 100).unwrap().copy(&b"two"[..]);
        assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo");
    }
}
