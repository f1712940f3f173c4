//! The browser's clock, and times in words.

use countersign_protocol::Timestamp;
use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::JsValue;
use web_sys::js_sys::Date;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A clock that ticks every second.
#[derive(Clone, Copy)]
pub struct Clock(RwSignal<Timestamp>);

impl Clock {
    /// Starts it; call once.
    pub fn start() -> Self {
        let now = RwSignal::new(now());
        spawn_local(async move {
            loop {
                TimeoutFuture::new(1000).await;
                now.set(self::now());
            }
        });
        Self(now)
    }

    /// Now; a view that calls this follows the clock.
    pub fn now(self) -> Timestamp {
        self.0.get()
    }
}

fn now() -> Timestamp {
    // A browser's clock always fits.
    Timestamp::from_millisecond(Date::now() as i64).unwrap_or_default()
}

/// The time as this browser's user writes it, with the time zone.
pub fn exact(at: Timestamp) -> String {
    let date = Date::new(&JsValue::from_f64(at.as_millisecond() as f64));
    format!(
        "{} ({at})",
        String::from(date.to_locale_string("default", &JsValue::UNDEFINED))
    )
}

/// "3 min ago", "in 2 h".
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.as_second() - now.as_second();
    let size = coarse(seconds.abs());
    match (seconds, size) {
        (_, None) => "just now".to_owned(),
        (..0, Some(size)) => format!("{size} ago"),
        (_, Some(size)) => format!("in {size}"),
    }
}

fn coarse(seconds: i64) -> Option<String> {
    match seconds {
        ..30 => None,
        30..HOUR => Some(format!("{} min", ((seconds + 30) / MINUTE).max(1))),
        HOUR..DAY => Some(format!("{} h", (seconds + HOUR / 2) / HOUR)),
        _ => {
            let days = (seconds + DAY / 2) / DAY;
            Some(if days == 1 {
                "1 day".to_owned()
            } else {
                format!("{days} days")
            })
        }
    }
}

/// What is left of a countdown: "1 h 47 min", "4 min 12 s".
pub fn left(until: Timestamp, now: Timestamp) -> String {
    let seconds = until.as_second() - now.as_second();
    match seconds {
        ..=0 => "0 s".to_owned(),
        1..HOUR => {
            let (minutes, seconds) = (seconds / MINUTE, seconds % MINUTE);
            if minutes == 0 {
                format!("{seconds} s")
            } else {
                format!("{minutes} min {seconds} s")
            }
        }
        _ => format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE),
    }
}

/// A length of time: "30 min", "2 h", "90 s".
pub fn length(seconds: u32) -> String {
    match i64::from(seconds) {
        seconds if seconds >= HOUR && seconds % HOUR == 0 => format!("{} h", seconds / HOUR),
        seconds if seconds >= HOUR => {
            format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE)
        }
        seconds if seconds >= MINUTE && seconds % MINUTE == 0 => {
            format!("{} min", seconds / MINUTE)
        }
        seconds => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn times_in_words() {
        assert_eq!(relative(at(0), at(10)), "just now");
        assert_eq!(relative(at(0), at(200)), "3 min ago");
        assert_eq!(relative(at(7200), at(0)), "in 2 h");
        assert_eq!(relative(at(0), at(86_400)), "1 day ago");
        assert_eq!(left(at(6420), at(0)), "1 h 47 min");
        assert_eq!(left(at(252), at(0)), "4 min 12 s");
        assert_eq!(left(at(0), at(5)), "0 s");
        assert_eq!(length(5400), "1 h 30 min");
        assert_eq!(length(90), "90 s");
    }
}
