//! Whether a server lets the router in, by what came of the attempts to connect; and when somebody has to be told.
//!
//! An outage is told at its first failure, then with the number of failures at most once in [`PAUSE`], later in
//! [`LONG_PAUSE`], and at its end. Of a server that comes and goes (it crashes again and again, its last connection slot is
//! free now and then) no more is told than of one that stays away.
//!
//! Times are measured from a moment that the caller chooses and keeps to.

use std::collections::BTreeMap;
use std::time::Duration;

/// Between two lines about failures of one server there is at least this.
pub const PAUSE: Duration = Duration::from_secs(10);

/// The same once it has lasted for so long.
pub const LONG_PAUSE: Duration = Duration::from_secs(60);

/// A server of which something was heard within this works, though it may have no room for one connection more.
const RECENT: Duration = Duration::from_secs(5);

/// Whether a server lets the router in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nobody has tried yet.
    #[default]
    Unknown,
    /// The last attempt to connect came about, or its connections answer.
    Up,
    /// The last attempt failed.
    Down,
}

impl State {
    /// In a word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// What there is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The first attempt that failed.
    Failed,
    /// Attempts go on to fail.
    StillFailing {
        /// Since the first of them.
        lasting: Duration,
        /// How many.
        failures: u64,
    },
    /// The first attempt that came about again.
    Back {
        /// After the first that failed.
        lasted: Duration,
        /// How many failed.
        failures: u64,
    },
}

/// What is at fault when an attempt fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The server, or the way to it: nobody gets in.
    Server,
    /// It answers, and does not let this role in: others may get in.
    Role,
}

impl Fault {
    /// By the SQLSTATE with which a server refuses.
    pub fn of_refusal(sqlstate: &str) -> Self {
        match sqlstate {
            // Authentication, privileges; too many connections, of the role or of all that are no superusers.
            _ if sqlstate.starts_with("28") || sqlstate.starts_with("42") => Self::Role,
            "53300" => Self::Role,
            _ => Self::Server,
        }
    }
}

/// What came of attempts, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Attempts {
    state: State,
    since: Duration,
    /// Those that failed since `since`, while it is down.
    failures: u64,
    failed: Option<Duration>,
    succeeded: Option<Duration>,
    /// When a failure was told last.
    told: Option<Duration>,
    /// Whether any of this outage was.
    outage_told: bool,
}

impl Attempts {
    fn handle_success(&mut self, now: Duration) -> Option<News> {
        self.succeeded = Some(now);
        let before = std::mem::replace(&mut self.state, State::Up);
        if before == State::Up {
            return None;
        }
        let lasted = now.saturating_sub(std::mem::replace(&mut self.since, now));
        let failures = std::mem::take(&mut self.failures);
        (before == State::Down && std::mem::take(&mut self.outage_told))
            .then_some(News::Back { lasted, failures })
    }

    fn handle_failure(&mut self, begun: Duration, now: Duration) -> Option<News> {
        // What another attempt has found since is newer.
        if self.succeeded.is_some_and(|at| at > begun) {
            return None;
        }
        self.failed = Some(now);
        if self.state != State::Down {
            self.state = State::Down;
            self.since = now;
            self.failures = 0;
            self.outage_told = false;
        }
        self.failures += 1;
        let lasting = now.saturating_sub(self.since);
        let pause = match lasting <= LONG_PAUSE {
            true => PAUSE,
            false => LONG_PAUSE,
        };
        if self.told.is_some_and(|told| now < told + pause) {
            return None;
        }
        self.told = Some(now);
        self.outage_told = true;
        Some(match self.failures {
            1 => News::Failed,
            failures => News::StillFailing { lasting, failures },
        })
    }
}

/// What is known of one server, to which the router connects as several roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// Attempts of all roles that say something about the server.
    server: Attempts,
    /// Of each role, those that say something about it.
    roles: BTreeMap<String, Attempts>,
    problem: Option<(Duration, String)>,
    failures: u64,
}

/// What an operator sees of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Whether it lets the router in.
    pub state: State,
    /// Since when that is so; `None`: nobody has tried.
    pub since: Option<Duration>,
    /// What was wrong when an attempt failed last, and when that was.
    pub problem: Option<(Duration, &'a str)>,
    /// Attempts that failed, since the beginning.
    pub failures: u64,
}

impl Availability {
    /// A role got in.
    pub fn handle_success(&mut self, role: &str, now: Duration) -> Option<News> {
        let of_server = self.server.handle_success(now);
        let of_role = self.role(role).handle_success(now);
        of_server.or(of_role)
    }

    /// An attempt that was begun then has failed.
    pub fn handle_failure(
        &mut self,
        role: &str,
        fault: Fault,
        begun: Duration,
        now: Duration,
        problem: String,
    ) -> Option<News> {
        self.failures += 1;
        self.problem = Some((now, problem));
        match fault {
            Fault::Server => self.server.handle_failure(begun, now),
            Fault::Role => self.role(role).handle_failure(begun, now),
        }
    }

    /// Which role to ask with, whether it is there: one that got in, if any did; `None`: nobody has tried.
    pub fn best_role(&self) -> Option<&str> {
        let got_in = |(_, attempts): &(&String, &Attempts)| attempts.state == State::Up;
        let first = self.roles.iter().find(got_in).or(self.roles.iter().next());
        first.map(|(role, _)| role.as_str())
    }

    /// When a role got in last.
    pub fn last_success(&self) -> Option<Duration> {
        self.server.succeeded
    }

    /// What an operator sees; `heard`: when a connection to it was given back last after an answer.
    pub fn seen(&self, heard: Option<Duration>, now: Duration) -> Seen<'_> {
        let (state, since) = self.state(heard, now);
        Seen {
            state,
            since: (state != State::Unknown).then_some(since),
            problem: self.problem.as_ref().map(|(at, problem)| (*at, &**problem)),
            failures: self.failures,
        }
    }

    fn state(&self, heard: Option<Duration>, now: Duration) -> (State, Duration) {
        let answered = |failed: Option<Duration>| heard.is_some_and(|at| Some(at) > failed);
        if self.server.state == State::Down {
            // Whoever is slow to let anybody in may still be at work.
            return match answered(self.server.failed) {
                true => (State::Up, self.server.since),
                false => (State::Down, self.server.since),
            };
        }
        let tried = || {
            self.roles
                .values()
                .filter(|role| role.state != State::Unknown)
        };
        let works = heard.is_some_and(|at| now < at + RECENT);
        if tried().next().is_some() && tried().all(|role| role.state == State::Down) && !works {
            let since = tried().map(|role| role.since).max().unwrap_or_default();
            return (State::Down, since);
        }
        (self.server.state, self.server.since)
    }

    fn role(&mut self, role: &str) -> &mut Attempts {
        if !self.roles.contains_key(role) {
            self.roles.insert(role.to_owned(), Attempts::default());
        }
        self.roles.entry(role.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// An attempt that takes no time.
    fn fail(it: &mut Availability, role: &str, fault: Fault, at: Duration) -> Option<News> {
        it.handle_failure(role, fault, at, at, format!("at {at:?}"))
    }

    #[test]
    fn an_outage_is_told_at_its_beginning_now_and_then_and_at_its_end() {
        let mut it = Availability::default();
        assert_eq!(it.handle_success("app", s(1)), None);
        assert_eq!(
            fail(&mut it, "app", Fault::Server, s(100)),
            Some(News::Failed)
        );
        let mut told = Vec::new();
        for ms in (100_050..125_000).step_by(50) {
            told.extend(fail(
                &mut it,
                "app",
                Fault::Server,
                Duration::from_millis(ms),
            ));
        }
        let still = |lasting, failures| News::StillFailing { lasting, failures };
        assert_eq!(told, [still(s(10), 201), still(s(20), 401)]);
        let back = News::Back {
            lasted: s(30),
            failures: 499 + 1,
        };
        assert_eq!(it.handle_success("other", s(130)), Some(back));
        assert_eq!(it.handle_success("app", s(131)), None);
        assert_eq!(it.seen(None, s(131)).failures, 500);
    }

    #[test]
    fn one_that_comes_and_goes_is_told_of_no_more_often() {
        let mut it = Availability::default();
        let mut told = Vec::new();
        for at in 0..25 {
            told.extend(fail(&mut it, "app", Fault::Server, s(at)).map(|news| (at, news)));
            let back = it.handle_success("app", s(at) + Duration::from_millis(1));
            told.extend(back.map(|news| (at, news)));
        }
        let back = News::Back {
            lasted: Duration::from_millis(1),
            failures: 1,
        };
        let pairs = [0, 10, 20].map(|at| [(at, News::Failed), (at, back)]);
        assert_eq!(told, pairs.concat());
    }

    #[test]
    fn one_that_lasts_is_told_of_once_a_minute() {
        let mut it = Availability::default();
        let told = (0..=300).filter(|at| fail(&mut it, "app", Fault::Server, s(*at)).is_some());
        let told: Vec<_> = told.collect();
        assert_eq!(told, [0, 10, 20, 30, 40, 50, 60, 120, 180, 240, 300]);
    }

    #[test]
    fn an_attempt_that_was_overtaken_by_one_that_came_about_says_nothing() {
        let mut it = Availability::default();
        it.handle_success("app", s(10));
        let late = it.handle_failure("app", Fault::Server, s(9), s(14), "late".into());
        assert_eq!(late, None);
        let seen = it.seen(None, s(15));
        assert_eq!((seen.state, seen.since), (State::Up, Some(s(10))));
        assert_eq!((seen.problem, seen.failures), (Some((s(14), "late")), 1));
    }

    #[test]
    fn a_role_that_is_not_let_in_is_no_outage_while_others_are() {
        let mut it = Availability::default();
        assert_eq!(it.seen(None, s(0)).state, State::Unknown);
        assert_eq!(fail(&mut it, "app", Fault::Role, s(1)), Some(News::Failed));
        // Nobody has got in.
        let seen = it.seen(None, s(2));
        assert_eq!((seen.state, seen.since), (State::Down, Some(s(1))));
        it.handle_success("batch", s(3));
        assert_eq!(it.seen(None, s(4)).state, State::Up);
        assert_eq!(it.best_role(), Some("batch"));
        // Each is told of by itself.
        assert_eq!(
            fail(&mut it, "batch", Fault::Role, s(5)),
            Some(News::Failed)
        );
        assert_eq!(it.seen(None, s(6)).state, State::Down);
        let back = News::Back {
            lasted: s(6),
            failures: 1,
        };
        assert_eq!(it.handle_success("app", s(7)), Some(back));
        assert_eq!(it.seen(None, s(7)).state, State::Up);
    }

    #[test]
    fn connections_that_answer_show_that_a_server_works() {
        let mut it = Availability::default();
        it.handle_success("app", s(1));
        // Full: it has no room for one more.
        fail(&mut it, "app", Fault::Role, s(20));
        assert_eq!(it.seen(Some(s(19)), s(20)).state, State::Up);
        assert_eq!(it.seen(Some(s(19)), s(25)).state, State::Down);
        // Slow to let anybody in: what was heard before the failure says nothing.
        fail(&mut it, "app", Fault::Server, s(30));
        assert_eq!(it.seen(Some(s(29)), s(30)).state, State::Down);
        assert_eq!(it.seen(Some(s(31)), s(32)).state, State::Up);
    }

    #[test]
    fn refusals_are_about_the_role_or_the_server() {
        for state in ["28P01", "28000", "42501", "53300"] {
            assert_eq!(Fault::of_refusal(state), Fault::Role, "{state}");
        }
        for state in ["57P03", "3D000", "53200", "XX000", "08P01"] {
            assert_eq!(Fault::of_refusal(state), Fault::Server, "{state}");
        }
    }
}
