//! Cards in readers of this machine, through the system's PC/SC service.

use std::{ffi::CString, time::Duration};

use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode, State};

use crate::transport::{ApduLimits, Atr, Locality, Transport, TransportError};

/// A reader and what is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    /// Name.
    pub name: String,
    /// The card's answer to reset; `None`: empty.
    pub atr: Option<Atr>,
}

impl From<pcsc::Error> for TransportError {
    fn from(error: pcsc::Error) -> Self {
        use pcsc::Error;
        match error {
            Error::RemovedCard | Error::NoSmartcard | Error::UnpoweredCard => Self::Removed,
            Error::ResetCard => Self::ResetByOther,
            Error::SharingViolation => Self::InUse,
            Error::Timeout => Self::Timeout,
            Error::NoService | Error::ServiceStopped => {
                Self::Unavailable("no PC/SC service is running: install and start pcscd".into())
            }
            Error::UnknownReader | Error::ReaderUnavailable | Error::NoReadersAvailable => {
                Self::Unavailable("there is no such reader: plug it in".into())
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

fn context() -> Result<Context, TransportError> {
    Ok(Context::establish(Scope::User)?)
}

/// Lists readers. No service means no readers.
///
/// # Errors
/// [`TransportError`].
pub fn readers() -> Result<Vec<Reader>, TransportError> {
    match context() {
        Ok(context) => list(&context),
        Err(TransportError::Unavailable(_)) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn list(context: &Context) -> Result<Vec<Reader>, TransportError> {
    let names = match context.list_readers_owned() {
        Ok(names) => names,
        Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut states: Vec<_> = names
        .into_iter()
        .map(|name| pcsc::ReaderState::new(name, State::UNAWARE))
        .collect();
    context.get_status_change(Duration::from_secs(1), &mut states)?;
    Ok(states
        .iter()
        .map(|state| Reader {
            name: state.name().to_string_lossy().into_owned(),
            atr: state
                .event_state()
                .contains(State::PRESENT)
                .then(|| Atr(state.atr().to_vec())),
        })
        .collect())
}

/// Exclusive connection to the card in one reader. When it is dropped the card is reset: really logged out.
pub struct PcscTransport {
    card: Card,
    reader: String,
}

impl PcscTransport {
    /// Connects. Nobody else can use the card meanwhile.
    ///
    /// # Errors
    /// [`TransportError::InUse`], [`TransportError::Removed`] and others.
    pub fn connect(reader: &str) -> Result<Self, TransportError> {
        let name = CString::new(reader)
            .map_err(|_| TransportError::Unavailable("a reader's name has no zero bytes".into()))?;
        let card = context()?.connect(&name, ShareMode::Exclusive, Protocols::ANY)?;
        Ok(Self {
            card,
            reader: reader.to_owned(),
        })
    }
}

impl Transport for PcscTransport {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let mut buffer = vec![0; pcsc::MAX_BUFFER_SIZE_EXTENDED];
        Ok(self.card.transmit(command, &mut buffer)?.to_vec())
    }

    fn reset(&mut self) -> Result<Atr, TransportError> {
        self.card
            .reconnect(ShareMode::Exclusive, Protocols::ANY, Disposition::ResetCard)?;
        let status = self.card.status2_owned()?;
        Ok(Atr(status.atr().to_vec()))
    }

    fn name(&self) -> &str {
        &self.reader
    }

    fn locality(&self) -> Locality {
        Locality::Local
    }

    fn limits(&self) -> ApduLimits {
        ApduLimits::USUAL
    }
}

/// Tells when readers or cards come and go.
pub struct ReaderWatch {
    context: Context,
    seen: Vec<Reader>,
}

impl ReaderWatch {
    /// Begins to watch.
    ///
    /// # Errors
    /// [`TransportError::Unavailable`] without a PC/SC service.
    pub fn new() -> Result<Self, TransportError> {
        let context = context()?;
        let seen = list(&context)?;
        Ok(Self { context, seen })
    }

    /// Waits for a change, at most so long; returns whether there was one.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn wait(&mut self, timeout: Duration) -> Result<bool, TransportError> {
        let mut states: Vec<_> = self
            .seen
            .iter()
            .filter_map(|reader| {
                let name = CString::new(reader.name.as_str()).ok()?;
                let state = if reader.atr.is_some() {
                    State::PRESENT
                } else {
                    State::EMPTY
                };
                Some(pcsc::ReaderState::new(name, state))
            })
            // A new reader is an event too.
            .chain([pcsc::ReaderState::new(
                pcsc::PNP_NOTIFICATION(),
                State::UNAWARE,
            )])
            .collect();
        match self.context.get_status_change(timeout, &mut states) {
            Ok(()) | Err(pcsc::Error::Timeout) => {}
            Err(error) => return Err(error.into()),
        }
        let now = list(&self.context)?;
        let changed = now != self.seen;
        self.seen = now;
        Ok(changed)
    }
}
