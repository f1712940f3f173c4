//! Clients that hang up, full disks, and other programs that lock the database. A change is then made completely or not at
//! all, and the server continues without a restart.

mod another_program;
mod disk;
mod full_disk;
mod hang_ups;
pub mod health;
mod routes;
