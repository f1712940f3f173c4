//! Driver for the SmartCard-HSM.

mod channel;
mod exchange;
mod files;
mod initialize;
mod key_domains;
mod keys;
mod lock_proof;
mod login;
mod pka;
mod select;
mod sign;
mod wrap;

pub use files::TokenInfo;
pub use initialize::{
    InitializeOptions, InvalidOptions, KeyDomainOptions, PkaOptions, option_bits,
};
pub use key_domains::{DkekShare, KeyDomain};
pub use keys::{KeyInfo, KeyKind, KeySpec};
pub use lock_proof::{LockCheck, LockProof};
pub use login::{PinKind, PinStatus};
pub use select::ApplicationInfo;
pub use sign::SignAlgorithm;
pub use wrap::WrappedKey;

use self::exchange::{max_response_data, parse};
use crate::{
    apdu::{Command, Response, StatusWord},
    error::CardError,
    secure_messaging::Channel,
    transport::{ApduLimits, Locality, Transport},
};

/// A SmartCard-HSM whose application is selected.
///
/// Methods that talk to the card fail with [`CardError::Transport`] if the connection is lost, with
/// [`CardError::ChannelLost`] if the secure channel breaks, and with [`CardError::Refused`] if the card returns a status word
/// that has no error of its own.
pub struct SmartCardHsm {
    transport: Box<dyn Transport>,
    channel: Option<Channel>,
    /// A secure channel was opened, so that plain commands and plain responses are not accepted any longer.
    channel_required: bool,
    info: ApplicationInfo,
}

impl SmartCardHsm {
    /// Option word and version of the application.
    pub fn info(&self) -> &ApplicationInfo {
        &self.info
    }

    /// Name of the reader or simulator.
    pub fn transport_name(&self) -> &str {
        self.transport.name()
    }

    /// Whether the card is on this machine or across a network.
    pub fn locality(&self) -> Locality {
        self.transport.locality()
    }

    /// Whether commands are sent in the secure channel.
    pub fn has_secure_channel(&self) -> bool {
        self.channel.is_some()
    }

    /// Returns the transport. The state of the card does not change.
    pub fn into_transport(self) -> Box<dyn Transport> {
        self.transport
    }

    /// Most bytes of command data that fit into one APDU, inside the secure channel if it is open.
    fn max_command_data(&self) -> usize {
        let ApduLimits { command, .. } = self.transport.limits();
        // Header, lengths and Le. In the channel, padding and the objects for MAC and Le are added.
        let overhead = if self.channel.is_some() {
            9 + 19 + 16
        } else {
            9
        };
        command.saturating_sub(overhead)
    }

    /// Sends a command, inside the secure channel if it is open.
    fn send(&mut self, command: &Command) -> Result<Response, CardError> {
        if self.channel_required && self.channel.is_none() {
            return Err(CardError::ChannelLost);
        }
        let Some(channel) = &mut self.channel else {
            return self.send_plain(command);
        };
        let protected = channel.protect_command(command);
        match self.send_plain(&protected) {
            Ok(answer) => self.open_response(&answer),
            Err(error) => {
                self.channel = None;
                Err(error)
            }
        }
    }

    /// Verifies and decrypts the response to a protected command. A plain status word means that the card has closed the
    /// channel.
    fn open_response(&mut self, answer: &Response) -> Result<Response, CardError> {
        let opened = match &mut self.channel {
            Some(channel) => channel.open_response(&answer.data).ok(),
            None => None,
        };
        if opened.is_none() {
            self.channel = None;
        }
        opened.ok_or(CardError::ChannelLost)
    }

    /// Sends commands that do not depend on each other's responses, in one round trip if the secure channel is open.
    fn send_all(&mut self, commands: &[Command]) -> Result<Vec<Response>, CardError> {
        let Some(channel) = &mut self.channel else {
            return commands.iter().map(|command| self.send(command)).collect();
        };
        let protected = channel.protect_commands(commands);
        let limits: Vec<_> = protected.iter().map(max_response_data).collect();
        let protected: Vec<_> = protected
            .iter()
            // Encrypted data need not be wiped.
            .map(|command| command.encode().to_vec())
            .collect();
        let opened = self
            .transport
            .transmit_all(&protected)
            .map_err(CardError::from)
            .and_then(|answers| {
                let answers = answers.iter().zip(limits);
                let answers = answers.map(|(answer, limit)| parse(answer, limit));
                let answers = answers.collect::<Result<Vec<_>, _>>()?;
                let channel = self.channel.as_mut().ok_or(CardError::ChannelLost)?;
                channel
                    .open_responses(&answers)
                    .ok()
                    .filter(|responses| responses.len() == commands.len())
                    .ok_or(CardError::ChannelLost)
            });
        if opened.is_err() {
            self.channel = None;
        }
        opened
    }

    /// Sends a command and returns its response data; any status word but 9000 is an error.
    fn send_checked(
        &mut self,
        what: &'static str,
        command: &Command,
    ) -> Result<Vec<u8>, CardError> {
        let response = self.send(command)?;
        match response.sw {
            StatusWord::OK => Ok(response.data),
            StatusWord::NOT_AUTHENTICATED => Err(CardError::NotAuthenticated(response.sw)),
            StatusWord::BLOCKED => Err(CardError::PinBlocked),
            sw => Err(CardError::Refused { what, sw }),
        }
    }
}
