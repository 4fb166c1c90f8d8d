//! Conversations in frames, held with PostgreSQL directly and through the proxy, and compared byte by byte.
//!
//! A conversation is a list of messages of a client, sensible or not. Each is
//! held with a plain server, with the proxy in session mode and with the proxy
//! in transaction mode; the replies have to be the same, in the same order.
//!
//! | file | owns |
//! |---|---|
//! | `generator` | seeded conversations over a small pool of statements |
//! | [`play`] | one conversation with one server: what was answered |
//! | [`bed`] | the servers, the comparison, and making a failing conversation smaller |

pub mod bed;
mod generator;
pub mod play;

use std::fmt;

use bytes::{BufMut, BytesMut};

pub use generator::generate;

use crate::raw::frame;

/// One message of a client, or a pause until everything so far is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// A simple query.
    Query(String),
    /// `Parse`: name, text, parameter types.
    Parse(&'static str, String, Vec<u32>),
    /// `Bind`: portal, statement, parameters as text, formats of the results.
    Bind(
        &'static str,
        &'static str,
        Vec<Option<&'static str>>,
        Vec<u16>,
    ),
    /// `Describe` of a statement (`S`) or portal (`P`).
    Describe(u8, &'static str),
    /// `Execute`: portal, limit of rows.
    Execute(&'static str, u32),
    /// `Close` of a statement or portal.
    Close(u8, &'static str),
    /// `Flush`.
    Flush,
    /// `Sync`.
    Sync,
    /// Data of `COPY FROM STDIN`.
    CopyData(&'static [u8]),
    /// The end of the data.
    CopyDone,
    /// The data cannot be had.
    CopyFail,
    /// A function call by OID, with integers as text.
    Function(u32, Vec<&'static str>),
    /// Any message at all.
    Raw(u8, Vec<u8>),
    /// Waits until everything so far is answered.
    Wait,
}

/// Parts of a body that end with a zero byte.
fn strings(parts: &[&str]) -> BytesMut {
    let mut body = BytesMut::new();
    for part in parts {
        body.put_slice(part.as_bytes());
        body.put_u8(0);
    }
    body
}

impl Op {
    /// Appends it as bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Query(text) => frame(out, b'Q', &strings(&[text])),
            Self::Parse(name, text, types) => {
                let mut body = strings(&[name, text]);
                body.put_u16(types.len() as u16);
                types.iter().for_each(|oid| body.put_u32(*oid));
                frame(out, b'P', &body);
            }
            Self::Bind(portal, statement, parameters, formats) => {
                let mut body = strings(&[portal, statement]);
                body.put_u16(0);
                body.put_u16(parameters.len() as u16);
                for parameter in parameters {
                    match parameter {
                        Some(text) => {
                            body.put_u32(text.len() as u32);
                            body.put_slice(text.as_bytes());
                        }
                        None => body.put_i32(-1),
                    }
                }
                body.put_u16(formats.len() as u16);
                formats.iter().for_each(|format| body.put_u16(*format));
                frame(out, b'B', &body);
            }
            Self::Describe(kind, name) | Self::Close(kind, name) => {
                let mut body = BytesMut::new();
                body.put_u8(*kind);
                body.put_slice(&strings(&[name]));
                let tag = if matches!(self, Self::Close(..)) {
                    b'C'
                } else {
                    b'D'
                };
                frame(out, tag, &body);
            }
            Self::Execute(portal, rows) => {
                let mut body = strings(&[portal]);
                body.put_u32(*rows);
                frame(out, b'E', &body);
            }
            Self::Flush => frame(out, b'H', b""),
            Self::Sync => frame(out, b'S', b""),
            Self::CopyData(data) => frame(out, b'd', data),
            Self::CopyDone => frame(out, b'c', b""),
            Self::CopyFail => frame(out, b'f', b"no more\0"),
            Self::Function(oid, arguments) => {
                let mut body = BytesMut::new();
                body.put_u32(*oid);
                body.put_u16(0);
                body.put_u16(arguments.len() as u16);
                for argument in arguments {
                    body.put_u32(argument.len() as u32);
                    body.put_slice(argument.as_bytes());
                }
                body.put_u16(0);
                frame(out, b'F', &body);
            }
            Self::Raw(tag, body) => frame(out, *tag, body),
            Self::Wait => {}
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(text) => write!(f, "Query {text:?}"),
            Self::Parse(name, text, types) => write!(f, "Parse {name:?} {text:?} {types:?}"),
            Self::Bind(portal, statement, parameters, formats) => {
                write!(
                    f,
                    "Bind {portal:?} {statement:?} {parameters:?} {formats:?}"
                )
            }
            Self::Describe(kind, name) => write!(f, "Describe {} {name:?}", char::from(*kind)),
            Self::Execute(portal, rows) => write!(f, "Execute {portal:?} {rows}"),
            Self::Close(kind, name) => write!(f, "Close {} {name:?}", char::from(*kind)),
            Self::CopyData(data) => write!(f, "CopyData {:?}", String::from_utf8_lossy(data)),
            Self::Function(oid, arguments) => write!(f, "Function {oid} {arguments:?}"),
            Self::Raw(tag, body) => write!(f, "Raw {:?} {body:?}", char::from(*tag)),
            Self::Flush | Self::Sync | Self::CopyDone | Self::CopyFail | Self::Wait => {
                write!(f, "{self:?}")
            }
        }
    }
}
