//! The commands that the documents show, run as they are written.

mod api;
mod cloud_service;
mod command_line;
mod demo;
mod first_hsm;
mod helper;
mod inline;
mod install;
mod interactive_demo;
mod newcomer;
mod opensc;
mod operations;
mod pkcs11;
mod recipes;
mod remote;
mod simulator;
mod table;
mod tls;
