//! The assembly of the binary `shunt`: configuration, commands, demo.
