//! A blocking HTTP/1.1 client for setting up: whole requests out, one answer in.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::{Context, bail};

/// Where the body of the answer at the start of `received` begins and ends, once its header
/// section is complete.
pub fn extent(received: &[u8]) -> Option<(usize, usize)> {
    let head = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let mut length = 0;
    for line in received.get(..head)?.split(|byte| *byte == b'\n') {
        let name = b"content-length:";
        if line.len() > name.len() && line.get(..name.len())?.eq_ignore_ascii_case(name) {
            let value = std::str::from_utf8(line.get(name.len()..)?).ok()?;
            length = value.trim().parse().ok()?;
        }
    }
    Some((head, head + length))
}

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects to `host:port`.
    pub fn connect(host: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).with_context(|| format!("cannot reach {host}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends a request and answers the body; an error if the status is not 200.
    pub fn send(&mut self, request: &[u8]) -> anyhow::Result<Vec<u8>> {
        self.stream.write_all(request)?;
        let mut received = Vec::new();
        let mut part = [0; 16 * 1024];
        loop {
            if let Some((head, end)) = extent(&received)
                && received.len() >= end
            {
                let body = received.get(head..end).unwrap_or_default();
                if !received.starts_with(b"HTTP/1.1 200") {
                    bail!("refused: {}", String::from_utf8_lossy(&received));
                }
                return Ok(body.to_vec());
            }
            let count = self.stream.read(&mut part)?;
            if count == 0 {
                bail!("the server closed the connection");
            }
            received.extend_from_slice(part.get(..count).unwrap_or_default());
        }
    }

    /// As [`send`](Self::send), with the body read as JSON.
    pub fn json(&mut self, request: &[u8]) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_slice(&self.send(request)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extent_of_an_answer_is_known_once_its_head_is_complete() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(extent(answer), Some((38, 40)));
        assert_eq!(extent(&answer[..30]), None);
    }
}
