//! Components that several pages use.

mod activation_rows;
mod copy;
mod disclosure;
mod facts;
mod field;
mod helper_panel;
mod page;
mod problem;
mod prose;
mod quorum;
mod rows;
mod time;
mod work_button;

pub use activation_rows::{ActivationRows, ActivationSection, tone as activation_tone};
pub use copy::CopyButton;
pub use disclosure::Disclosure;
pub use facts::{Badge, Digest, Fact};
pub use field::{CheckField, TextField};
pub use helper_panel::{HelperPanel, HelperProgress, ProgressLine};
pub use page::{Empty, Loading, Page};
pub use problem::{ProblemView, WorkProblem};
pub use prose::Prose;
pub use quorum::QuorumSeals;
pub use rows::Rows;
pub use time::When;
pub use work_button::WorkButton;
