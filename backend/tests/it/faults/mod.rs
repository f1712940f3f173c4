//! Clients that hang up, full and slow disks, other programs that lock the database, crowds, and cards that answer garbage. A change is then made completely or not at
//! all, and the server continues without a restart.

mod another_program;
mod cards;
mod crowds;
mod disk;
mod full_disk;
mod hang_ups;
pub mod health;
mod routes;
mod slow_disk;
