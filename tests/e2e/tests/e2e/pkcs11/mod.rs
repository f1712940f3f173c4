//! The PKCS#11 module in third-party programs.

mod build;
mod c_program;
mod clients;
mod java;
mod lease;
mod mkimage;
mod openssl;
mod others;
mod record;
mod settings;
mod tls;
mod tool;
mod waits;
