//! Cards in the PC/SC readers of this machine.

use std::{sync::Arc, time::Duration};

use countersign_card::{
    Transport, TransportError,
    pcsc::{PcscTransport, ReaderWatch, readers},
};

use super::{CardSource, Reader};

/// The pause before a failed watch is restarted.
const RETRY_PAUSE: Duration = Duration::from_secs(5);
/// The pause after a change, because contacts bounce while a card is inserted.
const DEBOUNCE: Duration = Duration::from_millis(300);
/// How long one wait for a change may take.
const WATCH_TIMEOUT: Duration = Duration::from_secs(30);

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
                    tracing::debug!("could not watch readers: {error}");
                }
                std::thread::sleep(RETRY_PAUSE);
            }
        });
    }
}

fn watch_until_failure(changed: &dyn Fn()) -> Result<(), TransportError> {
    let mut watch = ReaderWatch::new()?;
    loop {
        if watch.wait(WATCH_TIMEOUT)? {
            changed();
        }
        std::thread::sleep(DEBOUNCE);
    }
}
