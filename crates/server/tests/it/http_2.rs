//! HTTP/2, frame by frame: what no client's library would send.

use std::{
    collections::VecDeque,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

/// The setting that says how much of an answer a client takes before it asks for more.
pub const INITIAL_WINDOW_SIZE: u16 = 4;

/// A connection that speaks HTTP/2.
pub fn open(address: &str) -> TcpStream {
    open_with(address, &[])
}

/// One with settings of its own.
pub fn open_with(address: &str, settings: &[(u16, u32)]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .unwrap();
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend(name.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    stream.write_all(&frame(4, 0, 0, &payload)).unwrap();
    stream
}

/// A client of HTTP/2 that asks and does not take the answers, or takes so much of them.
pub struct Asking {
    stream: TcpStream,
    next: u32,
    /// Bytes of bodies that the server still takes.
    window: usize,
    /// Of answers that have begun.
    statuses: VecDeque<u16>,
}

impl Asking {
    /// A client that takes so many bytes of an answer and then waits.
    pub fn new(address: &str, taken: u32) -> Self {
        let stream = open_with(address, &[(INITIAL_WINDOW_SIZE, taken)]);
        Self {
            stream,
            next: 1,
            window: 65_535,
            statuses: VecDeque::new(),
        }
    }

    /// A client that takes any number of answers of any length.
    pub fn taking_all(address: &str) -> Self {
        const LARGE: u32 = 1 << 30;
        let mut asking = Self::new(address, LARGE);
        let more = frame(8, 0, 0, &LARGE.to_be_bytes());
        asking.stream.write_all(&more).unwrap();
        asking
    }

    /// Sends a request with these fields and this body, which must fit the server's window of a
    /// stream. Answers the stream's number.
    ///
    /// # Errors
    /// If the server ends the connection.
    pub fn ask(&mut self, fields: &[(&str, &str)], body: &[u8]) -> io::Result<u32> {
        let id = self.next;
        self.next += 2;
        let mut block = header_block(0);
        for (name, value) in fields {
            block.push(0);
            text(&mut block, name);
            text(&mut block, value);
        }
        let mut frames = frame(1, 0x4, id, &block);
        let pieces = body.chunks(16 << 10);
        let last = pieces.len().saturating_sub(1);
        for (at, piece) in pieces.enumerate() {
            frames.extend(frame(0, u8::from(at == last), id, piece));
        }
        while self.window < body.len() {
            self.frame()?;
        }
        self.window -= body.len();
        self.stream.write_all(&frames)?;
        Ok(id)
    }

    /// Takes so many more bytes of a stream's answer.
    pub fn take(&mut self, id: u32, bytes: u32) -> io::Result<()> {
        let bytes = bytes.to_be_bytes();
        let frames = [frame(8, 0, id, &bytes), frame(8, 0, 0, &bytes)].concat();
        self.stream.write_all(&frames)
    }

    /// Waits for the head of an answer.
    pub fn head(&mut self) -> io::Result<()> {
        while self.frame()?.0 != 1 {}
        Ok(())
    }

    /// Waits for a whole answer, of whichever stream: 200, 400, or 0 for any other status.
    ///
    /// # Errors
    /// If a stream or the connection ends without one.
    pub fn answer(&mut self) -> io::Result<u16> {
        loop {
            let (kind, ended, payload) = self.whole_frame()?;
            match (kind, payload.first()) {
                // The status stands first, as a row of HPACK's own table.
                (1, Some(0x88)) => self.statuses.push_back(200),
                (1, Some(0x8c)) => self.statuses.push_back(400),
                (1, _) => self.statuses.push_back(0),
                (3 | 7, _) => return Err(io::ErrorKind::ConnectionReset.into()),
                _ => {}
            }
            if ended {
                return self
                    .statuses
                    .pop_front()
                    .ok_or(io::ErrorKind::InvalidData.into());
            }
        }
    }

    /// The next frame: its kind, whether it ends its stream, and its length.
    pub fn frame(&mut self) -> io::Result<(u8, bool, usize)> {
        let (kind, ended, payload) = self.whole_frame()?;
        Ok((kind, ended, payload.len()))
    }

    fn whole_frame(&mut self) -> io::Result<(u8, bool, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, stream @ ..] = head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        match (kind, u32::from_be_bytes(stream)) {
            (4, _) if flags & 1 == 0 => self.stream.write_all(&frame(4, 1, 0, &[]))?,
            (8, 0) => {
                let more: [u8; 4] = payload.as_slice().try_into().unwrap();
                self.window += u32::from_be_bytes(more) as usize;
            }
            _ => {}
        }
        Ok((kind, kind < 2 && flags & 1 != 0, payload))
    }

    /// The bare connection.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }
}

/// A text of a header block as it is, after its length in the prefix code of HPACK.
fn text(block: &mut Vec<u8>, text: &str) {
    let mut length = text.len();
    if length < 127 {
        block.push(u8::try_from(length).unwrap());
    } else {
        block.push(127);
        length -= 127;
        while length >= 128 {
            block.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        block.push(u8::try_from(length).unwrap());
    }
    block.extend(text.as_bytes());
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// `POST /` with so many small fields besides.
pub fn header_block(fields: u32) -> Vec<u8> {
    // :method POST, :scheme http, :path /, :authority k
    let mut block = vec![0x83, 0x86, 0x84, 0x01, 0x01, b'k'];
    for number in 0..fields {
        // A literal that is not indexed, with a name of two letters and a value of one.
        let (high, low) = (number / 50, number % 50);
        let letter = |at: u32| b"abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|"[at as usize];
        block.extend([0x00, 0x02, letter(high), letter(low), 0x01, b'v']);
    }
    block
}
