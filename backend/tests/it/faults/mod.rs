//! Clients that hang up, disks that are full, other programs that hold the database: what the server is doing then is done
//! or not done, never half done, and it goes on afterwards.

mod another_program;
mod disk;
mod full_disk;
mod hang_ups;
mod health;
mod routes;
