//! Whole-system tests, one binary so that it is linked once; a module per topic. This is their map: each module says in its
//! first line what it is about.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed test panics and tells why"
)]

// What the tests share beyond `shunt_tests`.
mod certificates;
mod keys;

// The walls between the crates, and what the core knows beside what PostgreSQL says.
mod catalog;
mod functions;
mod hashes;
mod lexer;
mod placements;
mod values;
mod walls;

// Entering, and the protocol.
mod auth;
mod cancel;
mod conversations;
mod entry;
mod hostile;
mod psql;
mod replication;
mod sqlx;

// Pooling: clients that share connections to one server.
mod asides;
mod begins;
mod deadlines;
mod leaks;
mod pipelines;
mod pooled;
mod proxy;
mod settings;
mod workers;

// Statements over several shards.
mod behind;
mod copies;
mod copying;
mod corners;
mod cursors;
mod differential;
mod explain;
mod key_columns;
mod long_values;
mod notifications;
mod numbers;
mod paths;
mod prepared;
mod programs;
mod roles;
mod row_limits;
mod sequences;
mod sharded;
mod slips;
mod streams;
mod temporary;
mod type_numbers;
mod views;
mod words;

// Transactions over several shards.
mod circles;
mod let_go;
mod lost;
mod moment_reads;
mod moments;
mod recovery;
mod twophase;
mod unheard;
mod unnamed_portals;
mod writers;

// Definitions, and the catalog that is read anew after them.
mod default_shard;
mod definitions;
mod elsewhere;
mod locked;
mod schema;
mod touched;
mod whole_tables;

// Operation: replicas, reloads, takeovers, the console, metrics, commands, the library.
mod client;
mod commands;
mod console;
mod handover;
mod http;
mod moves;
mod outages;
mod reload;
mod replicas;
