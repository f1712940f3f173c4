//! One module per page.

mod activation;
mod activations;
mod acts;
mod audit;
mod home;
mod hsm;
mod hsms;
mod join;
mod log_in;
mod not_found;
mod people;
mod sessions;
mod setup;
mod tokens;

pub use activation::Activation;
pub use activations::Activations;
pub use acts::Acts;
pub use audit::Audit;
pub use home::Home;
pub use hsm::Hsm;
pub use hsms::Hsms;
pub use join::Join;
pub use log_in::LogIn;
pub use not_found::NotFound;
pub use people::People;
pub use sessions::Sessions;
pub use setup::Setup;
pub use tokens::Tokens;
