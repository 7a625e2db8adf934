//! External Data Representation (RFC 4506): what NFS messages are written in.

/// Reads from bytes that may be incomplete or malicious. Nothing is allocated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

/// The bytes end early, or a length is larger than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn unsigned(&mut self) -> Result<u32, Malformed> {
        let (number, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*number))
    }

    /// Bytes whose number is fixed by the protocol.
    pub(crate) fn fixed(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        // Without its padding an item is incomplete: the rest of it would be read as the next item.
        self.rest = rest.get(padding_of(length)..).ok_or(Malformed)?;
        Ok(bytes)
    }

    /// That many bytes, padding or not.
    pub(crate) fn skip(&mut self, length: usize) -> Result<(), Malformed> {
        self.rest = self.rest.get(length..).ok_or(Malformed)?;
        Ok(())
    }

    /// Bytes with their number in front.
    pub(crate) fn opaque(&mut self, limit: usize) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.unsigned()?).map_err(|_| Malformed)?;
        if length > limit {
            return Err(Malformed);
        }
        self.fixed(length)
    }
}

/// How many zero bytes follow, so that the next item begins at a multiple of 4.
fn padding_of(length: usize) -> usize {
    (4 - length % 4) % 4
}

/// Writes a message.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn unsigned(&mut self, number: u32) -> &mut Self {
        self.bytes.extend(number.to_be_bytes());
        self
    }

    pub(crate) fn fixed(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        let padding = padding_of(bytes.len());
        self.bytes.resize(self.bytes.len() + padding, 0);
        self
    }

    /// Bytes with their number in front.
    pub(crate) fn opaque(&mut self, bytes: &[u8]) -> &mut Self {
        self.unsigned(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.fixed(bytes)
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut writer = Writer::default();
        writer.unsigned(7).opaque(b"abcde").fixed(b"xy").unsigned(9);
        let bytes = writer.finish();
        assert_eq!(bytes, b"\0\0\0\x07\0\0\0\x05abcde\0\0\0xy\0\0\0\0\0\x09");
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.unsigned(), Ok(7));
        assert_eq!(reader.opaque(5), Ok(&b"abcde"[..]));
        assert_eq!(reader.fixed(2), Ok(&b"xy"[..]));
        assert_eq!(reader.unsigned(), Ok(9));
        assert_eq!(reader.unsigned(), Err(Malformed));
    }

    #[test]
    fn lengths_beyond_their_limit_or_the_bytes_are_malformed() {
        let bytes = b"\0\0\0\x05abcde\0\0\0";
        assert_eq!(Reader::new(bytes).opaque(4), Err(Malformed));
        assert_eq!(
            Reader::new(b"\xff\xff\xff\xffabcd").opaque(usize::MAX),
            Err(Malformed)
        );
        assert_eq!(Reader::new(b"abc").fixed(4), Err(Malformed));
    }
}
