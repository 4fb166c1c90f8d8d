//! HTTP for machines and people who look: read only.
//!
//! | path | says |
//! |---|---|
//! | `/metrics` | numbers, for Prometheus ([`exposition`]) |
//! | `/health` | the process answers |
//! | `/ready`, `/ready?any` | whether clients should be sent here, and which servers are down (`ready`) |
//! | `/api/overview` | what the dashboard shows (`api`) |
//! | `/` | the dashboard, one file |
//!
//! It runs on the runtime of whoever serves the proxy, not on a worker's. Like
//! PgBouncer's console it shows names of databases, users and hosts: bind it to
//! an address that only operators reach.

mod api;
mod bounded;
pub mod exposition;
mod ready;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use socket2::{Domain, Protocol, Type};

use self::bounded::Bounded;
use self::ready::Least;
use crate::snapshot::Unanswered;
use crate::worker::Shared;

/// Connections that the kernel keeps for us until they are accepted.
const BACKLOG: i32 = 64;

/// Binds the address; with port 0, to any free port.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[derive(Clone, Debug)]
struct Served {
    shared: Arc<Shared>,
}

/// Serves until the task is aborted: a dashboard that keeps its connection must not hold up the end.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let served = Served { shared };
    let router = Router::new()
        .route("/", get(dashboard))
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route("/ready", get(is_ready))
        .route("/api/overview", get(overview))
        .with_state(served);
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(Bounded::new(listener), router).await
}

async fn dashboard() -> Response {
    // Everything is in the file: nothing is loaded from elsewhere, and nothing may be.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'";
    let headers = [(header::CONTENT_SECURITY_POLICY, policy)];
    (headers, Html(include_str!("dashboard.html"))).into_response()
}

async fn health() -> &'static str {
    "ok\n"
}

async fn metrics(State(served): State<Served>) -> Response {
    let overview = match served.shared.look(false).await.whole() {
        Ok(overview) => overview,
        Err(error) => return unavailable(error),
    };
    let text = exposition::text(&overview, &served.shared);
    let headers = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (headers, text).into_response()
}

async fn is_ready(State(served): State<Served>, RawQuery(query): RawQuery) -> Response {
    let least = match query.as_deref() {
        None | Some("") => Least::All,
        Some("any") => Least::Any,
        Some(_) => {
            let text = "/ready takes \"any\" alone: /ready?any\n";
            return (StatusCode::BAD_REQUEST, text).into_response();
        }
    };
    let (is_ready, text) = ready::answer(&served.shared, least);
    let status = match is_ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, text).into_response()
}

async fn overview(State(served): State<Served>) -> Response {
    let overview = match served.shared.look(true).await.whole() {
        Ok(overview) => overview,
        Err(error) => return unavailable(error),
    };
    axum::Json(api::overview(&overview, &served.shared)).into_response()
}

/// No numbers are better than some of them.
fn unavailable(error: Unanswered) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response()
}
