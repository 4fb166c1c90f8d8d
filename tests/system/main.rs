//! Whole-system tests, one binary so that it is linked once; a module per topic.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed test panics and tells why"
)]

mod asides;
mod auth;
mod begins;
mod behind;
mod cancel;
mod catalog;
mod circles;
mod client;
mod commands;
mod console;
mod conversations;
mod copies;
mod copying;
mod corners;
mod cursors;
mod deadlines;
mod definitions;
mod differential;
mod elsewhere;
mod entry;
mod explain;
mod functions;
mod handover;
mod hashes;
mod hostile;
mod http;
mod key_columns;
mod keys;
mod leaks;
mod let_go;
mod lexer;
mod locked;
mod moment_reads;
mod moments;
mod moves;
mod numbers;
mod paths;
mod pipelines;
mod placements;
mod pooled;
mod prepared;
mod programs;
mod proxy;
mod psql;
mod recovery;
mod reload;
mod replicas;
mod replication;
mod roles;
mod row_limits;
mod schema;
mod sequences;
mod settings;
mod sharded;
mod sqlx;
mod streams;
mod temporary;
mod twophase;
mod type_numbers;
mod values;
mod views;
mod walls;
mod whole_tables;
mod words;
mod workers;
mod writers;
