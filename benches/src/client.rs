//! A client that does next to nothing with what it gets, so that its own work does not count.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use anyhow::{Context, ensure};

/// Bytes of a message of data.
const PIECE: usize = 64 << 10;

/// A connection, trusted by whoever is at the other end.
pub struct Client {
    stream: BufReader<TcpStream>,
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    out.extend_from_slice(body);
    out
}

impl Client {
    /// Connects and logs in.
    pub fn connect(address: SocketAddr, user: &str, database: &str) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let body = format!("\0\x03\0\0user\0{user}\0database\0{database}\0\0");
        stream.write_all(&(body.len() as u32 + 4).to_be_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut client = Self {
            stream: BufReader::with_capacity(4 * PIECE, stream),
        };
        client.until(b'Z')?;
        Ok(client)
    }

    /// Reads up to a message of this type and gives its body.
    fn until(&mut self, wanted: u8) -> anyhow::Result<Vec<u8>> {
        loop {
            let mut header = [0; 5];
            self.stream.read_exact(&mut header).context("reading")?;
            let [tag, length @ ..] = header;
            let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
            self.stream.read_exact(&mut body)?;
            ensure!(
                tag != b'E',
                "refused: {}",
                String::from_utf8_lossy(&body).replace('\0', " ")
            );
            if tag == wanted {
                return Ok(body);
            }
        }
    }

    /// Copies a stream of so many rows. The seconds it took, to the last word of the other end.
    pub fn copy(&mut self, sql: &str, stream: &[u8], rows: u64) -> anyhow::Result<f64> {
        let started = Instant::now();
        let query = message(b'Q', &[sql.as_bytes(), &[0]].concat());
        self.stream.get_mut().write_all(&query)?;
        self.until(b'G')?;
        for piece in stream.chunks(PIECE) {
            self.stream.get_mut().write_all(&message(b'd', piece))?;
        }
        self.stream.get_mut().write_all(&message(b'c', &[]))?;
        let tag = self.until(b'C')?;
        ensure!(
            tag == format!("COPY {rows}\0").into_bytes(),
            "it said {}",
            String::from_utf8_lossy(&tag)
        );
        self.until(b'Z')?;
        Ok(started.elapsed().as_secs_f64())
    }

    /// Reads the rows of a query and forgets them. How many there were, and the seconds it took.
    pub fn read(&mut self, sql: &str) -> anyhow::Result<(u64, f64)> {
        let started = Instant::now();
        let query = message(b'Q', &[sql.as_bytes(), &[0]].concat());
        self.stream.get_mut().write_all(&query)?;
        let mut rows = 0;
        loop {
            let mut header = [0; 5];
            self.stream.read_exact(&mut header).context("reading")?;
            let [tag, length @ ..] = header;
            let body = u32::from_be_bytes(length) as usize - 4;
            match tag {
                b'E' => {
                    let mut error = vec![0; body];
                    self.stream.read_exact(&mut error)?;
                    self.until(b'Z')?;
                    anyhow::bail!("{}", String::from_utf8_lossy(&error).replace('\0', " "));
                }
                b'D' => rows += 1,
                _ => {}
            }
            self.skip(body)?;
            if tag == b'Z' {
                return Ok((rows, started.elapsed().as_secs_f64()));
            }
        }
    }

    fn skip(&mut self, mut bytes: usize) -> anyhow::Result<()> {
        while bytes > 0 {
            let there = self.stream.fill_buf()?.len().min(bytes);
            ensure!(there > 0, "the other end hung up");
            self.stream.consume(there);
            bytes -= there;
        }
        Ok(())
    }
}
