//! The Countersign portal: a client-side app, compiled to WebAssembly and served by the server.
//!
//! `portal` holds what the server told us, `live` keeps it current, `fetched` holds what only one page lists, `helper` talks to
//! the custodian's card helper on this machine, `words` turns wire types into sentences, `pages` shows them.

mod api;
mod app;
mod browser;
mod clock;
mod components;
mod fetched;
mod helper;
mod later;
mod live;
mod pages;
mod portal;
mod socket;
mod turns;
mod words;
mod work;

fn main() {
    console_error_panic_hook::set_once();
    browser::clear_boot_message();
    leptos::mount::mount_to_body(app::App);
}
