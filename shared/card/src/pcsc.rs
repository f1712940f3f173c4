//! Cards in local readers, through the system's PC/SC service.

use std::{ffi::CString, time::Duration};

use pcsc::{Card, Context, Disposition, Protocols, Scope, ShareMode, State};

use crate::transport::{ApduLimits, Atr, Locality, Transport, TransportError};

/// A reader and the card in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reader {
    /// Name of the reader.
    pub name: String,
    /// Answer to reset of the card; `None` if the reader is empty.
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
                Self::Unavailable("no PC/SC service is running. Install and start pcscd".into())
            }
            Error::UnknownReader | Error::ReaderUnavailable | Error::NoReadersAvailable => {
                Self::Unavailable("no reader has this name. Plug it in, or check its name".into())
            }
            other => Self::Failed(other.to_string()),
        }
    }
}

fn context() -> Result<Context, TransportError> {
    Ok(Context::establish(Scope::User)?)
}

/// Lists the readers. The list is empty if no PC/SC service is running.
///
/// # Errors
/// The PC/SC service failed.
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

/// Exclusive connection to the card in one reader. Dropping it resets the card, which ends every login.
pub struct PcscTransport {
    card: Card,
    reader: String,
}

impl PcscTransport {
    /// Connects to the card in the reader of this name. Other programs cannot use the card until the connection is dropped.
    ///
    /// # Errors
    /// [`TransportError::InUse`] if another program uses the card; [`TransportError::Removed`] if the reader is empty;
    /// [`TransportError::Unavailable`] if the reader does not exist.
    pub fn connect(reader: &str) -> Result<Self, TransportError> {
        let name = CString::new(reader).map_err(|_| {
            TransportError::Unavailable("a reader name must not contain zero bytes".into())
        })?;
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

/// Watches for readers and cards that are connected or removed.
pub struct ReaderWatch {
    context: Context,
    seen: Vec<Reader>,
}

impl ReaderWatch {
    /// Begins to watch all readers.
    ///
    /// # Errors
    /// [`TransportError::Unavailable`] if no PC/SC service is running.
    pub fn new() -> Result<Self, TransportError> {
        let context = context()?;
        let seen = list(&context)?;
        Ok(Self { context, seen })
    }

    /// Waits until a reader or card changes, or until the timeout; returns whether something changed.
    ///
    /// # Errors
    /// The PC/SC service failed or was stopped.
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
            // Announces new readers.
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
