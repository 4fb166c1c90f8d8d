//! SQLSTATEs that the proxy raises on its own account, by PostgreSQL's names.

use router_core::sqlstate::SqlState;

/// `protocol_violation`
pub const PROTOCOL_VIOLATION: SqlState = SqlState::new("08P01");
/// `sqlclient_unable_to_establish_sqlconnection`
pub const CANNOT_CONNECT: SqlState = SqlState::new("08001");
/// `feature_not_supported`
pub const FEATURE_NOT_SUPPORTED: SqlState = SqlState::new("0A000");
/// `character_not_in_repertoire`
pub const CHARACTER_NOT_IN_REPERTOIRE: SqlState = SqlState::new("22021");
/// `invalid_parameter_value`
pub const INVALID_PARAMETER_VALUE: SqlState = SqlState::new("22023");
/// `invalid_authorization_specification`
pub const INVALID_AUTHORIZATION: SqlState = SqlState::new("28000");
/// `invalid_password`
pub const INVALID_PASSWORD: SqlState = SqlState::new("28P01");
/// `syntax_error`
pub const SYNTAX_ERROR: SqlState = SqlState::new("42601");
/// `too_many_connections`
pub const TOO_MANY_CONNECTIONS: SqlState = SqlState::new("53300");
/// `internal_error`
pub const INTERNAL_ERROR: SqlState = SqlState::new("XX000");
