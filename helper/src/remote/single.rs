//! One session with a card that is there, for whoever waits for its end.

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

/// Runs one whole session: `true` when the server has finished, `false` when it was stopped. Blocks.
///
/// # Errors
/// [`AttachError`].
pub fn attach_once(
    address: &Address,
    cookies: Option<&SessionCookies>,
    card: Box<dyn Transport>,
    pins: PinCommands,
    stop: &Stop,
    report: &dyn Report,
) -> Result<bool, AttachError> {
    let trust = Trust::of_system(address)?;
    let exchange = Exchange::new(address, &trust)
        .with_cookies(cookies)
        .map_err(SessionError::from)?;
    match session::run(&exchange, card, pins, stop, report)? {
        End::Finished => Ok(true),
        End::Stopped => Ok(false),
        End::Refused(why) => Err(AttachError::Refused(why)),
    }
}
