//! The card, which processes command APDUs.

use std::collections::VecDeque;

use countersign_card::{
    apdu::{Command, Response, StatusWord},
    secure_messaging::is_protected,
    tlv::{self, Tag},
};

use crate::{
    command,
    file::{CardData, StoredPka},
    session::Session,
};

/// A simulated card. Its initialisation determines who can use its keys.
pub struct Card {
    /// State that survives a loss of power.
    pub data: CardData,
    /// State that ends with SELECT, a reset or a loss of power.
    pub session: Session,
    /// The data has changed and must be saved before the response is sent.
    pub dirty: bool,
    /// Status word of the last command, before protection by secure messaging.
    pub last: StatusWord,
    /// Bytes that the card uses instead of random ones, until none is left.
    pub fixed_random: VecDeque<u8>,
    /// Whether signatures are wrong, as those of a device that does not have the key that it claims.
    pub forges: bool,
}

/// Result of a command: response data, or a status word other than 9000.
pub type Outcome = Result<Vec<u8>, StatusWord>;

impl Card {
    /// Creates a card in the state before its first reset.
    pub fn new(data: CardData) -> Self {
        Self {
            data,
            session: Session::default(),
            dirty: false,
            last: StatusWord::OK,
            fixed_random: VecDeque::new(),
            forges: false,
        }
    }

    /// Resets the card or powers it on.
    pub fn reset(&mut self) {
        self.session = Session::default();
    }

    /// Processes one command APDU. Every input, even a malformed one, gets a response with a status word.
    pub fn process(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(command) = Command::parse(bytes) else {
            return self.refuse(StatusWord::WRONG_LENGTH).encode();
        };
        self.respond(&command).encode()
    }

    fn respond(&mut self, command: &Command) -> Response {
        if !is_protected(command) {
            // The first plain command ends the secure channel.
            self.session.channel = None;
            return self.execute(command);
        }
        if !self.data.profile.secure_messaging {
            return self.refuse(StatusWord::UNKNOWN_CLASS);
        }
        // Any error in a protected command ends the channel.
        let channel = self.session.channel.take();
        let checksum = tlv::parse_all(&command.data)
            .is_ok_and(|objects| tlv::find(&objects, Tag(0x8E)).is_some());
        let Some(mut channel) = channel.filter(|_| checksum) else {
            return self.refuse(StatusWord::SM_MISSING);
        };
        let Ok(inner) = channel.open_command(command) else {
            return self.refuse(StatusWord::SM_WRONG);
        };
        let response = self.execute(&inner);
        let protected = channel.protect_response(inner.ins, &response);
        // SELECT of the application ends the channel too, and GENERAL AUTHENTICATE has opened another one.
        let selection = inner.ins == 0xA4 && inner.p1 == 0x04;
        if !selection && self.session.channel.is_none() {
            self.session.channel = Some(channel);
        }
        protected
    }

    fn refuse(&mut self, sw: StatusWord) -> Response {
        self.last = sw;
        Response {
            data: Vec::new(),
            sw,
        }
    }

    fn execute(&mut self, command: &Command) -> Response {
        match command::dispatch(self, command) {
            Ok(response) => {
                self.last = response.sw;
                response
            }
            Err(sw) => self.refuse(sw),
        }
    }

    /// Fills `bytes` with random bytes, or with the bytes that a test has fixed.
    pub fn fill_random(&mut self, bytes: &mut [u8]) -> Result<(), StatusWord> {
        getrandom::fill(bytes).map_err(|_| StatusWord::ERROR)?;
        for (byte, fixed) in bytes
            .iter_mut()
            .zip(std::iter::from_fn(|| self.fixed_random.pop_front()))
        {
            *byte = fixed;
        }
        Ok(())
    }

    /// Whether all keys of the quorum are registered.
    pub fn quorum_complete(pka: &StoredPka) -> bool {
        pka.keys.len() >= usize::from(pka.total)
    }

    /// Whether the quorum has authenticated.
    pub fn quorum_met(&self) -> bool {
        self.session.granted
    }

    /// Whether files can be written and, apart from [`Self::demand_keys`], keys can be used.
    pub fn is_open(&self) -> bool {
        const COMBINED: u16 = 0x0010;
        if self.session.initialising {
            return true;
        }
        match (&self.data.pka, &self.data.user_pin) {
            (None, _) => self.session.user,
            // Until the last key is registered, the quorum cannot authenticate.
            (Some(pka), Some(_)) if !Self::quorum_complete(pka) => self.session.user,
            (Some(_), None) => self.quorum_met(),
            // On such a card the PIN gives access to the keys but not to the commands.
            (Some(_), _) if self.data.profile.pin_needed_with_quorum => self.quorum_met(),
            (Some(_), Some(_)) if self.data.options & COMBINED != 0 => {
                self.quorum_met() && self.session.user
            }
            (Some(_), Some(_)) => self.quorum_met() || self.session.user,
        }
    }

    /// Fails unless [`Self::is_open`].
    pub fn demand_open(&self) -> Result<(), StatusWord> {
        if self.is_open() {
            Ok(())
        } else {
            Err(StatusWord::NOT_AUTHENTICATED)
        }
    }

    /// Fails unless keys can be used and generated.
    pub fn demand_keys(&self) -> Result<(), StatusWord> {
        self.demand_open()?;
        let locked = self.data.profile.pin_needed_with_quorum && self.data.pka.is_some();
        if locked && !self.session.user && !self.session.initialising {
            return Err(StatusWord::EXECUTION_ERROR);
        }
        Ok(())
    }
}
