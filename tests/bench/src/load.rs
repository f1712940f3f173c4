//! Threads that sign as fast as the module allows.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use cryptoki::session::Session;

use crate::{Algorithm, Figures, LoadError, algorithm::DIGEST, key_pair::KeyPair, token::Token};

#[derive(Clone, Copy, Debug)]
pub struct Period {
    /// Signing that is not measured.
    pub warm_up: Duration,
    /// Signing that is measured.
    pub measured: Duration,
}

/// A module that is logged in and has the key.
pub struct Load {
    token: Token,
    key: KeyPair,
}

/// The result of one thread.
struct Work {
    /// Latency of each signature that was finished in the measured time.
    took: Vec<Duration>,
    /// The last digest and its signature, which is verified afterwards.
    last: ([u8; DIGEST], Vec<u8>),
}

impl Load {
    /// Loads the module, logs in, and finds the key.
    pub fn prepare(
        module: &Path,
        token_label: &str,
        pin: Option<String>,
        key_label: &str,
        algorithm: Algorithm,
    ) -> Result<Self, LoadError> {
        let token = Token::log_in(module, token_label, pin)?;
        let key = KeyPair::find(token.session(), algorithm, key_label)?;
        Ok(Self { token, key })
    }

    /// Signs with this many threads, each in a session of its own.
    ///
    /// # Errors
    /// The error of the first thread that failed.
    pub fn run(&self, threads: usize, period: Period) -> Result<Figures, LoadError> {
        let sessions = (0..threads)
            .map(|_| self.token.open_session())
            .collect::<Result<Vec<_>, _>>()?;
        let failed = AtomicBool::new(false);
        let counts_from = Instant::now() + period.warm_up;
        let end = counts_from + period.measured;
        let key = &self.key;
        let work = &|session: Session| {
            let work = sign(key, &session, counts_from, end, &failed);
            // The other threads stop early after a failure.
            failed.fetch_or(work.is_err(), Ordering::Relaxed);
            work
        };
        let works: Vec<_> = std::thread::scope(|scope| {
            let workers: Vec<_> = sessions
                .into_iter()
                .map(|session| scope.spawn(move || work(session)))
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or(Err(LoadError::Thread)))
                .collect()
        });
        let mut took = Vec::new();
        for work in works {
            let work = work?;
            let (digest, signature) = &work.last;
            self.key.verify(digest, signature)?;
            took.extend(work.took);
        }
        Figures::of(threads, took, period.measured)
    }
}

/// The work of one thread. It finishes its last signature, so that the token is idle afterwards.
fn sign(
    key: &KeyPair,
    session: &Session,
    counts_from: Instant,
    end: Instant,
    failed: &AtomicBool,
) -> Result<Work, LoadError> {
    let mut took = Vec::new();
    loop {
        let mut digest = [0; DIGEST];
        getrandom::fill(&mut digest).map_err(LoadError::Random)?;
        let start = Instant::now();
        let signature = key.sign(session, &digest)?;
        let done = Instant::now();
        // A signature belongs to the period in which it ends: those that began earlier make up for those that end later.
        if (counts_from..end).contains(&done) {
            took.push(done - start);
        }
        if done >= end || failed.load(Ordering::Relaxed) {
            let last = (digest, signature);
            return Ok(Work { took, last });
        }
    }
}
