//! The SmartCard-HSM driver.

mod channel;
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

use crate::{
    apdu::{Command, Response, StatusWord},
    error::CardError,
    secure_messaging::Channel,
    transport::{ApduLimits, Locality, Transport},
};

/// A SmartCard-HSM whose application is selected.
pub struct SmartCardHsm {
    transport: Box<dyn Transport>,
    channel: Option<Channel>,
    /// A channel was opened: a plain answer, or a plain command, would be a silent fall-back.
    channel_required: bool,
    info: ApplicationInfo,
}

impl SmartCardHsm {
    /// What the application says of itself.
    pub fn info(&self) -> &ApplicationInfo {
        &self.info
    }

    /// Name of reader or simulator.
    pub fn transport_name(&self) -> &str {
        self.transport.name()
    }

    /// Whether the way to the card can be listened to.
    pub fn locality(&self) -> Locality {
        self.transport.locality()
    }

    /// Whether commands travel in the secure channel.
    pub fn has_secure_channel(&self) -> bool {
        self.channel.is_some()
    }

    /// Gives the transport back; the card stays as it is.
    pub fn into_transport(self) -> Box<dyn Transport> {
        self.transport
    }

    /// Longest command data that fits, inside the channel if there is one.
    fn max_command_data(&self) -> usize {
        let ApduLimits { command, .. } = self.transport.limits();
        // Header, lengths and Le; in the channel also padding, MAC and Le objects.
        let overhead = if self.channel.is_some() {
            9 + 19 + 16
        } else {
            9
        };
        command.saturating_sub(overhead)
    }

    /// Sends a command, inside the channel if there is one; fetches what the card holds back.
    fn send(&mut self, command: &Command) -> Result<Response, CardError> {
        if self.channel_required && self.channel.is_none() {
            return Err(CardError::ChannelLost);
        }
        let Some(channel) = &mut self.channel else {
            return self.send_plain(command);
        };
        let protected = channel.protect_command(command);
        match self.send_plain(&protected) {
            Ok(answer) => self.open_answer(&answer),
            Err(error) => {
                self.channel = None;
                Err(error)
            }
        }
    }

    /// Checks and opens the answer to a protected command. A bare status word means that the card has dropped the channel.
    fn open_answer(&mut self, answer: &Response) -> Result<Response, CardError> {
        let opened = match &mut self.channel {
            Some(channel) => channel.open_response(&answer.data).ok(),
            None => None,
        };
        if opened.is_none() {
            self.channel = None;
        }
        opened.ok_or(CardError::ChannelLost)
    }

    /// Sends commands that do not depend on each other's answers: one trip instead of many, where the way to the card is long.
    fn send_all(&mut self, commands: &[Command]) -> Result<Vec<Response>, CardError> {
        let Some(channel) = &mut self.channel else {
            return commands.iter().map(|command| self.send(command)).collect();
        };
        let protected: Vec<_> = channel
            .protect_commands(commands)
            .iter()
            .map(Command::encode)
            .collect();
        let opened = self
            .transport
            .transmit_all(&protected)
            .map_err(CardError::from)
            .and_then(|answers| {
                let answers = answers.iter().map(|answer| parse(answer));
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

    fn send_plain(&mut self, command: &Command) -> Result<Response, CardError> {
        let mut response = self.exchange(&command.encode())?;
        // 6Cxx: the card names the right length. 61xx: there is more to fetch. Neither is usual over T=1.
        if response.sw.0 & 0xFF00 == 0x6C00 {
            let mut bytes = command.encode();
            if let Some(last) = bytes.last_mut() {
                *last = response.sw.0.to_be_bytes()[1];
            }
            response = self.exchange(&bytes)?;
        }
        let mut data = std::mem::take(&mut response.data);
        while response.sw.0 & 0xFF00 == 0x6100 {
            let count = response.sw.0.to_be_bytes()[1];
            response = self.exchange(&[command.cla & 0x0F & !0x0C, 0xC0, 0, 0, count])?;
            if response.data.is_empty() {
                break;
            }
            data.append(&mut response.data);
        }
        Ok(Response {
            data,
            sw: response.sw,
        })
    }

    fn exchange(&mut self, bytes: &[u8]) -> Result<Response, CardError> {
        parse(&self.transport.transmit(bytes)?)
    }

    /// Sends a command that must succeed.
    fn demand(&mut self, what: &'static str, command: &Command) -> Result<Vec<u8>, CardError> {
        let response = self.send(command)?;
        match response.sw {
            StatusWord::OK => Ok(response.data),
            StatusWord::NOT_AUTHENTICATED => Err(CardError::NotAuthenticated(response.sw)),
            StatusWord::BLOCKED => Err(CardError::PinBlocked),
            sw => Err(CardError::Refused { what, sw }),
        }
    }
}

fn parse(answer: &[u8]) -> Result<Response, CardError> {
    Response::parse(answer)
        .ok_or_else(|| CardError::malformed("answer a command", "less than two bytes"))
}
