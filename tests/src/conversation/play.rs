//! One conversation with one server: what was answered.

use std::time::Duration;

use bytes::BytesMut;

use super::Op;
use crate::raw::{Message, RawClient, frame};

/// A plain server that has said nothing for so long has said everything. When that is wrong, a pause
/// is shorter than meant: nothing worse, since the end of the conversation is told by a fence.
const QUIET: Duration = Duration::from_millis(4);

/// Longest wait for an answer that the plain server has given.
const PATIENCE: Duration = Duration::from_secs(10);

/// A text that no server can run, in whatever state it is; its error is the end of the conversation.
const FENCE: &str = "the_end_of_the_conversation";

/// Said where an answer is missing.
pub const NOTHING_MORE: &str = "nothing more came";

/// What a server answered, and how many messages came by each pause.
#[derive(Debug, Default)]
pub struct Played {
    /// The messages, in words.
    pub said: Vec<String>,
    /// Number of messages at each pause.
    pub pauses: Vec<usize>,
}

/// Holds a conversation. `pauses`: how many messages to wait for at each pause; without it, until
/// nothing more comes. `between` runs at each pause.
pub fn play(
    client: &mut RawClient,
    ops: &[Op],
    pauses: Option<&[usize]>,
    mut between: impl FnMut(),
) -> anyhow::Result<Played> {
    let mut played = Played::default();
    let mut out = BytesMut::new();
    let mut pause = 0;
    let mut open = true;
    for op in ops {
        if *op != Op::Wait {
            op.encode(&mut out);
            continue;
        }
        // A connection that the server has closed is noticed by reading.
        let _ = client.write(&out);
        out.clear();
        match pauses {
            None => {
                while open && let Some(message) = client.read_within(QUIET, &mut open)? {
                    played.said.push(in_words(&message));
                }
            }
            Some(pauses) => {
                while open && played.said.len() < pauses[pause] {
                    match client.read_within(PATIENCE, &mut open)? {
                        Some(message) => played.said.push(in_words(&message)),
                        None if open => {
                            played.said.push(NOTHING_MORE.into());
                            return Ok(played);
                        }
                        None => {}
                    }
                }
            }
        }
        played.pauses.push(played.said.len());
        pause += 1;
        between();
    }
    frame(&mut out, b'f', b"the end\0");
    frame(&mut out, b'S', b"");
    frame(&mut out, b'Q', format!("{FENCE}\0").as_bytes());
    let _ = client.write(&out);
    let mut fenced = false;
    while open {
        let Some(message) = client.read_within(PATIENCE, &mut open)? else {
            if open {
                played.said.push(NOTHING_MORE.into());
                return Ok(played);
            }
            break;
        };
        played.said.push(in_words(&message));
        fenced |= message.tag == b'E' && message.error().is_some_and(|e| e.message.contains(FENCE));
        if fenced && message.tag == b'Z' {
            return Ok(played);
        }
    }
    played.said.push("closed".into());
    Ok(played)
}

/// A message as it is compared: without what two servers cannot have in common.
pub fn in_words(message: &Message) -> String {
    let mut body = message.body.clone();
    match message.tag {
        // The OID of a table that is made anew each time.
        b'T' => hide_tables(&mut body),
        // The process that notifies.
        b'A' => body[..4].fill(0),
        b'E' | b'N' => return error_in_words(message),
        _ => {}
    }
    let mut text = String::with_capacity(body.len() + 2);
    text.push(char::from(message.tag));
    text.push(' ');
    if body.len() > 2000 {
        let sum = body.iter().fold(0u64, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
        });
        text.push_str(&format!("{} bytes, sum {sum:x}", body.len()));
        return text;
    }
    for byte in body {
        text.extend(std::ascii::escape_default(byte).map(char::from));
    }
    text
}

fn hide_tables(body: &mut [u8]) {
    let mut at = 2;
    while let Some(end) = body[at..].iter().position(|byte| *byte == 0) {
        let table = at + end + 1;
        if table + 18 > body.len() {
            return;
        }
        if body[table..table + 4] != [0; 4] {
            body[table..table + 4].fill(1);
        }
        at = table + 18;
    }
}

/// Without the lines of PostgreSQL's source, which the proxy's own errors do not have.
fn error_in_words(message: &Message) -> String {
    let mut text = String::from(char::from(message.tag));
    for field in message.body.split(|byte| *byte == 0) {
        if let Some(&kind) = field.first()
            && !matches!(kind, b'F' | b'L' | b'R' | b'S')
        {
            text.push(' ');
            text.push(char::from(kind));
            text.push(':');
            text.push_str(&String::from_utf8_lossy(&field[1..]));
        }
    }
    text
}
