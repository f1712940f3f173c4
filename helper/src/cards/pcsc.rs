//! Cards in readers of this machine.

use std::{sync::Arc, time::Duration};

use countersign_card::{
    Transport, TransportError,
    pcsc::{PcscTransport, ReaderWatch, readers},
};

use super::{CardSource, Reader};

/// How long to wait before a failed watch is begun anew, or the next change is looked for.
const PAUSE: Duration = Duration::from_secs(5);
const SHORT_PAUSE: Duration = Duration::from_millis(300);
const WAIT: Duration = Duration::from_secs(30);

/// The system's PC/SC readers.
#[derive(Clone, Copy, Debug, Default)]
pub struct PcscSource;

impl CardSource for PcscSource {
    fn readers(&self) -> Result<Vec<Reader>, TransportError> {
        let readers = readers()?.into_iter();
        Ok(readers
            .map(|reader| Reader {
                name: reader.name,
                occupied: reader.atr.is_some(),
            })
            .collect())
    }

    fn connect(&self, reader: &str) -> Result<Box<dyn Transport>, TransportError> {
        Ok(Box::new(PcscTransport::connect(reader)?))
    }

    fn watch(self: Arc<Self>, changed: Box<dyn Fn() + Send>) {
        std::thread::spawn(move || {
            loop {
                if let Err(error) = watch_until_failure(&changed) {
                    tracing::debug!("readers can't be watched: {error}");
                }
                std::thread::sleep(PAUSE);
            }
        });
    }
}

fn watch_until_failure(changed: &dyn Fn()) -> Result<(), TransportError> {
    let mut watch = ReaderWatch::new()?;
    loop {
        if watch.wait(WAIT)? {
            changed();
        }
        // Cards bounce while they are inserted.
        std::thread::sleep(SHORT_PAUSE);
    }
}
