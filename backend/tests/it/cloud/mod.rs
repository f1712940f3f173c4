//! The interface of CardContact's cloud service.

mod callers;
pub mod client;
mod domains;
mod refusals;
mod resources;
mod several;
mod signatures;
