//! The assembly of the binary `shunt`.
//!
//! | module | owns |
//! |---|---|
//! | [`config`] | the file: as written, as meant, and what is wrong with it |
//! | [`commands`] | what `shunt` can be told to do |
//! | [`demo`] | a small shop on real local servers, for `shunt demo` and the tests |
//! | [`logging`] | where log lines go and how they look |

pub mod commands;
pub mod config;
pub mod demo;
pub mod logging;
#[cfg(feature = "second-reader")]
pub mod second_reader;
