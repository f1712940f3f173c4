//! The Countersign portal: a client-side app, compiled to WebAssembly and delivered by the server.
//!
//! `portal` stores what the server reported and `live` keeps it up to date. `fetched` stores a list that only one page shows.
//! `helper` connects to the card helper on the user's computer, and `acts` has the user's card sign changes. `words` turns wire
//! types into text, `components` are shared by the pages, and `pages` has one module per page.

mod acts;
mod api;
mod app;
mod browser;
mod clock;
mod components;
mod fetched;
mod helper;
mod latest;
mod live;
mod oneshot;
mod pages;
mod portal;
mod socket;
mod words;
mod work;

fn main() {
    console_error_panic_hook::set_once();
    browser::clear_boot_message();
    leptos::mount::mount_to_body(app::App);
}
