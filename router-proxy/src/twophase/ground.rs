//! The table of decisions of a shard, made when a transaction over several shards is first to be decided there.

use router_core::id::ShardId;
use router_core::sqlstate::SqlState;
use router_core::twophase::{Place, statements};

use super::TwoPhase;
use super::server::{Failure, Primary, TWO_PHASE};
use crate::wire::encode::Report;

impl TwoPhase {
    /// Sees to it that a shard can hold decisions of these roles. An error is for the client that commits.
    pub async fn make_ready(&self, shard: ShardId, roles: &[&str]) -> Result<(), Report> {
        let _turn = self.making.lock().await;
        if self.place(shard).is_some() {
            return Ok(());
        }
        let (name, address) = &self.shards[shard.index()];
        let place = async {
            let mut primary = Primary::connect(name, address, TWO_PHASE).await?;
            let Identity { place, table, .. } = identify(&mut primary).await?;
            if !table {
                make(&mut primary).await?;
            }
            if !roles.is_empty() {
                for role in primary.ask(&statements::lacking(roles)).await? {
                    let role = role.first().map_or("", String::as_str);
                    // Where it may not be granted, the statement that needs it says so.
                    if let Err(failure) = primary.ask(&statements::grant(role)).await {
                        tracing::warn!(shard = name, user = role, error = %failure, "cannot let a role write into shunt.decisions");
                    }
                }
            }
            Ok(place)
        };
        match place.await {
            Ok(place) => {
                self.places()[shard.index()] = Some(place);
                Ok(())
            }
            Err(failure) => Err(unready(name, &address.user, &failure)),
        }
    }
}

/// What a primary says about itself.
pub(super) struct Identity {
    pub(super) place: Place,
    /// Whether it has a table of decisions.
    pub(super) table: bool,
    schema: bool,
}

/// Asks a primary about itself.
pub(super) async fn identify(primary: &mut Primary) -> Result<Identity, Failure> {
    let rows = primary.ask(statements::IDENTIFY).await?;
    match rows.first().map(Vec::as_slice) {
        Some([system, database, table, schema]) => Ok(Identity {
            place: Place::new(system, database),
            table: table == "t",
            schema: schema == "t",
        }),
        _ => Err(Failure {
            state: None,
            message: "a malformed row".to_owned(),
        }),
    }
}

/// Makes the table of decisions; other routers may be about to do the same.
async fn make(primary: &mut Primary) -> Result<(), Failure> {
    primary.ask("BEGIN").await?;
    primary.ask(statements::LOCK).await?;
    let Identity { table, schema, .. } = identify(primary).await?;
    if !schema {
        primary.ask(statements::CREATE_SCHEMA).await?;
    }
    if !table {
        primary.ask(statements::CREATE_TABLE).await?;
    }
    primary.ask("COMMIT").await?;
    Ok(())
}

fn unready(shard: &str, role: &str, failure: &Failure) -> Report {
    let state = failure
        .state
        .as_deref()
        .and_then(|state| <[u8; 5]>::try_from(state.as_bytes()).ok())
        .map_or(SqlState::new("08001"), SqlState);
    let report = Report::error(
        state,
        "cannot prepare to commit a transaction over several shards",
    )
    .detail(format!(
        "The decision would be kept in the table shunt.decisions of shard \"{shard}\": {failure}."
    ));
    if failure.is("42501") {
        report.hint(format!(
            "As a role that may, run on that shard: CREATE SCHEMA shunt AUTHORIZATION {}; the router makes the table.",
            statements::identifier(role)
        ))
    } else {
        report.hint("Nothing was committed. Try again when the shard answers.")
    }
}
