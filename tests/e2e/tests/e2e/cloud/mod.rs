//! curl as a client of CardContact's cloud service, against the real server.

mod credentials;
mod curl;
mod story;
