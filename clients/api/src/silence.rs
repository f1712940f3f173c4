//! Limits the time that a call waits for input, and reports a server that is silent, without a thread of its own.

use std::{
    cell::RefCell,
    sync::Arc,
    time::{Duration, Instant},
};

use ureq::{
    Error, Timeout,
    unversioned::transport::{
        Buffers, ConnectionDetails, Connector, NextTimeout, Transport, time::Duration as Limit,
    },
};

/// How long a call waits for its response before it reports that it waits.
pub(crate) const REPORT_AFTER: Duration = Duration::from_secs(5);

/// The answer for which a call waits.
#[derive(Clone, Copy, Debug)]
pub struct Silence<'a> {
    /// The server, with the proxy if there is one.
    pub server: &'a str,
    /// How long the call still waits at most.
    pub left: Duration,
}

/// Is called by the waiting thread, once in a call that waits longer than expected.
pub type Listener = Arc<dyn Fn(Silence<'_>) + Send + Sync>;

/// The call that this thread makes.
pub(crate) struct Watch {
    /// When the silence is reported. `None` if it was reported already, or nobody listens.
    pub report_at: Option<Instant>,
    /// When the call fails, whatever its parts would still be allowed.
    pub until: Option<Instant>,
    pub server: String,
    pub listener: Option<Listener>,
}

thread_local! {
    static CURRENT: RefCell<Option<Watch>> = const { RefCell::new(None) };
}

/// Runs a call of this thread under `watch`.
pub(crate) fn watched<T>(watch: Watch, call: impl FnOnce() -> T) -> T {
    /// Ends the watch even if the call panics.
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            CURRENT.take();
        }
    }
    CURRENT.replace(Some(watch));
    let _end = End;
    call()
}

/// The time until the silence must be reported.
fn report_in() -> Option<Duration> {
    CURRENT.with_borrow(|watch| {
        let at = watch.as_ref()?.report_at?;
        Some(at.saturating_duration_since(Instant::now()))
    })
}

fn report(left: Duration) {
    // The listener is called without the borrow, because it may make a call itself.
    let call = CURRENT.with_borrow_mut(|watch| {
        let watch = watch.as_mut()?;
        watch.report_at = None;
        Some((watch.listener.clone()?, watch.server.clone()))
    });
    if let Some((listener, server)) = call {
        listener(Silence {
            server: &server,
            left,
        });
    }
}

/// The time limit of one read or write, which ends with the call at the latest.
fn limited(mut timeout: NextTimeout) -> Result<NextTimeout, Error> {
    let until = CURRENT.with_borrow(|watch| watch.as_ref().and_then(|watch| watch.until));
    if let Some(until) = until {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::Timeout(Timeout::Global));
        }
        if left < *timeout.after {
            timeout.after = Limit::Exact(left);
        }
    }
    Ok(timeout)
}

/// Watches the connection that the connectors before it have opened.
#[derive(Debug)]
pub(crate) struct SilenceConnector;

impl<In: Transport> Connector<In> for SilenceConnector {
    type Out = Watched<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(Watched))
    }
}

#[derive(Debug)]
pub(crate) struct Watched<T>(T);

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.0.transmit_output(amount, limited(timeout)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = limited(timeout)?;
        let Some(quiet) = report_in().filter(|quiet| *quiet < *timeout.after) else {
            return self.0.await_input(timeout);
        };
        let started = Instant::now();
        // A limit of zero would mean none.
        let first = NextTimeout {
            after: Limit::Exact(quiet.max(Duration::from_millis(1))),
            ..timeout
        };
        match self.0.await_input(first) {
            Err(Error::Timeout(_)) => {}
            result => return result,
        }
        let left = timeout.after.saturating_sub(started.elapsed());
        if left.is_zero() {
            return Err(Error::Timeout(timeout.reason));
        }
        report(left);
        self.0.await_input(NextTimeout {
            after: Limit::Exact(left),
            ..timeout
        })
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
