//! Idle clients: the memory they take, and what others notice of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Context;

use local_postgres::Server;
use shunt_benches::process;

use crate::contender::Contender;
use crate::load::{Load, Mode};
use crate::table::middle;

/// Logs `clients` in by trust, has each run one query, and reads by how much the process grew per client.
pub(crate) fn bytes_per_client(contender: &Contender, clients: usize) -> anyhow::Result<f64> {
    let process = contender
        .process
        .as_ref()
        .context("a proxy has a process")?;
    // Pools, caches and the allocator's first pages are not the idle clients' doing.
    let warm: Vec<_> = (0..50)
        .map(|_| client(contender))
        .collect::<Result<_, _>>()?;
    let before = process::memory(process)?;
    let held: Vec<_> = (0..clients)
        .map(|_| client(contender))
        .collect::<Result<_, _>>()?;
    // Buffers are given back when the process next looks at its clients.
    std::thread::sleep(Duration::from_secs(2));
    let after = process::memory(process)?;
    drop((warm, held));
    Ok((after - before) / clients as f64)
}

/// Latency of 20 active clients in milliseconds, alone and beside `clients` idle ones.
pub(crate) fn latency_beside(
    server: &Server,
    contender: &Contender,
    clients: usize,
    rounds: usize,
    seconds: u32,
) -> anyhow::Result<(f64, f64)> {
    let load = Load {
        mode: Mode::Extended,
        clients: 20,
        tls: false,
    };
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        alone.push(load.run(server, contender, seconds)?.latency);
        let held: Vec<_> = (0..clients)
            .map(|_| client(contender))
            .collect::<Result<_, _>>()?;
        beside.push(load.run(server, contender, seconds)?.latency);
        drop(held);
    }
    Ok((middle(alone), middle(beside)))
}

fn client(contender: &Contender) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(contender.address())?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let body = b"\0\x03\0\0user\0postgres\0database\0bench\0\0";
    stream.write_all(&[&(body.len() as u32 + 4).to_be_bytes()[..], body].concat())?;
    until_ready(&mut stream)?;
    stream.write_all(b"Q\0\0\0\x0dSELECT 1\0")?;
    until_ready(&mut stream)?;
    Ok(stream)
}

fn until_ready(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut head = [0; 5];
    loop {
        stream.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        stream.read_exact(&mut body)?;
        match head[0] {
            b'Z' => return Ok(()),
            b'E' => anyhow::bail!("refused: {}", String::from_utf8_lossy(&body)),
            _ => {}
        }
    }
}
