//! The browser's clock, and times in words.

use countersign_protocol::Timestamp;
use gloo_timers::future::TimeoutFuture;
use leptos::{prelude::*, task::spawn_local};
use wasm_bindgen::JsValue;
use web_sys::js_sys::Date;

use crate::words;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A clock that ticks every second.
#[derive(Clone, Copy)]
pub struct Clock(RwSignal<Timestamp>);

impl Clock {
    /// Starts the clock. The app calls this once.
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

    /// The current time. A view that calls this is updated every second.
    pub fn now(self) -> Timestamp {
        self.0.get()
    }
}

fn now() -> Timestamp {
    // Every time of a browser's clock is within the range of a timestamp.
    Timestamp::from_millisecond(Date::now() as i64).unwrap_or_default()
}

/// "28 Nov 2026, 06:53 UTC".
pub fn absolute(at: Timestamp) -> String {
    at.strftime("%-d %b %Y, %H:%M UTC").to_string()
}

/// "28 Nov 2026", in UTC.
pub fn date(at: Timestamp) -> String {
    at.strftime("%-d %b %Y").to_string()
}

/// The time in the browser's own format and time zone, to the second.
pub fn local(at: Timestamp) -> String {
    let date = Date::new(&JsValue::from_f64(at.as_millisecond() as f64));
    let local = date.to_locale_string("default", &JsValue::UNDEFINED);
    format!("{} local time", String::from(local))
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
            Some(words::count(days.unsigned_abs(), "day"))
        }
    }
}

/// The rest of a countdown: "1 h 47 min", "4 min 12 s".
pub fn left(until: Timestamp, now: Timestamp) -> String {
    duration(until.as_second() - now.as_second())
}

/// A length of time: "30 min", "2 h", "6 min 30 s".
pub fn length(seconds: u32) -> String {
    duration(seconds.into())
}

/// The two largest units, without a unit that is zero.
fn duration(seconds: i64) -> String {
    let (large, small) = match seconds {
        ..MINUTE => return format!("{} s", seconds.max(0)),
        MINUTE..HOUR => ((seconds / MINUTE, "min"), (seconds % MINUTE, "s")),
        _ => ((seconds / HOUR, "h"), (seconds % HOUR / MINUTE, "min")),
    };
    let (amount, unit) = large;
    match small {
        (0, _) => format!("{amount} {unit}"),
        (rest, small_unit) => format!("{amount} {unit} {rest} {small_unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn relative_times_name_the_largest_unit() {
        assert_eq!(relative(at(0), at(10)), "just now");
        assert_eq!(relative(at(0), at(200)), "3 min ago");
        assert_eq!(relative(at(7200), at(0)), "in 2 h");
        assert_eq!(relative(at(0), at(86_400)), "1 day ago");
        assert_eq!(relative(at(172_800), at(0)), "in 2 days");
    }

    #[test]
    fn absolute_times_carry_their_zone() {
        assert_eq!(absolute(at(1_795_848_786)), "28 Nov 2026, 06:53 UTC");
        assert_eq!(date(at(1_795_848_786)), "28 Nov 2026");
    }

    #[test]
    fn durations_leave_out_units_that_are_zero() {
        assert_eq!(left(at(6420), at(0)), "1 h 47 min");
        assert_eq!(left(at(252), at(0)), "4 min 12 s");
        assert_eq!(left(at(0), at(5)), "0 s");
        assert_eq!(left(at(3659), at(0)), "1 h");
        assert_eq!(length(5400), "1 h 30 min");
        assert_eq!(length(90), "1 min 30 s");
        assert_eq!(length(1800), "30 min");
    }
}
