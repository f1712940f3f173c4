//! The load program with both PKCS#11 modules. Loads measure time, so these tests should have the machine to themselves.

mod countersign;
mod opensc;
mod refusals;
