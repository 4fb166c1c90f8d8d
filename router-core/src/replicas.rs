//! Which replicas may answer a read, and in what order they are tried.
//!
//! Nobody can ask a replica how old it is: its own clock says when the last transaction that it has replayed was
//! committed, which on a quiet primary is long ago. So the primary is asked from time to time how much it has written
//! ([`Position`]), and when that was is kept ([`History`]). A replica that has replayed that much has everything that was
//! committed before the question was put. That one moment, its [`Standing::as_of`], answers both questions that a read may
//! have: how far behind the replica is, and whether it has what the same client committed at a known time. Neither costs
//! the client's own statements anything.

use std::collections::VecDeque;
use std::time::Duration;

use smallvec::SmallVec;

/// A place in the write-ahead log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u64);

/// Bytes of a page of the log (`XLOG_BLCKSZ`), and of the headers that pages and segments begin with.
const PAGE: u64 = 8192;
const PAGE_HEADER: u64 = 24;
const SEGMENT_HEADER: u64 = 40;
/// Segments are multiples of this.
const LEAST_SEGMENT: u64 = 1 << 20;

impl Position {
    /// From `pg_lsn` as text: `16/B374D848`.
    ///
    /// Where the log ends with a page, the place of the next record is told as behind the next page's header, and the end of
    /// the last record as before it. Both are the same amount of log; no record ends in between.
    pub fn parse(text: &str) -> Option<Self> {
        let (high, low) = text.split_once('/')?;
        let part = |text| u32::from_str_radix(text, 16).ok().map(u64::from);
        let at = part(high)? << 32 | part(low)?;
        let header = match at {
            _ if at % LEAST_SEGMENT == SEGMENT_HEADER => SEGMENT_HEADER,
            _ if at % PAGE == PAGE_HEADER => PAGE_HEADER,
            _ => 0,
        };
        Some(Self(at - header))
    }

    /// Bytes from another position to this one; 0 if that one is ahead.
    pub fn ahead_of(self, other: Self) -> u64 {
        self.0.saturating_sub(other.0)
    }
}

/// How much a primary had written, and when. Times are since any fixed moment, the same for all.
#[derive(Clone, Debug, Default)]
pub struct History {
    samples: VecDeque<(Duration, Position)>,
}

/// With more samples every other old one goes: replicas that are far behind are taken for somewhat older than they are.
const MOST_SAMPLES: usize = 128;

impl History {
    /// The primary has written as far as `written`, asked no earlier than `asked`.
    pub fn note(&mut self, asked: Duration, written: Position) {
        if let Some((time, last)) = self.samples.back_mut() {
            if *last == written {
                *time = asked;
                return;
            }
            // Another primary, or one whose log was thrown away: what was said of the old one says nothing.
            if *last > written {
                self.samples.clear();
            }
        }
        if self.samples.len() >= MOST_SAMPLES {
            let old = std::mem::take(&mut self.samples);
            let half = MOST_SAMPLES / 2;
            let kept = old.into_iter().enumerate();
            self.samples = kept
                .filter(|(at, _)| *at >= half || at % 2 == 0)
                .map(|(_, sample)| sample)
                .collect();
        }
        self.samples.push_back((asked, written));
    }

    /// Where a replica stands that has replayed as far as `replayed`. `None`: nothing is known of so long ago.
    pub fn standing(&self, replayed: Position) -> Option<Standing> {
        let samples = self.samples.iter().rev();
        let (as_of, _) = samples.clone().find(|(_, written)| *written <= replayed)?;
        let (_, newest) = self.samples.back()?;
        Some(Standing {
            as_of: *as_of,
            behind: newest.ahead_of(replayed),
        })
    }
}

/// Where a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It has all that was committed before.
    pub as_of: Duration,
    /// Bytes of the log that it had yet to replay when it was asked.
    pub behind: u64,
}

/// Which replicas may answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// None that is further behind; `None`: any age will do.
    pub max_lag: Option<Duration>,
    /// None that has more bytes of the log to replay.
    pub max_lag_bytes: Option<u64>,
    /// None that may lack what the same session has committed.
    pub read_your_writes: bool,
}

impl Rules {
    /// Whether it matters where replicas stand.
    pub fn look(&self) -> bool {
        self.max_lag.is_some() || self.max_lag_bytes.is_some() || self.read_your_writes
    }

    /// Whether a replica may answer a read at `now` of a session whose last write had ended at `wrote`.
    pub fn admit(
        &self,
        standing: Option<Standing>,
        now: Duration,
        wrote: Option<Duration>,
    ) -> bool {
        let wrote = wrote.filter(|_| self.read_your_writes);
        let Some(standing) = standing else {
            return self.max_lag.is_none() && self.max_lag_bytes.is_none() && wrote.is_none();
        };
        let age = now.saturating_sub(standing.as_of);
        self.max_lag.is_none_or(|most| age <= most)
            && self
                .max_lag_bytes
                .is_none_or(|most| standing.behind <= most)
            && wrote.is_none_or(|wrote| standing.as_of > wrote)
    }
}

/// Which servers of a shard a read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// The primary, always.
    Primary,
    /// The primary; a replica while it is down.
    PrimaryFirst,
    /// A replica or nothing.
    Replica,
    /// A replica; the primary while none will do.
    ReplicaFirst,
}

/// A server of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The primary.
    Primary,
    /// The replica of this number, from 0.
    Replica(usize),
}

/// The servers that may answer, best first: replicas in turn, those for emergencies (`backup`) behind the others. `replicas`
/// says of each whether it is admitted, and whether it is a backup.
pub fn choose(
    preference: Preference,
    turn: usize,
    replicas: impl ExactSizeIterator<Item = (bool, bool)> + Clone,
) -> SmallVec<[Choice; 2]> {
    let mut chosen = SmallVec::new();
    if matches!(preference, Preference::Primary | Preference::PrimaryFirst) {
        chosen.push(Choice::Primary);
    }
    if preference == Preference::Primary {
        return chosen;
    }
    let count = replicas.len();
    for emergency in [false, true] {
        for step in 0..count {
            let at = turn.wrapping_add(step) % count;
            if replicas.clone().nth(at) == Some((true, emergency)) {
                chosen.push(Choice::Replica(at));
            }
        }
    }
    if preference == Preference::ReplicaFirst {
        chosen.push(Choice::Primary);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn lsn(text: &str) -> Position {
        Position::parse(text).expect("a position")
    }

    #[test]
    fn positions_are_read_and_compared() {
        assert!(lsn("1/0") > lsn("0/FFFFFFFF"));
        assert_eq!(lsn("0/2000100").ahead_of(lsn("0/2000000")), 0x100);
        assert_eq!(lsn("0/2000000").ahead_of(lsn("0/2000100")), 0);
        for wrong in ["", "0", "0/", "x/0", "0/100000000", "0/-1"] {
            assert_eq!(Position::parse(wrong), None, "{wrong}");
        }
    }

    /// A primary at rest says where its next record would be, a replica where the last one ended.
    #[test]
    fn headers_of_pages_are_nothing_to_wait_for() {
        assert_eq!(lsn("0/3000028"), lsn("0/3000000"));
        assert_eq!(lsn("0/3002018"), lsn("0/3002000"));
        assert_ne!(lsn("0/3002028"), lsn("0/3002000"));
        assert_ne!(lsn("0/3000018").0 % LEAST_SEGMENT, SEGMENT_HEADER);
    }

    #[test]
    fn a_replica_has_what_was_committed_before_the_primary_was_asked() {
        let mut history = History::default();
        assert_eq!(history.standing(lsn("0/500")), None);
        history.note(at(1), lsn("0/100"));
        history.note(at(2), lsn("0/200"));
        history.note(at(3), lsn("0/300"));
        assert_eq!(history.standing(lsn("0/99")), None);
        let as_of = |replayed| history.standing(lsn(replayed)).unwrap().as_of;
        assert_eq!(as_of("0/100"), at(1));
        assert_eq!(as_of("0/2FF"), at(2));
        assert_eq!(as_of("0/300"), at(3));
        assert_eq!(as_of("0/400"), at(3));
        assert_eq!(history.standing(lsn("0/280")).unwrap().behind, 0x80);
        // Nothing is written: what has it all is as new as the question.
        history.note(at(9), lsn("0/300"));
        assert_eq!(history.standing(lsn("0/300")).unwrap().as_of, at(9));
        assert_eq!(history.standing(lsn("0/2FF")).unwrap().as_of, at(2));
        // Another primary.
        history.note(at(10), lsn("0/50"));
        assert_eq!(history.standing(lsn("0/60")).unwrap().as_of, at(10));
    }

    /// What is forgotten makes a replica older than it is, never newer.
    #[test]
    fn a_long_history_stays_short_and_true() {
        let mut history = History::default();
        for second in 1..10_000 {
            history.note(at(second), Position(second * 100));
            assert!(history.samples.len() <= MOST_SAMPLES);
        }
        for replayed in 1..10_000 {
            if let Some(standing) = history.standing(Position(replayed * 100)) {
                assert!(standing.as_of <= at(replayed));
            }
        }
        assert_eq!(
            history.standing(Position(999_900)).unwrap().as_of,
            at(9_999)
        );
        assert_eq!(
            history.standing(Position(999_000)).unwrap().as_of,
            at(9_990)
        );
    }

    #[test]
    fn rules_admit_what_is_young_enough_and_has_the_sessions_writes() {
        let standing = Some(Standing {
            as_of: at(100),
            behind: 50,
        });
        let lag = |seconds| Rules {
            max_lag: Some(at(seconds)),
            ..Rules::default()
        };
        assert!(lag(10).admit(standing, at(110), Some(at(200))));
        assert!(!lag(10).admit(standing, at(111), None));
        assert!(!lag(10).admit(None, at(1), None));
        let bytes = |most| Rules {
            max_lag_bytes: Some(most),
            ..Rules::default()
        };
        assert!(bytes(50).admit(standing, at(999), None));
        assert!(!bytes(49).admit(standing, at(100), None));
        let own = Rules {
            read_your_writes: true,
            ..Rules::default()
        };
        assert!(own.admit(None, at(1), None));
        assert!(!own.admit(None, at(1), Some(at(0))));
        assert!(own.admit(standing, at(999), Some(at(99))));
        // At the very moment of the question it may or may not be in.
        assert!(!own.admit(standing, at(999), Some(at(100))));
        assert!(Rules::default().admit(None, at(999), Some(at(998))));
        assert!(!Rules::default().look() && own.look() && lag(1).look());
    }

    #[test]
    fn servers_are_tried_in_turn_backups_behind_the_others() {
        use Choice::{Primary, Replica};
        let of = |preference, turn, replicas: &[(bool, bool)]| {
            choose(preference, turn, replicas.iter().copied()).to_vec()
        };
        let all = [(true, false), (true, true), (true, false)];
        let first = Preference::ReplicaFirst;
        assert_eq!(
            of(first, 0, &all),
            [Replica(0), Replica(2), Replica(1), Primary]
        );
        assert_eq!(
            of(first, 2, &all),
            [Replica(2), Replica(0), Replica(1), Primary]
        );
        assert_eq!(of(first, 0, &[(false, false)]), [Primary]);
        assert_eq!(of(first, 7, &[]), [Primary]);
        assert_eq!(of(Preference::Replica, 0, &[(false, false)]), []);
        assert_eq!(of(Preference::Primary, 0, &all), [Primary]);
        assert_eq!(
            of(Preference::PrimaryFirst, 0, &all[..1]),
            [Primary, Replica(0)]
        );
    }
}
