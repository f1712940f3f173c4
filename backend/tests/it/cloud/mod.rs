//! The interface of CardContact's cloud service.

mod callers;
mod client;
mod domains;
mod refusals;
mod resources;
mod several;
mod signatures;
