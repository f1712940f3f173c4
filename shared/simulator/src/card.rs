//! The card: takes a command APDU, gives a response APDU.

use countersign_card::{
    apdu::{Command, Response, StatusWord},
    secure_messaging::is_protected,
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
        }
    }

    /// Reset, or power on.
    pub fn reset(&mut self) {
        self.session = Session::default();
    }

    /// Processes one command APDU. Never fails: whatever comes, there is a status word.
    pub fn process(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Ok(command) = Command::parse(bytes) else {
            return Response {
                data: Vec::new(),
                sw: StatusWord::WRONG_LENGTH,
            }
            .encode();
        };
        self.answer(&command).encode()
    }

    fn answer(&mut self, command: &Command) -> Response {
        if !is_protected(command) {
            // The first command outside ends the channel.
            self.session.channel = None;
            return self.execute(command);
        }
        let Some(mut channel) = self.session.channel.take() else {
            return Response {
                data: Vec::new(),
                sw: StatusWord::SM_MISSING,
            };
        };
        let Ok(inner) = channel.open_command(command) else {
            return Response {
                data: Vec::new(),
                sw: StatusWord::SM_WRONG,
            };
        };
        let response = self.execute(&inner);
        let protected = channel.protect_response(inner.ins, &response);
        // SELECT of the application ends the channel too.
        if inner.ins != 0xA4 || inner.p1 != 0x04 {
            self.session.channel = Some(channel);
        }
        protected
    }

    fn execute(&mut self, command: &Command) -> Response {
        match command::dispatch(self, command) {
            Ok(data) => Response {
                data,
                sw: StatusWord::OK,
            },
            Err(sw) => Response {
                data: Vec::new(),
                sw,
            },
        }
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
}
