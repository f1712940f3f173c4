//! The card: takes a command APDU, gives a response APDU.

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

/// Access to keys is controlled by what was set up at initialisation.
pub struct Card {
    /// What is kept.
    pub data: CardData,
    /// What is forgotten.
    pub session: Session,
    /// The data has changed and must be saved before the answer goes out.
    pub dirty: bool,
    /// Status of the last command, also where the answer was protected.
    pub last: StatusWord,
    /// Numbers that the card will draw before random ones.
    pub foreseen: VecDeque<u8>,
}

/// What a command gives: data, or a status word that is not 9000.
pub type Outcome = Result<Vec<u8>, StatusWord>;

impl Card {
    /// A card without power.
    pub fn new(data: CardData) -> Self {
        Self {
            data,
            session: Session::default(),
            dirty: false,
            last: StatusWord::OK,
            foreseen: VecDeque::new(),
        }
    }

    /// Reset, or power on.
    pub fn reset(&mut self) {
        self.session = Session::default();
    }

    /// Processes one command APDU. Never fails: whatever comes, there is a status word.
    pub fn process(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(command) = Command::parse(bytes) else {
            return self.refuse(StatusWord::WRONG_LENGTH).encode();
        };
        self.answer(&command).encode()
    }

    fn answer(&mut self, command: &Command) -> Response {
        if !is_protected(command) {
            // The first command outside ends the channel.
            self.session.channel = None;
            return self.execute(command);
        }
        if !self.data.profile.secure_messaging {
            return self.refuse(StatusWord::UNKNOWN_CLASS);
        }
        // Whatever is wrong with it, the channel is gone.
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
        // SELECT of the application ends the channel too; GENERAL AUTHENTICATE has made another.
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

    /// Draws random numbers, unless a test has foreseen others.
    pub fn draw(&mut self, numbers: &mut [u8]) -> Result<(), StatusWord> {
        getrandom::fill(numbers).map_err(|_| StatusWord::ERROR)?;
        for (number, foreseen) in numbers
            .iter_mut()
            .zip(std::iter::from_fn(|| self.foreseen.pop_front()))
        {
            *number = foreseen;
        }
        Ok(())
    }

    /// Whether all keys of the quorum are registered.
    pub fn quorum_complete(pka: &StoredPka) -> bool {
        pka.keys.len() >= usize::from(pka.total)
    }

    /// Whether the quorum is met.
    pub fn quorum_met(&self) -> bool {
        self.session.granted
    }

    /// Whether keys may be used and files written.
    pub fn is_open(&self) -> bool {
        const COMBINED: u16 = 0x0010;
        if self.session.initialising {
            return true;
        }
        match (&self.data.pka, &self.data.user_pin) {
            (None, _) => self.session.user,
            // Until the last key is registered there is no quorum to ask for.
            (Some(pka), Some(_)) if !Self::quorum_complete(pka) => self.session.user,
            (Some(_), None) => self.quorum_met(),
            // The PIN opens no command there, only the keys behind it.
            (Some(_), _) if self.data.profile.pin_needed_with_quorum => self.quorum_met(),
            (Some(_), Some(_)) if self.data.options & COMBINED != 0 => {
                self.quorum_met() && self.session.user
            }
            (Some(_), Some(_)) => self.quorum_met() || self.session.user,
        }
    }

    /// Refuses unless [`Self::is_open`].
    pub fn demand_open(&self) -> Result<(), StatusWord> {
        if self.is_open() {
            Ok(())
        } else {
            Err(StatusWord::NOT_AUTHENTICATED)
        }
    }

    /// Refuses unless keys can be used and made.
    pub fn demand_keys(&self) -> Result<(), StatusWord> {
        self.demand_open()?;
        let locked = self.data.profile.pin_needed_with_quorum && self.data.pka.is_some();
        if locked && !self.session.user && !self.session.initialising {
            return Err(StatusWord::EXECUTION_ERROR);
        }
        Ok(())
    }
}
