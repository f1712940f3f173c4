//! Return values (PKCS#11 v2.40, section 5.1.6).

use countersign_client::{ClientError, protocol::activation::EndReason};
use cryptoki_sys as ck;
use cryptoki_sys::CK_RV;

/// An error, as the return value of a PKCS#11 function other than `CKR_OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rv(pub CK_RV);

pub type Result<T> = std::result::Result<T, Rv>;

impl Rv {
    /// The value for the end of an activation. The values about PINs are not used, because their texts would make
    /// people look for a PIN.
    pub const fn of_end(reason: &EndReason) -> Self {
        Self(match reason {
            EndReason::Declined
            | EndReason::Locked { .. }
            | EndReason::Cancelled { .. }
            | EndReason::AccessRevoked { .. } => ck::CKR_FUNCTION_REJECTED,
            EndReason::Expired | EndReason::ExpiredInQueue | EndReason::Abandoned { .. } => {
                ck::CKR_FUNCTION_CANCELED
            }
            // The lease was open and has ended.
            EndReason::Completed | EndReason::LeaseExpired | EndReason::SignatureLimitReached => {
                ck::CKR_USER_NOT_LOGGED_IN
            }
            EndReason::HsmLost { .. }
            | EndReason::HsmRemoved { .. }
            | EndReason::ServerRestarted => ck::CKR_DEVICE_REMOVED,
            EndReason::Failed { .. } => ck::CKR_FUNCTION_FAILED,
        })
    }

    pub const fn of_client(error: &ClientError) -> Self {
        Self(match error {
            ClientError::Unreachable { .. } | ClientError::Tls { .. } => ck::CKR_DEVICE_ERROR,
            ClientError::Problem(_) | ClientError::Malformed { .. } | ClientError::Config(_) => {
                ck::CKR_FUNCTION_FAILED
            }
        })
    }
}
