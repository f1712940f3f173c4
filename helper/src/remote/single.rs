//! Runs one session with a card that is already connected.

use countersign_card::Transport;

use super::{
    address::Address,
    attach::AttachError,
    cookie::SessionCookies,
    exchange::{Exchange, Trust},
    filter::PinCommands,
    report::Report,
    session::{self, End, SessionError, Stop},
};

/// Runs one session. Returns `true` when the server has finished, and `false` if the session was stopped. Blocks.
///
/// # Errors
/// The connection, the server or the card fails, or the server refuses the card.
pub fn attach_once(
    address: &Address,
    cookies: Option<&SessionCookies>,
    card: Box<dyn Transport>,
    pins: PinCommands,
    stop: &Stop,
    report: &dyn Report,
) -> Result<bool, AttachError> {
    let trust = Trust::load_system(address)?;
    let exchange = Exchange::new(address, &trust)
        .with_cookies(cookies)
        .map_err(SessionError::from)?;
    match session::run(&exchange, card, pins, stop, report)? {
        End::Finished => Ok(true),
        End::Stopped => Ok(false),
        End::Refused(why) => Err(AttachError::Refused(why)),
    }
}
