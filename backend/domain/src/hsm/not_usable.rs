//! The reasons why a device cannot be used as an HSM.

use countersign_card::{CardError, apdu::StatusWord};
use countersign_protocol::cvc::DeviceId;

#[derive(Debug, thiserror::Error)]
pub enum NotUsable {
    #[error(transparent)]
    Card(#[from] CardError),
    #[error(
        "the device {found} is attached, but this HSM is {expected}: attach that device, or name the new one as `device` in \
         the server's configuration"
    )]
    AnotherDevice { expected: DeviceId, found: DeviceId },
    #[error(
        "the device used a key right after a reset, before any custodian had approved, so its keys are unprotected: do not use \
         the device"
    )]
    CannotBeLocked,
    #[error(
        "the device could not be proven locked: right after a reset it answered the use of a key with `{0}` instead of \
         `{expected}`; do not use it with this server",
        expected = StatusWord::NOT_AUTHENTICATED
    )]
    LockNotProven(StatusWord),
}
