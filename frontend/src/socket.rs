//! A WebSocket of the browser for text messages. Dropping it closes it.

use std::rc::Rc;

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{MessageEvent, WebSocket};

/// An event of a socket.
pub enum SocketEvent {
    /// The connection is established.
    Open,
    Text(String),
    /// The connection was closed or never established. No event follows.
    Closed,
}

/// An open or opening socket.
pub struct Socket {
    inner: WebSocket,
    // The browser may call them until the socket is dropped.
    _callbacks: [Closure<dyn FnMut(MessageEvent)>; 3],
}

impl Socket {
    /// Begins to connect. `None`: the browser refuses to try, for example because a policy forbids it.
    pub fn open(url: &str, on_event: impl Fn(SocketEvent) + 'static) -> Option<Self> {
        let inner = WebSocket::new(url).ok()?;
        let on_event = Rc::new(on_event);
        let callback = |convert: fn(&MessageEvent) -> Option<SocketEvent>| {
            let on_event = on_event.clone();
            Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
                if let Some(event) = convert(&event) {
                    on_event(event);
                }
            })
        };
        let opened = callback(|_| Some(SocketEvent::Open));
        let message = callback(|event| event.data().as_string().map(SocketEvent::Text));
        let closed = callback(|_| Some(SocketEvent::Closed));
        inner.set_onopen(Some(opened.as_ref().unchecked_ref()));
        inner.set_onmessage(Some(message.as_ref().unchecked_ref()));
        inner.set_onclose(Some(closed.as_ref().unchecked_ref()));
        Some(Self {
            inner,
            _callbacks: [opened, message, closed],
        })
    }

    /// Sends a message. On a closed socket this does nothing, because [`SocketEvent::Closed`] reports the loss.
    pub fn send(&self, text: &str) {
        let _ = self.inner.send_with_str(text);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.inner.set_onopen(None);
        self.inner.set_onmessage(None);
        self.inner.set_onclose(None);
        // An error only means that the socket is closed already.
        let _ = self.inner.close();
    }
}
