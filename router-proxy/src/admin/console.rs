//! One console's conversation.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Instant;

use bytes::{Buf, BytesMut};
use router_core::sqlstate::SqlState;

use super::command::{Command, parse};
use super::table::{self, Column, Verb};
use super::value::{Formats, Row, data_row, row_description};
use super::{control, show};
use crate::cancel::process_id;
use crate::settings::Settings;
use crate::snapshot::ClientDetails;
use crate::startup::{EntryError, Startup};
use crate::tls::{EncryptedSocket, Socket};
use crate::wire::code;
use crate::wire::encode::{self, Report, frame};
use crate::wire::frontend as f;
use crate::wire::read::read_message;
use crate::worker::{About, Entry, OnConsole, Worker};

/// Longest message that a console may send.
const LONGEST: usize = 16 << 10;

/// Most statements and most portals of one console.
const MOST: usize = 100;

/// A client that has proven who it is and wants the console.
pub(crate) struct Welcome {
    pub(crate) worker: Rc<Worker>,
    pub(crate) entry: Rc<Entry>,
    pub(crate) place: usize,
    pub(crate) socket: Socket,
    pub(crate) startup: Startup,
    pub(crate) input: BytesMut,
    /// What is still to be sent of the login.
    pub(crate) out: BytesMut,
}

/// Serves one console to its end.
pub(crate) async fn serve(welcome: Welcome, settings: &Settings) -> Result<(), EntryError> {
    let Welcome {
        worker,
        entry,
        place,
        mut socket,
        startup,
        input,
        mut out,
    } = welcome;
    let user = &startup.user;
    if !is_admin(settings, user) {
        socket.write_all(&out).await?;
        let report = Report::fatal(
            SqlState::new("42501"),
            format!("user \"{user}\" may not use the admin console"),
        )
        .hint("Set admin = true for this user in [[users]], or connect to another database.");
        return Err(EntryError::refuse(&mut socket, report).await);
    }
    for (name, value) in [
        (
            "server_version",
            concat!(env!("CARGO_PKG_VERSION"), "/shunt"),
        ),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("is_superuser", "on"),
        ("session_authorization", user),
    ] {
        encode::parameter_status(&mut out, name, value);
    }
    let mut secret = [0; 4];
    getrandom::fill(&mut secret)
        .map_err(|error| EntryError::Io(io::Error::other(error.to_string())))?;
    entry.secret.set(secret);
    encode::backend_key_data(&mut out, process_id(worker.id, place), &secret);
    encode::ready_for_query(&mut out, b'I');
    let mut parameters = startup.parameters.iter().rev();
    let named = parameters.find(|(name, _)| name == "application_name");
    *entry.about.borrow_mut() = Some(About {
        access: None,
        relayed: None,
        console: Some(Box::new(OnConsole {
            database: startup.database.clone(),
            user: user.clone(),
            details: ClientDetails {
                peer: socket.raw().peer(),
                local: socket.raw().local(),
                tls: socket.tls().map(EncryptedSocket::describe),
                application: named.map(|(_, name)| name.clone()).unwrap_or_default(),
                ..ClientDetails::default()
            },
        })),
        connected: Instant::now(),
    });
    tracing::debug!(
        user,
        peer = socket.raw().peer().map(tracing::field::display),
        "console opened"
    );
    let mut console = Console {
        user: user.clone(),
        worker,
        entry,
        socket,
        input,
        out,
        statements: HashMap::new(),
        portals: HashMap::new(),
        skipping: false,
    };
    console.run().await?;
    Ok(())
}

fn is_admin(settings: &Settings, user: &str) -> bool {
    let mut users = settings.users.iter();
    users.any(|known| known.name == user && known.admin)
}

/// A command of the extended protocol, or `None`: nothing.
type Statement = Option<Command>;

struct Portal {
    command: Statement,
    formats: Formats,
    /// What it has yet to give, once it has run.
    rows: Option<VecDeque<Row>>,
}

struct Console {
    user: String,
    worker: Rc<Worker>,
    entry: Rc<Entry>,
    socket: Socket,
    input: BytesMut,
    out: BytesMut,
    statements: HashMap<Vec<u8>, Statement>,
    portals: HashMap<Vec<u8>, Portal>,
    /// An error struck: everything up to `Sync` is skipped.
    skipping: bool,
}

impl Console {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            // What a pipeline brings goes out in one piece.
            if self.input.is_empty() || self.out.len() > LONGEST {
                self.socket.write_all(&self.out).await?;
                self.out.clear();
            }
            let told_to_go = {
                let (entry, worker) = (Rc::clone(&self.entry), Rc::clone(&self.worker));
                poll_fn(move |cx| {
                    *entry.waker.borrow_mut() = Some(cx.waker().clone());
                    // A cancel request that found nothing to cancel.
                    entry.cancel.set(false);
                    let shared = &worker.shared;
                    if shared.stopping.load(Ordering::Relaxed) || worker.is_draining() {
                        Poll::Ready(())
                    } else {
                        Poll::Pending
                    }
                })
            };
            let message = tokio::select! {
                biased;
                () = told_to_go => None,
                message = read_message(&mut self.socket, &mut self.input, LONGEST) => Some(message),
            };
            let Some(message) = message else {
                let report = Report::fatal(
                    SqlState::new("57P01"),
                    "terminating connection due to administrator command",
                );
                return self.farewell(&report).await;
            };
            let (tag, length) = match message {
                Ok(message) => message,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    let report = Report::fatal(code::PROTOCOL_VIOLATION, error.to_string())
                        .detail(format!("A console's message has up to {LONGEST} bytes."));
                    return self.farewell(&report).await;
                }
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            };
            let body = self.input.split_to(length);
            if !is_admin(&self.worker.shared.settings().settings, &self.user) {
                let report = Report::fatal(
                    SqlState::new("57P01"),
                    "terminating connection due to administrator command",
                )
                .detail("The user may not use the admin console any more.");
                return self.farewell(&report).await;
            }
            match tag {
                f::TERMINATE => {
                    self.socket.close();
                    return Ok(());
                }
                f::SYNC => {
                    self.skipping = false;
                    self.portals.clear();
                    encode::ready_for_query(&mut self.out, b'I');
                }
                _ if self.skipping => {}
                f::QUERY => {
                    if let Err(report) = self.query(&body).await {
                        report.encode(&mut self.out);
                    }
                    encode::ready_for_query(&mut self.out, b'I');
                }
                f::FLUSH => {
                    self.socket.write_all(&self.out).await?;
                    self.out.clear();
                }
                f::PARSE | f::BIND | f::DESCRIBE | f::EXECUTE | f::CLOSE => {
                    if let Err(report) = self.extended(tag, &body).await {
                        report.encode(&mut self.out);
                        self.skipping = true;
                    }
                }
                _ => {
                    let report = Report::fatal(
                        code::PROTOCOL_VIOLATION,
                        format!("the console does not take messages of type {tag}"),
                    );
                    return self.farewell(&report).await;
                }
            }
        }
    }

    async fn farewell(&mut self, report: &Report) -> io::Result<()> {
        report.encode(&mut self.out);
        self.socket.write_all(&self.out).await?;
        self.socket.close();
        Ok(())
    }

    async fn query(&mut self, body: &[u8]) -> Result<(), Report> {
        let text = f::query_text(body).ok_or_else(garbled)?;
        let commands = parse(text_of(text)?)?;
        if commands.is_empty() {
            frame(&mut self.out, b'I', |_| {});
        }
        for command in commands {
            let columns = columns(&command);
            let rows = self.execute(&command).await?;
            let formats = Formats::default();
            if !columns.is_empty() {
                row_description(&mut self.out, columns, &formats);
            }
            for row in &rows {
                data_row(&mut self.out, columns, &formats, row);
            }
            complete(&mut self.out, &command);
        }
        Ok(())
    }

    /// Carries a command out; its rows.
    async fn execute(&self, command: &Command) -> Result<Vec<Row>, Report> {
        let Command::Known(verb, database) = command else {
            return Ok(Vec::new());
        };
        let shared = &self.worker.shared;
        let database = database.as_deref();
        match verb {
            Verb::Pause => {
                self.entry.cancel.set(false);
                let cancelled = || self.entry.cancel.get();
                control::pause(shared, database, &cancelled).await?;
            }
            Verb::Resume => control::resume(shared, database)?,
            Verb::Disable | Verb::Enable => {
                control::set_disabled(shared, database, *verb == Verb::Disable)?;
            }
            Verb::Reconnect => control::reconnect(shared, database).await?,
            Verb::WaitClose => {
                self.entry.cancel.set(false);
                let cancelled = || self.entry.cancel.get();
                control::wait_close(shared, database, &cancelled).await?;
            }
            Verb::Kill => control::kill(shared, database).await?,
            Verb::Shutdown => control::shutdown(shared),
            Verb::Reload => return control::reload(shared).await,
            _ => return show::rows(*verb, shared).await,
        }
        Ok(Vec::new())
    }

    async fn extended(&mut self, tag: u8, body: &[u8]) -> Result<(), Report> {
        match tag {
            f::PARSE => {
                let parse = f::Parse::read(body).ok_or_else(garbled)?;
                self.parse(&parse)
            }
            f::BIND => self.bind(body),
            f::DESCRIBE => self.describe(f::Named::read(body).ok_or_else(garbled)?),
            f::EXECUTE => {
                let execute = f::Execute::read(body).ok_or_else(garbled)?;
                self.run_portal(&execute).await
            }
            _ => {
                let named = f::Named::read(body).ok_or_else(garbled)?;
                match named.portal {
                    true => drop(self.portals.remove(named.name)),
                    false => drop(self.statements.remove(named.name)),
                }
                frame(&mut self.out, b'3', |_| {});
                Ok(())
            }
        }
    }

    fn parse(&mut self, parse: &f::Parse<'_>) -> Result<(), Report> {
        let mut commands = super::command::parse(text_of(parse.query)?)?;
        if commands.len() > 1 {
            return Err(Report::error(
                code::SYNTAX_ERROR,
                "cannot insert multiple commands into a prepared statement",
            ));
        }
        if !parse.name.is_empty() && self.statements.contains_key(parse.name) {
            return Err(Report::error(
                SqlState::new("42P05"),
                "prepared statement already exists",
            ));
        }
        if self.statements.len() >= MOST && !parse.name.is_empty() {
            return Err(too_many("prepared statements"));
        }
        self.statements.insert(parse.name.to_vec(), commands.pop());
        frame(&mut self.out, b'1', |_| {});
        Ok(())
    }

    fn bind(&mut self, body: &[u8]) -> Result<(), Report> {
        let bind = f::Bind::read(body).ok_or_else(garbled)?;
        let mut rest = &body[bind.rest_at..];
        let mut counted = || -> Option<usize> { Some(usize::from(rest.try_get_u16().ok()?)) };
        let formats = counted().ok_or_else(garbled)?;
        rest = rest.get(2 * formats..).ok_or_else(garbled)?;
        if rest.try_get_u16().map_err(|_| garbled())? != 0 {
            return Err(Report::error(
                code::PROTOCOL_VIOLATION,
                "commands of the console have no parameters",
            ));
        }
        let count = usize::from(rest.try_get_u16().map_err(|_| garbled())?);
        if rest.len() != 2 * count {
            return Err(garbled());
        }
        let formats = rest.chunks_exact(2).map(|code| code == [0, 1]).collect();
        let Some(command) = self.statements.get(bind.statement) else {
            return Err(Report::error(
                SqlState::new("26000"),
                "prepared statement does not exist",
            ));
        };
        if self.portals.len() >= MOST && !bind.portal.is_empty() {
            return Err(too_many("portals"));
        }
        let portal = Portal {
            command: command.clone(),
            formats: Formats(formats),
            rows: None,
        };
        self.portals.insert(bind.portal.to_vec(), portal);
        frame(&mut self.out, b'2', |_| {});
        Ok(())
    }

    fn describe(&mut self, named: f::Named<'_>) -> Result<(), Report> {
        let none = Formats::default();
        let (command, formats) = if named.portal {
            let portal = self.portals.get(named.name).ok_or_else(no_portal)?;
            (&portal.command, &portal.formats)
        } else {
            let statement = self.statements.get(named.name).ok_or_else(|| {
                Report::error(SqlState::new("26000"), "prepared statement does not exist")
            })?;
            frame(&mut self.out, b't', |out| out.extend_from_slice(&[0, 0]));
            (statement, &none)
        };
        match command.as_ref().map_or(&[][..], columns) {
            [] => frame(&mut self.out, b'n', |_| {}),
            columns => row_description(&mut self.out, columns, formats),
        }
        Ok(())
    }

    async fn run_portal(&mut self, execute: &f::Execute<'_>) -> Result<(), Report> {
        let portal = self.portals.get(execute.portal).ok_or_else(no_portal)?;
        let Some(command) = portal.command.clone() else {
            frame(&mut self.out, b'I', |_| {});
            return Ok(());
        };
        let rows = match &portal.rows {
            Some(_) => None,
            None => Some(self.execute(&command).await?),
        };
        let portal = self.portals.get_mut(execute.portal).ok_or_else(no_portal)?;
        if let Some(rows) = rows {
            portal.rows = Some(rows.into());
        }
        let waiting = portal.rows.get_or_insert_default();
        let limit = match usize::try_from(execute.max_rows) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        };
        let columns = columns(&command);
        let mut count = 0;
        while count < limit
            && let Some(row) = waiting.pop_front()
        {
            data_row(&mut self.out, columns, &portal.formats, &row);
            count += 1;
        }
        if waiting.is_empty() && count < limit {
            complete(&mut self.out, &command);
        } else {
            frame(&mut self.out, b's', |_| {});
        }
        Ok(())
    }
}

fn columns(command: &Command) -> &'static [Column] {
    match command {
        Command::Known(verb, _) => table::entry(*verb).columns,
        Command::Set | Command::Empty => &[],
    }
}

/// Appends a CommandComplete.
fn complete(out: &mut BytesMut, command: &Command) {
    let tag = match command {
        Command::Known(verb, _) => {
            let words = table::entry(*verb).words;
            match words.split_once(' ') {
                // As PgBouncer says it.
                Some((first, _)) => first.to_owned(),
                None => words.to_owned(),
            }
        }
        Command::Set | Command::Empty => "SET".to_owned(),
    };
    frame(out, b'C', |out| {
        out.extend_from_slice(tag.as_bytes());
        out.extend_from_slice(&[0]);
    });
}

fn text_of(bytes: &[u8]) -> Result<&str, Report> {
    std::str::from_utf8(bytes).map_err(|_| {
        Report::error(
            code::CHARACTER_NOT_IN_REPERTOIRE,
            "invalid byte sequence for encoding \"UTF8\"",
        )
    })
}

fn garbled() -> Report {
    Report::error(code::PROTOCOL_VIOLATION, "invalid message format")
}

fn no_portal() -> Report {
    Report::error(SqlState::new("34000"), "portal does not exist")
}

fn too_many(what: &str) -> Report {
    Report::error(SqlState::new("53400"), format!("too many {what}"))
        .detail(format!("A console has up to {MOST}."))
        .hint("Close some.")
}
