//! The places of open connections, which are limited in number. When strangers have taken all of theirs, the oldest connection of the
//! network that has the most gives way, so that nobody can keep others out by holding connections open.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

use crate::network::Network;

/// How many connections may be open at the same time.
#[derive(Clone, Copy, Debug)]
pub struct PlaceLimits {
    /// Connections on which nobody has proven who they are.
    pub strangers: usize,
    /// Such connections from one network.
    pub strangers_per_network: usize,
    /// Connections of trusted proxies, and of people, programs and devices that have proven who they are. Further ones have
    /// the places of strangers.
    pub known: usize,
}

impl PlaceLimits {
    /// Files that the server has open for other purposes, such as the database and readers.
    const OTHER_FILES: u64 = 128;
    /// Number of open files that systems allow at least.
    const USUAL_FILES: u64 = 1024;

    /// As many connections as this process may have files, because each connection is one.
    pub fn of_this_process() -> Self {
        let files = rlimit::Resource::NOFILE
            .get_soft()
            .unwrap_or(Self::USUAL_FILES);
        let all = usize::try_from(files.saturating_sub(Self::OTHER_FILES)).unwrap_or(usize::MAX);
        let strangers = (all / 2).clamp(16, 512);
        Self {
            strangers,
            strangers_per_network: (strangers / 4).max(8),
            known: all.saturating_sub(strangers).clamp(16, 16_384),
        }
    }
}

/// All places. Clones share the same state.
#[derive(Clone)]
pub struct Places {
    limits: PlaceLimits,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    last: u64,
    /// By number, so that the first one is the oldest.
    strangers: BTreeMap<u64, Stranger>,
    per_network: HashMap<Network, usize>,
    known: HashMap<u64, Closer>,
}

struct Stranger {
    from: Network,
    closer: Closer,
}

/// The connection ends when this is dropped.
type Closer = oneshot::Sender<()>;
/// Completes when the connection has to give way.
pub type GivesWay = oneshot::Receiver<()>;

/// The place of one connection, which becomes free when this is dropped.
pub struct Place {
    number: u64,
    places: Places,
}

impl Places {
    pub fn new(limits: PlaceLimits) -> Self {
        Self {
            limits,
            taken: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection. If there is none, an older connection of a stranger gives way.
    pub fn take(&self, from: Network) -> (Place, GivesWay) {
        let (closer, gives_way) = oneshot::channel();
        let mut taken = self.lock();
        let of_network = taken.per_network.get(&from).copied().unwrap_or_default();
        if of_network >= self.limits.strangers_per_network {
            taken.end_oldest_of(from);
        } else if taken.strangers.len() >= self.limits.strangers {
            let most = taken.per_network.iter().max_by_key(|(_, count)| **count);
            if let Some(network) = most.map(|(network, _)| *network) {
                taken.end_oldest_of(network);
            }
        }
        taken.last += 1;
        let number = taken.last;
        taken.strangers.insert(number, Stranger { from, closer });
        *taken.per_network.entry(from).or_default() += 1;
        let place = Place {
            number,
            places: self.clone(),
        };
        (place, gives_way)
    }

    /// Numbers of connections of strangers and of known callers.
    #[cfg(test)]
    fn counts(&self) -> (usize, usize) {
        let taken = self.lock();
        (taken.strangers.len(), taken.known.len())
    }
}

impl Taken {
    fn end_oldest_of(&mut self, network: Network) {
        let oldest = self
            .strangers
            .iter()
            .find(|(_, stranger)| stranger.from == network)
            .map(|(number, _)| *number);
        if let Some(number) = oldest {
            self.remove_stranger(number);
        }
    }

    fn remove_stranger(&mut self, number: u64) -> Option<Closer> {
        let stranger = self.strangers.remove(&number)?;
        if let Some(count) = self.per_network.get_mut(&stranger.from) {
            *count -= 1;
            if *count == 0 {
                self.per_network.remove(&stranger.from);
            }
        }
        Some(stranger.closer)
    }
}

impl Place {
    /// Keeps the connection from giving way, because its caller has proven who they are.
    pub fn keep(&self) {
        let mut taken = self.places.lock();
        if taken.known.len() < self.places.limits.known
            && let Some(closer) = taken.remove_stranger(self.number)
        {
            taken.known.insert(self.number, closer);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.remove_stranger(self.number);
        taken.known.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(last: u8) -> Network {
        std::net::IpAddr::from([192, 0, 2, last]).into()
    }

    fn places() -> Places {
        Places::new(PlaceLimits {
            strangers: 4,
            strangers_per_network: 3,
            known: 2,
        })
    }

    fn is_open((_, gives_way): &mut (Place, GivesWay)) -> bool {
        matches!(
            gives_way.try_recv(),
            Err(oneshot::error::TryRecvError::Empty)
        )
    }

    #[test]
    fn the_oldest_connection_of_the_fullest_network_gives_way() {
        let places = places();
        let mut alone = places.take(network(1));
        let mut many: Vec<_> = (0..3).map(|_| places.take(network(2))).collect();
        let mut guest = places.take(network(3));
        assert!(!is_open(&mut many[0]));
        assert!(is_open(&mut many[1]) && is_open(&mut alone) && is_open(&mut guest));
        assert_eq!(places.counts(), (4, 0));
    }

    #[test]
    fn one_network_has_only_its_share() {
        let places = places();
        let mut all: Vec<_> = (0..9).map(|_| places.take(network(1))).collect();
        let open = all.iter_mut().filter_map(|one| is_open(one).then_some(()));
        assert_eq!(open.count(), 3);
        assert!(is_open(&mut all[8]));
    }

    #[test]
    fn known_connections_stay_and_are_limited_as_well() {
        let places = places();
        let mut kept: Vec<_> = (0..3).map(|_| places.take(network(1))).collect();
        for (place, _) in &kept {
            place.keep();
            place.keep();
        }
        // The third one finds no place among the known ones.
        assert_eq!(places.counts(), (1, 2));
        let strangers: Vec<_> = (0..9).map(|_| places.take(network(1))).collect();
        assert!(is_open(&mut kept[0]) && is_open(&mut kept[1]) && !is_open(&mut kept[2]));
        drop((kept, strangers));
        assert_eq!(places.counts(), (0, 0));
    }
}
