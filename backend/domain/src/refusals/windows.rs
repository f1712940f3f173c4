//! Decides which refusals have an entry of their own, and counts the others.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use countersign_protocol::{
    Timestamp,
    audit::{Actor, AuditEvent, Refusal},
};

/// Number of refusals of one kind and actor that have an entry of their own in each window.
const LOGGED: u32 = 3;
/// Number of actors that are told apart in each window of one kind. All others share one count.
const MOST_ACTORS: usize = 16;
/// Length of the first window of a kind.
const SHORTEST: Duration = Duration::from_secs(60);
/// A window that follows one with uncounted refusals is twice as long, up to this length. A flood that never ends therefore has
/// fewer and fewer entries.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The current windows, one per kind at most.
#[derive(Default)]
pub struct Windows {
    kinds: BTreeMap<Refusal, Window>,
}

/// How a refusal was noted.
#[derive(Debug, PartialEq, Eq)]
pub enum Noted {
    /// It has an entry of its own, after the counts of a window that was over.
    Logged { over: Vec<(Actor, AuditEvent)> },
    /// It was counted.
    Counted,
}

struct Window {
    since: Timestamp,
    begun: Instant,
    length: Duration,
    actors: Vec<Refused>,
    /// The refusals of all actors beyond [`MOST_ACTORS`].
    others: Refused,
}

/// The refusals of one actor.
struct Refused {
    actor: Actor,
    logged: u32,
    counted: u64,
}

impl Refused {
    fn new(actor: Actor) -> Self {
        Self {
            actor,
            logged: 0,
            counted: 0,
        }
    }
}

impl Window {
    fn new(now: Instant, since: Timestamp, length: Duration) -> Self {
        Self {
            since,
            begun: now,
            length,
            actors: Vec::new(),
            others: Refused::new(Actor::Server),
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) >= self.length
    }

    fn counts(self, refusal: Refusal) -> Vec<(Actor, AuditEvent)> {
        let since = self.since;
        self.actors
            .into_iter()
            .chain([self.others])
            .filter(|refused| refused.counted > 0)
            .map(|refused| {
                let event = AuditEvent::RefusalsCounted {
                    refusal,
                    count: refused.counted,
                    since,
                };
                (refused.actor, event)
            })
            .collect()
    }

    fn refused(&mut self, actor: &Actor) -> &mut Refused {
        let known = self.actors.iter().position(|known| known.actor == *actor);
        let place = match known {
            Some(place) => place,
            None if self.actors.len() >= MOST_ACTORS => return &mut self.others,
            None => {
                self.actors.push(Refused::new(actor.clone()));
                self.actors.len() - 1
            }
        };
        &mut self.actors[place]
    }
}

impl Windows {
    /// Notes a refusal at this time.
    pub fn note(&mut self, now: Instant, at: Timestamp, refusal: Refusal, actor: &Actor) -> Noted {
        // If counts are taken here, the new window has no refusals yet, so that this one is logged together with them.
        let over = self.end(now, at, refusal);
        let window = self
            .kinds
            .entry(refusal)
            .or_insert_with(|| Window::new(now, at, SHORTEST));
        let refused = window.refused(actor);
        if refused.logged < LOGGED {
            refused.logged += 1;
            return Noted::Logged { over };
        }
        refused.counted = refused.counted.saturating_add(1);
        Noted::Counted
    }

    /// Takes the counts of every window that is over.
    pub fn take_over(&mut self, now: Instant, at: Timestamp) -> Vec<(Actor, AuditEvent)> {
        let kinds: Vec<_> = self.kinds.keys().copied().collect();
        kinds
            .into_iter()
            .flat_map(|refusal| self.end(now, at, refusal))
            .collect()
    }

    /// Takes the counts of every window.
    pub fn take_all(&mut self) -> Vec<(Actor, AuditEvent)> {
        std::mem::take(&mut self.kinds)
            .into_iter()
            .flat_map(|(refusal, window)| window.counts(refusal))
            .collect()
    }

    /// Ends the window of this kind if its time is over, and takes its counts.
    fn end(&mut self, now: Instant, at: Timestamp, refusal: Refusal) -> Vec<(Actor, AuditEvent)> {
        let Some(window) = self.kinds.remove(&refusal) else {
            return Vec::new();
        };
        if !window.is_over(now) {
            self.kinds.insert(refusal, window);
            return Vec::new();
        }
        let length = (window.length * 2).min(LONGEST);
        let counts = window.counts(refusal);
        if !counts.is_empty() {
            self.kinds.insert(refusal, Window::new(now, at, length));
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stranger(number: u8) -> Actor {
        Actor::Stranger {
            network: [192, 0, 2, number].into(),
        }
    }

    fn counted(entries: &[(Actor, AuditEvent)]) -> u64 {
        let counts = entries.iter().map(|(_, event)| match event {
            AuditEvent::RefusalsCounted { count, .. } => *count,
            other => panic!("not a count: {other:?}"),
        });
        counts.sum()
    }

    #[test]
    fn a_flood_leaves_a_handful_of_entries_and_the_right_count() {
        let mut windows = Windows::default();
        let (now, at) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let mut logged = 0;
        for number in 0..10_000_u32 {
            let actor = stranger(u8::try_from(number % 200).expect("small"));
            if windows.note(now, at, Refusal::Code, &actor) != Noted::Counted {
                logged += 1;
            }
        }
        assert!(logged < 60, "{logged}");
        assert!(windows.take_over(now, at).is_empty());
        let counts = windows.take_over(now + SHORTEST, at);
        assert!(counts.len() <= MOST_ACTORS + 1);
        assert_eq!(logged + counted(&counts), 10_000);
        assert!(windows.take_all().is_empty());
    }

    #[test]
    fn kinds_and_callers_do_not_share_entries() {
        let mut windows = Windows::default();
        let (now, at) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let logged = Noted::Logged { over: Vec::new() };
        for _ in 0..LOGGED {
            assert_eq!(windows.note(now, at, Refusal::Code, &stranger(1)), logged);
        }
        assert_eq!(
            windows.note(now, at, Refusal::Code, &stranger(1)),
            Noted::Counted
        );
        assert_eq!(windows.note(now, at, Refusal::Code, &stranger(2)), logged);
        assert_eq!(windows.note(now, at, Refusal::LogIn, &stranger(1)), logged);
        assert_eq!(counted(&windows.take_all()), 1);
    }

    #[test]
    fn a_flood_that_never_ends_has_fewer_and_fewer_entries() {
        let mut windows = Windows::default();
        let (mut now, at) = (Instant::now(), Timestamp::UNIX_EPOCH);
        let (mut entries, mut counts, mut refusals) = (0, 0, 0);
        for _ in 0..24 * 60 * 6 {
            if let Noted::Logged { over } = windows.note(now, at, Refusal::LogIn, &stranger(1)) {
                entries += 1 + over.len();
                counts += 1 + counted(&over);
            }
            refusals += 1;
            now += Duration::from_secs(10);
        }
        assert!(entries < 150, "{entries} entries in a day");
        assert_eq!(counts + counted(&windows.take_all()), refusals);
        // A quiet hour later, the kind begins with a short window again.
        windows.note(now, at, Refusal::LogIn, &stranger(1));
        assert!(windows.take_over(now + SHORTEST, at).is_empty());
        assert!(windows.kinds.is_empty());
    }
}
