//! The statements that a custodian's card signs. It signs nothing else.

mod act;
mod approval;
mod enrolment;
mod login;

pub use act::ActStatement;
pub use approval::{
    APPROVAL_PREDICATE, Approval, ApprovalPredicate, ApprovalSubject, ApprovedPurpose,
    ApprovedTerms, STATEMENT_TYPE,
};
pub use enrolment::EnrolmentStatement;
pub use login::LoginStatement;
