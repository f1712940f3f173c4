//! The interface of CardContact's cloud service.

mod callers;
pub mod client;
mod domains;
mod rejections;
mod resources;
mod several_hsms;
mod signatures;
